"""ClickHouse's HTTP interface as an ASGI application. Source: clickhouse.com/docs/interfaces/http."""

import asyncio
import base64
import json
import math
import re
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl

from stack.clickhouse import statement, wire
from stack.clickhouse.config import ServerConfig
from stack.clickhouse.engine import Engine, EngineError, Result, Scope, SessionEngine

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

QUERY_THREADS = 16
LARGEST_STATEMENT_BYTES = 64 << 20
"""Of a body that holds the statement itself; data behind a statement in the URL is streamed and has no limit."""

_LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
_NOT_PRINTABLE = re.compile(r"[^ -~]")
_SETTING = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_INSERT_WITH_DATA = re.compile(
    rb"""
    \s*INSERT\s+INTO\s
    (?: '(?:[^'\\]|\\.|'')*+' | "(?:[^"\\]|\\.|"")*+" | `(?:[^`\\]|\\.|``)*+`
      | --[^\n]*+ | (?>/\*.*?\*/) | (?!--|/\*)[^'"`] )*?
    \bFORMAT\s+(?P<format>[A-Za-z][A-Za-z0-9_]*)[ \t\r]*(?:\n|(?=[^\sA-Za-z0-9_;])|$)
    """,
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)

_NOT_SETTINGS = frozenset(
    [
        "query",
        "database",
        "default_format",
        "user",
        "password",
        "quota_key",
        "session_id",
        "session_timeout",
        "session_check",
        "compress",
        "decompress",
        "query_id",
        "stacktrace",
        "role",
        "buffer_size",
        "wait_end_of_query",
        "http_write_exception_in_output_format",
        "send_progress_in_http_headers",
        "client_protocol_version",
        "add_http_cors_header",
        "enable_http_compression",
        "http_zlib_compression_level",
        "http_headers_progress_interval_ms",
        "cancel_http_readonly_queries_on_client_close",
        "http_response_headers",
    ]
)
"""Parameters of the interface, and settings that concern only it."""

_STATUS_OF_CODE = {
    **dict.fromkeys((6, 26, 27, 36, 38, 41, 43, 53, 62, 70, 72, 117, 130, 131, 167, 168, 169, 374, 427, 456, 457), 400),
    **dict.fromkeys((194,), 401),
    **dict.fromkeys((164, 192, 193, 497, 516), 403),
    **dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 81, 115, 372), 404),
    **dict.fromkeys((159,), 408),
    **dict.fromkeys((202, 373), 503),
    **dict.fromkeys((48,), 501),
}
"""HTTP status by error code, as ClickHouse's HTTPHandler maps them; others are 500."""


@dataclass(slots=True)
class _Request:
    method: str
    parameters: dict[str, str]
    headers: dict[str, str]
    query_id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(slots=True)
class _Response:
    status: int
    body: bytes
    headers: dict[str, str]


