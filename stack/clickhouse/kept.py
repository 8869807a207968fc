"""`python -m stack.clickhouse.kept ARGUMENTS`: the server, started anew where it dies.

Moose watches no ClickHouse that it has started, and everything that needs the database waits for it: seconds without it
cost nobody anything, where a restart of the whole stack takes a quarter of a minute.
"""

import ctypes
import signal
import subprocess
import sys
import time
from types import FrameType

LIVED_S = 5.0
"""A server that dies sooner after its start would die again."""

_PR_SET_PDEATHSIG = 1


class _Asked(Exception):  # noqa: N818 (a request, not an error)
    """Somebody wants the server to end."""


def main(arguments: list[str]) -> int:
    """Keep a server running until this process is asked to end (SIGTERM, SIGINT), or it cannot start.

    Returns the server's exit code.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ask)
    server = None
    try:
        while True:
            began = time.monotonic()
            server = subprocess.Popen(
                [sys.executable, "-m", "stack.clickhouse", *arguments],
                preexec_fn=_die_together,  # noqa: PLW1509 (there is one thread)
            )
            code = server.wait()
            if time.monotonic() - began < LIVED_S:
                return code if code >= 0 else 1
            print(f"clickhouse: ended with {code}, started again", file=sys.stderr, flush=True)
    except _Asked:
        if server is None:
            return 0
        server.terminate()
        return server.wait()


def _ask(_number: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise _Asked


def _die_together() -> None:
    """So that no server is left where this process is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
