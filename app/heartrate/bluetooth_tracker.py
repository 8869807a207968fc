"""From a Bluetooth strap's notifications to heartbeats (notes 6).

A notification comes about once a second and carries the RR intervals that ended since the one before, without a
sequence number and without times. So beats are laid end to end: the sum of the intervals is the strap's clock, and as
with ANT+ the smallest difference of arrival and that clock within the last minute is the offset to the wall clock. A
notification that got lost takes its intervals with it; it shows as a clock that has fallen behind, and then the beats
are anchored anew at their arrival. The intervals themselves are the strap's own, exact.
"""

from collections import deque
from typing import NamedTuple

from app.heartrate.ble import decode_measurement
from app.heartrate.sensor_clock import ticks_to_us

SHORTEST_TICKS = 205
"""Intervals below 200 ms are no heartbeats: some straps send such beside the true one (notes 6)."""

WINDOW_US = 60_000_000
LONGEST_DELAY_US = 1_600_000
"""A beat is told within a second; if it seems later than this, a notification was lost."""

LONGEST_SILENCE_US = 3_000_000
"""After so long without a notification, some are taken to be lost."""

WITHOUT_INTERVALS = 5
"""After so many notifications in a row without intervals, the strap is taken to send none."""

_STEP_US = 1000


class BluetoothBeat(NamedTuple):
    """A heartbeat; of a strap that sends no intervals, a reading."""

    time_us: int
    """Its moment, µs since 1970 UTC; each later than the one before."""
    heart_rate: int | None
    """bpm, as the strap computes it; None: no reading."""
    rr_ticks: int | None
    """The RR interval that ends with it, 1/1024 s; None: the strap sends none."""
    contact: bool | None
    """Skin contact; None: the strap cannot tell."""


class BluetoothTracker:
    """The beats of one strap. Feed it every notification, in order."""

    __slots__ = ("_arrivals", "_beat_us", "_received_us", "_receiver_id", "_ticks", "_without")

    def __init__(self) -> None:
        self._arrivals: deque[tuple[int, int]] = deque()
        """Of the last minute: when a notification arrived, and the strap's clock then (sum of intervals, ticks)."""
        self._ticks = 0
        self._received_us: int | None = None
        self._receiver_id = ""
        self._beat_us: int | None = None
        self._without = 0

    def push(self, payload: bytes, received_us: int, receiver_id: str = "") -> tuple[BluetoothBeat, ...]:
        """Take a notification that arrived at `received_us` (µs since 1970 UTC); return its beats.

        One that is not newer than the last was told before. While one receiver hears the strap, others tell nothing new
        (a notification carries no number by which two receivers' could be matched).

        Raises:
            InvalidMeasurement: It ends before what its flags announce.
        """
        measurement = decode_measurement(payload)
        intervals = [ticks for ticks in measurement.rr_ticks if ticks >= SHORTEST_TICKS]
        silent = self._received_us is None or received_us - self._received_us > LONGEST_SILENCE_US
        told_before = self._received_us is not None and received_us <= self._received_us
        if told_before or (receiver_id != self._receiver_id and not silent):
            return ()
        self._received_us, self._receiver_id = received_us, receiver_id
        if not intervals:
            self._without += 1
            if self._without <= WITHOUT_INTERVALS or measurement.heart_rate is None:
                return ()
            return (self._at(received_us, measurement.heart_rate, None, measurement.contact),)
        self._without = 0
        if silent:
            self._arrivals.clear()
        self._ticks += sum(intervals)
        newest_us = self._moment(received_us)
        if received_us - newest_us > LONGEST_DELAY_US:
            self._arrivals.clear()
            newest_us = self._moment(received_us)
        beats = []
        after = sum(intervals)
        for ticks in intervals:
            after -= ticks
            moment_us = newest_us - ticks_to_us(after)
            beats.append(self._at(moment_us, measurement.heart_rate, ticks, measurement.contact))
        return tuple(beats)

    def _moment(self, received_us: int) -> int:
        """When the newest beat happened."""
        self._arrivals.append((received_us, self._ticks))
        while self._arrivals[0][0] < received_us - WINDOW_US:
            self._arrivals.popleft()
        # Only differences of ticks count, so that it does not matter when the sum began.
        return min(arrived_us + ticks_to_us(self._ticks - ticks) for arrived_us, ticks in self._arrivals)

    def _at(self, time_us: int, heart_rate: int | None, rr_ticks: int | None, contact: bool | None) -> BluetoothBeat:  # noqa: FBT001 (as the strap tells it)
        if self._beat_us is not None and time_us <= self._beat_us:
            time_us = self._beat_us + _STEP_US
        self._beat_us = time_us
        return BluetoothBeat(time_us, heart_rate, rr_ticks, contact)
