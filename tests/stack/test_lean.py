"""How Moose's Python processes start: the whole app loads with less of moose-lib, and hearts come first."""

import os
import subprocess
import sys

import pytest

from harness.beatstream import REPOSITORY

LEAN = REPOSITORY / "stack" / "lean"


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
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


@pytest.mark.parametrize(
    ("arguments", "behind"),
    [
        ([], 0),
        (["moose_lib.streaming.streaming_function_runner", '{"name":"raw_ant_hr_packet_1"}'], 0),
        (["moose_lib.streaming.streaming_function_runner", '{"name":"processed_ant_hr_packet"}'], 0),
        (["moose_lib.streaming.streaming_function_runner", '{"name":"bluetooth_hr_packet"}'], 0),
        (["moose_lib.streaming.streaming_function_runner", '{"name":"person_profile"}'], 10),
        (["moose_lib.streaming.streaming_function_runner", '{"name":"erasure_request"}'], 10),
    ],
)
def test_hearts_come_first(arguments: list[str], behind: int) -> None:
    done = python("import os\nprint(os.nice(0))", *arguments)
    assert int(done.stdout) == min(os.nice(0) + behind, 19), done.stderr
