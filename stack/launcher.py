"""Starts the stack, says when it is ready, watches it, ends it."""

import fcntl
import os
import platform
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import FrameType

import httpx

from app import moose_changes, table_layout
from app.heartrate.retention import InvalidRetention, days_kept
from app.heartrate.sharding import InvalidShards, parse_shards
from stack import moose_home, ports
from stack.processes import Processes
from stack.settings import Settings

READY_TIMEOUT_S = 180.0
STOP_GRACE_S = 6.0
CLICKHOUSE_BACK_WITHIN_S = 10.0
"""One that dies is started again where it came from (`stack/clickhouse/kept.py`), which takes a second or two."""

WATCHED_EVERY_S = 0.25
_POLL_S = 0.1
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Mode(StrEnum):
    """How the parts under Moose are run."""

    EMBEDDED = "embedded"
    """No Docker, nothing downloaded: Moose's own broker and Redis, ClickHouse over chDB."""
    NATIVE = "native"
    """`moose dev --dockerless`: Moose downloads and runs a real ClickHouse."""
    DOCKER = "docker"
    """`moose dev`: Redpanda, ClickHouse and Redis in containers."""


class StackError(Exception):
    """The stack cannot start or did not go on; the text tells a person what to do."""


class Stopped(Exception):  # noqa: N818 (a request, not an error)
    """Somebody asked the stack to end (Ctrl-C, SIGTERM)."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the stack, and how to tell that it is ready."""

    name: str
    where: str
    ready: Callable[[], bool]


