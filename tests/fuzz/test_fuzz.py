"""A first look at every target; `make fuzz` has a million inputs."""

import re
import subprocess
import sys

import pytest

from tests.fuzz.targets import SEEDS, TARGETS

RUNS = 3000

pytest.importorskip("atheris", reason="its wheels are for Linux on x86-64")


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_comes_is_read_or_refused(name: str) -> None:
    assert SEEDS[name]
    command = [sys.executable, "-m", "tests.fuzz", "--runs", str(RUNS), name]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    (inputs,) = re.findall(r"stat::number_of_executed_units:\s+(\d+)", done.stderr)
    assert int(inputs) >= RUNS
