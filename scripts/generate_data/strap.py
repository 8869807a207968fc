"""A strap as a radio hears it: every 246 ms the newest beat, on one page or another.

Source of the numbers: ../shared/ant-hrm.md sections 1 and 2.3, through app.heartrate.profile.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import NamedTuple

from app.heartrate.encoder import (
    CommonFields,
    encode_battery,
    encode_default,
    encode_legacy,
    encode_manufacturer,
    encode_operating_time,
    encode_previous_beat,
    encode_product,
)
from app.heartrate.profile import (
    TICKS_PER_SECOND,
    TOGGLE_EVERY_MESSAGES,
    BatteryStatus,
)
from app.heartrate.reception import SLOT_US

MAIN_MESSAGES, BACKGROUND_MESSAGES = 64, 4
LEGACY_BYTES = b"\xb3\x21\x02\x84"
"""What a Garmin HRM1B sends for ever in bytes 0-3 (notes 2.2)."""

OFF_SKIN_S = 20.0
"""How long a strap without skin goes on transmitting here; real ones take about two minutes."""


class Model(StrEnum):
    """Kinds of straps."""

    PREVIOUS_BEAT = "page4"
    """Modern: page 4 is the main page."""
    DEFAULT = "page0"
    """Older: page 0 is the main page."""
    LEGACY = "legacy"
    """No pages at all; the toggle bit never changes."""


class Beat(NamedTuple):
    """A heartbeat as a strap feels it."""

    at_us: int
    """Moment, µs since 1970 UTC."""
    heart_rate: int | None
    """What the strap computes and sends with it, bpm."""
    count_on: int = 1
    """How far the beat count moves; more than 1 where beats were felt but not told."""
    silent_before: bool = False
    """The strap did not transmit between the beat before and this one."""


class Transmission(NamedTuple):
    """A packet on the air."""

    at_us: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Strap:
    """A strap and its clock."""

    device_number: int
    """20 bits."""
    model: Model = Model.PREVIOUS_BEAT
    phase_us: int = 0
    """When its first message goes out, after the first beat."""
    drift_ppm: float = 0.0
    """How much faster its crystal runs than true time."""
    first_ticks: int = 0
    """Event time of the first beat."""
    first_count: int = 0
    battery_volts: float = 2.95
    tail_us: int = 1_000_000
    """How long it goes on after the last beat."""


def transmissions(strap: Strap, beats: Iterable[Beat]) -> Iterator[Transmission]:
    """What the strap sends while its wearer's heart beats; ends `tail_us` after the last beat, if there is one."""
    feed = iter(beats)
    beat = next(feed, None)
    if beat is None:
        return
    following = next(feed, None)
    origin_us = beat.at_us
    pace = 1 + strap.drift_ppm / 1_000_000
    period_us = SLOT_US / pace
    ticks_per_us = TICKS_PER_SECOND * pace / 1_000_000
    ticks, previous, count = strap.first_ticks, None, strap.first_count
    common = CommonFields(ticks, count, beat.heart_rate)
    number = 0
    start_us = float(origin_us + strap.phase_us)
    while True:
        at_us = round(start_us + number * period_us)
        while following is not None and following.at_us <= at_us:
            previous, beat = ticks, following
            ticks = strap.first_ticks + int((beat.at_us - origin_us) * ticks_per_us)
            count += beat.count_on
            if beat.count_on != 1:
                previous = None
            common = CommonFields(ticks, count, beat.heart_rate)
            following = next(feed, None)
        if following is None and at_us > beat.at_us + strap.tail_us:
            return
        if following is not None and following.silent_before and at_us > beat.at_us + strap.tail_us:
            # The slots of the silence pass unused.
            number = int((following.at_us - start_us) / period_us) + 1
            continue
        yield Transmission(at_us, _payload(strap, common, previous, number, at_us - origin_us))
        number += 1


def _payload(strap: Strap, common: CommonFields, previous: int | None, number: int, age_us: int) -> bytes:  # noqa: PLR0911 (one a page)
    if strap.model is Model.LEGACY:
        return encode_legacy(common, LEGACY_BYTES)
    toggle = bool(number // TOGGLE_EVERY_MESSAGES & 1)
    cycle, within = divmod(number, MAIN_MESSAGES + BACKGROUND_MESSAGES)
    if within < MAIN_MESSAGES:
        if strap.model is Model.PREVIOUS_BEAT and previous is not None:
            return encode_previous_beat(common, previous, toggle=toggle)
        return encode_default(common, toggle=toggle)
    match cycle % 4:
        case 0:
            return encode_manufacturer(common, 1, strap.device_number & 0xFFFF ^ 0x5A5A, toggle=toggle)
        case 1:
            return encode_product(common, 1, 3, 7, toggle=toggle)
        case 2:
            return encode_operating_time(common, 3_600_000 + age_us // 1_000_000, toggle=toggle)
        case _:
            volts = max(2.2, strap.battery_volts - age_us / 3.6e12)
            status = BatteryStatus.GOOD if volts > 2.8 else BatteryStatus.OK if volts > 2.5 else BatteryStatus.LOW
            return encode_battery(common, max(0, min(100, round((volts - 2.0) * 100))), volts, status, toggle=toggle)


def felt(moments_us: Iterable[int], random: Random, slips_per_hour: float) -> Iterator[Beat]:
    """Beats as a strap feels them: the heart rate smoothed over the last beats, and now and then no contact.

    While contact is lost nothing new is sent; a long loss ends in silence (notes 2.3).
    """
    rate: float | None = None
    before_us: int | None = None
    blind_until_us = 0
    missed = 0
    blind_from_us: int | None = None
    for at_us in moments_us:
        if before_us is not None:
            momentary = 60_000_000 / max(1, at_us - before_us)
            rate = momentary if rate is None else rate + (momentary - rate) / 4
            if at_us > blind_until_us and random.random() < slips_per_hour / 3600 * (at_us - before_us) / 1_000_000:
                blind_until_us, blind_from_us = at_us + round(random.expovariate(1 / 8) * 1_000_000), at_us
        before_us = at_us
        if at_us <= blind_until_us:
            missed += 1
            continue
        value = None if rate is None else max(30, min(240, round(rate)))
        silent = missed > 0 and blind_from_us is not None and at_us - blind_from_us > OFF_SKIN_S * 1_000_000
        yield Beat(at_us, value, 1 + missed, silent_before=silent)
        missed = 0
