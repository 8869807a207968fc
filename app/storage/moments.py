"""Moments of records, which of them can be, and from when a record counts that names none."""

from datetime import UTC, datetime

from app.datamodels.stream_record import RejectedRecordError
from app.heartrate.moments import to_us

FIRST_YEAR, LAST_YEAR = 1980, 2099
"""What ClickHouse's DateTime holds, with a margin."""

STATED_WITHIN_S = 120
"""A moment that was stated no longer before its record was stored may be that of its telling."""

STORED_TOGETHER_S = 10
"""Records that were told before the first of them could be stored come into the table within so many seconds."""


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


def can_be(moment: str) -> str:
    """In SQL: whether `check_moment` takes a moment; null can be."""
    return f"ifNull(toYear({moment}, 'UTC') BETWEEN {FIRST_YEAR} AND {LAST_YEAR}, true)"


def counts_from(moment: str, key: str) -> str:
    """In SQL: from when a record counts: from its moment or, where that is null, from when it was told.

    Its row tells when ClickHouse took it, which is later: by a second, or by as long as ClickHouse was away. Rows are
    stored in the order told, so it was told before whatever is stored after it. `key` is the column that says of whom
    or what a record is. A window function; the order of what begins at one moment is that of `stored_at`.
    """
    return f"""coalesce({moment}, least(stored_at, ifNull(
        minIf({moment}, {moment} > stored_at - INTERVAL {STATED_WITHIN_S} SECOND) OVER (
            PARTITION BY {key} ORDER BY toUnixTimestamp64Micro(stored_at)
            RANGE BETWEEN CURRENT ROW AND {STORED_TOGETHER_S * 1_000_000} FOLLOWING
        ), stored_at)))"""
