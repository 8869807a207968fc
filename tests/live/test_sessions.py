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
