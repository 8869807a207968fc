"""Who may look and who may change, where room tokens are set: given once, kept as a cookie.

The cookie holds what scrypt (RFC 7914) makes of the token, so it is of no use once the token is another.
"""

import hashlib
import hmac
import html
import os
import time
from collections import deque
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from math import ceil
from typing import Self
from urllib.parse import parse_qsl, quote, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

COOKIE = "beatstream_room"
DAYS_KEPT = 180
SHORTEST_TOKEN = 16
MOST_WRONG, MOST_WRONG_OF_ALL, WRONG_WITHIN_S = 10, 100, 60.0
"""So many wrong tokens of one address, and of all, are tried within so long. To answer the wrong ones late would limit
nothing: many may be sent at once, and the right one is known by its quick answer."""

SCRYPT = {"n": 2**14, "r": 8, "p": 1}
"""A cookie is compared as often as one likes: what a guess costs is making the cookie, some 50 ms and 16 MB."""

LARGEST_FORM = 2000
OPEN_PATHS = ("/health", "/static/", "/vendor/")
"""Nobody's data: the launcher's question, and what every page is made of."""

LOOK_DATA = ("/data/people", "/data/sessions")
"""What a screen that may only look gets beside the board; of people it is told no more than the board shows."""

_SITE_HEADERS = {"Cache-Control": "no-store"}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Beatstream</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/static/tokens.css"><link rel="stylesheet" href="/static/base.css">
<link rel="stylesheet" href="/static/pages.css"></head>
<body><main><h1>Beatstream</h1><form method="post" action="/enter">
<p><label for="token">Room token</label></p>
<p><input id="token" name="token" type="password" autocomplete="current-password" required autofocus></p>
<p role="alert">{problem}</p><p><button class="primary" type="submit">Enter</button></p></form></main></body></html>
"""
_ONCE_MORE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Beatstream</title><meta http-equiv="refresh" content="0;url={to}">
</head><body><p><a href="{to}">Beatstream</a></p></body></html>
"""


class Right(IntEnum):
    """What a screen may do."""

    NOTHING = 0
    LOOK = 1
    CHANGE = 2


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a room; none: everybody may do everything, as on one's own machine."""

    change: str | None = None
    look: str | None = None

    def __post_init__(self) -> None:
        for variable, token in (("BEATSTREAM_LIVE_TOKEN", self.change), ("BEATSTREAM_LIVE_LOOK_TOKEN", self.look)):
            if token is not None and len(token) < SHORTEST_TOKEN:
                raise ValueError(f"{variable}: shorter than {SHORTEST_TOKEN} characters")
        if self.look is not None and self.change is None:
            raise ValueError("BEATSTREAM_LIVE_TOKEN: missing, while BEATSTREAM_LIVE_LOOK_TOKEN is set")
        if self.look is not None and self.look == self.change:
            raise ValueError("BEATSTREAM_LIVE_LOOK_TOKEN: the same as BEATSTREAM_LIVE_TOKEN")

    @classmethod
    def of_environment(cls) -> Self:
        """As set. Raises `ValueError` for what cannot be."""
        return cls(
            os.environ.get("BEATSTREAM_LIVE_TOKEN") or None, os.environ.get("BEATSTREAM_LIVE_LOOK_TOKEN") or None
        )

    def right(self, cookie: str) -> Right:
        """What the holder of a cookie may do."""
        if self.change is None:
            return Right.CHANGE
        for token, right in ((self.change, Right.CHANGE), (self.look, Right.LOOK)):
            if token is not None and hmac.compare_digest(cookie_of(token).encode(), cookie.encode()):
                return right
        return Right.NOTHING

    def known(self, token: str) -> bool:
        """Whether it is one of them."""
        return any(
            own is not None and hmac.compare_digest(own.encode(), token.encode()) for own in (self.change, self.look)
        )


@lru_cache(maxsize=16)
def cookie_of(token: str) -> str:
    """What is kept instead of a token."""
    return hashlib.scrypt(token.encode(), salt=b"beatstream room", dklen=32, **SCRYPT).hex()


