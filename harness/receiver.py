"""A real ingest-foo with an emulated stick, which writes down what it has sent."""

import json
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from harness.beatstream import REPOSITORY


@dataclass
class Receiver:
    """An ingest-foo with an emulated stick."""

    name: str
    folder: Path
    options: list[str]
    said: list[str] = field(default_factory=list)
    measured: list[tuple[float, float, int]] = field(default_factory=list)
    """Moment, CPU seconds, bytes of memory."""

    def start(self) -> subprocess.Popen[str]:
        """Start it."""
        self.folder.mkdir(exist_ok=True)
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "scripts.ingest_foo", "--receiver-id", self.name),
                *("--spool", str(self.folder / "spool"), "--emulate-log", str(self.folder / "sent.jsonl")),
                *self.options,
            ],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def measure(self, process: subprocess.Popen[str]) -> None:
        """Note what it has used, unless it has ended."""
        with suppress(psutil.NoSuchProcess):
            of = psutil.Process(process.pid)
            cpu, memory = of.cpu_times(), of.memory_info().rss
            if memory:  # it has not ended
                self.measured.append((time.monotonic(), cpu.user + cpu.system, memory))

    def await_end(self, process: subprocess.Popen[str]) -> int:
        """Its exit code; what it said is kept."""
        _, said = process.communicate(timeout=60)
        self.said.append(said)
        return process.returncode

    def sent(self) -> dict[str, list[tuple[str, int]]]:
        """What the stick gave to the host: payloads and true times (µs since 1970), by strap."""
        straps: dict[str, list[tuple[str, int]]] = {}
        for line in (self.folder / "sent.jsonl").read_text().splitlines():
            with suppress(ValueError):  # the kill may have torn a line
                record = json.loads(line)
                straps.setdefault(record["device_id"], []).append((record["payload"], record["at_us"]))
        return straps
