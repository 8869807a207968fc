"""The stack under test, with what a service manager does for it: started again whenever it has ended."""

import time
from contextlib import suppress

import httpx
import psutil

from benchmarks.stack import process_name
from harness.beatstream import Beatstream

EVERYBODY = "10000"
"""More people than all faults have."""


class Stack(Beatstream):
    """A stack whose parts can be named, hurt, and watched."""

    def restart_if_ended(self) -> float | None:
        """Start it again if its launcher has ended; tells how many seconds it took until it was ready."""
        if self._process is None or self._process.poll() is None:
            return None
        self.await_end()
        began = time.monotonic()
        self.start()
        return time.monotonic() - began

    def newest_beat(self, **parameters: str) -> float:
        """The newest beat, Unix time, that getLatestUserHeartRates shows; 0: none, or no answer."""
        try:
            # Everybody: of those of all faults before, the hundred fastest hearts may be others'.
            answer = self.http.get(
                "/api/getLatestUserHeartRates", params={"limit": EVERYBODY, **parameters}, timeout=2.0
            )
            return max((entry["hr_timestamp_seconds"] for entry in answer.json()["entries"]), default=0.0)
        except (httpx.HTTPError, ValueError, KeyError):
            return 0.0

    def named(self) -> dict[str, psutil.Process]:
        """Its processes by what people call them."""
        found = {}
        for process in self.processes():
            with suppress(psutil.Error):
                found[process_name(process)] = process
        return found

    def part(self, name: str) -> psutil.Process:
        """The process whose name begins so."""
        for each, process in self.named().items():
            if each.startswith(name):
                return process
        raise LookupError(f"no process {name}; there are {', '.join(self.named())}")
