"""What the pages do in a real browser, at the wall's own server: no topics, so each test tells the board itself."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from app.heartrate.profiles import Profile
from harness.waiting import FETCHING_TIMEOUT_S, wait_for
from live.access import Tokens
from tests.ingest_server import Ingest
from tests.live.room import Room

pytestmark = pytest.mark.timeout(FETCHING_TIMEOUT_S)

ADA, STRANGER, OTHER = "863436", "863437", "863438"
MOOSE_IS = "well => import('/static/events.js').then(({parts}) => parts.get('link').moose === well)"
PEOPLE, HISTORY = "**/data/people", "**/data/people/7/history*"
ASKED_EVERY_S = 5
"""So often at most a refused page asks whether it is let in."""

SIDEWAYS = {"width": 844, "height": 390}
SCREENSHOTS = Path(
    os.environ.get("BEATSTREAM_SCREENSHOTS") or Path(__file__).parents[2] / ".beatstream" / "screenshots"
)


@pytest.fixture
def room(ingest: Ingest) -> Iterator[Room]:
    with Room(ingest.url) as server:
        wait_for(lambda: server.app.state.wall.past_known, "the past to be read", 10)
        yield server


@contextmanager
def opened(browser: Browser, url: str, **options: Any) -> Iterator[Page]:
    context = browser.new_context(**options)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(url)
    try:
        yield page
        assert wrong == []
    finally:
        context.close()


@contextmanager
def beating(room: Room, wearers: dict[str, int], rate: int = 120) -> Iterator[None]:
    """Straps and who wears them, heard all the time."""
    ending = threading.Event()

    def beat() -> None:
        while not ending.wait(0.5):
            for number, (strap, user_id) in enumerate(wearers.items()):
                room.beat(strap, user_id, rate + 9 * number)

    beating = threading.Thread(target=beat)
    beating.start()
    try:
        yield
    finally:
        ending.set()
        beating.join(10)


def person(room: Room, name: str, alias: str | None = None) -> int:
    answer = httpx.post(f"{room.url}/actions/person", json={"user_name": name, "alias": alias}).raise_for_status()
    user_id: int = answer.json()["user_id"]
    return user_id


def holding(page: Page, path: str) -> list[Route]:
    """Requests that wait from now on."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(path, hold)
    return held


def until(page: Page, condition: Callable[[], Any], what: str) -> None:
    """Wait for something that is heard of the page."""

    def holds() -> Any:
        page.wait_for_timeout(20)  # meanwhile it is heard
        return condition()

    wait_for(holds, what, 20, every_s=0)


def go_on(page: Page, path: str, held: list[Route]) -> None:
    """Let requests pass again: those that wait, one at least, and all to come."""
    until(page, lambda: held, f"a request for {path}")
    for each in held:
        each.continue_()
    page.unroute(path)


def wearer(ingest: Ingest) -> dict[str, Any]:
    """Whom the newest assignment names."""
    newest = [record for path, record in ingest.taken if path == "/ingest/strap_assignment"][-1]
    return {key: newest[key] for key in ("device_id", "user_id", "user_name")}


def test_enter_names_a_wearer_only_where_one_person_is_called_that(
    browser: Browser, room: Room, ingest: Ingest
) -> None:
    first, second, alias = person(room, "Anna"), person(room, "Anna"), person(room, "Bob", "Cleo")
    really = person(room, "Cleo")
    for strap in (ADA, STRANGER, OTHER):
        room.beat(strap, 0, 120)
    with opened(browser, room.url) as page:

        def choose(strap: str, name: str) -> Locator:
            page.locator(f"[data-strap='{strap}']").click()
            page.get_by_label("Pick a person").fill(name)
            return page.locator("dialog")

        dialog = choose(ADA, "anna")
        expect(dialog.locator(".people-list button")).to_have_text([f"Anna · {first}", f"Anna · {second}"])
        page.keyboard.press("Enter")
        expect(dialog.get_by_role("alert").first).to_have_text("Several people are called that. Pick one of them.")
        assert [path for path, _ in ingest.taken if path == "/ingest/strap_assignment"] == []
        dialog.get_by_role("button", name=f"Anna · {second}").click()
        expect(dialog).to_have_count(0)
        assert wearer(ingest) == {"device_id": ADA, "user_id": second, "user_name": "Anna"}

        dialog = choose(STRANGER, "cleo")
        expect(dialog.locator(".people-list button")).to_have_text(["Bob (Cleo)", "Cleo"])
        page.keyboard.press("Enter")
        expect(dialog).to_have_count(0)
        assert wearer(ingest) == {"device_id": STRANGER, "user_id": really, "user_name": "Cleo"}

        dialog = choose(OTHER, "Anna")
        dialog.get_by_role("button", name="New person “Anna”").click()
        expect(dialog).to_have_count(0)
        third = wearer(ingest)
        assert third["user_name"] == "Anna"
        assert third["user_id"] not in {first, second, alias, really}


