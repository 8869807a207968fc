"""GET /api/getUserHeartRateStats: each person's lowest, highest and mean heart rate over a span of time."""

from typing import Optional

from moose_lib import Api, MooseClient
from pydantic import BaseModel, Field

from app.apis.question import TimeSpan, ask
from app.datamodels.per_second_heart_rate_aggregate import per_second_heart_rate_aggregate

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


def stats(
    client: MooseClient, first: int, last: int, *, user_name: str | None = None, user_id: int | None = None
) -> list[StatsEntry]:
    """Read two Unix seconds and those between them: the average weighs time, not beats."""
    return ask(
        client,
        f"""
        SELECT
            user_id,
            argMax(user_name, rounded_up_time) AS user_name,
            min(arrayMin(rates)) AS min_heart_rate,
            max(arrayMax(rates)) AS max_heart_rate,
            avg(mean) AS avg_heart_rate,
            sum(length(offsets)) AS beat_count,
            formatDateTime(min(since + toIntervalMillisecond(arrayMin(offsets))), '%FT%T.%fZ') AS first_beat,
            formatDateTime(max(since + toIntervalMillisecond(arrayMax(offsets))), '%FT%T.%fZ') AS last_updated
        FROM (
            SELECT
                user_id, user_name, rounded_up_time,
                if(user_id = 0, user_name, '') AS guest,
                arrayMap(rate -> toNullable(rate), mapValues(hr_by_offset_ms)) AS rates,
                avg_hr_per_second AS mean,
                beat_offsets_ms AS offsets,
                toDateTime64(rounded_up_time, 3, 'UTC') - INTERVAL 1 SECOND AS since
            FROM {per_second_heart_rate_aggregate.name} FINAL
            WHERE rounded_up_time BETWEEN toDateTime({{first:Int64}}, 'UTC') AND toDateTime({{last:Int64}}, 'UTC')
              AND (isNull({{user_name:Nullable(String)}}) OR user_name = {{user_name:Nullable(String)}})
              AND (isNull({{user:Nullable(Int64)}}) OR user_id = {{user:Nullable(Int64)}})
        )
        GROUP BY user_id, guest
        ORDER BY user_id, user_name
        """,  # noqa: S608 (the only part put in is the table's own name)
        {"first": first, "last": last, "user_name": user_name, "user": user_id},
        StatsEntry,
    )


get_user_heart_rate_stats_api = Api[StatsParams, StatsAnswer](
    "getUserHeartRateStats", query_function=get_user_heart_rate_stats
)
