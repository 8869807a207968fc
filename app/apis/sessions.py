"""What the APIs share about sessions: the stored ones, and a session as a span of time."""

from collections.abc import Callable
from functools import wraps
from typing import Optional, Self

from moose_lib import ApiResult, MooseClient
from pydantic import BaseModel, Field, model_validator

from app.apis.question import TimeSpan, ask, rfc3339
from app.datamodels.training_session import training_session_pipeline
from app.heartrate.sessions import LONGEST_ID, LONGEST_NAME, LONGEST_S, SessionKind
from app.storage.moments import can_be


class SessionEntry(BaseModel):
    """A session."""

    session_id: str
    name: str
    kind: str = Field(description="class, training, test or rest")
    started_at: str = Field(description="RFC 3339, UTC")
    ended_at: Optional[str] = Field(description="RFC 3339, UTC; null: it is running")
    stop_marked_at: Optional[str] = Field(description="RFC 3339, UTC; null: not marked")
    first_second: int = Field(exclude=True, description="Unix second, rounded up")
    last_second: int = Field(exclude=True, description="Unix second, rounded up; of a running one: now")
    stop_second: Optional[int] = Field(exclude=True, description="Unix second")

    @property
    def seconds(self) -> tuple[int, int]:
        """First and last second, both included, `LONGEST_S` at most."""
        return self.first_second, min(self.last_second, self.first_second + LONGEST_S - 1)


class UnknownSessionError(LookupError):
    """No session has that id."""


def sessions(client: MooseClient, session_id: str | None = None, limit: int = 1) -> list[SessionEntry]:
    """The newest sessions by start; or the one named. Raises `UnknownSessionError` where that one is not known."""
    entries = ask(
        client,
        f"""
        SELECT
            session_id,
            newest.1 AS name,
            newest.2 AS kind,
            {rfc3339("newest.3")} AS started_at,
            if(isNull(newest.4), NULL, {rfc3339("assumeNotNull(newest.4)")}) AS ended_at,
            if(isNull(newest.5), NULL, {rfc3339("assumeNotNull(newest.5)")}) AS stop_marked_at,
            toInt64(ceil(toFloat64(newest.3))) AS first_second,
            toInt64(ceil(toFloat64(ifNull(newest.4, now64(6))))) AS last_second,
            if(isNull(newest.5), NULL, toInt64(ceil(toFloat64(assumeNotNull(newest.5))))) AS stop_second
        FROM (
            SELECT session_id, argMax((name, kind, started_at, ended_at, stop_marked_at), stored_at) AS newest
            FROM {training_session_pipeline.get_table().name}
            WHERE (isNull({{session:Nullable(String)}}) OR session_id = {{session:Nullable(String)}})
              -- What cannot be went to the dead letter queue, and is in the table all the same.
              AND lengthUTF8(session_id) BETWEEN 1 AND {{longest_id:UInt32}}
              AND match(name, {{not_blank:String}}) AND lengthUTF8(trimBoth(name)) <= {{longest_name:UInt32}}
              AND {can_be("started_at")} AND {can_be("ended_at")} AND {can_be("stop_marked_at")}
              AND kind IN {{kinds:Array(String)}} AND ifNull(ended_at >= started_at, true)
              AND ifNull(stop_marked_at >= started_at, true)
            GROUP BY session_id
        )
        ORDER BY newest.3 DESC
        LIMIT {{limit:UInt32}}
        """,  # noqa: S608 (own names)
        {
            "session": session_id,
            "limit": limit,
            "kinds": [kind.value for kind in SessionKind],
            "longest_id": LONGEST_ID,
            "longest_name": LONGEST_NAME,
            "not_blank": r"[^\s\p{Z}]",
        },
        SessionEntry,
    )
    if session_id is not None and not entries:
        raise UnknownSessionError(f"session_id: no session {session_id[:80]!r} is known")
    return entries


def names_unknown_session[Params, Answer](
    query: Callable[[MooseClient, Params], Answer],
) -> Callable[[MooseClient, Params], Answer | ApiResult]:
    """Let an API answer 400 for a session that is not known, as for any other wrong parameter."""

    @wraps(query)
    def answer(client: MooseClient, params: Params) -> Answer | ApiResult:
        try:
            return query(client, params)
        except UnknownSessionError as error:
            return ApiResult(status=400, body={"error": str(error)})

    return answer


class SessionOrSpan(TimeSpan):
    """A session, or a span of time."""

    session_id: Optional[str] = Field(default=None, description="A session, instead of a span of time")

    @model_validator(mode="after")
    def _session_or_span(self) -> Self:
        if self.session_id is not None and (self.window_seconds is not None or self.start is not None):
            raise ValueError("session_id: give either session_id or a span of time, not both")
        return self

    def session(self, client: MooseClient) -> SessionEntry | None:
        """The session, if one is named. Raises `UnknownSessionError`."""
        return None if self.session_id is None else sessions(client, self.session_id)[0]

    def bounds(self, client: MooseClient, default_window_s: int) -> tuple[int, int]:
        """First and last second, both included. Raises `UnknownSessionError`."""
        session = self.session(client)
        return self.seconds(default_window_s) if session is None else session.seconds