class ClickHouseApp:
    """The server. Call it as an ASGI application; `close` it when the server has stopped."""

    def __init__(self, config: ServerConfig, engine: Engine) -> None:
        self._config = config
        self._engine = engine
        self._threads = ThreadPoolExecutor(QUERY_THREADS, thread_name_prefix="query")

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        parameters = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        request = _Request(scope["method"], parameters, headers)
        if parameters.get("query_id"):
            # It becomes a header.
            request.query_id = _NOT_PRINTABLE.sub("?", parameters["query_id"])
        response = await self._respond(scope["path"], request, receive)
        await send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": [
                    (name.encode(), value.encode("latin-1", "replace"))
                    for name, value in {**response.headers, "Content-Length": str(len(response.body))}.items()
                ],
            }
        )
        await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else response.body})

    def close(self) -> None:
        """Wait for running queries and close the engine."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._engine.close()

    async def _respond(self, path: str, request: _Request, receive: Receive) -> _Response:
        if _host(request.headers.get("host", "")) not in _LOCAL_HOSTS:
            return _Response(403, b"This server answers on loopback only.\n", {"Content-Type": "text/plain"})
        if _is_of_a_page(request.headers):
            return _Response(403, b"This server answers no web pages.\n", {"Content-Type": "text/plain"})
        if path in ("/ping", "/replicas_status") or (
            path == "/" and not request.parameters and request.method == "GET"
        ):
            return _Response(200, b"Ok.\n", {"Content-Type": "text/html; charset=UTF-8"})
        if path not in ("/", "/query") or request.method not in ("GET", "POST", "HEAD"):
            return _Response(404, b"There is no handle " + path.encode() + b"\n", {"Content-Type": "text/plain"})
        loop = asyncio.get_running_loop()
        # Here and not on the thread: that is all there is of most requests.
        first = await receive()

        def body() -> Iterator[bytes]:
            """The body's chunks; those behind the first are fetched from the event loop by the statement's thread."""
            message = first
            while True:
                if message["type"] == "http.disconnect":
                    raise wire.WireError("the client went away")
                yield message.get("body", b"")
                if not message.get("more_body", False):
                    return
                message = asyncio.run_coroutine_threadsafe(_receive(receive), loop).result()

        try:
            return await loop.run_in_executor(self._threads, self._serve, request, body())
        except (EngineError, wire.WireError) as error:
            return _failure(request, error)

    # --- on a thread

    def _serve(self, request: _Request, raw_body: Iterator[bytes]) -> _Response:
        self._authenticate(request)
        body = _decoded(raw_body, request)
        if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            # So clients send parameters that are too long for a URL.
            request.parameters |= _form(request.headers["content-type"], _joined(body))
            body = iter(())
        parameters = request.parameters
        if statement.read(parameters.get("query", "")).insert_format is None:
            given = _joined(body)
            sql, data = _split(parameters.get("query", ""), given)
        else:
            sql, data = parameters["query"], body
        read = statement.read(sql)
        values = {name[len("param_") :]: value for name, value in parameters.items() if name.startswith("param_")}
        if refused := read.refused or read.refused_value(values):
            raise _denied(refused)
        readonly = _readonly(request)
        scope = self._scope(request)
        output_format = parameters.get("default_format") or request.headers.get("x-clickhouse-format") or "TabSeparated"
        if parameters.get("session_id"):
            if readonly is not None and not read.reads_only:
                raise EngineError(164, "Code: 164. DB::Exception: Only what reads can be asked so. (READONLY)")
            with self._engine.session(
                parameters["session_id"],
                _session_timeout_s(parameters.get("session_timeout") or "60"),
                scope,
                must_exist=parameters.get("session_check") == "1",
            ) as session:
                result = _run(session, read, output_format, values, data, scope)
        elif read.leaves_something:
            with self._engine.apart(_read_only(scope, readonly)) as connection:
                result = _run(connection, read, output_format, values, data, scope)
        else:
            result = _run(self._engine, read, output_format, values, data, _read_only(scope, readonly))
        return _success(request, result, output_format)

    def _authenticate(self, request: _Request) -> None:
        name, password = _credentials(request)
        user = self._config.users.get(name)
        if user is None or not user.accepts(password):
            raise EngineError(
                516,
                f"Code: 516. DB::Exception: {name}: Authentication failed: password is incorrect, or there is no user "
                "with such name. (AUTHENTICATION_FAILED)",
            )

    def _scope(self, request: _Request) -> Scope:
        parameters = request.parameters
        database = (
            parameters.get("database") or request.headers.get("x-clickhouse-database") or self._config.default_database
        )
        settings = {
            name: value
            for name, value in parameters.items()
            if name not in _NOT_SETTINGS and not name.startswith("param_") and name != "readonly"
        }
        for name in settings:
            if name.lower() in statement.REFUSED_SETTINGS:
                raise _denied(f"the setting {name}")
            if not _SETTING.fullmatch(name):
                raise EngineError(115, f"Code: 115. DB::Exception: Unknown setting '{name}'. (UNKNOWN_SETTING)")
        return database, tuple(sorted(settings.items()))


def _readonly(request: _Request) -> str | None:
    """How far a request may only read; None: it may write."""
    asked = request.parameters.get("readonly", "0")
    if request.method in ("GET", "HEAD"):
        return asked if asked in ("1", "2") else "2"
    return None if asked == "0" else asked


def _read_only(scope: Scope, readonly: str | None) -> Scope:
    """The same scope, made read-only by the engine. Not for a session: the engine never takes that setting back."""
    database, settings = scope
    # Last: behind it no setting can be made.
    return scope if readonly is None else (database, (*settings, ("readonly", readonly)))


async def _receive(receive: Receive) -> dict[str, Any]:
    return await receive()


def _run(
    engine: Engine | SessionEngine,
    read: statement.Statement,
    output_format: str,
    values: dict[str, str],
    data: Iterable[bytes],
    scope: Scope,
) -> Result:
    if read.insert_format is not None:
        return engine.insert(read.sql, read.insert_settings, read.insert_format, data, scope)
    return engine.query(read.sql, output_format, values, scope)


def _split(query: str, body: bytes) -> tuple[str, Iterable[bytes]]:
    """A statement and the data behind it, where the URL alone does not make an INSERT that waits for data."""
    joined = query.encode() + (b"\n" + body if body else b"") if query else body
    found = _INSERT_WITH_DATA.match(joined)
    if found is not None and not found["format"].lower().startswith(b"values"):
        return joined[: found.end()].decode(errors="replace"), [joined[found.end() :]]
    try:
        return joined.decode(), ()
    except UnicodeDecodeError as error:
        raise EngineError(
            62, f"Code: 62. DB::Exception: Syntax error: the statement is not UTF-8 ({error}). (SYNTAX_ERROR)"
        ) from error


def _decoded(chunks: Iterator[bytes], request: _Request) -> Iterator[bytes]:
    plain = wire.decode(chunks, request.headers.get("content-encoding", ""))
    return wire.decompress_blocks(plain) if request.parameters.get("decompress") == "1" else plain


def _joined(chunks: Iterable[bytes]) -> bytes:
    parts, size = [], 0
    for chunk in chunks:
        size += len(chunk)
        if size > LARGEST_STATEMENT_BYTES:
            raise EngineError(62, "Code: 62. DB::Exception: Syntax error: the statement is too long. (SYNTAX_ERROR)")
        parts.append(chunk)
    return b"".join(parts)


def _form(content_type: str, body: bytes) -> dict[str, str]:
    """The fields of a form (RFC 7578). Raises `EngineError` where it is none."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    fields = {}
    try:
        for part in BytesParser(policy=HTTP).parsebytes(head + body).walk():
            name = part.get_param("name", header="content-disposition")
            payload = part.get_payload(decode=True)
            if isinstance(name, str) and isinstance(payload, bytes):
                fields[name] = payload.decode("utf-8", "replace")
    except (LookupError, TypeError, ValueError) as error:
        # Python's parser falls over some malformed headers instead of noting a defect.
        raise EngineError(36, "Code: 36. DB::Exception: The form cannot be read. (BAD_ARGUMENTS)") from error
    return fields


