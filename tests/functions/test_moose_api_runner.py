"""The changes to the server of the APIs. That it serves many at once: tests/integration/test_answers.py."""

import json
import time
from functools import partial
from http import HTTPStatus
from http.server import HTTPServer, ThreadingHTTPServer
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from moose_lib.query_param import convert_pydantic_definition, map_params_to_class

from app.apis.get_group_hr_by_second import GroupParams
from app.apis.get_people import PeopleParams
from app.apis.get_user_heart_rate_stats import StatsParams
from app.moose_api_runner import refuse_by_name, refuse_endless_tokens, serve_many


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


def test_questions_are_not_written(runner: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    runner.print("[API] | Executing API: getHR")
    runner.print("JWT verification failed:", "expired")
    assert capsys.readouterr().out == "JWT verification failed: expired\n"


def test_a_token_has_an_end() -> None:
    module = ModuleType("__main__")
    module.__dict__["jwt"] = jwt
    refuse_endless_tokens(module)
    key = "k" * 32
    claims = {"exp": int(time.time()) + 60, "aud": "beatstream"}
    read = partial(module.jwt.decode, key=key, algorithms=["HS256"], audience="beatstream")
    assert read(jwt.encode(claims, key)) == claims
    with pytest.raises(jwt.MissingRequiredClaimError):
        read(jwt.encode({"aud": "beatstream"}, key))
    with pytest.raises(jwt.InvalidAudienceError):
        read(jwt.encode({**claims, "aud": "another"}, key))


def test_parameters_are_worked_out_once_an_api(runner: ModuleType) -> None:
    assert [runner.convert_pydantic_definition(model) for model in (int, str, int)] == [["int"], ["str"], ["int"]]
    assert runner.asked == [int, str]


@pytest.fixture
def parameters() -> ModuleType:
    """Moose's own, changed."""
    module = ModuleType("__main__")
    module.__dict__.update(parse_qs=parse_qs, map_params_to_class=map_params_to_class)
    refuse_by_name(module)
    return module


def taken(runner: ModuleType, query: str, model: Any) -> Any:
    return runner.map_params_to_class(runner.parse_qs(query), convert_pydantic_definition(model), model)


@pytest.mark.parametrize(
    ("model", "query", "says"),
    [
        (StatsParams, "users=Ada", "users: no such parameter; there are window_seconds, start, end, user_name"),
        (PeopleParams, "user_id=7", "user_id: no such parameter; there are none"),
        (StatsParams, "user_name=", "user_name: empty"),
        (StatsParams, "user_name=Ada&window_seconds=", "window_seconds: empty"),
        (StatsParams, "user_name=Ada&user_name=Bo", "Expected a single element for user_name"),
        (StatsParams, "window_seconds=x", "window_seconds: Input should be a valid integer"),
        (StatsParams, "window_seconds=0", "window_seconds: Input should be greater than or equal to 1"),
        (StatsParams, "user_name=Ada&end=2026-11-27T10:00:00Z", "start: missing, while end is given"),
        (GroupParams, "users=Ada&window_seconds=100000", "window_seconds: at most 86400 seconds"),
        (GroupParams, "users=,%20,", "users: names nobody"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(
    parameters: ModuleType, model: Any, query: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        taken(parameters, query, model)
    except ValueError as error:
        parameters.traceback.print_exc()
        told = json.loads(str(error))["error"]
        assert told.startswith(says)
        assert "Ada" not in told
        assert "\n" not in told
    else:
        pytest.fail("it was taken")
    assert capsys.readouterr().err == "", "who is asked for is not logged"


def test_right_parameters_are_taken(parameters: ModuleType) -> None:
    asked = taken(parameters, "user_name=Ada&window_seconds=60", StatsParams)
    assert (asked.user_name, asked.window_seconds) == ("Ada", 60)


def test_what_goes_wrong_here_is_logged(parameters: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        int("of our own")
    except ValueError:
        parameters.traceback.print_exc()
    assert "of our own" in capsys.readouterr().err
