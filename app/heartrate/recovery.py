"""Heart-rate recovery: how far it falls in the minute after a marked stop (field-notes.md, HRR60)."""

from collections.abc import Mapping
from dataclasses import dataclass

AFTER_S = 60
PEAK_S = 15
"""The heart rate at the stop is the mean of so many seconds before it."""

AROUND_S = 2
"""The heart rate after it is the mean of so many seconds around that moment."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """Heart rates, bpm."""

    at_stop: float
    after: float

    @property
    def fall(self) -> float:
        """By how much it fell."""
        return self.at_stop - self.after


def recovery(seconds: Mapping[int, float], stop_s: int, after_s: int = AFTER_S) -> Recovery | None:
    """The recovery after a stop at Unix second `stop_s`; None: the heart rates around it are not known."""
    at_stop = _mean(seconds, stop_s - PEAK_S + 1, stop_s)
    after = _mean(seconds, stop_s + after_s - AROUND_S, stop_s + after_s + AROUND_S)
    return None if at_stop is None or after is None else Recovery(at_stop, after)


def _mean(seconds: Mapping[int, float], first: int, last: int) -> float | None:
    known = [seconds[second] for second in range(first, last + 1) if second in seconds]
    return sum(known) / len(known) if 2 * len(known) > last - first + 1 else None
