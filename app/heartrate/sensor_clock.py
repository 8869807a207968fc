"""From a strap's own clock to the wall clock.

A packet arrives 0 to 0.25 s after its beat (the radio slot), plus whatever the way from the stick adds: always late,
never early. So the smallest difference of arrival and event time over the last minutes is the best estimate of the
offset between the clocks. Two buckets of a minute each let it follow the drift of the strap's crystal. All whole
numbers: the same packets give the same moments, bit for bit.
"""

TICK_US_NUMERATOR, TICK_US_DENOMINATOR = 15_625, 16
"""1/1024 s in microseconds."""

BUCKET_TICKS = 60 * 1024


def ticks_to_us(ticks: int) -> int:
    """Whole microseconds of a span of the strap's clock, rounded down."""
    return ticks * TICK_US_NUMERATOR // TICK_US_DENOMINATOR


class SensorClock:
    """The offset of one strap's clock. Empty until `hear` was called."""

    __slots__ = ("_before", "_bucket", "_now")

    def __init__(self) -> None:
        self._bucket: int | None = None
        self._now = 0
        self._before: int | None = None

    def hear(self, ticks: int, received_us: int) -> None:
        """A beat at `ticks` (unwrapped) was first heard at `received_us`."""
        offset = received_us - ticks_to_us(ticks)
        bucket = ticks // BUCKET_TICKS
        if bucket == self._bucket:
            self._now = min(self._now, offset)
        else:
            self._before = self._now if self._bucket is not None and bucket == self._bucket + 1 else None
            self._bucket, self._now = bucket, offset

    def moment_us(self, ticks: int) -> int:
        """When a beat at `ticks` happened, µs since 1970 UTC."""
        offset = self._now if self._before is None else min(self._now, self._before)
        return offset + ticks_to_us(ticks)

    def state(self) -> list[int | None]:
        """For a snapshot."""
        return [self._bucket, self._now, self._before]

    @classmethod
    def of(cls, state: list[int | None]) -> "SensorClock":
        """The clock of a snapshot's state."""
        clock = cls()
        clock._bucket, now, clock._before = state
        clock._now = now or 0
        return clock
