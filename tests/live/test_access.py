"""Room tokens: who may look, who may change, and what is told to those who may nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from live import access
from live.access import COOKIE, Tokens, cookie_of
from live.server import create
from live.settings import Settings

CHANGE, LOOK = "correct horse battery", "look but do not touch"
BOTH = Tokens(CHANGE, LOOK)
PERSONAL = ["/", "/people", "/sessions", "/person/1", "/sessions/x", "/events/schema.json", "/data/people"]


def ask(tokens: Tokens, play: Callable[[httpx.AsyncClient], Awaitable[None]], **options: Any) -> None:
    """Play against the wall's own application; nothing behind it runs."""

    async def main() -> None:
        app = create(Settings(moose_url="http://127.0.0.1:1", broker="127.0.0.1:1", tokens=tokens))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", **options) as client:
            await play(client)

    asyncio.run(main())


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "WRONG_TOKEN_S", 0.01)


def test_without_tokens_everybody_is_let_in() -> None:
    async def play(client: httpx.AsyncClient) -> None:
        assert (await client.get("/people")).status_code == 200

    ask(Tokens(), play)


@pytest.mark.parametrize("path", PERSONAL)
@pytest.mark.parametrize("cookie", [None, "", "x", CHANGE, cookie_of("another token of a room"), "\u00e9"])
def test_without_a_token_there_is_nothing_to_see(path: str, cookie: str | None) -> None:
    async def play(client: httpx.AsyncClient) -> None:
        headers = {} if cookie is None else {b"Cookie": f"{COOKIE}={cookie}".encode()}
        answer = await client.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["field"] == "token"
        page = await client.get(path, headers={**headers, b"Accept": b"text/html"})
        assert page.status_code == 401
        assert 'name="token"' in page.text

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
        assert "SameSite=lax" in kept
        assert "Secure" not in kept
        assert (await client.get("/people")).status_code == 200

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
        refused = await client.post("/actions/erase", json={"user_id": 1})
        assert refused.status_code == 403
        assert refused.json()["error"] == "This screen may only look."
        await client.post("/enter", data={"token": CHANGE})
        # Past the token; here is no wall that could erase anybody.
        assert (await client.post("/actions/erase", json={"user_id": 1})).status_code not in (401, 403)

    ask(BOTH, play)


def test_a_wrong_token_is_refused_slowly_and_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "WRONG_TOKEN_S", 0.1)

    async def play(client: httpx.AsyncClient) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        guesses = [client.post("/enter", data={"token": f"guess {number}"}) for number in range(4)]
        answers = await asyncio.gather(*guesses)
        assert [answer.status_code for answer in answers] == [401] * 4
        assert "Set-Cookie" not in answers[0].headers
        assert loop.time() - began >= 0.4

    ask(BOTH, play)


def test_another_token_makes_old_cookies_worthless() -> None:
    async def play(client: httpx.AsyncClient) -> None:
        assert (await client.get("/people", headers={"Cookie": f"{COOKIE}={cookie_of(CHANGE)}"})).status_code == 401

    ask(Tokens("a new token of the room"), play)


def test_a_link_leads_to_no_other_site() -> None:
    async def play(client: httpx.AsyncClient) -> None:
        answer = await client.get("http://localhost//other.example/", params={"token": CHANGE})
        assert answer.headers["Location"] == "/other.example/"

    ask(BOTH, play)


def test_every_answer_has_the_headers_that_browsers_keep_to() -> None:
    async def play(client: httpx.AsyncClient) -> None:
        for path in ("/", "/enter", "/static/base.css", "/data/people", "/nothing"):
            headers = (await client.get(path)).headers
            assert headers["Content-Security-Policy"].startswith("default-src 'self';"), path
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "same-origin"

    ask(BOTH, play)


@pytest.mark.parametrize(
    ("change", "look"), [("short", None), (CHANGE, "short"), (None, LOOK), (CHANGE, CHANGE)], ids=str
)
def test_tokens_that_are_none_are_named(change: str | None, look: str | None) -> None:
    with pytest.raises(ValueError, match="BEATSTREAM_LIVE_"):
        Tokens(change, look)
