"""Requests made up from the OpenAPI document of ingest and APIs: none fails inside, none hangs, none stops the beats.

Only that is checked: the document is Moose's own, and says neither which answers there are to bad input nor which
strings are moments.
"""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from ruamel.yaml import YAML
from schemathesis.checks import not_a_server_error

from harness.beatstream import Beatstream
from harness.waiting import wait_for
from tests.integration.packets import packet

TIMEOUT_S = 10


@pytest.fixture(scope="module")
def document(beatstream: Beatstream) -> Any:
    """As Moose tells it."""
    told = httpx.get(f"http://127.0.0.1:{beatstream.ports['management']}/openapi.yaml").raise_for_status()
    return schemathesis.openapi.from_dict(YAML(typ="safe").load(told.text))


def test_no_request_fails_inside(beatstream: Beatstream, document: Any) -> None:
    operations = [found.ok() for found in document.get_all_operations()]
    assert len(operations) > 15
    for operation in operations:

        @settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            answer = case.call(base_url=beatstream.url, timeout=TIMEOUT_S, headers={"Connection": "close"})
            case.validate_response(answer, checks=(not_a_server_error,))

        ask()


def test_a_heartbeat_goes_all_the_way_after_that(beatstream: Beatstream) -> None:
    assert beatstream.post("raw_ant_hr_packet", packet("794001", 0, 1, datetime.now(UTC), 71)).is_success
    wait_for(lambda: beatstream.api("getLatestUserHeartRates", users="Strap 794001"), "the beat", 30)
