"""The wall in a real browser: what a person sees and does, and that a screen comes back from everything by itself."""

import os
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from app.heartrate.encoder import CommonFields, encode_default
from harness.beatstream import REPOSITORY, Beatstream
from harness.live import LiveServer, watching
from harness.waiting import FETCHING_TIMEOUT_S, wait_for
from tests.integration.gate import Gate
from tests.integration.packets import rfc3339

pytestmark = [pytest.mark.stack, pytest.mark.timeout(FETCHING_TIMEOUT_S)]

TV, PHONE = {"width": 1920, "height": 1080}, {"width": 390, "height": 844}
SCREENSHOTS = Path(os.environ.get("BEATSTREAM_SCREENSHOTS") or REPOSITORY / ".beatstream" / "screenshots")
SERIOUS = ("serious", "critical")
CUT_S = 30
NOTE_WHAT_IT_SAYS = """() => {
    window.said = [];
    const place = document.querySelector("#connection");
    new MutationObserver(() => window.said.push(place.textContent)).observe(place, {childList: true, subtree: true});
}"""
COLOURS_AT_REST = "document.getAnimations().every(({transitionProperty}) => transitionProperty !== 'background-color')"


@contextmanager
def opened(browser: Browser, url: str, **context: Any) -> Iterator[Page]:
    """A page that says all that goes wrong in it."""
    context.setdefault("viewport", TV)
    room = browser.new_context(**context)
    page = room.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
    page.goto(url)
    try:
        yield page
        # A screen whose server is away says so in its log, and that is right.
        assert [line for line in wrong if "ERR_" not in line and "Failed to load resource" not in line] == []
    finally:
        room.close()


