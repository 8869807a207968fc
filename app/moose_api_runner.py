"""Changes to the server that runs the APIs in Moose's process: one question at a time becomes many.

Moose starts Python's plain `HTTPServer`, which answers one request after the other: a long span that one person asks
for keeps everybody waiting, while a core has nothing to do (seen with moose-cli 0.6.533). It also works out an API's
parameters anew for every request, and writes two lines each. Here a thread serves each request, what was found of an
API is kept, and the line that tells an answer's status is written for failures only, without the parameters, which
name people.

`moose_changes.py` tells when all of it is off.
"""

import sys
from functools import cache
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from types import ModuleType
from typing import Any

from app import moose_changes

_WAITING_CONNECTIONS = 128
"""Python's own 5 are fewer than the browsers of a gym."""


class ManyAtOnce(ThreadingHTTPServer):
    """In the place of `HTTPServer`."""

    daemon_threads = True
    request_queue_size = _WAITING_CONNECTIONS


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

    for name, replacement in (
        ("HTTPServer", ManyAtOnce),
        ("handler_with_client", quiet_handler),
        ("convert_pydantic_definition", cache(runner.convert_pydantic_definition)),
    ):
        setattr(runner, name, replacement)


def _is_runner(module: ModuleType) -> bool:
    return all(hasattr(module, name) for name in ("HTTPServer", "handler_with_client", "convert_pydantic_definition"))


if moose_changes.wanted() and _is_runner(sys.modules["__main__"]):
    serve_many(sys.modules["__main__"])
