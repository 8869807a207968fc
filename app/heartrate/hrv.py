"""Heart-rate variability at rest (field-notes.md, HRV)."""

from collections.abc import Sequence
from math import sqrt

PLAUSIBLE_MS = (300.0, 2000.0)
LARGEST_CHANGE = 0.2
"""An interval that differs by more from the one before is an artefact (Malik 1996)."""

MOST_MISSING = 0.05
LEAST_INTERVALS = 40


def rmssd(intervals_ms: Sequence[float | None]) -> float | None:
    """RMSSD of RR intervals in order, ms; None: more than 5 % of them are unknown or artefacts, or there are too few.

    Only differences of neighbouring good intervals count, so that a missing one makes no difference up.
    """
    good = [_is_good(intervals_ms, i) for i in range(len(intervals_ms))]
    if sum(good) < LEAST_INTERVALS or good.count(False) > MOST_MISSING * len(good):
        return None
    squares = [
        (after - before) ** 2
        for i in range(1, len(intervals_ms))
        if good[i - 1]
        and good[i]
        and (before := intervals_ms[i - 1]) is not None
        and (after := intervals_ms[i]) is not None
    ]
    return sqrt(sum(squares) / len(squares)) if squares else None


def _is_good(intervals_ms: Sequence[float | None], index: int) -> bool:
    interval = intervals_ms[index]
    if interval is None or not PLAUSIBLE_MS[0] <= interval <= PLAUSIBLE_MS[1]:
        return False
    before = intervals_ms[index - 1] if index else None
    return before is None or abs(interval - before) <= LARGEST_CHANGE * before
