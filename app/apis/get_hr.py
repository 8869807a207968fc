"""GET /api/getHR: everybody's heart rate at a moment."""

import math

from moose_lib import Api, MooseClient
from pydantic import BaseModel, Field

from app.apis.question import DAY_S, Moment, ask
from app.datamodels.per_second_heart_rate_aggregate import per_second_heart_rate_aggregate


class HRParams(BaseModel):
    """The moment, and how many seconds from there on."""

    timestamp: Moment = Field(description="RFC 3339 with zone")
    window_seconds: int = Field(default=1, ge=1, le=DAY_S, description="How many seconds")


class HREntry(BaseModel):
    """A person in one second."""

    user_id: int
    user_name: str
    second: str = Field(description="The second, rounded up, RFC 3339, UTC")
    avg_heart_rate: float = Field(description="bpm, mean of the second's beats")


class HRAnswer(BaseModel):
    """One entry a second and person with a heart rate, by second, user_id and name."""

    entries: list[HREntry]


def get_hr(client: MooseClient, params: HRParams) -> HRAnswer:
    """Read the seconds from the one that the moment lies in."""
    first = math.ceil(params.timestamp.timestamp())
    entries = ask(
        client,
        f"""
        SELECT
            user_id,
            user_name,
            formatDateTime(rounded_up_time, '%FT%TZ', 'UTC') AS second,
            assumeNotNull(avg_hr_per_second) AS avg_heart_rate
        FROM {per_second_heart_rate_aggregate.name} FINAL
        WHERE rounded_up_time BETWEEN toDateTime({{first:Int64}}, 'UTC') AND toDateTime({{last:Int64}}, 'UTC')
          AND notEmpty(hr_by_offset_ms)
        ORDER BY rounded_up_time, user_id, user_name
        """,  # noqa: S608 (the only part put in is the table's own name)
        {"first": first, "last": first + params.window_seconds - 1},
        HREntry,
    )
    return HRAnswer(entries=entries)


get_hr_api = Api[HRParams, HRAnswer]("getHR", query_function=get_hr)
