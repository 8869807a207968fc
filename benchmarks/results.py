"""What `make bench` measured, kept in results.json: by benchmark, with when, on what, at which commit and how."""

import json
import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import psutil

FILE = Path(__file__).with_name("results.json")
PACKAGES = ("moose-cli", "moose-lib", "chdb", "confluent-kafka", "pydantic", "clickhouse-connect")


def machine() -> str:
    """What this runs on, in a line."""
    gib = psutil.virtual_memory().total / (1 << 30)
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return (
        f"{_processor()}, {os.cpu_count()} cores, {gib:.0f} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {versions}"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


@dataclass(slots=True)
class Results:
    """By benchmark."""

    parts: dict[str, dict[str, Any]]

    @classmethod
    def load(cls) -> Self:
        """What is kept; empty at first."""
        return cls(json.loads(FILE.read_text()) if FILE.exists() else {})

    def note(self, part: str, figures: dict[str, float]) -> None:
        """What a benchmark has just measured."""
        self.parts[part] = {
            "measured_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "commit": commit(),
            "machine": machine(),
            "command": f"python -m benchmarks {part}",
            "figures": {name: float(f"{value:.6g}") for name, value in figures.items()},
        }

    def save(self) -> None:
        """Keep it."""
        FILE.write_text(json.dumps(self.parts, indent=1) + "\n")

    def figure(self, name: str) -> float:
        """A figure by its name. Raises `KeyError`."""
        for part in self.parts.values():
            if name in part["figures"]:
                return float(part["figures"][name])
        raise KeyError(name)


def commit() -> str:
    """The one that is measured; "-changed": and what is not committed yet."""
    changed = _git("status", "--porcelain", "--", "app", "live", "scripts", "stack")
    return _git("rev-parse", "--short", "HEAD") + ("-changed" if changed else "")


def _git(*arguments: str) -> str:
    said = subprocess.run(  # noqa: S603 (fixed words)
        ["git", *arguments],  # noqa: S607 (the one on PATH)
        cwd=FILE.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    return said.stdout.strip()
