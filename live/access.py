"""Who may look and who may change, where room tokens are set: given once, kept as a cookie.

The cookie holds a keyed hash (HMAC-SHA-256, RFC 2104) of the token, so it is of no use once the token is another.
"""

import asyncio
import hashlib
import hmac
import os
from dataclasses import dataclass
from enum import IntEnum
from typing import Self
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

COOKIE = "beatstream_room"
DAYS_KEPT = 180
SHORTEST_TOKEN = 16
WRONG_TOKEN_S = 1.0
"""One wrong token is answered a second, whoever asks: guessing takes for ever, and nobody with the right one waits."""

LARGEST_FORM = 2000
OPEN_PATHS = ("/health", "/static/", "/vendor/")
"""Nobody's data: the launcher's question, and what every page is made of."""

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


def cookie_of(token: str) -> str:
    """What is kept instead of a token."""
    return hmac.new(token.encode(), b"beatstream room", hashlib.sha256).hexdigest()


class Access:
    """Lets nobody in who has no token, and only those change something who may."""

    def __init__(self, app: ASGIApp, tokens: Tokens) -> None:
        self._app = app
        self._tokens = tokens
        self._wrong = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._tokens.change is None or scope["path"].startswith(OPEN_PATHS):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        refusal = await self._refusal(request)
        await (self._app if refusal is None else refusal)(scope, receive, send)

    async def _refusal(self, request: Request) -> Response | None:
        if request.url.path == "/enter":
            return await self._enter(request)
        if request.method == "GET" and "token" in request.query_params:
            others = [pair for pair in request.query_params.multi_items() if pair[0] != "token"]
            back = request.url.path + (f"?{urlencode(others)}" if others else "")
            return await self._let_in(request, request.query_params["token"], back)
        right = self._tokens.right(request.cookies.get(COOKIE, ""))
        if right is Right.NOTHING:
            return _refused(request, "")
        if right is Right.LOOK and request.method not in ("GET", "HEAD"):
            return JSONResponse({"error": "This screen may only look.", "field": None}, 403)
        return None

    async def _enter(self, request: Request) -> Response:
        if request.method != "POST":
            return HTMLResponse(_PAGE.format(problem=""), headers=_SITE_HEADERS)
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_FORM:
                return JSONResponse({"error": "That is too long.", "field": "token"}, 413)
        given = dict(parse_qsl(body.decode("utf-8", "replace")))
        return await self._let_in(request, given.get("token", "").strip(), "/")

    async def _let_in(self, request: Request, token: str, back: str) -> Response:
        if self._tokens.right(cookie_of(token)) is Right.NOTHING:
            async with self._wrong:
                await asyncio.sleep(WRONG_TOKEN_S)
            return _refused(request, "That is not the token of this room.")
        # A path that begins with two slashes would lead to another site.
        answer = RedirectResponse("/" + back.lstrip("/"), 303, headers=_SITE_HEADERS)
        answer.set_cookie(
            COOKIE,
            cookie_of(token),
            max_age=DAYS_KEPT * 86_400,
            httponly=True,
            # "Strict" would leave it out behind a link in a mail; what changes anything asks for the origin anyway.
            samesite="lax",
            secure="https" in (request.url.scheme, request.headers.get("x-forwarded-proto")),
        )
        return answer


def _refused(request: Request, problem: str) -> Response:
    if (request.method == "GET" and "text/html" in request.headers.get("accept", "")) or request.url.path == "/enter":
        return HTMLResponse(_PAGE.format(problem=problem), 401, headers=_SITE_HEADERS)
    text = problem or "A room token is needed: open this wall's page and enter it."
    return JSONResponse({"error": text, "field": "token"}, 401)
