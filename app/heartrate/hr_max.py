"""A person's maximum heart rate: entered, learnt from what was recorded, or estimated from age and marked so."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

LOWEST_HR_MAX, HIGHEST_HR_MAX = 100, 240
"""What is taken for a maximum heart rate, bpm; anything else is a slip of the pen."""

LOWEST_HR_REST, HIGHEST_HR_REST = 25, 120
OLDEST, YOUNGEST = 110, 4
"""Ages, years."""

SUSTAINED_S = 30
"""A heart rate counts for learning once it was held for so long (field-notes.md, HRmax: the Myzone rule)."""

LARGEST_STEP = 10
"""A learnt maximum rises by so much at most at a time: a bad contact must not set it (as above)."""


class HRMaxSource(StrEnum):
    """Where a maximum heart rate comes from."""

    ENTERED = "entered"
    LEARNT = "learnt"
    ESTIMATED = "estimated"


@dataclass(frozen=True, slots=True)
class HRMax:
    """A maximum heart rate, and where it comes from."""

    bpm: int
    source: HRMaxSource


ESTIMATE = "208 - 0.7 x age (Tanaka 2001)"
"""The formula of an estimated maximum, for people."""


def tanaka(age: int) -> int:
    """Estimated maximum heart rate, bpm: 208 - 0.7 age (Tanaka 2001, J Am Coll Cardiol 37); people vary by about 10."""
    return round(208 - 0.7 * age)


def hr_max(entered: int | None, learnt: int | None, birth_year: int | None, year: int) -> HRMax | None:
    """The maximum heart rate to use in a year; None: nothing is known of the person.

    What the person entered stands above what was learnt, and that above the estimate.
    """
    if entered is not None:
        return HRMax(entered, HRMaxSource.ENTERED)
    if learnt is not None:
        return HRMax(learnt, HRMaxSource.LEARNT)
    if birth_year is not None and YOUNGEST <= year - birth_year <= OLDEST:
        return HRMax(tanaka(year - birth_year), HRMaxSource.ESTIMATED)
    return None


def learn(seconds: Iterable[tuple[int, float | None]], known: int) -> int | None:
    """A higher maximum that these seconds show; None: they show none.

    Args:
        seconds: Unix second and mean heart rate (bpm, None: unknown), ascending.
        known: The maximum so far, bpm.

    Returns:
        The heart rate that was held for `SUSTAINED_S` without a gap, `LARGEST_STEP` above `known` at most.
    """
    best = float(known)
    window: list[tuple[int, float]] = []
    for second, rate in seconds:
        if rate is None or (window and second != window[-1][0] + 1):
            window.clear()
        if rate is None:
            continue
        window.append((second, rate))
        if len(window) > SUSTAINED_S:
            del window[0]
        if len(window) == SUSTAINED_S:
            best = max(best, min(rate for _, rate in window))
    highest = min(int(best), known + LARGEST_STEP, HIGHEST_HR_MAX)
    return highest if highest > known else None
