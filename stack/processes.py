"""Every process of the stack, owned: found whoever started it, ended whatever it does.

The launcher becomes the reaper of all its descendants (Linux `PR_SET_CHILD_SUBREAPER`): what a part leaves behind when
it dies comes to the launcher, not to init. A mark in the environment finds what a launcher that was itself killed left
behind.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import psutil

MARK = "BEATSTREAM_STATE"
"""Environment variable that every process of a stack carries: the state folder it belongs to."""

_PR_SET_CHILD_SUBREAPER = 36


RESTART_AFTER_S = 1.0
"""A part that is started anew whenever it ends is so at most this often."""

LEFT_GRACE_S = 0.5
"""Enough for ClickHouse to close its files. Moose would take 10 s, and whoever wants to start again waits."""

KILLED_WITHIN_S = 2.0
_LOOK_EVERY_S = 0.05


class _Part(NamedTuple):
    """How to start a part."""

    command: list[str]
    cwd: Path
    env: dict[str, str]
    log: Path


class Processes:
    """The stack's processes. Build it once, at the start of the launcher."""

    def __init__(self, state: Path) -> None:
        self._state = str(state)
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._kept: dict[str, tuple[_Part, float]] = {}
        if sys.platform == "linux":
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def start(
        self, name: str, command: list[str], *, cwd: Path, env: dict[str, str], log: Path, keep: bool = False
    ) -> None:
        """Start a part in a session of its own, so that a Ctrl-C in the terminal reaches the launcher only.

        `keep`: `ended` starts it anew whenever it has ended. For parts that hold no state.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        part = _Part(command, cwd, env, log)
        if keep:
            self._kept[name] = (part, time.monotonic())
        self._children[name] = self._spawn(part)

    def ended(self) -> tuple[str, int] | None:
        """The first part that has ended and is not to be kept, with its exit code; None while all run."""
        for name, child in self._children.items():
            code = child.poll()
            if code is None:
                continue
            if name not in self._kept:
                return name, code
            part, started = self._kept[name]
            if time.monotonic() - started >= RESTART_AFTER_S:
                self._kept[name] = (part, time.monotonic())
                self._children[name] = self._spawn(part)
        return None

    def _spawn(self, part: _Part) -> subprocess.Popen[bytes]:
        with part.log.open("ab") as out:
            return subprocess.Popen(
                part.command,
                cwd=part.cwd,
                env={**part.env, MARK: self._state},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self, grace_s: float) -> None:
        """End everything within `grace_s`: SIGTERM to the parts, SIGKILL to all that is left, whoever started it.

        The last started ends first, so that what feeds the others can hand over what it has.
        """
        deadline = time.monotonic() + grace_s
        for child in reversed(self._children.values()):
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(max(0.0, (deadline - time.monotonic()) / 2))
        for child in self._children.values():
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
        _end(psutil.Process().children(recursive=True), max(0.5, deadline - time.monotonic()))

    def end_leftovers(self) -> int:
        """End what an earlier launcher of this state folder left behind when it was killed; tell how many."""
        left = [process for process in psutil.process_iter() if process.pid != os.getpid() and self._is_ours(process)]
        _end(left, LEFT_GRACE_S)
        return len(left)

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(MARK) == self._state
        except (psutil.Error, OSError):
            return False


def _end(processes: list[psutil.Process], grace_s: float) -> None:
    for process in processes:
        _signal(process, signal.SIGTERM)
    alive = _await_end(processes, grace_s)
    for process in alive:
        _signal(process, signal.SIGKILL)
    _await_end(alive, KILLED_WITHIN_S)


def _await_end(processes: list[psutil.Process], within_s: float) -> list[psutil.Process]:
    """Those that still run after so long. A zombie has ended, though its parent may take its time to see to it."""
    deadline = time.monotonic() + within_s
    while (alive := [each for each in processes if _runs(each)]) and time.monotonic() < deadline:
        psutil.wait_procs(alive, timeout=_LOOK_EVERY_S)
    return alive


def _runs(process: psutil.Process) -> bool:
    try:
        # The first thread may be gone and the others still hold ports.
        return process.is_running() and (process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1)
    except psutil.NoSuchProcess:
        return False


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
