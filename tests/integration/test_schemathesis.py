"""Requests made up from the OpenAPI documents of ingest, APIs and wall, right and wrong: none fails inside, none hangs,
none stops the beats, and what is refused is named.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from ruamel.yaml import YAML
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from harness.beatstream import Beatstream
from harness.live import LiveServer
from harness.waiting import wait_for
from live.access import COOKIE, cookie_of
from tests.integration.packets import packet

TIMEOUT_S = 10
EXAMPLES = 40
TOKEN = "correct horse battery"
STRAP = "794001"

MODES = pytest.mark.parametrize("mode", GenerationMode)
MOMENT = {"type": "string", "format": "date-time"}
NUMBER = {"type": "integer", "minimum": 1, "maximum": 10_000}
UNTOLD = {**dict.fromkeys(("start", "end", "timestamp"), MOMENT), **dict.fromkeys(("limit", "user_id"), NUMBER)}
"""What Moose's document does not say of parameters; without it few requests would be right."""


@pytest.fixture(scope="module")
def moose(beatstream: Beatstream) -> Any:
    """Moose's document."""
    told = httpx.get(f"http://127.0.0.1:{beatstream.ports['management']}/openapi.yaml").raise_for_status()
    document = YAML(typ="safe").load(told.text)
    for path in document["paths"].values():
        for parameter in path.get("get", {}).get("parameters", ()):
            parameter["schema"] = UNTOLD.get(parameter["name"], parameter["schema"])
    return document


@pytest.fixture(scope="module")
def wall(beatstream: Beatstream) -> Iterator[LiveServer]:
    """A wall behind a token, and a screen that has it."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BEATSTREAM_LIVE_TOKEN", TOKEN)
        server = LiveServer(beatstream)
        server.http.headers["Cookie"] = f"{COOKIE}={cookie_of(TOKEN)}"
        try:
            server.start()
            yield server
        finally:
            server.close()


@MODES
def test_no_request_to_moose_fails_inside(beatstream: Beatstream, moose: dict[str, Any], mode: GenerationMode) -> None:
    assert _ask_all(moose, mode, beatstream.url, {}, (not_a_server_error,)) > 15


@MODES
def test_no_request_to_the_wall_fails_inside(wall: LiveServer, mode: GenerationMode) -> None:
    assert httpx.get(f"{wall.url}/openapi.json").status_code == 401
    document = wall.http.get("/openapi.json").raise_for_status().json()
    user_id = wall.act("assign", device_id="794002", user_name=f"Wall {mode}")["user_id"]
    session_id = wall.act("start-session", name="Made up")["session_id"]
    # So that some requests meet what is there.
    there = {"user_id": user_id, "session_id": session_id, "session": session_id, "device_id": "794002"}
    _narrow(document, {name: {"enum": [value, type(value)(7)]} for name, value in there.items()})
    checks = (not_a_server_error, response_schema_conformance, content_type_conformance)
    assert _ask_all(document, mode, wall.url, {"Cookie": wall.http.headers["Cookie"]}, checks) > 12


def test_a_heartbeat_goes_all_the_way_after_that(beatstream: Beatstream, wall: LiveServer) -> None:
    assert beatstream.post("raw_ant_hr_packet", packet(STRAP, 0, 1, datetime.now(UTC), 71)).is_success
    wait_for(lambda: beatstream.api("getLatestUserHeartRates", users=f"Strap {STRAP}"), "the beat", 30)
    wait_for(lambda: STRAP in _first_event(wall.url, dict(wall.http.headers), {}), "the strap on the wall", 30)


def _ask_all(
    document: dict[str, Any],
    mode: GenerationMode,
    url: str,
    headers: dict[str, str],
    checks: tuple[Callable[..., Any], ...],
) -> int:
    """How many operations were asked: of those that take nothing, nothing can be wrong."""
    asked = set()
    names = _names(document)
    schema: Any = schemathesis.openapi.from_dict(document)
    for operation in [found.ok() for found in schema.get_all_operations()]:

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            asked.add(case.operation.label)
            if case.path == "/events":
                assert _first_event(url, headers, case.query)
                return
            answer = case.call(base_url=url, timeout=TIMEOUT_S, headers={"Connection": "close", **headers})
            case.validate_response(answer, checks=checks)
            if answer.status_code == 400 and (case.query or (isinstance(case.body, dict) and case.body)):
                assert _is_named(answer.text, {*names, *(case.query or case.body)}), answer.text

        with suppress(*[Unsatisfiable] if mode is GenerationMode.NEGATIVE else []):
            ask()
    return len(asked)


def _first_event(url: str, headers: dict[str, str], query: dict[str, Any]) -> str:
    with httpx.stream("GET", f"{url}/events", headers=headers, params=query, timeout=TIMEOUT_S) as answer:
        assert answer.status_code == 200
        told = ""
        # Not by `iter_lines`, which also ends lines at what may stand in a name (U+2028).
        for text in answer.iter_text():
            told += text
            if told.endswith("\n\n"):
                return told
    pytest.fail(f"the stream ended: {told}")


def _is_named(text: str, names: set[str]) -> bool:
    """Whether a refusal says of which field or parameter it is: in a place for it, or in a sentence."""
    with suppress(ValueError):
        told = json.loads(text)
        if "field" in told:
            return told["field"] is not None
        text = told["error"]
    return any(name in text for name in names)


def _names(document: Any) -> set[str]:
    """Of all fields and parameters."""
    found = set()
    if isinstance(document, dict):
        found |= set(document.get("properties", ())) | ({document["name"]} if "in" in document else set())
    for part in document.values() if isinstance(document, dict) else document if isinstance(document, list) else ():
        found |= _names(part)
    return found


def _narrow(document: Any, schemas: dict[str, Any]) -> None:
    """Let fields and parameters of these names be as told."""
    if isinstance(document, dict):
        if "in" in document:
            document["schema"] = schemas.get(document["name"], document["schema"])
        for name in schemas.keys() & document.get("properties", {}).keys():
            document["properties"][name] = schemas[name]
    for part in document.values() if isinstance(document, dict) else document if isinstance(document, list) else ():
        _narrow(part, schemas)
