"""When a packet was heard: UTC that never goes back, whatever happens to the system's clock.

A receiver's times rest on a clock that only goes forward, also while the machine sleeps; the system's clock is asked
once, at the start. Later steps of the system's clock change nothing, with one exception: a machine without a clock of
its own (a Raspberry Pi) starts with a wrong time and learns the right one from the network, so until the kernel calls
its clock synchronised, steps forward are followed.

Where the stick stamps what it receives (1/32768 s), the stamp takes the delays of USB and host out: a packet's time is
the stick's time plus the smallest difference ever seen between the two clocks over the last minutes (as with a strap's
clock, notes 3.1).
"""

import ctypes
import time
from collections.abc import Callable

from app.heartrate.sensor_clock import SensorClock
from scripts.ingest_foo.ant.messages import STAMP_HZ, STAMP_MODULUS

NoticeStep = Callable[[float, bool], None]
"""Told of a step of the system's clock: seconds, and whether the packets' times follow it."""

STEP_NS = 500_000_000
"""A larger difference between the clocks than this is a step; less is drift and is left alone."""

_CHECK_EVERY_NS = 1_000_000_000
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""macOS' monotonic clock also counts sleep; it has no other."""

_TRIES = 5
_TIMEX_BYTES, _TIME_ERROR = 256, 5


def steady_ns() -> int:
    """A clock that only goes forward, also while the machine sleeps, ns."""
    return time.clock_gettime_ns(_STEADY)


def kernel_synchronised() -> bool:
    """Whether the kernel calls its clock synchronised (adjtimex(2)); True where it cannot be asked."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return True
    return bool(state != _TIME_ERROR)


def offset_ns(wall_ns: Callable[[], int], steady: Callable[[], int]) -> int:
    """What the wall clock is ahead of the steady one. They are read one after the other: the closest of some tries."""

    def read() -> tuple[int, int]:
        before = steady()
        wall = wall_ns()
        after = steady()
        return after - before, wall - (before + after) // 2

    return min(read() for _ in range(_TRIES))[1]


class ReceiverClock:
    """UTC for what is heard, µs since 1970, from a steady clock. Safe to use from several threads.

    Args:
        wall_ns: The system's clock.
        steady: A clock that only goes forward.
        synchronised: Whether the system's clock is known to be right.
        notice: Told of steps of the system's clock.
    """

    def __init__(
        self,
        *,
        wall_ns: Callable[[], int] = time.time_ns,
        steady: Callable[[], int] = steady_ns,
        synchronised: Callable[[], bool] = kernel_synchronised,
        notice: NoticeStep | None = None,
    ) -> None:
        self._wall_ns = wall_ns
        self.steady_ns = steady
        self._synchronised = synchronised
        self._notice = notice
        self._trusted = synchronised()
        self._offset_ns = self._seen_ns = offset_ns(wall_ns, steady)
        self._checked_ns = steady()

    def utc_us(self, at_ns: int) -> int:
        """UTC of a reading of the steady clock."""
        return (at_ns + self._offset_ns) // 1000

    def now_us(self) -> int:
        """UTC now."""
        return self.utc_us(self.steady_ns())

    def watch(self) -> None:
        """Look at the system's clock, once a second at most. Call it now and then, from one thread."""
        now = self.steady_ns()
        if now - self._checked_ns < _CHECK_EVERY_NS:
            return
        self._checked_ns = now
        offset = self._wall_ns() - now
        step = offset - self._seen_ns
        self._seen_ns = offset
        if abs(step) < STEP_NS:
            self._trusted = self._trusted or self._synchronised()
            return
        follow = not self._trusted and offset > self._offset_ns
        if follow:
            self._offset_ns = offset
        self._trusted = self._trusted or self._synchronised()
        if self._notice is not None:
            self._notice(step / 1e9, follow)


class StickClock:
    """Times of one stick's packets. A stick that was reset needs a new one."""

    def __init__(self) -> None:
        self._offset = SensorClock()
        self._stamp: int | None = None
        self._ticks = 0
        self._arrived_us = 0
        self._told_us = 0

    def received_us(self, stamp: int | None, arrived_us: int) -> int:
        """When a packet was received, in the time that `arrived_us` counts: never later, never before the last one.

        Args:
            stamp: The stick's receive stamp, 1/32768 s, 0-65535; None: it has none.
            arrived_us: When the packet reached this program, µs.
        """
        at_us = arrived_us
        if stamp is not None:
            if self._stamp is not None:
                forward = (stamp - self._stamp) % STAMP_MODULUS
                elapsed = (arrived_us - self._arrived_us) * STAMP_HZ // 1_000_000
                # The host's clock tells how often the stamp rolled over; a delay of 1 s would be one turn too many.
                turns = max(0, (elapsed - forward + STAMP_MODULUS // 2) // STAMP_MODULUS)
                self._ticks += forward + turns * STAMP_MODULUS
            self._stamp, self._arrived_us = stamp, arrived_us
            # SensorClock counts 1/1024 s; the stamp's finer part is added apart.
            coarse, fine = divmod(self._ticks, STAMP_HZ // 1024)
            fine_us = fine * 1_000_000 // STAMP_HZ
            self._offset.hear(coarse, arrived_us - fine_us)
            at_us = min(arrived_us, self._offset.moment_us(coarse) + fine_us)
        self._told_us = max(self._told_us, at_us)
        return self._told_us
