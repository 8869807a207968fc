import pytest

from app.heartrate.contact import AHEAD_S
from live.sessions import Sessions

FIRST = {"session_id": "a", "name": "Spin", "kind": "class", "started_at": "2026-11-24T10:00:00Z"}
SECOND = {"session_id": "b", "name": "Test", "kind": "test", "started_at": "2026-11-24T11:00:00Z"}
NOW_S = 1795520000.0


def test_the_newest_open_one_is_running() -> None:
    sessions = Sessions()
    assert sessions.running_part(NOW_S) is None
    sessions.take(SECOND)
    sessions.take(FIRST)
    assert sessions.running_part(NOW_S) == {
        "session_id": "b", "name": "Test", "kind": "test", "started_at": 1795518000.0, "stop_marked_at": None,
    }  # fmt: skip
    sessions.take({**SECOND, "ended_at": "2026-11-24T11:30:00Z"})
    assert (sessions.running(NOW_S) or {})["session_id"] == "a"
    sessions.take({**FIRST, "stop_marked_at": "2026-11-24T10:30:00Z"})
    assert (sessions.running_part(NOW_S) or {})["stop_marked_at"] == 1795516200.0


def test_one_that_nobody_ended_runs_for_a_day() -> None:
    sessions = Sessions()
    sessions.take(SECOND)
    began_s = 1795518000.0
    assert sessions.running(began_s + 86_399) is not None
    assert sessions.running_part(began_s + 86_400) is None
    assert sessions.open(began_s + 86_400) == []


def test_one_that_is_announced_runs_from_its_start_on() -> None:
    sessions = Sessions()
    sessions.take(FIRST)
    sessions.take(SECOND)
    begins_s = 1795518000.0
    assert [each["session_id"] for each in sessions.open(begins_s - AHEAD_S - 1)] == ["a"]
    # Another clock may be ahead.
    assert [each["session_id"] for each in sessions.open(begins_s - AHEAD_S)] == ["b", "a"]


@pytest.mark.parametrize("wrong", [{"kind": "party"}, {"started_at": "soon"}, {"started_at": None}, {"session_id": ""}])
def test_what_cannot_be_is_refused(wrong: dict[str, str | None]) -> None:
    sessions = Sessions()
    with pytest.raises((ValueError, TypeError)):
        sessions.take({**FIRST, **wrong})
    assert sessions.running(NOW_S) is None


def test_what_the_topic_brings_back_late_undoes_nothing_that_was_said_here_since() -> None:
    marked = {**FIRST, "stop_marked_at": "2026-11-24T10:30:00Z"}
    ended = {**marked, "ended_at": "2026-11-24T10:40:00Z"}
    sessions = Sessions()
    for change in (FIRST, marked, ended):
        sessions.change(change)
    said = sessions.get("a")
    for echo in (FIRST, marked, ended):
        sessions.take(echo)
        assert sessions.get("a") == said
    # Somebody else opens it again.
    sessions.take(marked)
    assert (sessions.get("a") or {})["ended_at"] is None


def test_what_is_said_elsewhere_meanwhile_stands_until_what_was_said_here_after_it_comes() -> None:
    sessions = Sessions()
    sessions.take(FIRST)
    sessions.change({**FIRST, "name": "Here"})
    sessions.take({**FIRST, "name": "There"})
    sessions.take({**FIRST, "name": "Here"})
    assert (sessions.get("a") or {})["name"] == "Here"
    sessions.take({**FIRST, "name": "There"})
    assert (sessions.get("a") or {})["name"] == "There"


def test_moments_are_read_as_the_functions_read_them() -> None:
    sessions = Sessions()
    sessions.take({**FIRST, "started_at": "2026-11-24t11:00:00+01:00", "ended_at": "2026-11-24T11:00:00.5z"})
    known = sessions.get("a") or {}
    assert (known["started_at"], known["ended_at"]) == ("2026-11-24T10:00:00.000000Z", "2026-11-24T11:00:00.500000Z")
