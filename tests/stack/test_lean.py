"""What the stack's processes leave out of moose-lib: the whole app loads without it, and its use says so."""

import os
import subprocess
import sys

from tests.integration.beatstream import REPOSITORY

LEAN = REPOSITORY / "stack" / "lean"


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(LEAN)])},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_app_loads_without_what_it_never_uses() -> None:
    done = python(
        "import app.main, sys, temporalio, redis, sqlglot\n"
        "names = ('temporalio', 'redis', 'sqlglot')\n"
        "print({getattr(sys.modules[name], '__file__', None) for name in names})"
    )
    assert done.stdout == "{None}\n", done.stderr


def test_who_uses_it_is_told() -> None:
    done = python("from moose_lib import MooseCache\nMooseCache()")
    assert done.returncode != 0
    assert "left out of this stack" in done.stderr
    assert "BEATSTREAM_MOOSE_RUNNER=original" in done.stderr
