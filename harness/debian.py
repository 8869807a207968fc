"""Programs that tests need and that no Python package brings: installed where this machine lets us without asking."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

INSTALL_TIMEOUT_S = 120
"""Of each step."""


def install(*packages: str) -> bool:
    """Install Debian's packages, where that needs no password; tells whether it could."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    # Services among them are not started: RUNLEVEL=1 is a system for repairs.
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    commands = (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages])
    # Tests run side by side, and apt-get does not wait for another one.
    with (Path(tempfile.gettempdir()) / "beatstream-tests-apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            for command in commands:
                subprocess.run(
                    command,
                    check=True,
                    timeout=INSTALL_TIMEOUT_S,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    env=env,
                )
        except (OSError, subprocess.SubprocessError):
            return False
    return True
