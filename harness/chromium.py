"""A Chromium for the tests: the one that is there, or the one that this machine lets us install without asking."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Error, Playwright, sync_playwright

from harness.debian import INSTALL_TIMEOUT_S, install

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


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser. Raises `NoChromiumError`."""
    with sync_playwright() as playwright:
        browser = _launched(playwright)
        try:
            yield browser
        finally:
            browser.close()


def _launched(playwright: Playwright) -> Browser:
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    for path in _candidates():
        try:
            return playwright.chromium.launch(executable_path=path, args=[*OPTIONS, *sandbox])
        except Error:  # it is not there, or lacks a library of the system
            continue
    raise NoChromiumError(HELP)


def _candidates() -> Iterator[str | None]:
    """Paths; None: the one that Playwright downloads. What has to be installed first comes last."""
    if given := os.environ.get("BEATSTREAM_CHROMIUM"):
        yield given
        return
    yield from _on_this_machine()
    yield None
    if install("chromium", "fonts-dejavu-core"):
        yield from _on_this_machine()
    if _download():
        yield None


def _on_this_machine() -> list[str]:
    return [path for name in NAMES if (path := shutil.which(name))]


def _download() -> bool:
    command = [sys.executable, "-m", "playwright", "install", "chromium"]
    try:
        subprocess.run(command, check=True, timeout=INSTALL_TIMEOUT_S, stdin=subprocess.DEVNULL, capture_output=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return True
