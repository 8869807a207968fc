"""Ending processes that an earlier launcher left behind."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from stack import processes
from stack.processes import MARK, Processes

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"


@contextmanager
def left_behind(state: Path) -> Iterator[psutil.Process]:
    """A process of an earlier stack that does not mind SIGTERM."""
    with subprocess.Popen([sys.executable, "-c", DEAF], env={MARK: str(state)}, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield psutil.Process(process.pid)
        finally:
            process.kill()


def test_what_was_left_behind_is_ended_and_nobody_else(tmp_path: Path) -> None:
    with left_behind(tmp_path) as left, left_behind(tmp_path / "other") as other:
        assert Processes(tmp_path).end_leftovers() == 1
        assert not processes._runs(left)
        assert processes._runs(other)
