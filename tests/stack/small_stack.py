"""`python -m tests.stack.small_stack FOLDER [ERROR]`: the launcher over one part, which does not mind SIGTERM.

The part's number stands in FOLDER/up; FOLDER/asked tells that it was asked to end. With an error the stack fails as
soon as it is ready, else it goes on. Its ClickHouse listens nowhere.
"""

import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

from stack import __main__ as program
from stack.launcher import Mode, Part, Stack, StackError
from stack.settings import Settings

FOLDER, ERROR = Path(sys.argv[1]), " ".join(sys.argv[2:])

DEAF = """
import os, pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: (folder / "asked").touch())
(folder / "starting").write_text(str(os.getpid()))
(folder / "starting").rename(folder / "up")
while True:
    time.sleep(60)
"""


class SmallStack(Stack):
    """Without Moose."""

    def _start_moose(self) -> None:
        self.start_part("deaf", [sys.executable, "-c", DEAF, str(FOLDER)])

    def _start_live(self) -> None:
        pass

    def _parts(self) -> list[Part]:
        return [Part("deaf", "here", (FOLDER / "up").exists)]

    def watch(self) -> None:
        self.check()
        if ERROR:
            raise StackError(ERROR)
        signal.pause()


def main() -> None:
    nowhere = "http://127.0.0.1:9"
    settings = Settings(FOLDER, (), nowhere, nowhere, "127.0.0.1:9", nowhere)
    with (
        patch.multiple(program, Stack=SmallStack, settings=SimpleNamespace(load=lambda _: settings)),
        patch("stack.launcher.STOP_GRACE_S", 3.0),
    ):
        program._run(Mode.EMBEDDED, None)


if __name__ == "__main__":
    main()
