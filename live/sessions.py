"""The group's sessions, as the topic and the API tell."""

from datetime import datetime
from typing import Any

from app.heartrate.contact import AHEAD_S
from app.heartrate.moments import to_us
from app.heartrate.sessions import LONGEST_S, check_session
from live.records import rfc3339
from live.told import moment

MOMENTS = ("started_at", "ended_at", "stop_marked_at")


class Sessions:
    """All sessions known. Of a session, what comes later counts."""

    def __init__(self) -> None:
        self._sessions: dict[str, dict[str, Any]] = {}
        self._awaited: dict[str, list[dict[str, Any]]] = {}
        """What was said here of a session, and the topic has not brought back."""

    def take(self, record: dict[str, Any]) -> None:
        """A session as the topic tells it. Raises `KeyError` or `ValueError` for what is none."""
        session = _session(record)
        session_id = session["session_id"]
        awaited = self._awaited.get(session_id, [])
        if session in awaited:
            awaited = awaited[awaited.index(session) + 1 :]
            self._awaited[session_id] = awaited
            if awaited:
                return  # what was said here after it is on its way
        self._sessions[session_id] = session

    def change(self, record: dict[str, Any]) -> None:
        """A session as known from now on, said here before the topic brings it. Raises as `take`."""
        session = _session(record)
        self._sessions[session["session_id"]] = session
        self._awaited.setdefault(session["session_id"], []).append(session)

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
    """Raise `KeyError` or `ValueError` (`InvalidSessionError`) if a record is no session."""
    _session(record)


def _session(record: dict[str, Any]) -> dict[str, Any]:
    """The fields of a session, with its moments written alike."""
    started = moment(record["started_at"])
    ended, stopped = (None if record.get(field) is None else moment(record[field]) for field in MOMENTS[1:])
    ended_us, stopped_us = (None if each is None else to_us(each) for each in (ended, stopped))
    session = {name: record[name] for name in ("session_id", "name", "kind")}
    check_session(**session, started_us=to_us(started), ended_us=ended_us, stop_marked_us=stopped_us)
    told = zip(MOMENTS, (started, ended, stopped), strict=True)
    return session | {name: None if each is None else rfc3339(each) for name, each in told}


def _unix_s(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text).timestamp()


def _started_s(session: dict[str, Any]) -> float:
    return datetime.fromisoformat(session["started_at"]).timestamp()
