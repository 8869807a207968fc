"""GET /api/getUserBeats: one person, beat by beat."""

from moose_lib import Api, MooseClient
from pydantic import BaseModel

from app.apis.get_user_heart_rate_history import DEFAULT_WINDOW_S, PersonSpanParams
from app.apis.question import Claims
from app.apis.sessions import names_unknown_session
from app.apis.training import PersonBeat, beats


class BeatsAnswer(BaseModel):
    """One entry a beat, ascending."""

    entries: list[PersonBeat]


@names_unknown_session
def get_user_beats(client: MooseClient, params: PersonSpanParams, _claims: Claims = None) -> BeatsAnswer:
    """Read the person's beats."""
    return BeatsAnswer(entries=beats(client, *params.bounds(client, DEFAULT_WINDOW_S), user_id=params.user_id))


get_user_beats_api = Api[PersonSpanParams, BeatsAnswer]("getUserBeats", query_function=get_user_beats)
