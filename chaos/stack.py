"""The stack under test, with what a service manager does for it: started again whenever it has ended."""

from contextlib import suppress

import psutil

from benchmarks.stack import process_name
from tests.integration.beatstream import Beatstream


class Stack(Beatstream):
    """A stack whose parts can be named, hurt, and watched."""

    def restart_if_ended(self) -> bool:
        """Start it again if its launcher has ended; tells whether it had."""
        if self._process is None or self._process.poll() is None:
            return False
        self.await_end()
        self.start()
        return True

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