class Wrong:
    """The wrong tokens of the last minute. Who gave too many waits: nothing of theirs is tried meanwhile."""

    def __init__(self) -> None:
        self._given: deque[tuple[float, str]] = deque(maxlen=MOST_WRONG_OF_ALL)

    def add(self, address: str) -> None:
        """One more."""
        self._given.append((time.monotonic(), address))

    def wait_s(self, address: str) -> float:
        """How long this address has to wait; 0: not at all."""
        since = time.monotonic() - WRONG_WITHIN_S
        while self._given and self._given[0][0] <= since:
            self._given.popleft()
        own = [at for at, who in self._given if who == address]
        if len(own) >= MOST_WRONG:
            return own[-MOST_WRONG] - since
        return self._given[0][0] - since if len(self._given) == MOST_WRONG_OF_ALL else 0.0


class Access:
    """Lets nobody in who has no token, and only those change something who may.

    What follows finds a screen's right in `scope["right"]`.
    """

    def __init__(self, app: ASGIApp, tokens: Tokens) -> None:
        self._app = app
        self._tokens = tokens
        self._wrong = Wrong()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._tokens.change is None or scope["path"].startswith(OPEN_PATHS):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        refusal = await self._refusal(request)
        await (self._app if refusal is None else refusal)(scope, receive, send)

    async def _refusal(self, request: Request) -> Response | None:
        if request.scope["path"] == "/enter":
            return await self._enter(request)
        if request.method == "GET" and "token" in request.query_params:
            return self._let_in(request, request.query_params["token"], _address(request))
        right = request.scope["right"] = self._tokens.right(request.cookies.get(COOKIE, ""))
        if right is Right.NOTHING:
            if _shows_pages(request) and request.headers.get("sec-fetch-site") == "cross-site":
                return _once_more(_address(request), 401)
            return _refused(request, "A room token is needed: open this wall's page and enter it.", page_says="")
        problem = _more_than_looking(request) if right is Right.LOOK else None
        return None if problem is None else JSONResponse({"error": problem, "field": None}, 403)

    async def _enter(self, request: Request) -> Response:
        if request.method != "POST":
            return HTMLResponse(_PAGE.format(problem=""), headers=_SITE_HEADERS)
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_FORM:
                return JSONResponse({"error": "That is too long.", "field": "token"}, 413)
        given = dict(parse_qsl(body.decode("utf-8", "replace")))
        return self._let_in(request, given.get("token", "").strip(), "/")

    def _let_in(self, request: Request, token: str, back: str) -> Response:
        address = request.client.host if request.client else ""
        wait_s = self._wrong.wait_s(address)
        if wait_s > 0:
            answer = _refused(request, "Too many wrong tokens. Try again in a minute.", status=429)
            answer.headers["Retry-After"] = str(ceil(wait_s))
            return answer
        if not self._tokens.known(token):
            self._wrong.add(address)
            return _refused(request, "That is not the token of this room.")
        answer = _once_more(back, 200) if _shows_pages(request) else RedirectResponse(back, 303, headers=_SITE_HEADERS)
        answer.set_cookie(
            COOKIE,
            cookie_of(token),
            max_age=DAYS_KEPT * 86_400,
            httponly=True,
            samesite="strict",
            secure="https" in (request.scope["scheme"], request.headers.get("x-forwarded-proto")),
        )
        return answer


def _more_than_looking(request: Request) -> str | None:
    path: str = request.scope["path"]
    if request.method not in ("GET", "HEAD"):
        return "This screen may only look."
    if path.startswith("/data/") and path not in LOOK_DATA:
        return "This screen may only look at the board."
    return None


def _address(request: Request) -> str:
    """What was asked for, without the token. A path that begins with two slashes would lead to another site."""
    others = [pair for pair in request.query_params.multi_items() if pair[0] != "token"]
    return "/" + quote(request.scope["path"].lstrip("/")) + (f"?{urlencode(others)}" if others else "")


def _shows_pages(request: Request) -> bool:
    return request.method == "GET" and "text/html" in request.headers.get("accept", "")


def _once_more(to: str, status: int) -> Response:
    """A page that asks again from here: behind a link of another site browsers send no cookie that is "strict"."""
    return HTMLResponse(_ONCE_MORE.format(to=html.escape(to)), status, headers=_SITE_HEADERS)


def _refused(request: Request, problem: str, *, page_says: str | None = None, status: int = 401) -> Response:
    if _shows_pages(request) or request.scope["path"] == "/enter":
        text = problem if page_says is None else page_says
        return HTMLResponse(_PAGE.format(problem=text), status, headers=_SITE_HEADERS)
    return JSONResponse({"error": problem, "field": "token"}, status)
