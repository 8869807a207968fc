"""A session: a span of time with a name, which summaries and leaderboards are about."""

from enum import StrEnum

LONGEST_NAME = 60
LONGEST_ID = 64
LONGEST_S = 86_400
"""A session that nobody ends goes on for no longer."""


class InvalidSessionError(ValueError):
    """A session that cannot be; its text names the field."""


class SessionKind(StrEnum):
    """What is done in a session."""

    CLASS = "class"
    TRAINING = "training"
    TEST = "test"
    REST = "rest"
    """Everybody lies or sits still: the kind in which variability says something."""


def check_session(
    session_id: str, name: str, kind: str, started_us: int, ended_us: int | None, stop_marked_us: int | None
) -> None:
    """Raise `InvalidSessionError` if a session cannot be. Moments are µs since 1970 UTC; None: not yet."""
    if not 0 < len(session_id) <= LONGEST_ID:
        raise InvalidSessionError(f"session_id: {session_id[:80]!r} has not 1 to {LONGEST_ID} characters")
    if not 0 < len(name.strip()) <= LONGEST_NAME:
        raise InvalidSessionError(f"name: {name[:80]!r} is not a name of 1 to {LONGEST_NAME} characters")
    if kind not in list(SessionKind):
        raise InvalidSessionError(f"kind: {kind[:40]!r} is none of {', '.join(SessionKind)}")
    for field, moment_us in (("ended_at", ended_us), ("stop_marked_at", stop_marked_us)):
        if moment_us is not None and moment_us < started_us:
            raise InvalidSessionError(f"{field}: lies before started_at")
