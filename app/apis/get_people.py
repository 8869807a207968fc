"""GET /api/getPeople: everybody whose profile is known, and their zones."""

from typing import Optional

from moose_lib import Api, MooseClient
from pydantic import BaseModel, Field

from app.apis.people import Zones, stored_profiles, zones_of
from app.apis.question import Claims


class PeopleParams(BaseModel):
    """None."""


class PersonEntry(BaseModel):
    """A person; null: unknown."""

    user_id: int
    user_name: str
    alias: Optional[str] = Field(description="What to show instead of the name")
    birth_year: Optional[int]
    sex: Optional[str] = Field(description="female or male, as the energy formula knows it")
    weight_kg: Optional[float]
    hr_max: Optional[int] = Field(description="As the person says, bpm")
    hr_max_learnt: Optional[int] = Field(description="As recordings show, bpm")
    hr_rest: Optional[int] = Field(description="bpm")
    hidden: bool = Field(description="Not to be shown on the board")
    updated_at: str = Field(description="Since when, RFC 3339, UTC")
    zones: Optional[Zones] = Field(description="Null: the maximum heart rate is unknown")


class PeopleAnswer(BaseModel):
    """One entry a person, by user_id."""

    entries: list[PersonEntry]


def get_people(client: MooseClient, _params: PeopleParams, _claims: Claims = None) -> PeopleAnswer:
    """Read the newest profiles."""
    return PeopleAnswer(
        entries=[
            PersonEntry(**stored.profile.fields(), updated_at=stored.updated_at, zones=zones_of(stored.profile))
            for stored in stored_profiles(client).values()
        ]
    )


get_people_api = Api[PeopleParams, PeopleAnswer]("getPeople", query_function=get_people)
