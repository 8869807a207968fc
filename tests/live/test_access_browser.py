"""Room tokens, and sessions, in a real browser, at the wall's own server.

The topics are away, so the board is told of hearts here.
"""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from app.heartrate.profiles import Profile
from harness.waiting import FETCHING_TIMEOUT_S
from live.access import COOKIE, Tokens
from tests.ingest_server import Ingest
from tests.live.room import Room

pytestmark = pytest.mark.timeout(FETCHING_TIMEOUT_S)

CHANGE, LOOK = "correct horse battery", "look-but-do-not-touch"
ADA, STRANGER = "863436", "863437"
BUTTONS = ["Start session", "Hand back", "Change", "Ignore this strap", "Everybody has gone", "New person", "Edit"]


@pytest.fixture
def room(ingest: Ingest) -> Iterator[str]:
    """Its address."""
    with Room(ingest.url, Tokens(CHANGE, LOOK)) as server:
        server.profile(Profile(7, "Ada", hr_max_entered=200), ADA)
        for strap, user_id in ((ADA, 7), (STRANGER, 0)):
            server.beat(strap, user_id, 120)
        for name, begins_in_s in (("Saturday", 86_400), ("Forgotten", -100_000)):
            server.session(name, time.time() + begins_in_s)
        yield server.url


def follow(page: Page, site: str, link: str) -> None:
    """Come by a link that stands on another site's page."""
    page.goto(site)
    page.evaluate("link => { location.href = link; }", link)


def shown_buttons(page: Page) -> set[str]:
    """Those of `BUTTONS` that are shown on the board, in its dialogs and on the other pages."""
    found: set[str] = set()

    def look() -> None:
        found.update(name for name in BUTTONS if page.get_by_role("button", name=name).first.is_visible())

    def look_into(opener: str) -> None:
        page.locator(opener).click()
        expect(page.locator("dialog")).to_be_visible()
        look()
        page.keyboard.press("Escape")
        expect(page.locator("dialog")).to_have_count(0)

    site = page.url
    look()
    for opener in (".tile", ".strap-card", "#straps"):
        look_into(opener)
    page.goto(f"{site}people")
    expect(page.locator("#people tbody")).to_contain_text("Ada")
    look()
    page.goto(f"{site}person/7")
    expect(page.locator("h1")).to_be_visible()
    look()
    return found


def test_a_link_of_another_site_leads_in_and_who_may_look_sees_nothing_to_change(
    browser: Browser, room: str, ingest: Ingest
) -> None:
    context = browser.new_context()
    page = context.new_page()
    follow(page, ingest.url, f"{room}/?token={LOOK}")
    expect(page.locator(".tile")).to_contain_text("Ada")
    assert page.url == f"{room}/"
    (cookie,) = context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == (COOKIE, True, "Strict")
    assert LOOK not in cookie["value"]
    assert page.evaluate("document.cookie") == ""
    page.go_back()
    assert page.url == f"{ingest.url}/", "no token is left to go back to"

    follow(page, ingest.url, f"{room}/")
    expect(page.locator(".tile")).to_contain_text("Ada")
    card = page.locator(".strap-card")
    # Its heart is heard no more: the number is an old one, and says so.
    expect(card).to_have_attribute("data-state", "lost")
    expect(card.locator(".hr")).to_have_text("120")
    expect(card.locator(".note")).to_contain_text("No signal, ")
    assert "120 bpm, no signal, " in (card.get_attribute("aria-label") or "")
    assert shown_buttons(page) == set()
    expect(page.locator("#problem")).to_have_text("This screen may only look at the board.")
    page.goto(f"{room}/people")
    expect(page.locator("#people tbody th")).to_have_text("Ada")
    expect(page.locator("#people tbody")).not_to_contain_text("200")
    expect(page.get_by_role("link", name="Export")).to_have_count(0)
    asked = "fetch('/actions/erase', {method: 'POST', body: '{\"user_id\": 7}'}).then(answer => answer.status)"
    assert page.evaluate(asked) == 403
    context.close()


def test_the_form_lets_in_who_may_change(browser: Browser, room: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{room}/people")
    page.get_by_label("Room token").fill("a token of elsewhere")
    page.get_by_role("button", name="Enter").click()
    expect(page.get_by_role("alert")).to_have_text("That is not the token of this room.")
    page.get_by_label("Room token").fill(CHANGE)
    page.get_by_role("button", name="Enter").click()
    expect(page.locator(".tile")).to_contain_text("Ada")
    assert shown_buttons(page) >= {"Start session", "Hand back", "Change", "Ignore this strap", "New person", "Edit"}
    context.close()


def test_what_is_announced_or_was_never_ended_does_not_run(browser: Browser, room: str) -> None:
    page = browser.new_page()
    page.goto(f"{room}/?token={CHANGE}")
    expect(page.get_by_role("button", name="Start session")).to_be_visible()
    page.goto(f"{room}/sessions")
    expect(page.locator("#sessions tbody th")).to_have_text(["Saturday", "Forgotten"])
    expect(page.locator("#sessions tbody td:last-child")).to_have_text(["Not begun", "Not ended"])
    page.get_by_role("link", name="Saturday").click()
    expect(page.locator("#about")).to_contain_text(", not begun")
    page.close()
