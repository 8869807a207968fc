"""Events: resumed, shared, and never queued up for a slow screen."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import jsonschema

from live.feed import Feed
from live.parts import Parts
from live.schema import event_schema


def run(play: Callable[[Parts, Feed], Awaitable[None]]) -> None:
    async def main() -> None:
        parts = Parts(600)
        await play(parts, Feed(parts))

    asyncio.run(main())


def read(event: bytes) -> tuple[str, str, dict[str, Any]]:
    lines = dict(line.split(": ", 1) for line in event.decode().strip().splitlines())
    return lines["event"], lines["id"], json.loads(lines["data"])


def test_a_screen_gets_a_snapshot_and_then_changes() -> None:
    async def play(parts: Parts, feed: Feed) -> None:
        parts.set("link", {"broker": True, "moose": True})
        feed.publish()
        events = feed.events(None)
        kind, _, data = read(await anext(events))
        assert (kind, data["set"]) == ("snapshot", {"link": {"broker": True, "moose": True}})
        upcoming = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        parts.set("session", None)
        feed.publish()
        kind, last, data = read(await upcoming)
        assert (kind, data["set"]) == ("changes", {"session": None})
        # It comes back: nothing new, so nothing but the time.
        kind, _, data = read(await anext(feed.events(last)))
        assert (kind, data["set"], data["gone"], data["seconds"]) == ("changes", {}, [], [])

    run(play)


def test_an_id_of_another_run_or_none_at_all_gets_a_snapshot() -> None:
    async def play(parts: Parts, feed: Feed) -> None:
        parts.set("link", 1)
        feed.publish()
        for event_id in ("0000.1", "nonsense", "", ".", "-1", f"{feed._run}.999", f"{feed._run}.²"):
            kind, _, _ = read(await anext(feed.events(event_id)))
            assert kind == "snapshot", event_id

    run(play)


def test_a_slow_screen_gets_the_newest_value_once() -> None:
    async def play(parts: Parts, feed: Feed) -> None:
        parts.set("beat:p1", 0)
        feed.publish()
        events = feed.events(None)
        await anext(events)
        for number in range(1, 10_000):
            parts.set("beat:p1", number)
            feed.publish()
        assert len(feed._encoded) <= 1, "nothing is kept for it"
        _, _, data = read(await anext(events))
        assert data["set"] == {"beat:p1": 9999}

    run(play)


def test_screens_that_are_up_to_date_share_an_encoding() -> None:
    async def play(parts: Parts, feed: Feed) -> None:
        parts.set("beat:p1", 0)
        feed.publish()
        screens = [feed.events(None) for _ in range(50)]
        first = [await anext(screen) for screen in screens]
        assert all(event is first[0] for event in first)
        assert feed.screens == 50
        for screen in screens:
            await screen.aclose()
        assert feed.screens == 0

    run(play)


def test_nothing_new_is_told_once_a_second_only() -> None:
    async def play(parts: Parts, feed: Feed) -> None:
        parts.set("link", 1)
        feed.publish()
        waiting = asyncio.ensure_future(feed.published())
        for _ in range(5):
            feed.publish()
            await asyncio.sleep(0)
        assert not waiting.done()
        feed._published_at -= 1.0
        feed.publish()
        await waiting

    run(play)


def test_the_schema_is_one() -> None:
    schema = event_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    good = {"now": 1.5, "set": {"session": None}, "gone": [], "seconds": [[1, None, None, None, 0, {}]]}
    jsonschema.validate(good, schema)
    for bad in ({**good, "set": {"beat:p1": {}}}, {**good, "set": {"else": 1}}, {"now": 1}):
        assert not jsonschema.Draft202012Validator(schema).is_valid(bad)
