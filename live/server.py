"""HTTP: pages, events, data, actions. Thin; the thinking is elsewhere."""

import asyncio
import importlib.resources
import ipaddress
import json
import os
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
from pydantic import BaseModel, ValidationError
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from live import actions, data
from live.access import Access, Right
from live.actions import ActionError
from live.export import to_csv, to_fit
from live.feed import AT_LEAST_EVERY_S
from live.moose import MooseError, MooseRefusedError
from live.openapi import document
from live.schema import event_schema
from live.settings import Settings
from live.wall import Wall

STATIC = Path(__file__).parent / "static"
UPLOT = importlib.resources.files("youplot") / "vendor"


class NumberConvertor(IntegerConvertor):
    """A whole number in a path, as long as the column holds: Python refuses to read one of thousands of digits."""

    regex = "[0-9]{1,19}"


register_url_convertor("number", NumberConvertor())
PAGES = {
    "/": "board.html",
    "/people": "people.html",
    "/person/{user_id:number}": "person.html",
    "/sessions": "sessions.html",
    "/sessions/{session_id}": "session.html",
}
ACTIONS: dict[str, tuple[type[BaseModel], Callable[..., Awaitable[actions.Result]]]] = {
    "assign": (actions.AssignBody, actions.assign),
    "hand-back": (actions.StrapBody, actions.hand_back),
    "hand-back-all": (actions.Body, actions.hand_back_all),
    "ignore": (actions.StrapBody, actions.ignore),
    "heed": (actions.StrapBody, actions.hand_back),
    "person": (actions.PersonBody, actions.person),
    "start-session": (actions.SessionBody, actions.start_session),
    "mark-stop": (actions.Body, actions.mark_stop),
    "end-session": (actions.Body, actions.end_session),
    "erase": (actions.UserBody, actions.erase),
}
SLOW_SCREEN_TIMEOUT_S = 30.0
"""A screen that takes nothing for so long is disconnected; it comes back by itself."""

LARGEST_BODY = 10_000


def own_names(hosts: str) -> set[str]:
    """What this machine is called; `hosts`: others, comma separated."""
    others = {name.strip() for name in hosts.lower().split(",")}
    return {"localhost", socket.gethostname().lower(), socket.getfqdn().lower(), *others} - {""}