class Stack:
    """The running stack. Use `running()`, which ends it in any case."""

    def __init__(self, settings: Settings, mode: Mode, say: Callable[[str], None]) -> None:
        self.settings = settings
        self._mode = mode
        self._say = say
        self._processes = Processes(settings.state)
        self._http = httpx.Client(timeout=2.0)
        self._clickhouse_seen = 0.0

    @contextmanager
    def running(self) -> Iterator["Stack"]:
        """The stack, ready; ended on leaving, within 10 s. Raises `StackError` if it cannot be started."""
        began = time.monotonic()
        with _signals_raise(), _alone(self.settings):
            try:
                self._prepare()
                self._start_moose()
                self._start_live()
                self._await_ready(began, self._parts())
                self._clickhouse_seen = time.monotonic()
                yield self
            finally:
                self._stop()

    def start_part(self, name: str, command: list[str], *, keep: bool = False) -> None:
        """Start a further part, which belongs to the stack from then on; its output goes to its log.

        `keep`: it is started anew whenever it ends.
        """
        log = self.settings.state / "logs" / f"{name}.log"
        env = {**os.environ, "PYTHONPATH": str(self.settings.project)}
        self._processes.start(name, command, cwd=self.settings.project, env=env, log=log, keep=keep)

    def check(self) -> None:
        """Raise `StackError` if a part has ended."""
        ended = self._processes.ended()
        if ended is not None:
            name, code = ended
            raise StackError(f"{name} has ended (exit code {code}); see {self.settings.state / 'logs'}")
        if self._mode is not Mode.DOCKER and self._clickhouse_gone():
            raise StackError(
                f"ClickHouse has been away for {CLICKHOUSE_BACK_WITHIN_S:.0f} s; see {self.settings.moose_log}"
            )

    def watch(self) -> None:
        """Return only by exception: `Stopped` when asked to end, `StackError` when a part has ended."""
        while True:
            self.check()
            time.sleep(WATCHED_EVERY_S)

    def _prepare(self) -> None:
        try:
            parse_shards(os.environ.get("BEATSTREAM_SHARDS"))
            days_kept(os.environ)
            cluster = table_layout.cluster(os.environ)
            table_layout.partition_function(os.environ)
        except (InvalidShards, InvalidRetention, table_layout.InvalidLayout) as error:
            raise StackError(str(error)) from error
        if cluster and self._mode is Mode.EMBEDDED:
            raise StackError(f"{table_layout.CLUSTER}: the embedded ClickHouse is one server")
        left = self._processes.end_leftovers()
        if left:
            self._say(f"ended {left} processes that an earlier run had left behind")
        if self._mode is Mode.DOCKER:
            if shutil.which("docker") is None:
                raise StackError("STACK=docker needs Docker, and there is none on PATH")
        else:
            if self._mode is Mode.EMBEDDED and platform.machine() != "x86_64":
                raise StackError(f"the embedded stack needs x86-64, and this is {platform.machine()}; try STACK=docker")
            conflicts = ports.taken(self.settings.ports)
            if conflicts:
                raise StackError("\n".join(conflicts))
        logs = self.settings.moose_log.parent
        shutil.rmtree(logs, ignore_errors=True)
        logs.mkdir(parents=True)
        # Moose keeps its state in .moose beside its configuration; ours all lives in one folder.
        kept = self.settings.state / "moose"
        kept.mkdir(parents=True, exist_ok=True)
        link = self.settings.project / ".moose"
        if not link.exists():
            link.symlink_to(kept.relative_to(self.settings.project), target_is_directory=True)
        moose_home.prepare(self._home, embedded=self._mode is Mode.EMBEDDED)

    @property
    def _home(self) -> Path:
        return self.settings.state / "home"

    def _start_moose(self) -> None:
        programs = Path(sys.executable).parent
        command = [str(programs / "moose-cli"), "dev"] + ([] if self._mode is Mode.DOCKER else ["--dockerless"])
        env = {
            **os.environ,
            "HOME": str(self._home),
            # Moose runs the first python3 on PATH.
            "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}",
            "VIRTUAL_ENV": str(programs.parent),
            "PYTHONPATH": os.pathsep.join([str(self.settings.project), *_lean_moose()]),
            "MOOSE_TELEMETRY__ENABLED": "false",
            "MOOSE_DEV__SUPPRESS_DEV_SETUP_PROMPT": "true",
            # Two lines a message, written by opening a file each, cost more than the functions do.
            "MOOSE_LOGGER__LEVEL": os.environ.get("MOOSE_LOGGER__LEVEL", "warn"),
        }
        self._processes.start("moose", command, cwd=self.settings.project, env=env, log=self.settings.moose_log)

    def _start_live(self) -> None:
        options = ["--moose-url", self.settings.moose_url, "--broker", self.settings.broker]
        port = self.settings.live_url.rpartition(":")[2]
        self.start_part("live", [sys.executable, "-m", "live", *options, "--port", port], keep=True)

    def _await_ready(self, began: float, parts: list[Part]) -> None:
        for part in parts:
            while not part.ready():
                ended = self._processes.ended()
                if ended is not None:
                    raise StackError(
                        f"Moose ended while starting (exit code {ended[1]}):\n{_tail(self.settings.moose_log)}"
                    )
                if time.monotonic() - began > READY_TIMEOUT_S:
                    raise StackError(
                        f"{part.name} was not ready after {READY_TIMEOUT_S:.0f} s; see {self.settings.moose_log}"
                    )
                time.sleep(_POLL_S)
            self._say(f"{part.name:<12} ready  {part.where}  ({time.monotonic() - began:.1f} s)")

    def _parts(self) -> list[Part]:
        moose, wall = self.settings.moose_url, self.settings.live_url
        return [
            Part("ClickHouse", self.settings.clickhouse_url, self._clickhouse_answers),
            Part("Moose", moose, lambda: self._answers(f"{moose}/ready")),
            Part("APIs", f"{moose}/api", lambda: self._answers(f"{moose}/liveness")),
            Part("Wall", wall, lambda: self._answers(f"{wall}/health")),
        ]

    def _clickhouse_answers(self) -> bool:
        return self._answers(f"{self.settings.clickhouse_url}/ping")

    def _clickhouse_gone(self) -> bool:
        """Nobody has listened there for long. Where one only hangs, all wait; to end it would lose what waits."""
        try:
            self._http.get(f"{self.settings.clickhouse_url}/ping")
        except httpx.ConnectError:
            return time.monotonic() - self._clickhouse_seen > CLICKHOUSE_BACK_WITHIN_S
        except httpx.HTTPError:
            pass
        self._clickhouse_seen = time.monotonic()
        return False

    def _answers(self, url: str) -> bool:
        try:
            return self._http.get(url).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def _stop(self) -> None:
        # Whoever asks now is told by what happens anyway. Who asked just before shall not stop it either.
        with suppress(Stopped):
            _ignore_signals()
        self._processes.stop(STOP_GRACE_S)
        self._http.close()
        if self._mode is not Mode.DOCKER:
            held = ports.taken(self.settings.ports)
            if held:
                self._say("still held after the end: " + "; ".join(held))


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold the state folder: what another launcher runs there is nothing that was left behind.

    Raises `StackError` while there is one; the kernel lets go of a launcher that was killed.
    """
    settings.state.mkdir(parents=True, exist_ok=True)
    with (settings.state / "launcher.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError(f"Beatstream is already running from {settings.project}; end that one first") from error
        yield


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Turn SIGINT, SIGTERM and SIGHUP into `Stopped`, once: a second one must not interrupt the ending.

    A SIGHUP that is ignored stays so (nohup).
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        _ignore_signals()
        raise Stopped

    before = {
        number: signal.signal(number, stop)
        for number in _ENDING
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_signals() -> None:
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)


def _lean_moose() -> list[str]:
    """The folder that makes Moose's Python processes leave out what they never use; see its one module."""
    return [str(Path(__file__).with_name("lean"))] if moose_changes.wanted() else []


def _tail(log: Path, lines: int = 20) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return "(no log)"
