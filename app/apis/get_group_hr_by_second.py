"""GET /api/get_group_hr_by_second: the group's heart rate, second by second."""

from typing import Optional, Self

from moose_lib import Api, MooseClient
from pydantic import BaseModel, Field, model_validator

from app.apis.question import TimeSpan, ask, names, require_at_most_a_day
from app.datamodels.per_second_heart_rate_aggregate import per_second_heart_rate_aggregate

DEFAULT_WINDOW_S = 600


class GroupParams(TimeSpan):
    """A span of time of at most a day (absent: the last ten minutes), and optionally the people."""

    users: Optional[str] = Field(default=None, description="Only these people: names, comma separated")

    @model_validator(mode="after")
    def _at_most_a_day(self) -> Self:
        require_at_most_a_day(self, DEFAULT_WINDOW_S)
        return self


class GroupEntry(BaseModel):
    """The group in one second."""

    second: str = Field(description="The second, rounded up, RFC 3339, UTC")
    avg_heart_rate: float = Field(description="bpm, mean of the people")
    min_heart_rate: int = Field(description="bpm, the lowest of all beats")
    max_heart_rate: int = Field(description="bpm, the highest of all beats")
    user_count: int = Field(description="People with a heart rate in that second")


class GroupAnswer(BaseModel):
    """One entry a second in which anybody had a heart rate, ascending."""

    entries: list[GroupEntry]


def get_group_hr_by_second(client: MooseClient, params: GroupParams) -> GroupAnswer:
    """Read the seconds of the span, each person weighing the same."""
    first, last = params.seconds(DEFAULT_WINDOW_S)
    entries = ask(
        client,
        f"""
        SELECT
            formatDateTime(rounded_up_time, '%FT%TZ', 'UTC') AS second,
            avg(avg_hr_per_second) AS avg_heart_rate,
            min(arrayMin(mapValues(hr_by_offset_ms))) AS min_heart_rate,
            max(arrayMax(mapValues(hr_by_offset_ms))) AS max_heart_rate,
            count() AS user_count
        FROM {per_second_heart_rate_aggregate.name} FINAL
        WHERE rounded_up_time BETWEEN toDateTime({{first:Int64}}, 'UTC') AND toDateTime({{last:Int64}}, 'UTC')
          AND notEmpty(hr_by_offset_ms)
          AND (empty({{people:Array(String)}}) OR has({{people:Array(String)}}, user_name))
        GROUP BY rounded_up_time
        ORDER BY rounded_up_time
        """,  # noqa: S608 (the only part put in is the table's own name)
        {"first": first, "last": last, "people": names(params.users)},
        GroupEntry,
    )
    return GroupAnswer(entries=entries)


get_group_hr_by_second_api = Api[GroupParams, GroupAnswer](
    "get_group_hr_by_second", query_function=get_group_hr_by_second
)
