"""Five training zones of a person: the one definition that tiles, answers and summaries share.

Zone n begins at 50, 60, 70, 80, 90 % of the maximum heart rate, or of the reserve between resting and maximum heart
rate (Karvonen 1957) where the resting heart rate is known. Zones are half-open: a lower bound belongs to its zone. Zone
0 is below all of them; what is above the maximum is zone 5.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

LOWER_SHARES = (0.5, 0.6, 0.7, 0.8, 0.9)
ZONES = len(LOWER_SHARES)

HOLD_S = 5
"""How long a heart rate stands for the seconds after it that have none: below 60 bpm some seconds have no beat."""


class Basis(StrEnum):
    """What the shares are of."""

    HR_MAX = "hr_max"
    HR_RESERVE = "hr_reserve"


@dataclass(frozen=True, slots=True)
class ZoneScale:
    """A person's zones."""

    basis: Basis
    hr_max: int
    lower_bpm: tuple[float, ...]
    """Where zones 1 to 5 begin, bpm."""

    def zone(self, heart_rate: float) -> int:
        """0 to 5."""
        return bisect_right(self.lower_bpm, heart_rate)

    def share(self, heart_rate: float) -> float:
        """Of the maximum, whatever the zones are of: what people compare themselves by. 1 at the maximum, or beyond."""
        return heart_rate / self.hr_max


def zone_scale(hr_max: int, hr_rest: int | None = None) -> ZoneScale:
    """The zones of a person. Raises `ValueError` where the resting heart rate is not below the maximum."""
    rest = 0 if hr_rest is None else hr_rest
    if rest >= hr_max:
        raise ValueError(f"hr_rest: {rest} bpm is not below hr_max, {hr_max} bpm")
    lower = tuple(round(rest + share * (hr_max - rest), 1) for share in LOWER_SHARES)
    return ZoneScale(Basis.HR_MAX if hr_rest is None else Basis.HR_RESERVE, hr_max, lower)


def time_in_zones(time_at: Mapping[float, int], scale: ZoneScale) -> tuple[int, ...]:
    """Seconds in zones 0 to 5.

    Args:
        time_at: Seconds spent at each heart rate, bpm. Time counts, not rows: a heart rate stands for up to `HOLD_S`
            seconds, until the next one.
        scale: The person's zones.
    """
    spent = [0] * (ZONES + 1)
    for rate, seconds in time_at.items():
        spent[scale.zone(rate)] += seconds
    return tuple(spent)
