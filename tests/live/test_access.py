"""Room tokens: who may look, who may change, and what is told to those who may nothing."""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from app.heartrate.effort import Sex
from app.heartrate.profiles import Profile
from harness.waiting import wait_for
from live.access import COOKIE, LOOK_DATA, MOST_WRONG, MOST_WRONG_OF_ALL, OPEN_PATHS, Tokens, Wrong, cookie_of
from live.server import ACTIONS, create, own_names
from live.settings import Settings
from live.wall import Wall
from tests.ingest_server import Ingest
from tests.live.room import Room

CHANGE, LOOK = "correct horse battery", "look but do not touch"
BOTH = Tokens(CHANGE, LOOK)
HTML = {"Accept": "text/html"}


def _personal() -> list[tuple[str, str]]:
    """Method and path of all that there is, but for what is nobody's."""
    routes = create(Settings(moose_url="http://127.0.0.1:1", broker="127.0.0.1:1")).routes
    # A number fits every parameter there is.
    asked = [
        (min(route.methods or ()), re.sub(r"{[^}]+}", "1", route.path)) for route in routes if isinstance(route, Route)
    ]
    return [(method, path) for method, path in asked if not path.startswith(OPEN_PATHS)]


PERSONAL = _personal()


def ask(
    tokens: Tokens, play: Callable[[httpx.AsyncClient], Awaitable[None]], wall: Wall | None = None, **options: Any
) -> None:
    """Play against the wall's own application; nothing behind it runs."""

    async def main() -> None:
        app = create(Settings(moose_url="http://127.0.0.1:1", broker="127.0.0.1:1", tokens=tokens))
        if wall is not None:
            app.state.wall = wall
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", **options) as client:
            await play(client)

    asyncio.run(main())


def test_without_tokens_everybody_is_let_in() -> None:
    async def play(client: httpx.AsyncClient) -> None:
        assert (await client.get("/people")).status_code == 200

    ask(Tokens(), play)


def test_all_that_there_is_is_asked_for() -> None:
    paths = [path for _, path in PERSONAL]
    assert {"/", "/events", "/data/people", "/data/sessions/1/people/1.1", "/actions/erase"} <= set(paths)
    assert len(paths) >= 20


@pytest.mark.parametrize("cookie", [None, "", "x", CHANGE, cookie_of("another token of a room"), "\u00e9"])
def test_without_a_token_there_is_nothing_to_see(cookie: str | None) -> None:
    async def play(client: httpx.AsyncClient) -> None:
        headers = {} if cookie is None else {b"Cookie": f"{COOKIE}={cookie}".encode()}
        for method, path in PERSONAL:
            answer = await client.request(method, path, headers=headers)
            assert (answer.status_code, method, path) == (401, method, path)
            assert (answer.json()["field"], answer.json().keys()) == ("token", {"error", "field"})
            if method == "GET":
                page = await client.get(path, headers={**headers, b"Accept": b"text/html"})
                assert page.status_code == 401
                assert 'name="token"' in page.text

    ask(BOTH, play)


@pytest.mark.parametrize(
    "path", ["/static/../data/people", "/health/../people", "//people", "/PEOPLE", "/vendor/..%2fdata"]
)
def test_no_way_of_writing_a_path_leads_around_it(path: str) -> None:
    async def play(client: httpx.AsyncClient) -> None:
        answer = await client.get(httpx.URL("http://localhost").copy_with(raw_path=path.encode()))
        assert answer.status_code in (401, 404)
        assert answer.json().keys() == {"error", "field"}

    ask(BOTH, play)


def test_the_launcher_may_ask_whether_it_lives() -> None:
    async def play(client: httpx.AsyncClient) -> None:
        # Nothing runs behind it here: what matters is that it is not refused.
        assert (await client.get("/health")).status_code != 401
        assert (await client.get("/static/base.css")).status_code == 200

    ask(BOTH, play)


def test_a_link_lets_in_once_and_for_all_and_leaves_no_token_behind() -> None:
    async def play(client: httpx.AsyncClient) -> None:
        answer = await client.get("/people", params={"token": CHANGE, "q": "a b"})
        assert (answer.status_code, answer.headers["Location"]) == (303, "/people?q=a+b")
        kept = answer.headers["Set-Cookie"]
        assert CHANGE not in kept
        assert "HttpOnly" in kept
        assert "SameSite=strict" in kept
        assert "Secure" not in kept
        assert (await client.get("/people")).status_code == 200

    ask(BOTH, play)


