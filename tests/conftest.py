from collections.abc import Iterator

import pytest
from hypothesis import settings
from playwright.sync_api import Browser, expect

from harness.chromium import NoChromiumError, chromium
from tests.ingest_server import Ingest

# However busy this machine is.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
expect.set_options(timeout=15_000)


@pytest.fixture
def ingest() -> Iterator[Ingest]:
    ingest = Ingest()
    yield ingest
    ingest.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    try:
        with chromium() as browser:
            yield browser
    except NoChromiumError as error:
        pytest.fail(str(error), pytrace=False)
