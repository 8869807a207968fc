from collections.abc import Iterator

import pytest
from hypothesis import settings
from playwright.sync_api import Browser

from harness.chromium import NoChromiumError, chromium
from tests.ingest_server import Ingest

# However busy this machine is.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


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
