"""Moments of records, and which of them can be."""

from datetime import UTC, datetime

from app.datamodels.stream_record import RejectedRecordError
from app.heartrate.moments import to_us

FIRST_YEAR, LAST_YEAR = 1980, 2099
"""What ClickHouse's DateTime holds, with a margin."""


def check_moment(field: str, moment: datetime | None) -> None:
    """Raise `RejectedRecordError` for a moment that has no zone or cannot be; None is left out, and can."""
    if moment is None:
        return
    if moment.tzinfo is None:
        raise RejectedRecordError(f"{field}: {moment.isoformat()} has no zone")
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise RejectedRecordError(f"{field}: the year {moment.year} cannot be; is the sender's clock set?")


def received_us(received_at: datetime | None) -> int:
    """A record's `received_at` in microseconds; now, if it has none. Raises `RejectedRecordError` if it cannot be."""
    if received_at is None:
        return to_us(datetime.now(UTC))
    check_moment("received_at", received_at)
    return to_us(received_at)
