"""Throughput of the whole pipeline, broker to table, and that of the framework's own floor in the same run.

One producer puts the packets of a class on the raw topic as fast as the broker takes them; the clock runs from the
first one until the last beat is visible in `unified_hr_packet`. The reference is `reference_main`: the same topics and
tables, functions that copy, Moose's runner as it is. Both start with an empty database, their workers warmed up.
"""

import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from clickhouse_connect.driver.client import Client

from app.heartrate.beat_tracker import BeatTracker
from app.heartrate.pages import parse_payload
from app.heartrate.sharding import stream_of_strap
from app.heartrate.strap_tracker import StrapTracker
from benchmarks.stack import process_name, processor_s, running
from harness.beatstream import Beatstream
from harness.waiting import wait_for
from scripts.generate_data.group import synthetic_group

STRAPS, LOSS = 200, 0.1
QUICK_S, FULL_S = 40.0, 300.0
"""So long the class trains."""

SEED = 17
"""No other benchmark's: one that shares the stack shall have other straps."""

REFERENCE_MAIN = Path(__file__).with_name("reference_main.py")
START_US = 1_795_000_000_000_000
WARM_UP = 200
"""Packets of straps that are not of the class, for each shard."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a class sends."""

    packets: Sequence[tuple[str, bytes]]
    """In the order heard, as (device_id, JSON)."""
    told: Mapping[str, Sequence[tuple[int, int, int]]]
    """By strap, the heartbeats in them, in the order they are to be told: (epoch, beat count, version)."""

    @property
    def beats(self) -> int:
        """How many heartbeats."""
        return sum(len({each[:2] for each in told}) for told in self.told.values())


@dataclass(frozen=True, slots=True)
class Taken:
    """How long a stack took, and the processor time that each of its processes spent on it, s."""

    seconds: float
    processor_s: dict[str, float]


def measure(stack: Beatstream, *, quick: bool) -> dict[str, float]:
    """Packets a second through Beatstream and through the reference, and their ratio.

    Ends the stack: the reference gets one of its own, and two do not fit on a machine.
    """
    load = training(QUICK_S if quick else FULL_S)
    taken = through(stack, load)
    lost, doubled = lost_and_doubled(stack, load)
    stack.stop()
    with running(REFERENCE_MAIN) as reference:
        floor = through(reference, load, copies=True)
    packets = len(load.packets)
    figures = {
        "pipeline: straps": float(STRAPS),
        "pipeline: packets": float(packets),
        "pipeline: bytes of JSON a packet": sum(len(text) for _, text in load.packets) / packets,
        "pipeline: heartbeats in them": float(load.beats),
        "pipeline: heartbeats lost": float(lost),
        "pipeline: heartbeats doubled": float(doubled),
        "pipeline: reference (copying functions), packets/s": packets / floor.seconds,
        "pipeline: Beatstream, packets/s": packets / taken.seconds,
        "pipeline: ratio to the reference": floor.seconds / taken.seconds,
    }
    for what, each in (("Beatstream", taken), ("reference", floor)):
        for name, seconds in each.processor_s.items():
            figures[f"pipeline: {what}: {name}, us of a core a packet"] = 1_000_000 * seconds / packets
    return figures


def training(seconds: float, people: int = STRAPS, seed: int = SEED, start_us: int = START_US) -> Load:
    """The packets of a class that trains so long."""
    group = synthetic_group(people, seed=seed, start_us=start_us, seconds=seconds, loss=LOSS)
    straps: dict[str, StrapTracker[BeatTracker]] = {}
    packets, told = [], defaultdict(list)
    for record in group.records:
        fields = json.loads(record.text)
        device = fields["device_id"]
        packets.append((device, record.text.encode()))
        if device not in straps:
            straps[device] = StrapTracker(lambda *_packet, **_first: BeatTracker())
        payload = parse_payload(fields["ant_hr_packet"])
        for beat in straps[device].push(payload, record.at_us, fields["receiver_id"], fields["packet_count"]):
            told[device].append((beat.epoch, beat.beat_count, beat.version))
    return Load(packets, told)


def through(stack: Beatstream, load: Load, *, copies: bool = False) -> Taken:
    """Send a load through a stack, each strap by its shard. `copies`: each packet becomes a beat."""
    shards = len(stack.raw_topics)
    batches: dict[str, list[bytes]] = {topic: [] for topic in stack.raw_topics}
    for device, text in load.packets:
        batches[stream_of_strap(int(device), shards)].append(text)
    expected = len(load.packets) if copies else load.beats
    _warm_up(stack)
    # One client: each new one asks questions of its own, and that would slow what is measured.
    with stack.clickhouse() as client:
        before = {process_name(process): processor_s(process) for process in stack.processes()}
        began = time.monotonic()
        for topic, batch in batches.items():
            stack.produce(topic, batch)
        wait_for(lambda: _arrived(client, load, expected), f"{expected} rows", 600, every_s=0.1)
        seconds = time.monotonic() - began
    after = {process_name(process): processor_s(process) for process in stack.processes()}
    return Taken(seconds, {name: spent - before.get(name, 0.0) for name, spent in after.items()})


def told_on_topic(stack: Beatstream, load: Load) -> dict[str, list[tuple[int, int, int]]]:
    """By strap of a load, the heartbeats as they stand on the topic; as `Load.told`."""
    stand: dict[str, list[tuple[int, int, int]]] = {device: [] for device in load.told}
    for row in stack.topic("processed_ant_hr_packet"):
        if row["device_id"] in stand:
            stand[row["device_id"]].append((row["epoch"], row["heart_beat_count"], row["revision"]))
    return stand


def lost_and_doubled(stack: Beatstream, load: Load) -> tuple[int, int]:
    """Heartbeats that are not in the table, and that are there more than once."""
    ((rows, distinct),) = stack.rows(
        "SELECT count(), uniqExact(device_id, hr_timestamp_seconds) FROM unified_hr_packet FINAL"
        " WHERE device_id IN {straps:Array(String)}",
        straps=list(load.told),
    )
    return load.beats - distinct, rows - distinct


def _arrived(client: Client, load: Load, expected: int) -> bool:
    # Rows alone are counted first, as that costs little. What else there is may become fewer as it is merged.
    for found in ("count()", "uniqExact(device_id, hr_timestamp_seconds)"):
        ((rows,),) = client.query(
            f"SELECT {found} FROM unified_hr_packet WHERE device_id IN {{straps:Array(String)}}",  # noqa: S608 (one of two)
            {"straps": list(load.told)},
        ).result_rows
        if rows < expected:
            return False
    return True


def _warm_up(stack: Beatstream) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    shards = len(stack.raw_topics)
    for device in map(str, range(1, shards + 1)):
        packets = [
            json.dumps(
                {"device_id": device, "packet_count": number, "ant_hr_packet": f"00ffffff0000{number % 256:02x}50"}
                | {"received_at": now, "receiver_id": "warm-up"}
            ).encode()
            for number in range(WARM_UP)
        ]
        stack.produce(stream_of_strap(int(device), shards), packets)
    # The reference has no other streams. What another benchmark left is worked off first.
    for topic in stack.raw_topics:
        stack.await_lag(f"flow-{topic}-processed_ant_hr_packet", topic, 300)
    for topic in (*stack.raw_topics, "processed_ant_hr_packet", "unified_hr_packet"):
        stack.await_lag("clickhouse_sync", topic)
