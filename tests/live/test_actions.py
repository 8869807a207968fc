"""What a screen may change, against the wall's own application and an ingest API that takes it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from app.heartrate.profiles import Profile
from app.heartrate.wearers import Assignment, Wearer
from harness.waiting import wait_for
from live import sessions
from live.server import create
from live.sessions import Sessions
from live.settings import Settings
from live.told import moment
from live.wall import Wall
from tests.ingest_server import Ingest
from tests.live.room import Room

Act = Callable[..., Awaitable[httpx.Response]]


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

        async def act(name: str, /, **body: Any) -> httpx.Response:
            return await client.post(
                f"/actions/{name}", json={"name": "Now", **body} if name == "start-session" else body
            )

        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            await screen(act, wall)
        await wall.moose.close()

    asyncio.run(main())


OLD = Profile(7, "Old", hr_max_entered=190)


def edit(ingest: Ingest, steps: Callable[[Act, Wall], Awaitable[None]]) -> None:
    """Let a screen edit Old, who wears a strap."""

    async def screen(act: Act, wall: Wall) -> None:
        now_us = time.time_ns() // 1000
        wall.board.take_profile(OLD, now_us - 2)
        wall.board.take_assignment("863436", Assignment(now_us - 2, Wearer(7, "Old"), True), ignored=False)
        await steps(partial(act, "person", user_id=7, user_name="Old", hr_max=190), wall)

    play(ingest, [], screen)


def test_a_rename_whose_second_half_failed_is_finished_by_the_next_try(ingest: Ingest) -> None:
    async def steps(save: Act, _wall: Wall) -> None:
        ingest.refuse = lambda record: "device_id" in record
        assert (await save(user_name="New")).status_code == 400
        ingest.refuse = lambda _record: False
        assert (await save(user_name="New")).status_code == 200

    edit(ingest, steps)
    (assigned,) = [record for path, record in ingest.taken if path == "/ingest/strap_assignment"]
    assert (assigned["device_id"], assigned["user_id"], assigned["user_name"]) == ("863436", 7, "New")


def test_a_profile_counts_from_now_on_though_the_one_before_is_of_a_clock_that_was_ahead(ingest: Ingest) -> None:
    async def steps(save: Act, wall: Wall) -> None:
        ahead = datetime.now(UTC) + timedelta(hours=1)
        wall.take_profile({**OLD.fields(), "updated_at": ahead.isoformat()})
        assert (await save(hidden=True)).status_code == 200
        known = wall.board.people.profile(7)
        assert known is not None
        assert known.hidden
        (saved,) = [record for path, record in ingest.taken if path == "/ingest/person_profile"]
        assert datetime.fromisoformat(saved["updated_at"]) > ahead

    edit(ingest, steps)


def test_while_the_broker_is_away_nothing_is_left_with_moose(ingest: Ingest) -> None:
    """It would hold what the screen has been told has failed, and do it later."""

    async def steps(save: Act, wall: Wall) -> None:
        wall._followers.append(SimpleNamespace(connected=False))  # type: ignore[arg-type]
        refused = await save(hidden=True)
        assert refused.status_code == 502
        assert not OLD.hidden
        assert wall.board.people.profile(7) == OLD

    edit(ingest, steps)
    assert ingest.taken == []


# The last one Python strips, and pydantic does not.
@pytest.mark.parametrize("name", ["", " ", "\x1e"])
@pytest.mark.parametrize(
    ("action", "field", "others"),
    [("assign", "user_name", {"device_id": "863436"}), ("person", "user_name", {}), ("start-session", "name", {})],
)
def test_a_name_of_nothing_is_refused_and_named(
    ingest: Ingest, action: str, field: str, others: dict[str, str], name: str
) -> None:
    async def screen(act: Act, wall: Wall) -> None:
        wall.past_known = True
        refused = await act(action, **{field: name}, **others)
        assert (refused.status_code, refused.json()["field"]) == (400, field)

    play(ingest, [], screen)
    assert ingest.taken == []


def test_a_session_that_is_announced_is_left_alone(ingest: Ingest) -> None:
    saturday = session("Saturday", 86_400)

    async def screen(act: Act, wall: Wall) -> None:
        for name in ("mark-stop", "end-session"):
            refused = await act(name)
            assert (refused.status_code, refused.json()["error"]) == (400, "No session is running.")
        assert ingest.taken == []
        for name in ("start-session", "mark-stop", "end-session"):
            assert (await act(name)).status_code == 200
        kept = wall.sessions.get("Saturday") or {}
        assert [kept[name] for name in ("ended_at", "stop_marked_at")] == [None, None]
        assert moment(kept["started_at"]) == moment(saturday["started_at"])

    play(ingest, [saturday], screen)
    assert {record["name"] for _, record in ingest.taken} == {"Now"}


@pytest.mark.parametrize(
    ("first", "second", "running"),
    [("end-session", "mark-stop", 0), ("mark-stop", "end-session", 0), ("start-session", "start-session", 1)],
)
def test_what_two_screens_ask_at_once_is_done_one_after_the_other(
    ingest: Ingest, first: str, second: str, running: int
) -> None:
    async def screen(act: Act, wall: Wall) -> None:
        await asyncio.gather(act(first), act(second))
        assert len(wall.sessions.open(time.time())) == running
        # As it comes back on the topic, to every wall.
        others = Sessions()
        others.take(going_on)
        for _, record in ingest.taken:
            others.take(record)
        assert others.all() == wall.sessions.all()

    going_on = session("Running", -60)
    play(ingest, [going_on], screen)


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


def test_nobody_new_is_named_before_the_past_is_known_and_health_tells(ingest: Ingest) -> None:
    ingest.keys = {"GET": "a key"}
    with Room(ingest.url) as room, httpx.Client(base_url=room.url, timeout=20) as client:

        def named() -> int:
            return client.post("/actions/person", json={"user_name": "New"}).status_code

        assert client.get("/health").json()["past_known"] is False
        assert named() == 502
        ingest.keys = {}
        wait_for(lambda: client.get("/health").json()["past_known"], "the past to be read", 20)
        assert named() == 200
