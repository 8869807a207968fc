"""What programs are told of the wall."""

import schemathesis

from live.openapi import document
from live.server import ACTIONS, create
from live.settings import Settings

ROUTES = create(Settings(moose_url="http://127.0.0.1:1", broker="127.0.0.1:1")).routes
DOCUMENT = document(ROUTES, ACTIONS)


def test_it_is_an_openapi_document() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()


def test_it_tells_of_all_that_programs_ask_for_and_of_no_page() -> None:
    assert {path for path in DOCUMENT["paths"] if path.startswith("/actions/")} == {
        f"/actions/{each}" for each in ACTIONS
    }
    others = {path for path in DOCUMENT["paths"] if not path.startswith("/actions/")}
    assert others == {
        "/enter",
        "/events",
        "/events/schema.json",
        "/openapi.json",
        "/health",
        "/data/people",
        "/data/people/{user_id}/export.zip",
        "/data/people/{user_id}/history",
        "/data/sessions",
        "/data/sessions/{session_id}",
        "/data/sessions/{session_id}/people/{user_id}.{kind}",
    }


def test_every_operation_says_what_it_does_and_an_action_what_it_takes() -> None:
    for path, methods in DOCUMENT["paths"].items():
        (method, operation), *more = methods.items()
        assert not more
        assert operation["summary"].endswith(".")
        assert (method == "post") == ("requestBody" in operation) == path.startswith(("/actions/", "/enter"))
