"""Heart-rate variability at rest (field-notes.md, HRV)."""

from collections.abc import Sequence
from math import sqrt
from statistics import median
from typing import NamedTuple

PLAUSIBLE_MS = (300.0, 2000.0)
LARGEST_CHANGE = 0.2
"""An interval that differs by more from the one before is an artefact (Malik 1996)."""

MOST_MISSING = 0.05
LEAST_INTERVALS = 40


class EndedInterval(NamedTuple):
    """A heartbeat, and the interval that ends with it."""

    at_s: float
    """Its moment, seconds."""
    interval_ms: float | None
    """RR interval; None: unknown."""


def rmssd(beats: Sequence[EndedInterval]) -> float | None:
    """RMSSD of beats in order, ms; None: over 5 % of the intervals are unknown or artefacts, or there are too few.

    Only differences of neighbouring good intervals count, so that a missing one makes no difference up. Of an unknown
    interval, the time that passed tells how many beats were missed.
    """
    good = [_is_good(beats, i) for i in range(len(beats))]
    known = [beat.interval_ms for beat, fine in zip(beats, good, strict=True) if fine and beat.interval_ms is not None]
    if len(known) < LEAST_INTERVALS:
        return None
    usual_ms = median(known)
    # The first beat's interval began before the measurement: it is not missing.
    missing = sum(_missing(beats, i, usual_ms) for i in range(1, len(beats)) if not good[i])
    if missing > MOST_MISSING * (missing + len(known)):
        return None
    squares = [
        (after - before) ** 2
        for i in range(1, len(beats))
        if good[i - 1]
        and good[i]
        and (before := beats[i - 1].interval_ms) is not None
        and (after := beats[i].interval_ms) is not None
    ]
    return sqrt(sum(squares) / len(squares)) if squares else None


def _missing(beats: Sequence[EndedInterval], index: int, usual_ms: float) -> int:
    if beats[index].interval_ms is not None:
        return 1  # an artefact
    return max(1, round(1000 * (beats[index].at_s - beats[index - 1].at_s) / usual_ms))


def _is_good(beats: Sequence[EndedInterval], index: int) -> bool:
    interval = beats[index].interval_ms
    if interval is None or not PLAUSIBLE_MS[0] <= interval <= PLAUSIBLE_MS[1]:
        return False
    before = beats[index - 1].interval_ms if index else None
    return before is None or abs(interval - before) <= LARGEST_CHANGE * before
