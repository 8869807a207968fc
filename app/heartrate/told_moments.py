"""One beat, one moment: when a strap's beats were, as they were told first.

A beat that is told once more may come out at another moment: of another receiver's packets, whose clock differs, or
after a restart, when packets are read in another order. Tables know beats by their moment, so it would stand there
twice. Nor need it be of the same epoch: a receiver that is late finds its own silences. So it is known by what the
strap sends of it.
"""

from collections.abc import Mapping

from app.heartrate.beat_tracker import SECOND_US, Beat, sent_as

REMEMBERED_BEATS = 512
"""Of the straps of a class: four minutes or more. A receiver that is later than that has its own moments."""

SAME_WITHIN_US = 30 * SECOND_US
"""What is sent of a beat comes again with another one, but not within the 64 s of the event time's roll-over."""


class ToldMoments:
    """Of one strap."""

    __slots__ = ("_learnt_us", "_told_us")

    def __init__(self) -> None:
        self._told_us: dict[int, int] = {}
        self._learnt_us: Mapping[int, int] = {}

    def learn(self, moments_us: Mapping[int, int]) -> None:
        """Take what was told elsewhere, instead of what was learnt before: moments by `sent_as`, µs since 1970 UTC."""
        self._learnt_us = moments_us

    def of(self, beats: tuple[Beat, ...]) -> tuple[Beat, ...]:
        """The beats, at the moments that they were told at first."""
        told = []
        for beat in beats:
            key, us = sent_as(beat.ticks, beat.beat_count), beat.time_us
            for known in (self._told_us, self._learnt_us):
                before_us = known.get(key)
                if before_us is not None and abs(before_us - us) <= SAME_WITHIN_US:
                    us = before_us
                    break
            self._told_us[key] = us
            told.append(beat if us == beat.time_us else beat._replace(time_us=us))
        while len(self._told_us) > REMEMBERED_BEATS:
            del self._told_us[next(iter(self._told_us))]
        return tuple(told)

    def forget(self) -> None:
        """As for a strap that has been silent for long."""
        self._told_us.clear()
        self._learnt_us = {}
