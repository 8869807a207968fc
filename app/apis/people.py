"""What the APIs share about people: profiles as stored, and zones as answered."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import NamedTuple, Optional

from moose_lib import MooseClient
from pydantic import BaseModel, Field

from app.apis.question import ask, rfc3339
from app.datamodels.person_profile import person_profile_pipeline
from app.datamodels.strap_assignment import strap_assignment_pipeline
from app.heartrate.profiles import InvalidProfileError, Profile, check_profile
from app.storage.assignments import CAN_BE
from app.storage.moments import can_be, counts_from

OF_PEOPLE = f"""(
    has({{people:Array(String)}}, user_name)
    OR user_id IN (
        SELECT user_id FROM {strap_assignment_pipeline.get_table().name}
        WHERE user_id > 0 AND {CAN_BE} AND has({{people:Array(String)}}, user_name)
        UNION ALL
        SELECT user_id FROM {person_profile_pipeline.get_table().name}
        WHERE user_id > 0 AND {can_be("updated_at")} AND has({{people:Array(String)}}, user_name)
    )
)"""  # noqa: S608 (own names)
"""In SQL: rows of the people with these names, now or once, whatever they are called in the row."""


class Zones(BaseModel):
    """A person's zones."""

    basis: str = Field(description="hr_max or hr_reserve: what the shares of 50, 60, 70, 80, 90 % are of")
    hr_max: int = Field(description="bpm")
    hr_max_source: str = Field(description="entered, learnt or estimated")
    formula: Optional[str] = Field(description="Of an estimated maximum; else null")
    hr_rest: Optional[int] = Field(description="bpm; null: unknown")
    lower_bpm: list[float] = Field(description="Where zones 1 to 5 begin; a bound belongs to its zone")


def zones_of(profile: Profile) -> Zones | None:
    """The person's zones as answered; None: the maximum heart rate is not known."""
    table = profile.zone_table(datetime.now(UTC).year)
    return None if table is None else Zones(**asdict(table))


class _Row(BaseModel):
    user_id: int
    user_name: str
    alias: Optional[str]
    birth_year: Optional[int]
    sex: Optional[str]
    weight_kg: Optional[float]
    hr_max: Optional[int]
    hr_max_learnt: Optional[int]
    hr_rest: Optional[int]
    hidden: Optional[bool]
    since: str


class StoredProfile(NamedTuple):
    """A profile, and since when."""

    profile: Profile
    updated_at: str
    """RFC 3339, UTC."""


def profiles(client: MooseClient) -> dict[int, Profile]:
    """Everybody's newest profile, by user_id."""
    return {user_id: stored.profile for user_id, stored in stored_profiles(client).items()}


def stored_profiles(client: MooseClient) -> dict[int, StoredProfile]:
    """Everybody's newest profile, by user_id; one that cannot be is passed over for the one before."""
    columns = ", ".join(name for name in _Row.model_fields if name != "since")
    rows = ask(
        client,
        f"""
        SELECT {columns}, {rfc3339("begins")} AS since
        FROM (
            SELECT *, stored_at, {counts_from("updated_at", "user_id")} AS begins
            FROM {person_profile_pipeline.get_table().name}
            WHERE {can_be("updated_at")}
        )
        ORDER BY user_id, begins, stored_at
        """,  # noqa: S608 (own names)
        {},
        _Row,
    )
    known: dict[int, StoredProfile] = {}
    year = datetime.now(UTC).year
    for row in rows:
        try:
            profile = Profile.of(row.model_dump())
            check_profile(profile, year)
        except InvalidProfileError:
            continue  # it went to the dead letter queue when it came
        known[row.user_id] = StoredProfile(profile, row.since)
    return known
