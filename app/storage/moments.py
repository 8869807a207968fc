"""Moments as the domain counts them: whole microseconds since 1970 UTC."""

from datetime import UTC, datetime, timedelta

from app.datamodels.stream_record import RejectedRecordError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_YEAR, LAST_YEAR = 1980, 2099
"""What ClickHouse's DateTime holds, with a margin."""

_MICROSECOND = timedelta(microseconds=1)


def to_us(moment: datetime) -> int:
    """Microseconds since 1970 UTC, exact. Raises `TypeError` for a moment without a zone."""
    return (moment - EPOCH) // _MICROSECOND


def from_us(us: int) -> datetime:
    """The moment, UTC. Raises `OverflowError` outside of the years 1 to 9999."""
    return EPOCH + timedelta(microseconds=us)


def require_zone(field: str, moment: datetime) -> None:
    """Raise `RejectedRecordError` for a moment without a zone."""
    if moment.tzinfo is None:
        raise RejectedRecordError(f"{field}: {moment.isoformat()} has no zone")


def received_us(received_at: datetime | None) -> int:
    """A record's `received_at` in microseconds; now, if it has none. Raises `RejectedRecordError` if it cannot be."""
    if received_at is None:
        return to_us(datetime.now(UTC))
    require_zone("received_at", received_at)
    if not FIRST_YEAR <= received_at.year <= LAST_YEAR:
        raise RejectedRecordError(f"received_at: the year {received_at.year} cannot be; is the receiver's clock set?")
    return to_us(received_at)
