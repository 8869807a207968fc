"""uv, with patience: one hiccup of a package registry is no failure of what is tested."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PATIENCE = {"UV_HTTP_TIMEOUT": "60", "UV_HTTP_RETRIES": "8", **os.environ}


def uv(*arguments: str | Path, **options: Any) -> None:
    """Run it. Fails with what it said."""
    env = PATIENCE | options.pop("env", {})
    command = [Path(sys.executable).parent / "uv", *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, (
        f"uv {arguments[0]} failed, perhaps as a package registry does not answer:\n{done.stderr}"
    )