def test_enter_waits_until_it_is_known_who_is_called_that(browser: Browser, room: Room, ingest: Ingest) -> None:
    dora = person(room, "Dora")
    room.beat(STRANGER, 0, 120)
    with opened(browser, room.url) as page:
        held = holding(page, PEOPLE)
        page.locator(".strap-card").click()
        page.get_by_label("Pick a person").fill("Dora")
        page.keyboard.press("Enter")
        go_on(page, PEOPLE, held)
        expect(page.locator("dialog")).to_have_count(0)
    assert wearer(ingest) == {"device_id": STRANGER, "user_id": dora, "user_name": "Dora"}


def test_a_dialog_closes_only_by_a_click_that_begins_and_ends_beside_it(browser: Browser, room: Room) -> None:
    with opened(browser, room.url) as page:
        page.get_by_role("button", name="Start session").click()
        field = page.get_by_label("Name", exact=True)
        field.fill("Spin class")
        box = field.bounding_box()
        assert box is not None
        inside, beside = (box["x"] + 40, box["y"] + box["height"] / 2), (5, 5)
        for start, end in ((inside, beside), (beside, inside)):
            page.mouse.move(*start)
            page.mouse.down()
            page.mouse.move(*end, steps=5)
            page.mouse.up()
            expect(field).to_have_value("Spin class")
        page.mouse.click(*beside)
        expect(page.locator("dialog")).to_have_count(0)


def test_a_screen_whose_token_is_no_longer_one_shows_the_form(browser: Browser, ingest: Ingest) -> None:
    before, after = Tokens("correct horse battery"), Tokens("another horse battery")
    with Room(ingest.url, before) as server:
        port = server.port
        server.profile(Profile(7, "Ada"), ADA)
        server.beat(ADA, 7, 120)
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{server.url}/?token={before.change}")
        expect(page.locator(".tile")).to_contain_text("Ada")
        page.evaluate("window.neverReloaded = true")
    expect(page.locator("#connection")).to_have_text("Reconnecting…")
    with Room(ingest.url, before, port):
        expect(page.locator("#connection")).not_to_have_text("Reconnecting…")
        assert page.evaluate("window.neverReloaded") is True
    expect(page.locator("#connection")).to_have_text("Reconnecting…")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(f"{request.method} {request.url.removeprefix(server.url)}"))
    with Room(ingest.url, after, port):
        expect(page.get_by_label("Room token")).to_be_visible(timeout=10_000)
        page.wait_for_timeout(2000)
        assert asked.count("HEAD /") == 1
        assert asked.count("GET /") == 1
        page.get_by_label("Room token").fill(after.change or "")
        page.get_by_role("button", name="Enter").click()
        expect(page.locator("body")).to_have_attribute("data-connection", "open")
    context.close()


def test_a_stream_that_is_refused_for_another_reason_reloads_nothing(browser: Browser, room: Room) -> None:
    with opened(browser, room.url) as page:
        expect(page.locator("body")).to_have_attribute("data-connection", "open")
        page.evaluate("window.neverReloaded = true")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.method))
        page.route("**/events*", lambda route: route.fulfill(status=503))
        began = time.monotonic()
        page.evaluate("dispatchEvent(new Event('online'))")
        until(page, lambda: asked.count("GET") >= 3, "three tries")
        assert 1 <= asked.count("HEAD") <= 1 + (time.monotonic() - began) // ASKED_EVERY_S
        page.unroute("**/events*")
        expect(page.locator("body")).to_have_attribute("data-connection", "open")
        assert page.evaluate("window.neverReloaded") is True


@pytest.mark.parametrize("path", ["/people", "/person/7"])
def test_an_edit_that_failed_is_told_and_not_done_later(
    browser: Browser, room: Room, ingest: Ingest, path: str
) -> None:
    room.profile(Profile(7, "Ada"), ADA)
    with opened(browser, f"{room.url}{path}") as page:
        edit = page.get_by_role("button", name="Edit")
        expect(page.locator("main")).to_contain_text("Ada")
        page.route(PEOPLE, lambda route: route.abort())
        for _ in range(3):
            edit.click()
            expect(page.locator("#problem")).to_have_text("Beatstream does not answer. Try again in a moment.")
        page.unroute(PEOPLE)
        # The stack goes and comes back: what failed to load is loaded now.
        for keys, well in (({"GET": "a key"}, False), ({}, True)):
            ingest.keys = keys
            page.wait_for_function(MOOSE_IS, arg=well)
        page.wait_for_timeout(500)
        expect(page.locator("dialog")).to_have_count(0)

        held = holding(page, PEOPLE)
        for _ in range(3):
            edit.click()
        go_on(page, PEOPLE, held)
        expect(page.locator("dialog")).to_have_count(1)
        page.wait_for_timeout(300)
        assert page.locator("dialog").count() == 1


