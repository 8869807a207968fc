"""GET /api/get_group_hr_by_second: the group's heart rate, second by second."""

from typing import Optional, Self

from moose_lib import Api, MooseClient
from pydantic import BaseModel, Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from app.apis.people import OF_PEOPLE
from app.apis.question import ON_ALL_CORES, Claims, Names, TimeSpan, names, require_at_most_a_day
from app.apis.seconds import ask_seconds
from app.datamodels.per_second_heart_rate_aggregate import (
    MEAN_RATE,
    OF_THE_SPAN,
    RATES,
    per_second_heart_rate_aggregate,
)

DEFAULT_WINDOW_S = 600


class GroupParams(TimeSpan):
    """A span of time of at most a day (absent: the last ten minutes), and optionally the people."""

    users: Optional[Names] = Field(default=None, description="Only these people: names, comma separated")

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
    lowest_user_id: SkipJsonSchema[int] = Field(exclude=True)
    """Not answered. 0: among them is whom nobody registered."""


class GroupAnswer(BaseModel):
    """One entry a second in which anybody had a heart rate, ascending."""

    entries: list[GroupEntry]


def get_group_hr_by_second(client: MooseClient, params: GroupParams, _claims: Claims = None) -> GroupAnswer:
    """Read the seconds of the span, each person weighing the same."""
    first, last = params.seconds(DEFAULT_WINDOW_S)
    people = names(params.users)
    of_people = f"AND {OF_PEOPLE}" if people else ""
    entries = ask_seconds(
        client,
        f"""
        SELECT
            formatDateTime(rounded_up_time, '%FT%TZ', 'UTC') AS second,
            avg({MEAN_RATE}) AS avg_heart_rate,
            min(arrayMin({RATES})) AS min_heart_rate,
            max(arrayMax({RATES})) AS max_heart_rate,
            count() AS user_count,
            min(user_id) AS lowest_user_id
        FROM {per_second_heart_rate_aggregate.name} FINAL
        WHERE {OF_THE_SPAN}
          AND notEmpty(hr_by_offset_ms) {of_people}
        GROUP BY rounded_up_time
        ORDER BY rounded_up_time
        {ON_ALL_CORES}
        """,  # noqa: S608 (own names)
        {"first": first, "last": last, "people": people},
        GroupEntry,
        lambda entry: entry.lowest_user_id,
    )
    return GroupAnswer(entries=entries)


get_group_hr_by_second_api = Api[GroupParams, GroupAnswer](
    "get_group_hr_by_second", query_function=get_group_hr_by_second
)
