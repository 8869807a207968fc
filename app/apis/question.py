"""What the APIs share: moments and spans of time as parameters, and asking ClickHouse without telling its secrets."""

import math
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Optional, Self

from clickhouse_connect.driver.client import Client
from moose_lib import MooseClient
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, TypeAdapter, model_validator

from app.storage.clickhouse import connect

DAY_S = 86_400
ON_ALL_CORES = "SETTINGS merge_tree_min_rows_for_concurrent_read = 16384, merge_tree_min_bytes_for_concurrent_read = 1"
"""ClickHouse reads less than 160 000 rows on one core; ten minutes of 200 people are 120 000."""

_AN_ARRAY = {"output_format_json_array_of_rows": 1}
_PLUS_READ_AS_SPACE = re.compile(r"(T[\d:.]+) (\d{2}:?\d{2})$")


class StorageUnavailableError(RuntimeError):
    """ClickHouse did not answer; the API answers 500 with this text, and the cause is in the log."""


def _restore_plus(value: Any) -> Any:
    # "+02:00" reaches us as " 02:00" where a client did not encode it.
    return _PLUS_READ_AS_SPACE.sub(r"\1+\2", value) if isinstance(value, str) else value


def _require_zone(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a moment needs its zone (RFC 3339), such as 2026-11-23T10:00:00Z")
    return value


def _require_name(value: str) -> str:
    if not value.replace(",", "").strip():
        raise ValueError("names nobody")
    return value


Names = Annotated[str, AfterValidator(_require_name)]
"""Names, comma separated."""

Claims = Optional[dict[str, Any]]
"""What a valid JWT said, which Moose hands on where there was one. Whoever may ask is answered alike."""

Moment = Annotated[datetime, BeforeValidator(_restore_plus), AfterValidator(_require_zone)]


class TimeSpan(BaseModel):
    """The last `window_seconds`, or the seconds from `start` to `end`, both included."""

    window_seconds: Optional[int] = Field(default=None, ge=1, le=366 * DAY_S, description="The last N seconds")
    start: Optional[Moment] = Field(default=None, description="First second, RFC 3339 with zone")
    end: Optional[Moment] = Field(default=None, description="Last second, RFC 3339 with zone; absent: now")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.window_seconds is not None and (self.start is not None or self.end is not None):
            raise ValueError("window_seconds: give either window_seconds or start and end, not both")
        if self.end is not None and self.start is None:
            raise ValueError("start: missing, while end is given")
        if self.start is not None and self.end is not None and self.end < self.start:
            raise ValueError("end: lies before start")
        return self

    def seconds(self, default_window_s: int) -> tuple[int, int]:
        """First and last second of the span, Unix seconds, both included."""
        now = math.ceil(time.time())
        last = now if self.end is None else math.floor(self.end.timestamp())
        if self.start is not None:
            return math.ceil(self.start.timestamp()), last
        return last - (self.window_seconds or default_window_s) + 1, last


def rfc3339(moment: str) -> str:
    """In SQL: a moment as text, UTC. So written, moments of the same precision sort."""
    return f"formatDateTime({moment}, '%FT%T.%fZ', 'UTC')"


def require_at_most_a_day(span: TimeSpan, default_window_s: int) -> None:
    """For a validator: raise `ValueError`, naming the parameter, where the span is longer."""
    first, last = span.seconds(default_window_s)
    if last - first >= DAY_S:
        name = "window_seconds" if span.window_seconds is not None else "start"
        raise ValueError(f"{name}: at most {DAY_S} seconds can be answered at once")


def names(comma_separated: str | None) -> list[str]:
    """The names in a comma separated parameter, also those that have a comma or two themselves; none: everybody."""
    parts = (comma_separated or "").split(",")
    runs = {",".join(parts[at : at + length]) for length in (1, 2, 3) for at in range(len(parts))}
    return sorted({name for run in runs for name in (run, run.strip()) if run.strip(" ,")})


@cache
def _without_session(client: Client) -> Client:
    """Moose's client keeps a session, which costs several statements a question; nothing here needs one."""
    return connect() if client.get_client_setting("session_id") else client


@cache
def _rows_of[Row: BaseModel](row_type: type[Row]) -> TypeAdapter[list[Row]]:
    return TypeAdapter(list[row_type])  # type: ignore[valid-type]


def ask[Row: BaseModel](client: MooseClient, sql: str, parameters: dict[str, Any], row_type: type[Row]) -> list[Row]:
    """Run a query with server-side parameters. Raises `StorageUnavailableError` without the SQL in its text.

    Past Moose's `execute_raw`, which pings first and has two settings made, and in JSON, which pydantic reads at once:
    those cost as much as a small query.
    """
    with no_secrets_told():
        rows = _without_session(client.query.ch_client).raw_query(sql, parameters, _AN_ARRAY, fmt="JSONEachRow")
        return _rows_of(row_type).validate_json(rows)


@contextmanager
def no_secrets_told() -> Iterator[None]:
    """Raise `StorageUnavailableError` for whatever goes wrong with a query; why stands in the log."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 (whatever it is, its text may hold the SQL and must not reach a client)
        print(f"query failed: {error}", file=sys.stderr)  # noqa: T201 (the process's log; Moose drops what goes to stdout)
        raise StorageUnavailableError("the database could not answer; its log tells why") from None
