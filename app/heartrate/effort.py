"""What a session cost: points by time in zones, and energy."""

from collections.abc import Mapping
from enum import StrEnum

from app.heartrate.zones import ZoneScale

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


def energy_kcal(time_at: Mapping[float, int], scale: ZoneScale, sex: Sex, age: int, weight_kg: float) -> float:
    """Estimated energy over time; what is below half of the maximum counts nothing.

    Args:
        time_at: Seconds spent at each heart rate, bpm; as `time_in_zones`.
        scale: The person's zones.
        sex: As the formula knows it.
        age: Years.
        weight_kg: Kilograms.
    """
    return sum(
        keytel_kcal_per_minute(rate, sex, age, weight_kg) * seconds / 60
        for rate, seconds in time_at.items()
        if rate >= LEAST_SHARE * scale.hr_max
    )
