"""How well a strap is heard: of the slots in which it transmitted, those that brought a packet (notes 1, 2.3)."""

from collections import deque
from dataclasses import dataclass

from app.heartrate.profile import CHANNEL_PERIOD, CHANNEL_PERIOD_HZ

SLOT_US = CHANNEL_PERIOD * 1_000_000 / CHANNEL_PERIOD_HZ
"""A strap transmits every 246.3 ms."""

WINDOW_US = 60_000_000

AWAY_AFTER_US = 30_000_000
"""After so long without a packet a strap is away (taken off, out of range), and the time is no loss of the radio."""


@dataclass(frozen=True, slots=True)
class Total:
    """A strap's reception since it was first heard."""

    heard: int
    """Packets."""
    missed: int
    """Slots that brought none, the times away left out."""
    longest_gap_us: int
    """The longest time between two packets."""

    @property
    def loss(self) -> float:
        """Share of the slots that brought nothing, 0 to 1."""
        slots = self.heard + self.missed
        return self.missed / slots if slots else 0.0


class Reception:
    """One strap at one receiver."""

    __slots__ = ("_heard", "_last_us", "_longest_gap_us", "_missed", "_window")

    def __init__(self) -> None:
        self._last_us: int | None = None
        self._heard = 0
        self._missed = 0
        self._longest_gap_us = 0
        self._window: deque[tuple[int, int]] = deque()

    @property
    def last_us(self) -> int | None:
        """When it was last heard, µs; None: never."""
        return self._last_us

    @property
    def total(self) -> Total:
        """All of it."""
        return Total(self._heard, self._missed, self._longest_gap_us)

    def hear(self, at_us: int) -> None:
        """A packet was received at `at_us`, not before the one before."""
        missed = 0
        if self._last_us is not None:
            gap_us = at_us - self._last_us
            self._longest_gap_us = max(self._longest_gap_us, gap_us)
            if gap_us < AWAY_AFTER_US:
                missed = _missed_slots(gap_us)
        self._last_us = at_us
        self._heard += 1
        self._missed += missed
        self._window.append((at_us, missed))
        self._forget(at_us)

    def loss(self, now_us: int) -> float | None:
        """Share of the slots of the last minute that brought nothing, 0 to 1; None: no packet in all that time."""
        self._forget(now_us)
        if not self._window or self._last_us is None:
            return None
        missed = sum(missed for _, missed in self._window) + _missed_slots(now_us - self._last_us)
        return missed / (missed + len(self._window))

    def _forget(self, now_us: int) -> None:
        while self._window and self._window[0][0] < now_us - WINDOW_US:
            self._window.popleft()


def _missed_slots(gap_us: int) -> int:
    """Slots between two packets. The one that is due now is not missed yet."""
    return max(0, round(gap_us / SLOT_US) - 1)
