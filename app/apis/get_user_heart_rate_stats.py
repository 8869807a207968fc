"""GET /api/getUserHeartRateStats: each person's lowest, highest and mean heart rate over a span of time."""

from collections.abc import Iterable
from typing import Optional

from moose_lib import Api, MooseClient
from pydantic import BaseModel, Field

from app.apis.people import OF_PEOPLE
from app.apis.question import ON_ALL_CORES, Claims, TimeSpan, rfc3339
from app.apis.seconds import ask_seconds
from app.apis.training import Who
from app.datamodels.per_second_heart_rate_aggregate import (
    MEAN_RATE,
    OF_THE_SPAN,
    RATES,
    per_second_heart_rate_aggregate,
)

DEFAULT_WINDOW_S = 3600


class StatsParams(TimeSpan):
    """A person (absent: everybody) and a span of time (absent: the last hour)."""

    user_name: Optional[str] = Field(default=None, description="Only who has, or had, this name")


class StatsEntry(BaseModel):
    """A person over the span."""

    user_id: int
    user_name: str
    min_heart_rate: Optional[int] = Field(description="bpm; null: no beat came with a heart rate")
    max_heart_rate: Optional[int] = Field(description="bpm; null: as above")
    avg_heart_rate: Optional[float] = Field(description="bpm, mean of the seconds that had a beat; null: as above")
    beat_count: int = Field(description="Heartbeats")
    first_beat: str = Field(description="RFC 3339, UTC")
    last_updated: str = Field(description="The last beat, RFC 3339, UTC")


class StatsAnswer(BaseModel):
    """One entry a person who had a beat in the span, by user_id and name."""

    entries: list[StatsEntry]


def get_user_heart_rate_stats(client: MooseClient, params: StatsParams, _claims: Claims = None) -> StatsAnswer:
    """Read the seconds of the span."""
    return StatsAnswer(entries=stats(client, *params.seconds(DEFAULT_WINDOW_S), user_name=params.user_name))


class _Row(BaseModel):
    """What is known under a name."""

    user_name: str
    lowest_user_id: int
    highest_user_id: int
    rated_seconds: int
    sum_of_means: float
    lowest: int
    highest: int
    beat_count: int
    first_beat: str
    last_updated: str


def stats(
    client: MooseClient, first: int, last: int, *, user_name: str | None = None, user_id: int | None = None
) -> list[StatsEntry]:
    """Read two Unix seconds and those between them: the average weighs time, not beats."""
    conditions = [OF_THE_SPAN]
    if user_name is not None:
        conditions.append(OF_PEOPLE)
    if user_id is not None:
        conditions.append("user_id = {user:Int64}")
    parameters = {"first": first, "last": last, "people": [user_name], "user": user_id}

    def rows_by(key: str) -> list[_Row]:
        return ask_seconds(client, _by(key, conditions), parameters, _Row, lambda row: row.lowest_user_id)

    # By name alone ClickHouse takes half the time, and hardly ever do two people share one.
    rows = rows_by("user_name")
    if any(row.lowest_user_id != row.highest_user_id for row in rows):
        rows = rows_by("user_name, user_id")
    of_each: dict[Who, _Row] = {}
    for row in rows:
        who = Who.of(row.lowest_user_id, row.user_name)
        of_each[who] = _both(of_each[who], row) if who in of_each else row
    return [_entry(of_each[who]) for who in sorted(of_each)]


def _by(key: str, conditions: Iterable[str]) -> str:
    return f"""
        SELECT
            user_name,
            min(user_id) AS lowest_user_id,
            max(user_id) AS highest_user_id,
            countIf(notEmpty(hr_by_offset_ms)) AS rated_seconds,
            sumIf({MEAN_RATE}, notEmpty(hr_by_offset_ms)) AS sum_of_means,
            minIf(arrayMin({RATES}), notEmpty(hr_by_offset_ms)) AS lowest,
            max(arrayMax({RATES})) AS highest,
            sum(length(beat_offsets_ms)) AS beat_count,
            {_moment("min(toUnixTimestamp(rounded_up_time) * 1000 + arrayMin(beat_offsets_ms))")} AS first_beat,
            {_moment("max(toUnixTimestamp(rounded_up_time) * 1000 + arrayMax(beat_offsets_ms))")} AS last_updated
        FROM {per_second_heart_rate_aggregate.name} FINAL
        WHERE {" AND ".join(conditions)}
        GROUP BY {key}
        {ON_ALL_CORES}
    """  # noqa: S608 (own names)


def _moment(rounded_up_ms: str) -> str:
    """In SQL: a beat's moment, from its second's end and its milliseconds within it."""
    return rfc3339(f"fromUnixTimestamp64Milli({rounded_up_ms} - 1000)")


def _both(one: _Row, other: _Row) -> _Row:
    """A person's under two names: the newer name."""
    newer = max(one, other, key=lambda row: row.last_updated)
    rated = [row for row in (one, other) if row.rated_seconds] or [newer]
    return newer.model_copy(
        update={
            "rated_seconds": one.rated_seconds + other.rated_seconds,
            "sum_of_means": one.sum_of_means + other.sum_of_means,
            "lowest": min(row.lowest for row in rated),
            "highest": max(row.highest for row in rated),
            "beat_count": one.beat_count + other.beat_count,
            "first_beat": min(one.first_beat, other.first_beat),
        }
    )


def _entry(row: _Row) -> StatsEntry:
    rated = row.rated_seconds > 0
    return StatsEntry(
        user_id=row.lowest_user_id,
        user_name=row.user_name,
        min_heart_rate=row.lowest if rated else None,
        max_heart_rate=row.highest if rated else None,
        avg_heart_rate=row.sum_of_means / row.rated_seconds if rated else None,
        beat_count=row.beat_count,
        first_beat=row.first_beat,
        last_updated=row.last_updated,
    )


get_user_heart_rate_stats_api = Api[StatsParams, StatsAnswer](
    "getUserHeartRateStats", query_function=get_user_heart_rate_stats
)
