"""GET /api/getUserHeartRateHistory: one person, second by second."""

from typing import Self

from moose_lib import Api, MooseClient
from pydantic import BaseModel, Field, model_validator

from app.apis.question import Claims, ask, require_at_most_a_day
from app.apis.sessions import SessionOrSpan, names_unknown_session
from app.datamodels.per_second_heart_rate_aggregate import (
    MEAN_RATE,
    OF_THE_SPAN,
    RATES,
    per_second_heart_rate_aggregate,
)
from app.heartrate.profiles import LARGEST_USER_ID

DEFAULT_WINDOW_S = 3600


class PersonSpanParams(SessionOrSpan):
    """A person, and a session or a span of time of at most a day (absent: the last hour)."""

    user_id: int = Field(ge=1, le=LARGEST_USER_ID, description="The person")

    @model_validator(mode="after")
    def _at_most_a_day(self) -> Self:
        require_at_most_a_day(self, DEFAULT_WINDOW_S)
        return self


class HistoryEntry(BaseModel):
    """A second with a heart rate."""

    second: int = Field(description="Unix second, rounded up")
    avg_heart_rate: float = Field(description="bpm, mean of the second's beats")
    min_heart_rate: int
    max_heart_rate: int


class HistoryAnswer(BaseModel):
    """One entry a second with a heart rate, ascending."""

    entries: list[HistoryEntry]


@names_unknown_session
def get_user_heart_rate_history(client: MooseClient, params: PersonSpanParams, _claims: Claims = None) -> HistoryAnswer:
    """Read the person's seconds."""
    first, last = params.bounds(client, DEFAULT_WINDOW_S)
    entries = ask(
        client,
        f"""
        SELECT
            toUnixTimestamp(rounded_up_time) AS second,
            avg({MEAN_RATE}) AS avg_heart_rate,
            min(arrayMin({RATES})) AS min_heart_rate,
            max(arrayMax({RATES})) AS max_heart_rate
        FROM {per_second_heart_rate_aggregate.name} FINAL
        WHERE {OF_THE_SPAN}
          AND user_id = {{user:Int64}} AND notEmpty(hr_by_offset_ms)
        GROUP BY second
        ORDER BY second
        """,  # noqa: S608 (own names)
        {"first": first, "last": last, "user": params.user_id},
        HistoryEntry,
    )
    return HistoryAnswer(entries=entries)


get_user_heart_rate_history_api = Api[PersonSpanParams, HistoryAnswer](
    "getUserHeartRateHistory", query_function=get_user_heart_rate_history
)