def test_a_page_behind_a_link_of_another_site_is_asked_for_once_more_from_here() -> None:
    """Browsers leave the cookie out where another site leads here."""

    async def play(client: httpx.AsyncClient) -> None:
        by_link = await client.get("/people", params={"token": CHANGE, "q": '"&'}, headers=HTML)
        assert by_link.status_code == 200
        assert 'content="0;url=/people?q=%22%26"' in by_link.text
        assert CHANGE not in by_link.text
        assert COOKIE in by_link.headers["Set-Cookie"]
        client.cookies.clear()
        from_elsewhere = await client.get("/people", headers=HTML | {"Sec-Fetch-Site": "cross-site"})
        assert from_elsewhere.status_code == 401
        assert 'content="0;url=/people"' in from_elsewhere.text
        from_here = await client.get("/people", headers=HTML | {"Sec-Fetch-Site": "same-origin"})
        assert 'name="token"' in from_here.text

    ask(BOTH, play)


def test_behind_tls_the_cookie_keeps_to_it() -> None:
    async def play(client: httpx.AsyncClient) -> None:
        answer = await client.post("/enter", data={"token": LOOK}, headers={"X-Forwarded-Proto": "https"})
        assert "Secure" in answer.headers["Set-Cookie"]

    ask(BOTH, play)


def test_the_form_lets_in() -> None:
    async def play(client: httpx.AsyncClient) -> None:
        assert 'name="token"' in (await client.get("/enter")).text
        answer = await client.post("/enter", data={"token": f" {LOOK} "})
        assert (answer.status_code, answer.headers["Location"]) == (303, "/")
        assert (await client.get("/")).status_code == 200

    ask(BOTH, play)


def test_who_may_look_may_not_change() -> None:
    async def play(client: httpx.AsyncClient) -> None:
        await client.post("/enter", data={"token": LOOK})
        assert (await client.get("/people")).status_code == 200
        actions = [path for method, path in PERSONAL if method == "POST"]
        assert len(actions) == len(ACTIONS)
        for path in actions:
            refused = await client.post(path, json={})
            assert (path, refused.status_code) == (path, 403)
            assert refused.json()["error"] == "This screen may only look."
        await client.post("/enter", data={"token": CHANGE})
        # Past the token; here is no wall that could erase anybody.
        assert (await client.post("/actions/erase", json={"user_id": 1})).status_code not in (401, 403)

    ask(BOTH, play)


@pytest.fixture
def wall() -> Wall:
    """With Ada, who is shown by an alias, and Bo, who is hidden."""
    wall = Wall(Settings(moose_url="http://127.0.0.1:1", broker="127.0.0.1:1"))
    wall.board.take_profile(
        Profile(7, "Ada Lovelace", "Ada", birth_year=1990, sex=Sex.FEMALE, weight_kg=60.0, hr_max_entered=190), 0
    )
    wall.board.take_profile(Profile(8, "Bo", hidden=True), 0)
    wall.take_assignment({"device_id": "5", "user_id": 7, "user_name": "Ada Lovelace"}, 1)
    return wall


def test_who_may_look_is_told_no_more_than_the_board_shows(wall: Wall) -> None:
    async def play(client: httpx.AsyncClient) -> None:
        await client.post("/enter", data={"token": LOOK})
        (ada,) = (await client.get("/data/people")).json()["entries"]
        assert {name: value for name, value in ada.items() if value} == {
            "user_id": 7, "user_name": "Ada", "straps": ["5"],
        }  # fmt: skip
        refused = [path for _, path in PERSONAL if path.startswith("/data/") and path not in LOOK_DATA]
        assert len(refused) >= 3
        for path in (*refused, "/data/sessions/x", "/data/people/7/history", "/data/sessions/x/people/7.fit", "/data/"):
            for method in ("GET", "HEAD"):
                assert ((await client.request(method, path)).status_code, path) == (403, path)
        await client.post("/enter", data={"token": CHANGE})
        everybody = (await client.get("/data/people")).json()["entries"]
        assert [(each["user_name"], each["birth_year"]) for each in everybody] == [("Ada Lovelace", 1990), ("Bo", None)]
        assert (await client.get("/data/sessions/x")).status_code == 404

    ask(BOTH, play, wall)


def persons(events: Iterator[str]) -> tuple[set[str], set[str]]:
    """Who is told of, and who is gone, in the next event that tells of anybody."""
    for line in events:
        if line.startswith("data: "):
            told = json.loads(line.removeprefix("data: "))
            found = [{key for key in told[part] if key.startswith("person:")} for part in ("set", "gone")]
            if any(found):
                return found[0], found[1]
    raise AssertionError("the stream ended")


