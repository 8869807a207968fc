"""One beat, one moment: when a strap's newest beats were, as they were told first.

A beat that is told once more may come out at another moment: of another receiver's packets, whose clock differs, or
after a restart, when packets are read in another order. Tables know beats by their moment, so it would stand there
twice.
"""

from collections.abc import Mapping

from app.heartrate.beat_tracker import Beat

REMEMBERED_BEATS = 512
"""Of the straps of a class: four minutes or more. A receiver that is later than that has its own moments."""


class ToldMoments:
    """Of one strap."""

    __slots__ = ("_told_us",)

    def __init__(self) -> None:
        self._told_us: dict[tuple[int, int], int] = {}

    def learn(self, told_us: Mapping[tuple[int, int], int]) -> None:
        """Take what was told before: moments, µs since 1970 UTC, by epoch and beat count."""
        self._told_us |= told_us

    def of(self, beats: tuple[Beat, ...]) -> tuple[Beat, ...]:
        """The beats, at the moments that they were told at first."""
        told = []
        for beat in beats:
            us = self._told_us.setdefault((beat.epoch, beat.beat_count), beat.time_us)
            told.append(beat if us == beat.time_us else beat._replace(time_us=us))
        while len(self._told_us) > REMEMBERED_BEATS:
            del self._told_us[next(iter(self._told_us))]
        return tuple(told)

    def forget(self) -> None:
        """As for a strap that has been silent for long."""
        self._told_us.clear()
