from collections.abc import Iterator

import pytest

from tests.ingest_server import Ingest


@pytest.fixture
def ingest() -> Iterator[Ingest]:
    ingest = Ingest()
    yield ingest
    ingest.close()
