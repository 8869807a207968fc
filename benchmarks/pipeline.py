"""Throughput of the whole pipeline, broker to table, and that of the framework's own floor in the same run.

One producer puts the packets of a class on the raw topic as fast as the broker takes them; the clock runs from the
first one until the last beat is visible in `unified_hr_packet`. The reference is `reference_main`: the same topics and
tables, functions that copy. Both start with an empty database and with their workers warmed up.
"""

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from app.heartrate.beat_tracker import BeatTracker
from app.heartrate.pages import parse_payload
from app.heartrate.strap_tracker import StrapTracker
from scripts.generate_data.group import synthetic_group
from tests.integration.beatstream import Beatstream
from tests.waiting import wait_for

STRAPS, LOSS = 200, 0.1
REFERENCE_MAIN = Path(__file__).with_name("reference_main.py")
START_US = 1_795_000_000_000_000
WARM_UP = 200


def run(*, quick: bool) -> dict[str, float]:
    """Packets a second through both, and their ratio."""
    records, beats = _class(60.0 if quick else 300.0)
    with _stack(REFERENCE_MAIN) as reference:
        floor_s = _time(reference, records, len(records))
    with _stack(None) as beatstream:
        took_s = _time(beatstream, records, beats)
        ((rows, distinct),) = beatstream.rows(
            "SELECT count(), uniqExact(device_id, hr_timestamp_seconds) FROM unified_hr_packet FINAL"
            " WHERE device_id != '1'"
        )
    return {
        "pipeline: straps": float(STRAPS),
        "pipeline: packets": float(len(records)),
        "pipeline: heartbeats in them": float(beats),
        "pipeline: heartbeats lost": float(beats - distinct),
        "pipeline: heartbeats doubled": float(rows - distinct),
        "pipeline: reference (copying functions), packets/s": len(records) / floor_s,
        "pipeline: Beatstream, packets/s": len(records) / took_s,
        "pipeline: ratio to the reference": floor_s / took_s,
    }


def _class(seconds: float) -> tuple[list[bytes], int]:
    """The packets, and how many heartbeats they hold."""
    group = synthetic_group(STRAPS, seed=1, start_us=START_US, seconds=seconds, loss=LOSS)
    straps: dict[str, StrapTracker[BeatTracker]] = {}
    records, told = [], set()
    for record in group.records:
        records.append(record.text.encode())
        fields = json.loads(record.text)
        device = fields["device_id"]
        if device not in straps:
            straps[device] = StrapTracker(lambda _us, _receiver, _count: BeatTracker())
        payload = parse_payload(fields["ant_hr_packet"])
        for beat in straps[device].push(payload, record.at_us, fields["receiver_id"], fields["packet_count"]):
            told.add((device, beat.epoch, beat.beat_count))
    return records, len(told)


@contextmanager
def _stack(main: Path | None) -> Iterator[Beatstream]:
    with tempfile.TemporaryDirectory(prefix="beatstream-bench-", ignore_cleanup_errors=True) as folder:
        stack = Beatstream(Path(folder))
        if main is not None:
            (stack.project / "app" / "main.py").write_text(main.read_text())
        try:
            stack.start()
            yield stack
        finally:
            stack.end()


def _time(stack: Beatstream, records: list[bytes], expected: int) -> float:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    warm_up = [
        json.dumps(
            {"device_id": "1", "packet_count": number, "ant_hr_packet": f"00ffffff0000{number % 256:02x}50"}
            | {"received_at": now, "receiver_id": "warm-up"}
        ).encode()
        for number in range(WARM_UP)
    ]

    def arrived() -> int:
        ((rows,),) = stack.rows("SELECT count() FROM unified_hr_packet")
        if rows < expected:
            return 0  # known without reading a row, so that asking does not slow what is measured
        ((distinct,),) = stack.rows(
            "SELECT uniqExact(device_id, hr_timestamp_seconds) FROM unified_hr_packet WHERE device_id != '1'"
        )
        return int(distinct)

    stack.produce("raw_ant_hr_packet", warm_up)
    wait_for(
        lambda: (
            stack.lag("flow-processed_ant_hr_packet-unified_hr_packet", "processed_ant_hr_packet") == 0
            and stack.lag("flow-raw_ant_hr_packet-processed_ant_hr_packet", "raw_ant_hr_packet") == 0
        ),
        "the workers",
        120,
    )
    began = time.monotonic()
    stack.produce("raw_ant_hr_packet", records)
    wait_for(lambda: arrived() >= expected, f"{expected} rows; there are {arrived()}", 600, every_s=0.1)
    return time.monotonic() - began
