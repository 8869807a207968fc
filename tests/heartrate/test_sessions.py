import pytest

from app.heartrate.sessions import InvalidSessionError, SessionKind, check_session

T = 1_790_000_000_000_000


@pytest.mark.parametrize("kind", SessionKind)
def test_sessions_that_can_be(kind: str) -> None:
    check_session("2026-11-24-1", "Spin", kind, T, None, None)
    check_session("2026-11-24-1", "Spin", kind, T, T, T + 1)


@pytest.mark.parametrize(
    ("session", "field"),
    [
        (("", "Spin", "class", T, None, None), "session_id"),
        (("x" * 65, "Spin", "class", T, None, None), "session_id"),
        (("x", "  ", "class", T, None, None), "name"),
        (("x", "Spin", "party", T, None, None), "kind"),
        (("x", "Spin", "class", T, T - 1, None), "ended_at"),
        (("x", "Spin", "class", T, None, T - 1), "stop_marked_at"),
    ],
)
def test_what_cannot_be_is_named(session: tuple[str, str, str, int, int | None, int | None], field: str) -> None:
    with pytest.raises(InvalidSessionError, match=rf"^{field}:"):
        check_session(*session)
