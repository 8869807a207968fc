"""Programs in sessions of their own."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def start(command: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start one. What it says is added to the log, and a Ctrl-C in this terminal does not reach it."""
    with log.open("a") as said:
        return subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
