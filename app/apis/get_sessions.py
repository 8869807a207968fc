"""GET /api/getSessions: sessions, the newest first."""

from moose_lib import Api, MooseClient
from pydantic import BaseModel, Field

from app.apis.question import Claims
from app.apis.sessions import SessionEntry, sessions


class SessionsParams(BaseModel):
    """Optional."""

    limit: int = Field(default=100, ge=1, le=10_000, description="At most so many")


class SessionsAnswer(BaseModel):
    """One entry a session."""

    entries: list[SessionEntry]


def get_sessions(client: MooseClient, params: SessionsParams, _claims: Claims = None) -> SessionsAnswer:
    """Read the sessions."""
    return SessionsAnswer(entries=sessions(client, limit=params.limit))


get_sessions_api = Api[SessionsParams, SessionsAnswer]("getSessions", query_function=get_sessions)