class Hearts(threading.Thread):
    """Straps whose hearts beat twice a second at rates that the test sets, as one receiver hears them."""

    def __init__(self, beatstream: Beatstream, rates: dict[str, int]) -> None:
        super().__init__(daemon=True)
        self.rates = dict(rates)
        self.frozen: set[str] = set()
        """These transmit, and their hearts stand still."""
        self._beatstream = beatstream
        self._ending = threading.Event()
        self._count = dict.fromkeys(rates, 0)
        self._common = dict.fromkeys(rates, CommonFields(0, 0, None))

    def run(self) -> None:
        began = time.monotonic()
        while not self._ending.wait(0.25):
            records = []
            for device_id, rate in list(self.rates.items()):
                number = self._count[device_id] = self._count[device_id] + 1
                if number % 2 and device_id not in self.frozen:
                    ticks = round((time.monotonic() - began) * 1024)
                    self._common[device_id] = CommonFields(ticks, number // 2, rate or None)
                elif not rate:
                    self._common[device_id] = CommonFields(
                        self._common[device_id].event_time_ticks, self._common[device_id].beat_count, None
                    )
                records.append(
                    {
                        "device_id": device_id,
                        "packet_count": number,
                        "ant_hr_packet": encode_default(self._common[device_id], toggle=bool(number // 4 % 2)).hex(),
                        "received_at": rfc3339(datetime.now(UTC)),
                        "receiver_id": "test-1",
                    }
                )
            with suppress(httpx.HTTPError):  # the stack may be restarted under it
                self._beatstream.post("raw_ant_hr_packet", records)

    def close(self) -> None:
        self._ending.set()
        self.join(10)


@contextmanager
def beating(beatstream: Beatstream, rates: dict[str, int]) -> Iterator[Hearts]:
    hearts = Hearts(beatstream, rates)
    hearts.start()
    try:
        yield hearts
    finally:
        hearts.close()


def person(live: LiveServer, device_id: str, name: str, **profile: Any) -> str:
    """Somebody with a strap; returns their key."""
    user_id = live.act("person", user_name=name, **profile)["user_id"]
    with watching(live.url) as screen:
        screen.wait(f"person:{user_id}")
    live.act("assign", device_id=device_id, user_id=user_id)
    return f"p{user_id}"


def beats_in(live: LiveServer, session_id: str, name: str, least: int) -> bool:
    """Whether a session's summary tells of so many beats of somebody."""
    answer = live.http.get(f"/data/sessions/{session_id}")
    if not answer.is_success:
        return False  # the session is on its way to its table
    return any(entry["user_name"] == name and entry["beat_count"] >= least for entry in answer.json()["entries"])


def number(page: Page, who: str) -> str:
    return page.locator(f"[data-who={who}] .hr").inner_text()


def keep(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def accessible(page: Page, where: str) -> None:
    found = Axe().run(page).response["violations"]
    serious = [
        f"{each['id']}: {each['nodes'][0]['html'][:200]} {each['nodes'][0].get('failureSummary', '')[:300]}"
        for each in found
        if each["impact"] in SERIOUS
    ]
    assert serious == [], where


def test_a_tile_from_live_to_parked_and_back(beatstream: Beatstream, live: LiveServer, browser: Browser) -> None:
    who = person(live, "790001", "Mallory", hr_max=200)
    with beating(beatstream, {"790001": 150}) as hearts, opened(browser, live.url) as page:
        tile = page.locator(f"[data-who={who}]")
        expect(tile.locator(".hr")).to_have_text("150")
        expect(tile).to_have_attribute("data-zone", "3")
        expect(tile).to_contain_text("75")
        expect(tile).to_contain_text("Z3")
        expect(page.locator("#average")).to_have_text("150")
        expect(page.locator("#zones [data-zone='3'] .count")).to_have_text("1")
        hearts.rates["790001"] = 185
        expect(tile).to_have_attribute("data-zone", "5")
        hearts.rates["790001"] = 0
        expect(tile).to_have_attribute("data-state", "invalid")
        expect(tile.locator(".hr")).to_have_text("--")
        hearts.rates["790001"] = 120
        expect(tile).to_have_attribute("data-state", "live")
        hearts.frozen.add("790001")
        expect(tile).to_have_attribute("data-state", "stale")
        expect(tile.locator(".hr")).to_have_text("120")
        expect(tile).to_contain_text("s ago")
        del hearts.rates["790001"]
        expect(tile).to_have_attribute("data-state", "lost")
        keep(page, "lost")
        hearts.frozen.clear()
        hearts.rates["790001"] = 99
        expect(tile.locator(".hr")).to_have_text("99")
        expect(tile).to_have_attribute("data-state", "live")


def test_a_strangers_strap_is_named_by_keyboard_alone(
    beatstream: Beatstream, live: LiveServer, browser: Browser
) -> None:
    with (
        beating(beatstream, {"790002": 111}),
        opened(browser, live.url) as page,
        opened(browser, live.url) as other,
    ):
        card = page.locator("[data-strap='790002']")
        expect(card.locator(".hr")).to_have_text("111")
        keep(page, "unknown-strap")
        tab_to(page, lambda: page.evaluate("document.activeElement?.dataset?.strap") == "790002")
        page.keyboard.press("Enter")
        expect(page.locator("dialog")).to_be_visible()
        accessible(page, "the dialog of a strap")
        page.keyboard.type("Niaj")
        page.keyboard.press("Enter")
        expect(page.locator("dialog")).to_have_count(0)
        for each in (page, other):
            expect(each.locator(".tile", has_text="Niaj").locator(".hr")).to_have_text("111")
            expect(each.locator("[data-strap='790002']")).to_have_count(0)
        # Renamed on one screen: the other one follows.
        who = page.locator(".tile", has_text="Niaj").get_attribute("data-who")
        assert who is not None
        other_name = other.locator(f"[data-who={who}] .name")
        live.act("person", user_id=int(who[1:]), user_name="Niaj", alias="N.")
        expect(other_name).to_have_text("N.")


def tab_to(page: Page, reached: Callable[[], bool]) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if reached():
            return
    pytest.fail("the keyboard does not get there")


def test_a_session_by_keyboard(live: LiveServer, browser: Browser) -> None:
    with opened(browser, live.url) as page:
        page.get_by_role("button", name="Start session").press("Enter")
        page.keyboard.type("Spin class")
        page.keyboard.press("Enter")
        expect(page.locator("#session-name")).to_have_text("Spin class")
        expect(page.locator("#timer")).to_contain_text("0:0")
        page.get_by_role("button", name="Mark stop").press("Enter")
        expect(page.locator("#since-stop")).to_contain_text("Stop")
        end = page.get_by_role("button", name="End session")
        end.press("Enter")
        page.keyboard.press("Enter")
        expect(page.locator("#session-name")).to_have_text("No session")


def test_pages_of_people_and_sessions(beatstream: Beatstream, live: LiveServer, browser: Browser) -> None:
    session_id = live.act("start-session", name="Hills", kind="training")["session_id"]
    who = person(live, "790003", "Olivia", hr_max=190, hr_rest=50, birth_year=1990, sex="female", weight_kg=60)
    with beating(beatstream, {"790003": 160}):
        wait_for(partial(beats_in, live, session_id, "Olivia", 8), "her heart in the summary", 30)
    live.act("end-session")
    with opened(browser, f"{live.url}/sessions") as page:
        page.get_by_role("link", name="Hills").first.click()
        expect(page).to_have_url(f"{live.url}/sessions/{session_id}")
        row = page.locator("tr", has_text="Olivia")
        expect(row).to_contain_text("160")
        accessible(page, "a session")
        keep(page, "session")
        with page.expect_download() as download:
            row.get_by_role("link", name="CSV").click()
        assert Path(download.value.path()).read_text().startswith("time,heart_rate_bpm")
        row.get_by_role("link", name="Olivia", exact=True).click()
        expect(page.locator("h1")).to_contain_text("Olivia")
        expect(page.locator("canvas").first).to_be_visible()
        accessible(page, "a person")
        keep(page, "person")
        page.goto(f"{live.url}/sessions")
        expect(page.get_by_role("link", name="Hills").first).to_be_visible()
        accessible(page, "sessions")
        page.goto(f"{live.url}/people")
        expect(page.locator("tr", has_text="Olivia")).to_contain_text("190")
        accessible(page, "people")
        keep(page, "people")
        page.locator("tr", has_text="Olivia").get_by_role("button", name="Edit").click()
        page.get_by_label("Birth year").fill("1790")
        page.get_by_role("button", name="Save").click()
        expect(page.locator("#fault-birth_year")).to_contain_text("1790")
        accessible(page, "a profile")
        page.keyboard.press("Escape")
        with page.expect_download() as download:
            page.locator("tr", has_text="Olivia").get_by_role("link", name="Export").click()
        assert download.value.suggested_filename == f"person-{who[1:]}.zip"
        with zipfile.ZipFile(download.value.path()) as archive:
            assert b",Olivia," in archive.read("unified_hr_packet.csv")
        page.locator("tr", has_text="Olivia").get_by_role("button", name="Delete").click()
        page.keyboard.type("Olivia")
        page.keyboard.press("Enter")
        expect(page.locator(".erasure table")).to_contain_text("unified_hr_packet", timeout=60_000)
        keep(page, "erased")
        page.keyboard.press("Escape")
        expect(page.locator("tr", has_text="Olivia")).to_have_count(0)
    assert beatstream.rows(f"SELECT count() FROM unified_hr_packet WHERE user_id = {who[1:]}") == [(0,)]


@pytest.fixture(scope="module")
def crowd(beatstream: Beatstream) -> Iterator[Callable[[int], None]]:
    """Starts a class of so many synthetic people, in place of the one before."""
    running: list[subprocess.Popen[bytes]] = []

    def end() -> None:
        for process in running:
            process.terminate()
            process.wait(10)
        running.clear()

    def start(count: int) -> None:
        end()
        command = [sys.executable, "-m", "scripts.generate_data", "run", "--quiet", "--perfect", "--loss", "0.02"]
        options = ["--straps", str(count), "--seed", str(count), "--url", beatstream.url]
        running.append(subprocess.Popen([*command, *options], cwd=REPOSITORY, stdin=subprocess.DEVNULL))

    yield start
    end()


@pytest.mark.parametrize("count", [1, 12, 40, 100])
def test_the_screen_is_filled_without_scrolling(
    beatstream: Beatstream, browser: Browser, crowd: Callable[[int], None], count: int
) -> None:
    server = LiveServer(beatstream)
    crowd(count)
    try:
        server.start()
        with opened(browser, server.url) as page:
            wait_for(
                lambda: page.locator(".tile[data-state=live] .hr").count() == count, f"{count} tiles", 60, every_s=0.5
            )
            page.wait_for_timeout(1500)  # tiles have moved to their places
            for theme in ("light", "dark"):
                page.emulate_media(color_scheme=theme)
                wait_for(partial(page.evaluate, COLOURS_AT_REST), "the colours of the theme", 5)
                keep(page, f"board-{count}-{theme}")
                if count <= 12:
                    accessible(page, f"{count} people, {theme}")
            fits = page.evaluate(
                "(({scrollHeight, scrollWidth}) => [scrollHeight - innerHeight, scrollWidth - innerWidth])"
                "(document.scrollingElement)"
            )
            assert max(fits) <= 0
            boxes = page.evaluate(
                "[...document.querySelectorAll('.tile')].map(tile => tile.getBoundingClientRect().toJSON())"
            )
            assert len(boxes) == count
            for box in boxes:
                assert box["top"] >= 0
                assert box["bottom"] <= TV["height"]
                assert box["right"] <= TV["width"]
            assert not any(overlap(a, b) for i, a in enumerate(boxes) for b in boxes[:i])
            heights = page.evaluate(
                "[...document.querySelectorAll('.tile .hr')].map(hr => parseFloat(getComputedStyle(hr).fontSize))"
            )
            # At 10 m a letter of a 55-inch screen is legible from about 25 mm on: 40 of 1080 lines.
            assert min(heights) >= {1: 300, 12: 120, 40: 66, 100: 44}[count]
            if count == 12:
                with opened(browser, server.url, viewport=PHONE, color_scheme="dark") as phone:
                    expect(phone.locator(".tile .hr").first).not_to_have_text("--")
                    assert phone.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
                    keep(phone, "phone")
                    accessible(phone, "a phone")
    finally:
        server.close()


def overlap(a: dict[str, float], b: dict[str, float]) -> bool:
    return (
        a["left"] < b["right"] - 1
        and b["left"] < a["right"] - 1
        and a["top"] < b["bottom"] - 1
        and b["top"] < a["bottom"] - 1
    )


def test_screens_recover_from_a_kill_a_cut_network_and_a_restart_of_the_stack(
    beatstream: Beatstream, live: LiveServer, browser: Browser
) -> None:
    who = person(live, "790004", "Peggy", hr_max=200)
    gate = Gate(live.port)
    try:
        with (
            beating(beatstream, {"790004": 101}) as hearts,
            opened(browser, live.url) as page,
            opened(browser, gate.url) as cut,
        ):
            pages = (page, cut)
            for each in pages:
                expect(each.locator(f"[data-who={who}] .hr")).to_have_text("101")
                each.evaluate("window.neverReloaded = true")
            # The server is killed and comes back.
            live.kill()
            for each in pages:
                expect(each.locator("body")).to_have_attribute("data-connection", "reconnecting")
                expect(each.locator("#connection")).to_have_text("Reconnecting…")
            keep(page, "reconnecting")
            live.start()
            hearts.rates["790004"] = 102
            for each in pages:
                expect(each.locator(f"[data-who={who}] .hr")).to_have_text("102")
                expect(each.locator("body")).to_have_attribute("data-connection", "open")
            # One screen's network swallows everything for half a minute; meanwhile the stack is restarted.
            gate.freeze()
            cut_at = time.monotonic()
            hearts.rates["790004"] = 103
            expect(page.locator(f"[data-who={who}] .hr")).to_have_text("103")
            assert number(cut, who) == "102"
            expect(cut.locator("body")).to_have_attribute("data-connection", "reconnecting")
            page.evaluate(NOTE_WHAT_IT_SAYS)
            # The launcher is killed; the next one ends what it left behind, and begins anew.
            beatstream.kill_launcher()
            assert beatstream.processes() != []
            beatstream.start()
            assert "that an earlier run had left behind" in beatstream.said()
            assert "The stack does not answer" in page.evaluate("window.said")
            hearts.rates["790004"] = 104
            expect(page.locator(f"[data-who={who}] .hr")).to_have_text("104", timeout=60_000)
            expect(page.locator("#connection")).to_have_text("")
            cut.wait_for_timeout(max(0.0, CUT_S - (time.monotonic() - cut_at)) * 1000)
            gate.open()
            expect(cut.locator(f"[data-who={who}] .hr")).to_have_text("104")
            expect(cut.locator("body")).to_have_attribute("data-connection", "open")
            for each in pages:
                assert each.evaluate("window.neverReloaded") is True
    finally:
        gate.close()
