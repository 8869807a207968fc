"""Waiting for conditions."""

import time
from collections.abc import Callable
from typing import Any

FETCHING_TIMEOUT_S = 900
"""Time limit of a test that may have to fetch packages, perhaps after two others that do so now (`make test`)."""


def wait_for(condition: Callable[[], Any], what: str, timeout_s: float, every_s: float = 0.1) -> Any:
    """The condition's first true value. Fails, naming what was awaited, after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {timeout_s:.0f} s in vain for {what}"
        time.sleep(every_s)