def _session_timeout_s(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise EngineError(
            374, f"Code: 374. DB::Exception: Invalid session timeout: '{text}'. (INVALID_SESSION_TIMEOUT)"
        )
    return seconds


def _credentials(request: _Request) -> tuple[str, str]:
    headers, parameters = request.headers, request.parameters
    if "x-clickhouse-user" in headers:
        return headers["x-clickhouse-user"], headers.get("x-clickhouse-key", "")
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, password = base64.b64decode(token, validate=True).decode().partition(":")
        except ValueError:  # no Base64, or no UTF-8 within
            return "", ""
        return name, password
    return parameters.get("user", "default"), parameters.get("password", "")


def _is_of_a_page(headers: dict[str, str]) -> bool:
    """Whether a browser asks for a web page; one may send anything anywhere, if it does without the answer."""
    return "origin" in headers or headers.get("sec-fetch-site", "none") not in ("none", "same-origin")


def _host(header: str) -> str:
    host = header.rpartition("]")[0][1:] if header.startswith("[") else header.partition(":")[0]
    return host.lower()


def _headers(request: _Request) -> dict[str, str]:
    return {
        "X-ClickHouse-Server-Display-Name": "beatstream",
        "X-ClickHouse-Query-Id": request.query_id,
        "X-ClickHouse-Timezone": "UTC",
    }


def _success(request: _Request, result: Result, output_format: str) -> _Response:
    summary = {
        "read_rows": result.read_rows,
        "read_bytes": result.read_bytes,
        "written_rows": result.written_rows,
        "written_bytes": result.written_bytes,
        "total_rows_to_read": 0,
        "result_rows": 0,
        "result_bytes": len(result.data),
        "elapsed_ns": result.elapsed_ns,
    }
    headers = {
        **_headers(request),
        "Content-Type": _content_type(output_format),
        "X-ClickHouse-Format": output_format,
        "X-ClickHouse-Summary": json.dumps({name: str(value) for name, value in summary.items()}),
    }
    data = result.data
    if request.parameters.get("compress") == "1":
        data = wire.compress_blocks(data)
    elif request.parameters.get("enable_http_compression") == "1":
        data, encoding = wire.encode(data, request.headers.get("accept-encoding", ""))
        if encoding:
            headers["Content-Encoding"] = encoding
    return _Response(200, data, headers)


def _denied(what: str) -> EngineError:
    return EngineError(
        497, f"Code: 497. DB::Exception: Not enough privileges: {what} is not allowed here. (ACCESS_DENIED)"
    )


def _failure(request: _Request, error: EngineError | wire.WireError) -> _Response:
    code = error.code if isinstance(error, EngineError) else 271  # CANNOT_DECOMPRESS
    text = str(error) if isinstance(error, EngineError) else f"Code: 271. DB::Exception: {error}. (CANNOT_DECOMPRESS)"
    status = _STATUS_OF_CODE.get(code, 400 if code == 271 else 500)
    headers = {
        **_headers(request),
        "Content-Type": "text/plain; charset=UTF-8",
        "X-ClickHouse-Exception-Code": str(code),
    }
    return _Response(status, text.encode() + b"\n", headers)


def _content_type(output_format: str) -> str:
    if output_format.startswith("JSON"):
        return "application/json; charset=UTF-8"
    if output_format.startswith(("TabSeparated", "TSV")):
        return "text/tab-separated-values; charset=UTF-8"
    if output_format.startswith("CSV"):
        return "text/csv; charset=UTF-8; header=absent"
    return "application/octet-stream"
