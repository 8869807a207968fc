"""GET /api/getLeaderboard: who has put in how much effort, each measured by their own maximum."""

from moose_lib import Api, MooseClient
from pydantic import BaseModel, Field

from app.apis.people import profiles
from app.apis.question import Claims
from app.apis.sessions import SessionOrSpan, names_unknown_session
from app.apis.training import effort, time_at_rates

DEFAULT_WINDOW_S = 3600


class LeaderboardParams(SessionOrSpan):
    """A session, or a span of time (absent: the last hour)."""

    limit: int = Field(default=100, ge=1, le=10_000, description="At most so many people")


class LeaderboardEntry(BaseModel):
    """A person's effort."""

    user_id: int
    user_name: str = Field(description="The alias, if there is one")
    points: float = Field(description="Edwards' points: minutes in zone n of the person's own, times n")
    points_per_minute: float = Field(description="0 to 5: how hard, whenever they came")
    minutes: float = Field(description="With a heart rate")


class LeaderboardAnswer(BaseModel):
    """Most points first. Left out: who is hidden, who has no profile, whose maximum heart rate is unknown."""

    entries: list[LeaderboardEntry]


@names_unknown_session
def get_leaderboard(client: MooseClient, params: LeaderboardParams, _claims: Claims = None) -> LeaderboardAnswer:
    """Read the time at each heart rate; zones and points are app.heartrate's."""
    known = profiles(client)
    entries = []
    for spent in time_at_rates(client, *params.bounds(client, DEFAULT_WINDOW_S)):
        profile = known.get(spent.user_id)
        points = effort(spent.time_at, profile).points
        if profile is None or profile.hidden or points is None:
            continue
        minutes = sum(spent.seconds) / 60
        entries.append(
            LeaderboardEntry(
                user_id=spent.user_id,
                user_name=profile.shown_name,
                points=points,
                points_per_minute=round(points / minutes, 2),
                minutes=round(minutes, 2),
            )
        )
    entries.sort(key=lambda entry: (-entry.points, entry.user_name))
    return LeaderboardAnswer(entries=entries[: params.limit])


get_leaderboard_api = Api[LeaderboardParams, LeaderboardAnswer]("getLeaderboard", query_function=get_leaderboard)
