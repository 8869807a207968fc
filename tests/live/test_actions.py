"""What a screen may change, against the wall's own application and an ingest API that takes it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from live import sessions
from live.server import create
from live.settings import Settings
from live.wall import Wall
from tests.ingest_server import Ingest

Act = Callable[[str], Awaitable[httpx.Response]]


def session(name: str, begins_in_s: float) -> dict[str, Any]:
    """A session as ingest's senders know it."""
    start = datetime.fromtimestamp(time.time() + begins_in_s, UTC).isoformat()
    return {"session_id": name, "name": name, "kind": "class", "started_at": start}


def play(ingest: Ingest, known: list[dict[str, Any]], screen: Callable[[Act, Wall], Awaitable[None]]) -> None:
    """Let a screen act while some sessions are known."""

    async def main() -> None:
        settings = Settings(moose_url=ingest.url, broker="127.0.0.1:1")
        app, wall = create(settings), Wall(settings)
        app.state.wall = wall
        for record in known:
            wall.take_session(record)

        async def act(name: str) -> httpx.Response:
            return await client.post(f"/actions/{name}", json={"name": "Now"} if name == "start-session" else {})

        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            await screen(act, wall)
        await wall.moose.close()

    asyncio.run(main())


def test_a_session_that_is_announced_is_left_alone(ingest: Ingest) -> None:
    saturday = session("Saturday", 86_400)

    async def screen(act: Act, wall: Wall) -> None:
        for name in ("mark-stop", "end-session"):
            refused = await act(name)
            assert (refused.status_code, refused.json()["error"]) == (400, "No session is running.")
        assert ingest.taken == []
        for name in ("start-session", "mark-stop", "end-session"):
            assert (await act(name)).status_code == 200
        assert wall.sessions.get("Saturday") == {**saturday, "ended_at": None, "stop_marked_at": None}

    play(ingest, [saturday], screen)
    assert {record["name"] for _, record in ingest.taken} == {"Now"}


@pytest.mark.parametrize("action", ["mark-stop", "end-session", "start-session"])
def test_one_begun_by_a_clock_that_is_ahead_is_not_posted_as_what_cannot_be(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    # However slow this machine is, its start does not come.
    monkeypatch.setattr(sessions, "AHEAD_S", 3600)

    async def screen(act: Act, _wall: Wall) -> None:
        refused = await act(action)
        assert refused.status_code == 400
        assert refused.json()["error"].startswith("The session cannot be changed yet: its ")

    play(ingest, [session("Running", -60), session("Ahead", 3000)], screen)
    assert ingest.taken == []
