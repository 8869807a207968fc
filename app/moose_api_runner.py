"""Changes to the server that runs the APIs in Moose's process: one question at a time becomes many.

Moose starts Python's plain `HTTPServer`, which answers one request after the other: a long span that one person asks
for keeps everybody waiting, while a core has nothing to do (seen with moose-cli 0.6.533). It also works out an API's
parameters anew for every request, and writes two lines each. Here a thread serves each request, what was found of an
API is kept, and the line that tells an answer's status is written for failures only, without the parameters, which
name people. Nor is a line written that an API is asked: Moose would show it.

Of a JWT it does not want to know when it ends, as Moose's ingest does; here one without an end is none.

It also passes over parameters that an API does not have, and those without a value, so that a mistyped name asks for
everybody; here they are refused, as JSON that names them, and what was given is not written to the log.

`moose_changes.py` tells when all of it is off.
"""

import json
import sys
import traceback
from functools import cache, partial
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

from pydantic import ValidationError

from app import moose_changes

_CHANGED = (
    "HTTPServer",
    "handler_with_client",
    "convert_pydantic_definition",
    "map_params_to_class",
    "parse_qs",
    "jwt",
)
_LINE_A_QUESTION = "[API] | Executing API"
_WAITING_CONNECTIONS = 128
"""Python's own 5 are fewer than the browsers of a gym."""


class ManyAtOnce(ThreadingHTTPServer):
    """In the place of `HTTPServer`."""

    daemon_threads = True
    request_queue_size = _WAITING_CONNECTIONS


class BadParameterError(ValueError):
    """A parameter that an API does not take; its text is the answer."""

    def __str__(self) -> str:
        return json.dumps({"error": super().__str__()}, ensure_ascii=False)


def refuse_by_name(runner: ModuleType) -> None:
    """Change how the runner makes an API's parameters of a request's."""
    map_params_to_class = runner.map_params_to_class

    def checked(params: dict[str, list[str]], fields: list[Any], model: type) -> Any:
        known = [field.name for field in fields]
        for name, values in params.items():
            if name not in known:
                others = f"there are {', '.join(known)}" if known else "there are none"
                raise BadParameterError(f"{name[:80]}: no such parameter; {others}")
            if "" in values:
                raise BadParameterError(f"{name}: empty")
        try:
            return map_params_to_class(params, fields, model)
        except ValidationError as error:
            raise BadParameterError("; ".join(map(_told, error.errors()))) from None
        except ValueError as error:
            raise BadParameterError(str(error)) from None

    def print_exc() -> None:
        if not isinstance(sys.exception(), BadParameterError):
            traceback.print_exc()

    for name, replacement in (
        ("parse_qs", partial(parse_qs, keep_blank_values=True)),
        ("map_params_to_class", checked),
        ("traceback", SimpleNamespace(print_exc=print_exc)),
    ):
        setattr(runner, name, replacement)


def _told(error: Any) -> str:
    # What is wrong with several parameters together is told by a validator of ours, which names them.
    return ": ".join([*map(str, error["loc"]), error["msg"].removeprefix("Value error, ")])


def serve_many(runner: ModuleType) -> None:
    """Change Moose's module that is about to serve the APIs."""
    handler_with_client = runner.handler_with_client

    def quiet_handler(client: Any) -> type:
        handler: Any = handler_with_client(client)

        class Quiet(handler):  # type: ignore[misc]
            def log_request(self, code: Any = "-", _size: Any = "-") -> None:
                if code != HTTPStatus.OK:
                    # Without the parameters, which name people.
                    print(f"{self.command} {self.path.partition('?')[0]} {int(code)}")  # noqa: T201 (its log)

        return Quiet

    def print_but_questions(*said: object) -> None:
        if not " ".join(map(str, said)).startswith(_LINE_A_QUESTION):
            print(*said)  # noqa: T201 (its log)

    for name, replacement in (
        ("print", print_but_questions),
        ("HTTPServer", ManyAtOnce),
        ("handler_with_client", quiet_handler),
        ("convert_pydantic_definition", cache(runner.convert_pydantic_definition)),
    ):
        setattr(runner, name, replacement)


def refuse_endless_tokens(runner: ModuleType) -> None:
    """Change what the runner takes for a valid JWT."""
    runner.jwt = SimpleNamespace(decode=partial(runner.jwt.decode, options={"require": ["exp"]}))  # type: ignore[attr-defined]


def _is_runner(module: ModuleType) -> bool:
    return all(hasattr(module, name) for name in _CHANGED)


if moose_changes.wanted() and _is_runner(sys.modules["__main__"]):
    serve_many(sys.modules["__main__"])
    refuse_by_name(sys.modules["__main__"])
    refuse_endless_tokens(sys.modules["__main__"])
