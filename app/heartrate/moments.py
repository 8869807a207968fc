"""Moments as the domain counts them: whole microseconds since 1970 UTC."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_MICROSECOND = timedelta(microseconds=1)


def to_us(moment: datetime) -> int:
    """Microseconds since 1970 UTC, exact. Raises `TypeError` for a moment without a zone."""
    return (moment - EPOCH) // _MICROSECOND


def from_us(us: int) -> datetime:
    """The moment, UTC. Raises `OverflowError` outside of the years 1 to 9999."""
    return EPOCH + timedelta(microseconds=us)
