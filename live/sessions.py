"""The group's sessions, as the topic and the API tell."""

from datetime import datetime
from typing import Any

from app.heartrate.sessions import check_session
from live.records import to_us

FIELDS = ("session_id", "name", "kind", "started_at", "ended_at", "stop_marked_at")


class Sessions:
    """All sessions known. Of a session, what comes later counts."""

    def __init__(self) -> None:
        self._sessions: dict[str, dict[str, Any]] = {}

    def take(self, record: dict[str, Any]) -> None:
        """A session as known from now on. Raises `KeyError`, `TypeError` or `ValueError` for what is none."""
        session: dict[str, Any] = {field: record.get(field) for field in FIELDS}
        ended_us, stopped_us = (_us(session[field]) for field in ("ended_at", "stop_marked_at"))
        started_us = to_us(datetime.fromisoformat(session["started_at"]))
        check_session(session["session_id"], session["name"], session["kind"], started_us, ended_us, stopped_us)
        self._sessions[record["session_id"]] = session

    def running(self) -> dict[str, Any] | None:
        """The newest of those that have no end."""
        open_ones = [session for session in self._sessions.values() if session["ended_at"] is None]
        return max(open_ones, key=lambda session: _unix_s(session["started_at"]) or 0.0, default=None)

    def running_part(self) -> dict[str, Any] | None:
        """As the screens know it."""
        session = self.running()
        if session is None:
            return None
        return {
            "session_id": session["session_id"],
            "name": session["name"],
            "kind": session["kind"],
            "started_at": _unix_s(session["started_at"]),
            "stop_marked_at": _unix_s(session["stop_marked_at"]),
        }


def _us(rfc3339: str | None) -> int | None:
    return None if rfc3339 is None else to_us(datetime.fromisoformat(rfc3339))


def _unix_s(rfc3339: str | None) -> float | None:
    return None if rfc3339 is None else datetime.fromisoformat(rfc3339).timestamp()
