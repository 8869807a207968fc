"""One server for all tests of its protocol."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clickhouse.server import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from running(tmp_path_factory.mktemp("clickhouse"))


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server that the test may kill."""
    yield from running(tmp_path)


def running(folder: Path, kind: type[Server] = Server) -> Iterator[Server]:
    server = kind(folder)
    try:
        server.start()
        yield server
    finally:
        server.http.close()
        if server.process is not None and server.process.poll() is None:
            server.process.terminate()
            server.process.wait(30)
