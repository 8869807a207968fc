"""Moments of records, and which of them can be."""

from datetime import UTC, datetime

from app.datamodels.stream_record import RejectedRecordError
from app.heartrate.moments import to_us

FIRST_YEAR, LAST_YEAR = 1980, 2099
"""What ClickHouse's DateTime holds, with a margin."""


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
