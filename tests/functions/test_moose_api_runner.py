"""The changes to the server of the APIs. That it serves many at once: tests/integration/test_answers.py."""

from http import HTTPStatus
from http.server import HTTPServer, ThreadingHTTPServer
from types import ModuleType

import pytest

from app.moose_api_runner import serve_many


class Handler:
    """What Moose's handler has of a request."""

    command = "GET"
    path = "/api/getHR?user_name=Ada"


@pytest.fixture
def runner() -> ModuleType:
    module = ModuleType("__main__")
    asked: list[type] = []

    def convert(model: type) -> list[str]:
        asked.append(model)
        return [model.__name__]

    module.__dict__.update(
        HTTPServer=HTTPServer,
        handler_with_client=lambda _client: Handler,
        convert_pydantic_definition=convert,
        asked=asked,
    )
    serve_many(module)
    return module


def test_each_request_has_a_thread(runner: ModuleType) -> None:
    assert issubclass(runner.HTTPServer, ThreadingHTTPServer)


def test_only_failures_are_written_and_nobody_is_named(runner: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    handler = runner.handler_with_client(None)()
    for code in (HTTPStatus.OK, 200, HTTPStatus.BAD_REQUEST, 500):
        handler.log_request(code)
    assert capsys.readouterr().out == "GET /api/getHR 400\nGET /api/getHR 500\n"


def test_parameters_are_worked_out_once_an_api(runner: ModuleType) -> None:
    assert [runner.convert_pydantic_definition(model) for model in (int, str, int)] == [["int"], ["str"], ["int"]]
    assert runner.asked == [int, str]
