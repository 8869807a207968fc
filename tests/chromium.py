"""A Chromium for the tests: the one that is there, or the one that this machine lets us install without asking."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Error, Playwright, sync_playwright

from tests.debian import INSTALL_TIMEOUT_S, install

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OPTIONS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    # It looks up its maker's hosts at every start otherwise.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A page that nobody looks at keeps its pace.
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
]
HELP = (
    "The browser tests need Chromium, and none could be installed: run 'apt-get install chromium' (or your system's "
    "like), or name one in BEATSTREAM_CHROMIUM."
)


class NoChromiumError(Exception):
    """There is none; the text tells a person what to do."""


def executable() -> str | None:
    """Chromium's path; None: the one that Playwright has downloaded. Raises `NoChromiumError`."""
    found = _on_this_machine()
    if found is None and not _downloaded():
        if install("chromium", "fonts-dejavu-core"):
            found = _on_this_machine()
        if found is None and not _download():
            raise NoChromiumError(HELP)
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser. Raises `NoChromiumError`."""
    path = executable()
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*OPTIONS, *sandbox])
        try:
            yield browser
        finally:
            browser.close()


def _on_this_machine() -> str | None:
    given = os.environ.get("BEATSTREAM_CHROMIUM")
    return given or next((path for name in NAMES if (path := shutil.which(name))), None)


def _downloaded() -> bool:
    def there(playwright: Playwright) -> bool:
        return Path(playwright.chromium.executable_path).exists()

    try:
        with sync_playwright() as playwright:
            return there(playwright)
    except Error:
        return False


def _download() -> bool:
    command = ["playwright", "install", "chromium"]
    try:
        subprocess.run(command, check=True, timeout=INSTALL_TIMEOUT_S, stdin=subprocess.DEVNULL, capture_output=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return _downloaded()