@pytest.mark.parametrize(("token", "sees_hidden"), [(CHANGE, True), (LOOK, False)])
def test_the_stream_names_nobody_hidden_to_who_may_only_look(ingest: Ingest, token: str, *, sees_hidden: bool) -> None:
    with Room(ingest.url, BOTH) as room, httpx.Client(base_url=room.url, timeout=20) as client:
        room.profile(Profile(8, "Bo", hidden=True), "6")
        room.profile(Profile(7, "Ada"), "5")
        wait_for(lambda: room.app.state.wall.board.parts.get("person:7"), "the board to know them", 20)
        assert client.post("/enter", data={"token": token}).status_code == 303
        with client.stream("GET", "/events") as answer:
            events = answer.iter_lines()
            hidden = {"person:8"} if sees_hidden else set()
            assert persons(events)[0] == {"person:7"} | hidden
            room.profile(Profile(7, "Ada", hidden=True), "5")
            assert persons(events) == (({"person:7"}, set()) if sees_hidden else (set(), {"person:7"}))


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "1970-01-01T00:00:00"])
def test_a_moment_that_cannot_be_is_named(wall: Wall, moment: str) -> None:
    async def play(client: httpx.AsyncClient) -> None:
        for name in ("start", "end"):
            answer = await client.get("/data/people/7/history", params={name: moment})
            assert (answer.status_code, answer.json()["field"]) == (400, name)

    ask(Tokens(), play, wall)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-11-20T10:00:00Z", "2026-11-21T10:00:00Z"),
        ("2026-11-20T10:00:00Z", "2026-11-20T09:59:59Z"),
        ("2026-11-20T10:00:00Z", None),
        ("2090-01-01T00:00:00Z", None),
    ],
)
def test_a_span_that_cannot_be_is_named_and_told_in_a_sentence(wall: Wall, start: str, end: str | None) -> None:
    async def play(client: httpx.AsyncClient) -> None:
        span = {"start": start} if end is None else {"start": start, "end": end}
        answer = await client.get("/data/people/7/history", params=span)
        assert (answer.status_code, answer.json()["field"]) == (400, "start")
        assert re.fullmatch(r"The [a-z ]+\.", answer.json()["error"])

    ask(Tokens(), play, wall)


@pytest.mark.parametrize("user_id", [0, 2**53])
def test_a_number_that_no_column_holds_is_nobody(wall: Wall, user_id: int) -> None:
    async def play(client: httpx.AsyncClient) -> None:
        answer = await client.get(f"/data/people/{user_id}/history")
        assert (answer.status_code, answer.json()["error"]) == (404, f"Nobody with number {user_id} is known.")

    ask(Tokens(), play, wall)


def test_less_than_a_day_is_asked_of_moose(wall: Wall) -> None:
    async def play(client: httpx.AsyncClient) -> None:
        span = {"start": "2026-11-20T10:00:00Z", "end": "2026-11-21T09:59:59Z"}
        for params in ({}, span, {"end": "2026-11-20T10:00:00Z"}):
            assert (await client.get("/data/people/7/history", params=params)).status_code == 502

    ask(Tokens(), play, wall)


@pytest.mark.parametrize("path", ["/person/{}", "/data/people/{}/history", "/data/sessions/x/people/{}.csv"])
def test_a_number_of_thousands_of_digits_is_nobody(wall: Wall, path: str) -> None:
    async def play(client: httpx.AsyncClient) -> None:
        assert (await client.get(path.format("7" * 5000))).status_code == 404

    ask(Tokens(), play, wall)


@pytest.mark.parametrize("host", ["[", "[::1", "other.example:x", "a@[", ""])
def test_a_host_that_is_none_is_refused(host: str) -> None:
    async def play(client: httpx.AsyncClient) -> None:
        assert (await client.get("/people", headers={"Host": host})).status_code == 403

    ask(Tokens(), play)


@pytest.mark.parametrize("origin", ["http://[", "null", "http://localhost:x@["])
def test_an_origin_that_is_none_is_refused(origin: str) -> None:
    async def play(client: httpx.AsyncClient) -> None:
        assert (await client.post("/actions/erase", headers={"Origin": origin})).status_code == 403

    ask(Tokens(), play)


def test_names_of_this_machine_may_stand_apart() -> None:
    assert own_names(" Wall.example, b ,,") >= {"wall.example", "b", "localhost"}
    assert not {"", " b", "b "} & own_names("a, b ,")


def test_who_guesses_has_to_wait_and_nothing_is_tried_meanwhile() -> None:
    async def play(client: httpx.AsyncClient) -> None:
        guesses = [client.post("/enter", data={"token": f"guess {number}"}) for number in range(MOST_WRONG + 5)]
        answers = await asyncio.gather(*guesses)
        assert sorted(answer.status_code for answer in answers) == [401] * MOST_WRONG + [429] * 5
        assert not any("Set-Cookie" in answer.headers for answer in answers)
        right = await client.get("/", params={"token": CHANGE})
        assert right.status_code == 429
        assert 0 < int(right.headers["Retry-After"]) <= 60
        # Whoever was let in before goes on.
        headers = {"Cookie": f"{COOKIE}={cookie_of(LOOK)}"}
        assert (await client.get("/people", headers=headers)).status_code == 200

    ask(BOTH, play)


