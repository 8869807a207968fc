"""The launcher: one of each folder, and nothing left behind however it ends."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from harness.beatstream import REPOSITORY
from harness.waiting import wait_for
from stack import launcher, processes

READY_WITHIN_S = ENDED_WITHIN_S = 30.0


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    processes.Processes(tmp_path / ".beatstream").end_leftovers()


@contextmanager
def started(folder: Path, *error: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.stack.small_stack", str(folder), *error]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    said, _ = process.communicate(timeout=ENDED_WITHIN_S)
    return process.returncode, said


def part_of(folder: Path) -> psutil.Process:
    wait_for((folder / "up").exists, "the part", READY_WITHIN_S)
    return psutil.Process(int((folder / "up").read_text()))


def test_a_second_launcher_leaves_the_first_one_s_stack_alone(folder: Path) -> None:
    with started(folder) as first:
        part = part_of(folder)
        with started(folder) as second:
            code, said = ended(second)
        assert (code, f"already running from {folder};" in said) == (1, True), said
        assert (first.poll(), processes._runs(part)) == (None, True)
        first.kill()
        first.wait()
        (folder / "up").unlink()
        with started(folder) as third:
            wait_for(lambda: not processes._runs(part), "the end of what was left behind", READY_WITHIN_S)
            part = part_of(folder)
            third.terminate()
            assert ended(third)[0] == 0
        assert not processes._runs(part)


def test_who_asks_a_failed_stack_to_end_leaves_nothing_behind(folder: Path) -> None:
    error = f"{folder}: Ann [/b]"
    with started(folder, error) as process:
        part = part_of(folder)
        wait_for((folder / "asked").exists, "the part's being asked to end", READY_WITHIN_S)
        process.terminate()
        code, said = ended(process)
    # Nor is it one of Ann's markup, or of a ClickHouse that was never seen.
    assert (code, said.splitlines()[-1:]) == (1, [error]), said
    assert not processes._runs(part)


def test_a_hangup_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with launcher._signals_raise():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
