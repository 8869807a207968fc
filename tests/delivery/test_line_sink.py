"""JSON lines, where nobody takes them."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.delivery.lines import LineSink
from scripts.delivery.sink import ASSIGNMENT, RAW, SinkError

FULL = Path("/dev/full")
FEW, MANY = ['{"n": 1}'], ['{"n": 1}'] * 100_000
COMMAND = [sys.executable, "-m", "scripts.generate_data", "run", "--seconds", "5", "--speed", "max", "--no-register"]


@pytest.mark.parametrize(
    "way",
    [
        lambda sink: sink.send(RAW, MANY),
        lambda sink: (sink.send(RAW, FEW), sink.settle()),
        lambda sink: (sink.send(RAW, FEW), sink.close()),
    ],
    ids=["send", "settle", "close"],
)
def test_a_disk_that_is_full(way: Callable[[LineSink], object]) -> None:
    with pytest.raises(SinkError, match="/dev/full: No space left on device"):
        way(LineSink(FULL))


def test_a_file_beside_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "packets.people.jsonl").mkdir()
    with pytest.raises(SinkError, match=r"packets\.people\.jsonl: Is a directory"):
        LineSink(tmp_path / "packets.jsonl").send(ASSIGNMENT, FEW)


@pytest.mark.parametrize("to", [["jsonl", "--output", str(FULL)], ["-"]], ids=["file", "standard output"])
def test_what_could_not_be_written_has_its_exit_code(to: list[str]) -> None:
    with FULL.open("w") as full:
        done = subprocess.run(
            [*COMMAND, "--to", *to], stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )
    assert (done.returncode, done.stderr.count("\n")) == (3, 1), done.stderr
    assert done.stderr.endswith(": No space left on device\n")


def test_who_reads_no_further_has_read_enough() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*COMMAND, "--to", "-"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )
    finally:
        os.close(writer)
    assert "Traceback" not in done.stderr
    assert done.returncode == 0
