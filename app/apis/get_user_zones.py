"""GET /api/getUserZones: each person's zones, and the time they spent in them."""

from typing import Optional

from moose_lib import Api, MooseClient
from pydantic import BaseModel, Field

from app.apis.people import Zones, profiles, zones_of
from app.apis.question import Claims
from app.apis.sessions import SessionOrSpan, names_unknown_session
from app.apis.training import effort, time_at_rates
from app.heartrate.profiles import LARGEST_USER_ID

DEFAULT_WINDOW_S = 3600


class ZonesParams(SessionOrSpan):
    """A session, or a span of time (absent: the last hour), and optionally one person."""

    user_id: Optional[int] = Field(default=None, ge=1, le=LARGEST_USER_ID, description="Only this person")


class ZonesEntry(BaseModel):
    """A person over the span."""

    user_id: int
    user_name: str
    zones: Optional[Zones] = Field(description="Null: the maximum heart rate is unknown")
    zone_seconds: Optional[list[int]] = Field(description="Seconds in zones 0 (below 1) to 5; null: as above")
    points: Optional[float] = Field(description="Edwards' points: minutes in zone n, times n; null: as above")


class ZonesAnswer(BaseModel):
    """One entry a person who had a heart rate in the span, by user_id."""

    entries: list[ZonesEntry]


@names_unknown_session
def get_user_zones(client: MooseClient, params: ZonesParams, _claims: Claims = None) -> ZonesAnswer:
    """Read the time at each heart rate; the zones are app.heartrate's."""
    known = profiles(client)
    entries = []
    for spent in time_at_rates(client, *params.bounds(client, DEFAULT_WINDOW_S), user_id=params.user_id):
        profile = known.get(spent.user_id)
        cost = effort(spent.time_at, profile)
        entries.append(
            ZonesEntry(
                user_id=spent.user_id,
                user_name=spent.user_name,
                zones=None if profile is None else zones_of(profile),
                zone_seconds=None if cost.zone_seconds is None else list(cost.zone_seconds),
                points=cost.points,
            )
        )
    return ZonesAnswer(entries=entries)


get_user_zones_api = Api[ZonesParams, ZonesAnswer]("getUserZones", query_function=get_user_zones)
