"""The group's sessions, as the topic and the API tell."""

from datetime import datetime
from typing import Any

from app.heartrate.contact import AHEAD_S
from app.heartrate.moments import to_us
from app.heartrate.sessions import LONGEST_S, check_session

FIELDS = ("session_id", "name", "kind", "started_at", "ended_at", "stop_marked_at")


class Sessions:
    """All sessions known. Of a session, what comes later counts."""

    def __init__(self) -> None:
        self._sessions: dict[str, dict[str, Any]] = {}

    def take(self, record: dict[str, Any]) -> None:
        """A session as known from now on. Raises `KeyError`, `TypeError` or `ValueError` for what is none."""
        check_record(record)
        self._sessions[record["session_id"]] = {field: record.get(field) for field in FIELDS}

    def knows(self, session_id: str) -> bool:
        """Whether there is one of that id."""
        return session_id in self._sessions

    def get(self, session_id: str) -> dict[str, Any] | None:
        """A session; None: there is none."""
        return self._sessions.get(session_id)

    def all(self) -> list[dict[str, Any]]:
        """All of them, the newest first."""
        return sorted(self._sessions.values(), key=_started_s, reverse=True)

    def open(self, now_s: float) -> list[dict[str, Any]]:
        """Those that go on, the newest first; one that nobody has ended does for `LONGEST_S`."""
        return [
            session
            for session in self.all()
            if session["ended_at"] is None and -AHEAD_S <= now_s - _started_s(session) < LONGEST_S
        ]

    def running(self, now_s: float) -> dict[str, Any] | None:
        """The newest of those that go on."""
        return next(iter(self.open(now_s)), None)

    def running_part(self, now_s: float) -> dict[str, Any] | None:
        """As the screens know it."""
        session = self.running(now_s)
        if session is None:
            return None
        return {
            "session_id": session["session_id"],
            "name": session["name"],
            "kind": session["kind"],
            "started_at": _unix_s(session["started_at"]),
            "stop_marked_at": _unix_s(session["stop_marked_at"]),
        }


def check_record(record: dict[str, Any]) -> None:
    """Raise `KeyError`, `TypeError` or `ValueError` (`InvalidSessionError`) if a record is no session."""
    started_us = to_us(datetime.fromisoformat(record["started_at"]))
    ended_us, stopped_us = (_us(record.get(field)) for field in ("ended_at", "stop_marked_at"))
    check_session(record["session_id"], record["name"], record["kind"], started_us, ended_us, stopped_us)


def _us(rfc3339: str | None) -> int | None:
    return None if rfc3339 is None else to_us(datetime.fromisoformat(rfc3339))


def _unix_s(rfc3339: str | None) -> float | None:
    return None if rfc3339 is None else datetime.fromisoformat(rfc3339).timestamp()


def _started_s(session: dict[str, Any]) -> float:
    return datetime.fromisoformat(session["started_at"]).timestamp()