def test_who_guesses_keeps_only_themselves_out_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    wrong = Wrong()
    for _ in range(MOST_WRONG):
        assert wrong.wait_s("192.0.2.1") == 0
        wrong.add("192.0.2.1")
    assert (wrong.wait_s("192.0.2.1"), wrong.wait_s("192.0.2.2")) == (60, 0)
    now += 60
    assert wrong.wait_s("192.0.2.1") == 0
    for number in range(2 * MOST_WRONG_OF_ALL):
        wrong.add(f"2001:db8::{number:x}")
    assert wrong.wait_s("192.0.2.3") == 60, "many addresses are no way round it"


def test_another_token_makes_old_cookies_worthless() -> None:
    async def play(client: httpx.AsyncClient) -> None:
        assert (await client.get("/people", headers={"Cookie": f"{COOKIE}={cookie_of(CHANGE)}"})).status_code == 401

    ask(Tokens("a new token of the room"), play)


@pytest.mark.parametrize(
    ("path", "to"),
    [
        ("//other.example/", "/other.example/"),
        ("/%5Cother.example/", "/%5Cother.example/"),
        ("/%2f%2fother.example", "/other.example"),
        ("/%22%3E%3Cscript%3E", "/%22%3E%3Cscript%3E"),
        ("/a%3Fb", "/a%3Fb"),
    ],
)
def test_a_link_leads_to_no_other_site(path: str, to: str) -> None:
    async def play(client: httpx.AsyncClient) -> None:
        url = httpx.URL("http://localhost").copy_with(raw_path=f"{path}?token={CHANGE.replace(' ', '+')}".encode())
        answer = await client.get(url)
        assert (answer.status_code, answer.headers["Location"]) == (303, to)
        assert f'content="0;url={to}"' in (await client.get(url, headers=HTML)).text

    ask(BOTH, play)


def test_a_page_tells_whether_its_screen_may_only_look() -> None:
    async def play(client: httpx.AsyncClient) -> None:
        pages = ("/", "/people", "/person/1", "/sessions", "/sessions/x")
        await client.post("/enter", data={"token": LOOK})
        for path in pages:
            assert '<html data-may="look" lang="en">' in (await client.get(path)).text
        await client.post("/enter", data={"token": CHANGE})
        for path in pages:
            assert "data-may" not in (await client.get(path)).text

    ask(BOTH, play)


@pytest.mark.parametrize("token", [None, LOOK, CHANGE])
def test_every_answer_has_the_headers_that_browsers_keep_to(token: str | None) -> None:
    async def play(client: httpx.AsyncClient) -> None:
        if token is not None:
            client.cookies.set(COOKIE, cookie_of(token))
        answers = [
            *[await client.request(method, path) for method, path in PERSONAL],
            *[await client.get(path) for path in ("/enter", "/static/base.css", "/vendor/uplot.js", "/nothing")],
            await client.get("/", params={"token": CHANGE}),
            await client.get("/", params={"token": "a wrong one"}),
            await client.get("http://other.example/"),
            await client.post("/actions/erase", headers={"Origin": "http://other.example"}),
        ]
        for answer in answers:
            headers, about = answer.headers, f"{answer.status_code} {answer.url}"
            assert headers["Content-Security-Policy"].startswith("default-src 'self';"), about
            assert "frame-ancestors 'self'" in headers["Content-Security-Policy"], about
            assert headers["X-Content-Type-Options"] == "nosniff", about
            assert headers["Referrer-Policy"] == "same-origin", about
            if answer.url.path.startswith(("/data/", "/actions/", "/events")):
                # One that failed inside is told by another layer, and says nothing of anybody.
                assert headers.get("Cache-Control") == "no-store" or answer.status_code == 500, about
        # Nothing runs behind it here, so what is let in fails inside.
        expected = {401, 403} if token is None else {401, 403, 404, 500}
        assert expected <= {answer.status_code for answer in answers}

    ask(BOTH, play)


@pytest.mark.parametrize(
    ("change", "look"), [("short", None), (CHANGE, "short"), (None, LOOK), (CHANGE, CHANGE)], ids=str
)
def test_tokens_that_are_none_are_named(change: str | None, look: str | None) -> None:
    with pytest.raises(ValueError, match="BEATSTREAM_LIVE_"):
        Tokens(change, look)
