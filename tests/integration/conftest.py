"""One stack for all integration tests: starting it takes longer than most of them."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.beatstream import Beatstream
from harness.live import LiveServer

EMPTY_QUESTIONS: dict[str, dict[str, str]] = {
    "getLatestUserHeartRates": {},
    "getUserHeartRateStats": {},
    "get_group_hr_by_second": {},
    "getHR": {"timestamp": "2026-11-23T10:00:00Z"},
}
FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs the stack."""
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.stack)


@pytest.fixture(scope="session")
def beatstream() -> Iterator[Beatstream]:
    """The running stack, its database empty at first. With two shards: who knows nothing of them uses the first."""
    with tempfile.TemporaryDirectory(prefix="beatstream-test-", ignore_cleanup_errors=True) as folder:
        stack = Beatstream(Path(folder), shards=2)
        try:
            stack.start()
            for name, parameters in EMPTY_QUESTIONS.items():
                stack.empty_answers[name] = stack.http.get(f"/api/{name}", params=parameters).json()
            yield stack
        finally:
            stack.end()


@pytest.fixture(scope="module")
def live(beatstream: Beatstream) -> Iterator[LiveServer]:
    """A wall of the module's own, with an empty board."""
    server = LiveServer(beatstream)
    try:
        server.start()
        yield server
    finally:
        server.close()
