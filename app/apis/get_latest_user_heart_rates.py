"""GET /api/getLatestUserHeartRates: each person's newest beat, highest heart rate first."""

import time
from collections.abc import Iterable
from typing import Optional

from moose_lib import Api, MooseClient
from pydantic import BaseModel, Field

from app.apis.people import OF_PEOPLE
from app.apis.question import Claims, Names, ask, names
from app.datamodels.latest_heart_rate import latest_heart_rate
from app.heartrate.contact import AHEAD_S
from app.heartrate.wearers import NOBODY
from app.storage.assignments import ASSIGNMENTS


class LatestParams(BaseModel):
    """All optional."""

    limit: int = Field(default=100, ge=1, le=10_000, description="At most so many people")
    min_hr: Optional[int] = Field(default=None, ge=0, le=65_535, description="Lowest heart rate, bpm")
    max_hr: Optional[int] = Field(default=None, ge=0, le=65_535, description="Highest heart rate, bpm")
    users: Optional[Names] = Field(default=None, description="Only these people: names, comma separated")
    max_age_seconds: Optional[float] = Field(
        default=None, ge=0, description="Only beats so young, and none over 5 s ahead"
    )


class LatestEntry(BaseModel):
    """A person's newest beat."""

    user_id: int
    user_name: str
    device_id: str
    hr_value: Optional[int] = Field(description="bpm; null: unknown")
    rr_interval_ms: Optional[float] = Field(description="ms; null: unknown")
    hr_timestamp_seconds: float = Field(description="The moment of the beat, seconds since 1970 UTC")
    age_seconds: float = Field(description="How long ago that was")


class LatestAnswer(BaseModel):
    """One entry a person, highest heart rate first, unknown ones last."""

    entries: list[LatestEntry]


def get_latest_user_heart_rates(client: MooseClient, params: LatestParams, _claims: Claims = None) -> LatestAnswer:
    """Read the newest beats. A strap that was unregistered at first is left out once it is somebody's."""
    people = names(params.users)
    conditions = ["(user_id != 0 OR hr_timestamp_seconds = newest_of_strap)"]
    # Only what is asked for: ClickHouse takes longer to understand a condition than to apply it.
    if people:
        conditions.append(OF_PEOPLE)
    if params.min_hr is not None:
        conditions.append("hr_value >= {min_hr:Int64}")
    if params.max_hr is not None:
        conditions.append("hr_value <= {max_hr:Int64}")
    if params.max_age_seconds is not None:
        # A beat that a wrong clock stamped as of the future is not young: it would stand until that moment has passed.
        conditions.append("age_seconds BETWEEN {min_age:Float64} AND {max_age:Float64}")
    parameters = {
        "now": time.time(),
        "people": people,
        "min_hr": params.min_hr,
        "max_hr": params.max_hr,
        "min_age": -AHEAD_S,
        "max_age": params.max_age_seconds,
        "limit": params.limit,
    }
    entries = ask(client, _newest("", conditions), parameters, LatestEntry)
    if any(entry.user_id == NOBODY for entry in entries):
        # Seldom, and it takes ClickHouse a third longer.
        conditions.append(
            "(user_id != 0 OR hr_timestamp_seconds >= if(worn_by = 0, least(worn_since, registered_at), registered_at))"
        )
        entries = ask(client, _newest(_WITH_REGISTRATION, conditions), parameters, LatestEntry)
    return LatestAnswer(entries=entries)


_WITH_REGISTRATION = f"""
    LEFT JOIN (
        SELECT
            device_id,
            argMax(user_id, (since, stored_at)) AS worn_by,
            toUnixTimestamp64Micro(max(since)) / 1e6 AS worn_since,
            maxIf(toUnixTimestamp64Micro(stored_at), user_id > 0) / 1e6 AS registered_at
        FROM {ASSIGNMENTS}
        GROUP BY device_id
    ) AS straps USING (device_id)
"""  # noqa: S608 (own names)


def _newest(join: str, conditions: Iterable[str]) -> str:
    columns = "user_id, user_name, device_id, hr_value, rr_interval_ms, hr_timestamp_seconds"
    return f"""
        SELECT {columns}, round({{now:Float64}} - hr_timestamp_seconds, 3) AS age_seconds
        FROM (
            SELECT {columns}, max(hr_timestamp_seconds) OVER (PARTITION BY device_id) AS newest_of_strap
            FROM {latest_heart_rate.name} FINAL
        ) AS latest
        {join}
        WHERE {" AND ".join(conditions)}
        ORDER BY hr_value DESC NULLS LAST, user_name, user_id
        LIMIT {{limit:UInt32}}
    """  # noqa: S608 (own names)


get_latest_user_heart_rates_api = Api[LatestParams, LatestAnswer](
    "getLatestUserHeartRates", query_function=get_latest_user_heart_rates
)