OWN_NAMES = own_names(os.environ.get("BEATSTREAM_LIVE_HOSTS", ""))
HEADERS = {
    # uPlot sizes its canvas by style attributes.
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "base-uri 'none'; frame-ancestors 'self'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
PERSONAL_PATHS = ("/data/", "/events", "/actions/")
"""What no browser shall keep on its disk."""


def create(settings: Settings) -> Starlette:
    """The application."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with Wall(settings) as wall:
            app.state.wall = wall
            yield

    return Starlette(
        routes=[
            *(Route(path, _page(name)) for path, name in PAGES.items()),
            Route("/events", events),
            Route("/events/schema.json", schema),
            Route("/openapi.json", openapi),
            Route("/health", health),
            Route("/data/people", people),
            Route("/data/people/{user_id:number}/history", history),
            Route("/data/people/{user_id:number}/export.zip", archive),
            Route("/data/sessions", sessions),
            Route("/data/sessions/{session_id}", session),
            Route("/data/sessions/{session_id}/people/{user_id:number}.{kind:str}", export),
            *(Route(f"/actions/{name}", _action(*action), methods=["POST"]) for name, action in ACTIONS.items()),
            Mount("/static", StaticFiles(directory=STATIC)),
            Route("/vendor/uplot.js", _asset("uplot.iife.min.js")),
            Route("/vendor/uplot.css", _asset("uplot.min.css")),
        ],
        middleware=[Middleware(Guard), Middleware(Access, tokens=settings.tokens)],
        exception_handlers={
            ActionError: _action_error,
            MooseError: _moose_error,
            HTTPException: _http_error,
            ValidationError: _validation_error,
            Exception: _own_error,
        },
        lifespan=lifespan,
    )


class Guard:
    """Headers that browsers keep to; and no other site's page may change anything here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        personal = scope["path"].startswith(PERSONAL_PATHS)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                # Pages and modules change with the version that serves them: ask, and mostly hear "not modified".
                headers.setdefault("Cache-Control", "no-store" if personal else "no-cache")
            await send(message)

        host, origin = request.headers.get("host", ""), request.headers.get("origin")
        if not _is_this_machine(_host_of(f"//{host}")[1]):
            text = "Call this machine by its own name or address (or see BEATSTREAM_LIVE_HOSTS)."
            await _error(403, text)(scope, receive, guarded)
            return
        if request.method not in ("GET", "HEAD") and origin and _host_of(origin)[0] != host:
            await _error(403, "This page belongs to another site.")(scope, receive, guarded)
            return
        await self._app(scope, receive, guarded)


async def events(request: Request) -> Response:
    """The stream of events."""
    last = request.headers.get("last-event-id") or request.query_params.get("last_event_id")
    ending = anyio.Event()
    return EventSourceResponse(
        _wall(request).feed.events(last, ending, board_only=_only_looks(request)),
        ping=3600,  # an event comes every second
        send_timeout=SLOW_SCREEN_TIMEOUT_S,
        shutdown_event=ending,
        shutdown_grace_period=2 * AT_LEAST_EVERY_S,
    )


async def schema(_request: Request) -> Response:
    """JSON Schema of an event's data."""
    return JSONResponse(event_schema())


async def openapi(request: Request) -> Response:
    """This document."""
    return JSONResponse(document(request.app.routes, ACTIONS))


async def health(request: Request) -> Response:
    """Whether it is alive, what it is connected to, and whether it has read what was before it."""
    wall = _wall(request)
    told = {
        "past_known": wall.past_known,
        "screens": wall.feed.screens,
        "unusable_records": wall.unusable_records,
    }
    return JSONResponse({**told, **wall.board.parts.get("link")})


async def people(request: Request) -> Response:
    """Everybody known."""
    return JSONResponse({"entries": data.people(_wall(request), board_only=_only_looks(request))})


async def sessions(request: Request) -> Response:
    """All sessions."""
    return JSONResponse({"entries": data.sessions(_wall(request))})


async def session(request: Request) -> Response:
    """A session's summary."""
    return JSONResponse(await data.session(_wall(request), request.path_params["session_id"]))


async def history(request: Request) -> Response:
    """One person over a session or a span of time."""
    asked = data.Span.model_validate(dict(request.query_params))
    return JSONResponse(await data.history(_wall(request), request.path_params["user_id"], asked))


async def export(request: Request) -> Response:
    """A person's session as a file."""
    wall, user_id, kind = _wall(request), request.path_params["user_id"], request.path_params["kind"]
    session_id = request.path_params["session_id"]
    if kind not in ("csv", "fit"):
        raise HTTPException(404)
    heard, scale = await data.heard(wall, user_id, session_id)
    if not heard.seconds:
        raise HTTPException(404, "Nobody with that number had a heart rate in that session.")
    name = re.sub(r"[^\w.-]", "_", f"{session_id}-{user_id}.{kind}", flags=re.ASCII)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    if kind == "csv":
        return Response(await asyncio.to_thread(to_csv, heard, scale), media_type="text/csv", headers=headers)
    # Seconds of work for a long session: the screens go on meanwhile.
    return Response(await asyncio.to_thread(to_fit, heard), media_type="application/vnd.ant.fit", headers=headers)


async def archive(request: Request) -> Response:
    """All that is held of a person, as a file."""
    user_id = request.path_params["user_id"]
    headers = {"Content-Disposition": f'attachment; filename="person-{user_id}.zip"'}
    pieces = await data.archive(_wall(request), user_id)
    return StreamingResponse(pieces, media_type="application/zip", headers=headers)


def _host_of(url: str) -> tuple[str, str]:
    """Host with port as it stands there, and host alone; both empty where it is malformed."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return parts.netloc, parts.hostname or ""


def _is_this_machine(host: str) -> bool:
    """Whether a name in a URL is this machine's. Another site's name may be made to lead here (DNS rebinding)."""
    if host in OWN_NAMES or host.endswith((".localhost", ".local")):
        return True
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _wall(request: Request) -> Wall:
    wall: Wall = request.app.state.wall
    return wall


def _only_looks(request: Request) -> bool:
    return request.scope.get("right") is Right.LOOK


def _page(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def page(request: Request) -> Response:
        if _only_looks(request):
            # Told in the page itself, so that nothing that cannot be done is shown even for a moment.
            text = (STATIC / name).read_text(encoding="utf-8")
            return HTMLResponse(text.replace("<html ", '<html data-may="look" ', 1))
        return FileResponse(STATIC / name)

    return page


def _asset(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def asset(_request: Request) -> Response:
        return FileResponse(str(UPLOT / name), headers={"Cache-Control": "max-age=86400"})

    return asset


def _action(
    body_type: type[BaseModel], act: Callable[..., Awaitable[actions.Result]]
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_BODY:
                raise HTTPException(413, "That is too long.")
        return JSONResponse(await act(_wall(request), body_type.model_validate_json(body)))

    return endpoint


def _error(status: int, text: str, field: str | None = None) -> JSONResponse:
    return JSONResponse({"error": text, "field": field}, status)


async def _action_error(_request: Request, error: Exception) -> Response:
    return _error(400, str(error), error.field if isinstance(error, ActionError) else None)


async def _moose_error(_request: Request, error: Exception) -> Response:
    return _error(400 if isinstance(error, MooseRefusedError) else 502, f"{error}.")


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, error.detail)


async def _own_error(*_: object) -> Response:
    # It is answered outside of `Guard`; what went wrong goes to the log.
    return JSONResponse({"error": "Something went wrong here.", "field": None}, 500, headers=HEADERS)


async def _validation_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ValidationError)
    first: Any = json.loads(error.json(include_url=False, include_input=False))[0]
    # A field may have no name, and is one all the same.
    return _error(400, first["msg"], ".".join(str(part) for part in first["loc"]) if first["loc"] else None)
