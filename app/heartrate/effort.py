"""What a session cost: points by time in zones, and energy."""

from collections.abc import Iterable
from enum import StrEnum

from app.heartrate.zones import HOLD_S, ZoneScale

KJ_PER_KCAL = 4.184
LEAST_SHARE = 0.5
"""Below half of the maximum the energy formula says nothing (field-notes.md, calories)."""


class Sex(StrEnum):
    """As the energy formula knows it."""

    FEMALE = "female"
    MALE = "male"


def edwards_points(seconds_in_zones: tuple[int, ...]) -> float:
    """Training load: minutes in zone n, times n (Edwards 1993). Seconds of zones 0 to 5."""
    return sum(zone * seconds for zone, seconds in enumerate(seconds_in_zones)) / 60


def keytel_kcal_per_minute(heart_rate: float, sex: Sex, age: int, weight_kg: float) -> float:
    """Estimated energy, kcal a minute, never below 0 (Keytel 2005, J Sports Sci 23; made for 57-90 % of HRmax)."""
    if sex is Sex.MALE:
        kj = -55.0969 + 0.6309 * heart_rate + 0.1988 * weight_kg + 0.2017 * age
    else:
        kj = -20.4022 + 0.4472 * heart_rate - 0.1263 * weight_kg + 0.0740 * age
    return max(0.0, kj / KJ_PER_KCAL)


def energy_kcal(
    seconds: Iterable[tuple[int, float | None]], scale: ZoneScale, sex: Sex, age: int, weight_kg: float
) -> float:
    """Estimated energy over time; seconds below half of the maximum count nothing.

    Args:
        seconds: Unix second and mean heart rate (bpm, None: unknown), ascending; as `time_in_zones`.
        scale: The person's zones.
        sex: As the formula knows it.
        age: Years.
        weight_kg: Kilograms.
    """
    total = 0.0
    before: tuple[int, float] | None = None

    def spend(rate: float, span_s: int) -> float:
        if rate < LEAST_SHARE * scale.hr_max:
            return 0.0
        return keytel_kcal_per_minute(rate, sex, age, weight_kg) * span_s / 60

    for second, rate in seconds:
        if rate is None:
            continue
        if before is not None:
            total += spend(before[1], min(second - before[0], HOLD_S))
        before = (second, rate)
    return total + (spend(before[1], 1) if before is not None else 0.0)
