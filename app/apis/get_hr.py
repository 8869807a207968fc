"""GET /api/getHR: everybody's heart rate at a moment."""

import math

from moose_lib import Api, MooseClient
from pydantic import BaseModel, Field

from app.apis.question import DAY_S, Claims, Moment
from app.apis.seconds import ask_seconds
from app.datamodels.per_second_heart_rate_aggregate import MEAN_RATE, OF_THE_SPAN, per_second_heart_rate_aggregate


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


def get_hr(client: MooseClient, params: HRParams, _claims: Claims = None) -> HRAnswer:
    """Read the seconds from the one that the moment lies in."""
    first = math.ceil(params.timestamp.timestamp())
    entries = ask_seconds(
        client,
        # Ordered here: with FINAL, reading in the order of the key takes ClickHouse longer than all else.
        f"""
        SELECT
            user_id, user_name, formatDateTime(rounded_up_time, '%FT%TZ', 'UTC') AS second,
            {MEAN_RATE} AS avg_heart_rate
        FROM {per_second_heart_rate_aggregate.name} FINAL
        WHERE {OF_THE_SPAN}
          AND notEmpty(hr_by_offset_ms)
        """,  # noqa: S608 (own names)
        {"first": first, "last": first + params.window_seconds - 1},
        HREntry,
        lambda entry: entry.user_id,
    )
    entries.sort(key=lambda entry: (entry.second, entry.user_id, entry.user_name))
    return HRAnswer(entries=entries)


get_hr_api = Api[HRParams, HRAnswer]("getHR", query_function=get_hr)
