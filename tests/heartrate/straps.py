"""Encoded beat series for the tracker's properties: the truth, and the packets a strap sends of it."""

from dataclasses import dataclass
from random import Random

from app.heartrate.encoder import (
    CommonFields,
    encode_default,
    encode_legacy,
    encode_operating_time,
    encode_previous_beat,
)
from app.heartrate.sensor_clock import ticks_to_us

START_US = 1_700_000_000_000_000
SLOT_US = 246_277


@dataclass(frozen=True)
class Sent:
    """A packet as transmitted; `index` is the newest beat in it."""

    payload: bytes
    at_us: int
    number: int
    index: int


@dataclass(frozen=True)
class Series:
    """The truth: beat i happened at `ticks[i]`, with beat count `first_count + i`."""

    ticks: list[int]
    first_count: int

    def rates(self) -> list[int]:
        return [70 + i % 90 for i in range(len(self.ticks))]


def series(intervals: list[int], first_ticks: int, first_count: int) -> Series:
    ticks = [first_ticks]
    for interval in intervals:
        ticks.append(ticks[-1] + interval)
    return Series(ticks, first_count)


def transmit(truth: Series, kind: str, phase_us: int) -> list[Sent]:
    """What a strap sends: each 246 ms its newest beat, with `kind` "page4", "page0" or "legacy"."""
    origin = truth.ticks[0]
    sent: list[Sent] = []
    index, number = 0, 0
    at_us = phase_us
    end_us = ticks_to_us(truth.ticks[-1] - origin) + 2 * SLOT_US
    while at_us <= end_us:
        while index + 1 < len(truth.ticks) and ticks_to_us(truth.ticks[index + 1] - origin) <= at_us:
            index += 1
        common = CommonFields(truth.ticks[index], truth.first_count + index, truth.rates()[index])
        toggle = bool(number // 4 % 2)
        if kind == "legacy":
            payload = encode_legacy(common, b"\xb3\x21\x02\x84")
        elif number % 68 >= 64:
            payload = encode_operating_time(common, number, toggle=toggle)
        elif kind == "page4" and index:
            payload = encode_previous_beat(common, truth.ticks[index - 1], toggle=toggle)
        else:
            payload = encode_default(common, toggle=toggle)
        sent.append(Sent(payload, START_US + at_us, number, index))
        number += 1
        at_us += SLOT_US
    return sent


def disturb(sent: list[Sent], seed: int, loss: float, twice: float, late_us: int) -> list[Sent]:
    """Packets lost, doubled, and delivered out of order by at most `late_us`."""
    random = Random(seed)
    delivered = [
        (packet.at_us + random.randrange(late_us + 1), packet)
        for packet in sent
        if random.random() >= loss
        for _ in range(2 if random.random() < twice else 1)
    ]
    return [packet for _, packet in sorted(delivered, key=lambda delivery: delivery[0])]
