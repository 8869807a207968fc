"""A stack of its own for a benchmark, in a temporary folder."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from harness.beatstream import Beatstream

_STREAM = re.compile(r'"name":"(\w+)"')
_DEAD_LETTERS = "DeadLetterQueue"


@contextmanager
def running(main: Path | None = None, *, shards: int = 1) -> Iterator[Beatstream]:
    """A stack that is ready, with an empty database. `main`: lies there as `app/main.py`, instead of Beatstream's."""
    with tempfile.TemporaryDirectory(prefix="beatstream-bench-", ignore_cleanup_errors=True) as folder:
        stack = Beatstream(Path(folder), shards=shards)
        if main is not None:
            (stack.project / "app" / "main.py").write_text(main.read_text())
        try:
            stack.start()
            yield stack
        finally:
            stack.end()


def process_name(process: psutil.Process) -> str:
    """What a person calls it."""
    command = process.cmdline()
    text = " ".join(command)
    if process.name() == "moose-cli":
        return "moose-cli"
    if "streaming_function_runner" in text:
        streams = [name for name in _STREAM.findall(text) if not name.endswith(_DEAD_LETTERS)]
        return f"function {' -> '.join(streams)}"
    if "Consumption Server" in text:
        return "APIs"
    if "-m" in command:
        return {"stack.clickhouse": "ClickHouse", "live": "wall"}.get(
            module := command[command.index("-m") + 1], module
        )
    return text[:40]


def processor_s(process: psutil.Process) -> float:
    """Processor time that it has used, s."""
    times = process.cpu_times()
    return times.user + times.system
