"""GET /api/getUserHeartRateStats: each person's lowest, highest and mean heart rate over a span of time."""

from collections.abc import Iterable
from itertools import groupby
from typing import Optional

from moose_lib import Api, MooseClient
from pydantic import BaseModel, Field

from app.apis.question import ON_ALL_CORES, TimeSpan, ask
from app.datamodels.per_second_heart_rate_aggregate import MEAN_RATE, RATES, per_second_heart_rate_aggregate

DEFAULT_WINDOW_S = 3600


class StatsParams(TimeSpan):
    """A person (absent: everybody) and a span of time (absent: the last hour)."""

    user_name: Optional[str] = Field(default=None, description="Only this person")


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


def get_user_heart_rate_stats(client: MooseClient, params: StatsParams) -> StatsAnswer:
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
    conditions = ["rounded_up_time BETWEEN toDateTime({first:Int64}, 'UTC') AND toDateTime({last:Int64}, 'UTC')"]
    if user_name is not None:
        conditions.append("user_name = {user_name:String}")
    if user_id is not None:
        conditions.append("user_id = {user:Int64}")
    parameters = {"first": first, "last": last, "user_name": user_name, "user": user_id}
    # By name alone ClickHouse takes half the time, and hardly ever do two people share one.
    rows = ask(client, _by("user_name", conditions), parameters, _Row)
    if any(row.lowest_user_id != row.highest_user_id for row in rows):
        rows = ask(client, _by("user_name, user_id", conditions), parameters, _Row)
    rows.sort(key=lambda row: (*_who(row), row.last_updated))
    entries = [_entry(list(same)) for _, same in groupby(rows, key=_who)]
    entries.sort(key=lambda entry: (entry.user_id, entry.user_name))
    return entries


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
            {_rfc3339("min(toUnixTimestamp(rounded_up_time) * 1000 + arrayMin(beat_offsets_ms))")} AS first_beat,
            {_rfc3339("max(toUnixTimestamp(rounded_up_time) * 1000 + arrayMax(beat_offsets_ms))")} AS last_updated
        FROM {per_second_heart_rate_aggregate.name} FINAL
        WHERE {" AND ".join(conditions)}
        GROUP BY {key}
        {ON_ALL_CORES}
    """  # noqa: S608 (own names)


def _rfc3339(rounded_up_ms: str) -> str:
    """In SQL: a beat's moment, from its second's end and its milliseconds within it. So written, moments sort."""
    return f"formatDateTime(fromUnixTimestamp64Milli({rounded_up_ms} - 1000), '%FT%T.%fZ', 'UTC')"


def _who(row: _Row) -> tuple[int, str]:
    """A person whatever their name; where nobody is registered, a strap by its name."""
    return row.lowest_user_id, "" if row.lowest_user_id else row.user_name


def _entry(rows: list[_Row]) -> StatsEntry:
    """Of a person's names, the newest last."""
    rated = [row for row in rows if row.rated_seconds]
    return StatsEntry(
        user_id=rows[-1].lowest_user_id,
        user_name=rows[-1].user_name,
        min_heart_rate=min((row.lowest for row in rated), default=None),
        max_heart_rate=max((row.highest for row in rated), default=None),
        avg_heart_rate=sum(row.sum_of_means for row in rated) / sum(row.rated_seconds for row in rated)
        if rated
        else None,
        beat_count=sum(row.beat_count for row in rows),
        first_beat=min(row.first_beat for row in rows),
        last_updated=rows[-1].last_updated,
    )


get_user_heart_rate_stats_api = Api[StatsParams, StatsAnswer](
    "getUserHeartRateStats", query_function=get_user_heart_rate_stats
)