def test_a_saved_profile_changes_zones_and_sums_shown(browser: Browser, room: Room) -> None:
    room.profile(Profile(7, "Ada", hr_max_entered=200), ADA)
    known = {"avg_heart_rate": 120.0, "max_heart_rate": 130, "min_heart_rate": 110, "beat_count": 500}
    unknown = {"energy_kcal": None, "recovery_bpm": None, "rmssd_ms": None}
    stored = {"zone_seconds": [0, 61, 0, 0, 0, 0], "points": 1.0}

    def with_heart(route: Route) -> None:
        answer = route.fetch()
        history = answer.json()
        start = round(datetime.fromisoformat(history["start"]).timestamp())
        seconds = [[start + each, 120, 110, 130] for each in range(60)]
        beats = [[start + each, 500.0] for each in range(60)]
        summary = known | unknown | stored
        route.fulfill(response=answer, json={**history, "summary": summary, "seconds": seconds, "beats": beats})

    with opened(browser, "about:blank") as page:
        page.route(HISTORY, with_heart)
        page.goto(f"{room.url}/person/7")
        expect(page.locator("#zones caption")).to_contain_text("HRmax 200 bpm")
        expect(page.locator("#zones [data-zone='1']")).to_contain_text("1:01")
        page.get_by_role("button", name="Edit").click()
        page.get_by_label("HRmax, bpm").fill("160")
        held = holding(page, HISTORY)
        page.route(HISTORY, with_heart, times=1)
        page.get_by_role("button", name="Save").click()
        expect(page.locator("#zones caption")).to_contain_text("HRmax 160 bpm")
        # The tables have the profile a moment later than the wall.
        stored |= {"zone_seconds": [0, 0, 0, 61, 0, 0], "points": 3.0}
        until(page, lambda: held, "the second load")
        with_heart(held[0])
        expect(page.locator("#zones [data-zone='3']")).to_contain_text("1:01")
        expect(page.locator("#facts")).to_contain_text("3")
        assert page.locator("#charts .uplot").count() == 2
        assert page.locator("#zoom button").count() == 5


def test_a_strap_that_is_not_heard_of_has_no_heart_rate(browser: Browser, room: Room) -> None:
    with beating(room, {STRANGER: 0}), opened(browser, room.url) as page:
        page.locator(".strap-card").click()
        heart_rate, signal, _ = page.locator("dialog dd").all()
        expect(heart_rate).to_have_text("120 bpm")
        page.route("**/events*", lambda route: route.abort())
        page.evaluate("dispatchEvent(new Event('online'))")
        expect(heart_rate).to_have_text("-- bpm")
        page.evaluate("import('/static/events.js').then(({parts}) => parts.clear())")
        expect(signal).to_have_text("Signal unknown")
        page.unroute("**/events*")
        expect(heart_rate).to_have_text("120 bpm")


def test_a_phone_held_sideways(browser: Browser, room: Room) -> None:
    names = ["Ada", "Grace", "Barbara", "Frances", "Radia", "Katherine", "Margaret", "Hedy"]
    wearers = {str(700_001 + index): index + 1 for index in range(len(names))}
    for (strap, user_id), name in zip(wearers.items(), names, strict=True):
        room.profile(Profile(user_id, name, hr_max_entered=190), strap)
    with beating(room, wearers, rate=96), opened(browser, room.url, viewport=SIDEWAYS, color_scheme="dark") as page:
        expect(page.locator(".tile[data-state=live]")).to_have_count(len(names))
        expect(page.locator("#average")).not_to_have_text("--")
        page.wait_for_timeout(1500)  # tiles have moved to their places
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / "phone-sideways.png")
        strip = page.locator(".strip").bounding_box()
        assert strip is not None
        assert strip["height"] <= SIDEWAYS["height"] * 0.4
        assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
        boxes = [tile.bounding_box() for tile in page.locator(".tile").all()]
        for box in boxes:
            assert box is not None
            assert box["width"] >= 180
            assert box["height"] >= 125
        assert sum(box is not None and box["y"] + box["height"] <= SIDEWAYS["height"] for box in boxes) >= 4
