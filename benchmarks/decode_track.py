"""The domain's hot path: a payload as text to heartbeats, with 200 straps taking turns as on the air.

Reference in the same run: the standard library's JSON parser on the very records that bring the payloads.
"""

import gc
import json
import time
from collections.abc import Callable

from app.heartrate.beat_tracker import BeatTracker
from app.heartrate.pages import parse_payload
from app.heartrate.strap_tracker import StrapTracker
from scripts.generate_data.group import synthetic_group

STRAPS, SECONDS, ROUNDS = 200, 60.0, 5
START_US = 1_790_000_000_000_000


def run() -> dict[str, float]:
    """Microseconds a packet, the best of some rounds, and the ratio to the reference."""
    group = synthetic_group(STRAPS, seed=1, start_us=START_US, seconds=SECONDS, loss=0.1)
    texts, packets = [], []
    for record in group.records:
        fields = json.loads(record.text)
        texts.append(record.text)
        packets.append((fields["device_id"], fields["ant_hr_packet"], record.at_us, fields["packet_count"]))

    def parse_json() -> None:
        for text in texts:
            json.loads(text)

    def parse() -> None:
        for _, payload, _, _ in packets:
            parse_payload(payload)

    def track() -> None:
        straps: dict[str, StrapTracker[BeatTracker]] = {}
        for device, payload, at_us, count in packets:
            strap = straps.get(device)
            if strap is None:
                strap = straps[device] = StrapTracker(lambda *_packet, **_first: BeatTracker())
            strap.push(parse_payload(payload), at_us, "usb-1", count)

    reference, parsing, tracking = (_best_us(work) / len(packets) for work in (parse_json, parse, track))
    return {
        "packets": float(len(packets)),
        "json.loads of the record (reference), us": reference,
        "parse_payload, us": parsing,
        "parse_payload and StrapTracker.push, us": tracking,
        "ratio to the reference": tracking / reference,
    }


def _best_us(work: Callable[[], None]) -> float:
    gc.disable()
    try:
        times = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            work()
            times.append(time.perf_counter() - began)
    finally:
        gc.enable()
    return min(times) * 1_000_000
