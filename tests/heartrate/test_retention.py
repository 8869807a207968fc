"""For how long each table keeps its rows."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.heartrate.retention import MOST_DAYS, USUAL_DAYS, InvalidRetention, days_kept, ttl, variable

ROOT = Path(__file__).resolve().parents[2]
each_table = pytest.mark.parametrize("table", USUAL_DAYS)
RAW, BEATS = "raw_ant_hr_packet", "unified_hr_packet"


def test_without_a_setting_packets_and_straps_beats_go_after_90_days_and_the_rest_never() -> None:
    assert days_kept({"BEATSTREAM_SHARDS": "2"}) == USUAL_DAYS
    assert {table for table, days in USUAL_DAYS.items() if days == 90} == {
        "raw_ant_hr_packet",
        "bluetooth_hr_packet",
        "processed_ant_hr_packet",
    }
    assert set(USUAL_DAYS.values()) == {90, None}


@each_table
@pytest.mark.parametrize(
    ("text", "days"), [("1", 1), ("30", 30), (str(MOST_DAYS), MOST_DAYS), ("0", None), ("forever", None)]
)
def test_a_setting_is_of_its_table_only(table: str, text: str, days: int | None) -> None:
    assert days_kept({variable(table): text}) == {**USUAL_DAYS, table: days}


@each_table
def test_an_empty_setting_is_none(table: str) -> None:
    assert days_kept({variable(table): ""}) == USUAL_DAYS


@each_table
@pytest.mark.parametrize("text", ["-1", "10001", "90d", "1.5", " 30", "never", "²", "00", "9" * 5000, "30\n"])
def test_another_setting_is_refused_in_a_line_that_names_it(table: str, text: str) -> None:
    with pytest.raises(InvalidRetention) as refused:
        days_kept({variable(table): text})
    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"{variable(table)}: ")
    assert "days from 1 to 10000" in line
    assert len(line) < 200


def test_a_name_mistyped_is_refused() -> None:
    with pytest.raises(InvalidRetention, match="BEATSTREAM_KEEP_UNIFIED_DAYS: no table") as refused:
        days_kept({"BEATSTREAM_KEEP_UNIFIED_DAYS": "30"})
    assert variable(BEATS) in str(refused.value)


def test_the_ttl_is_written_as_moose_takes_it() -> None:
    assert ttl(RAW, "stored_at", {}) == "stored_at + INTERVAL 90 DAY"
    assert ttl(RAW, "stored_at", {variable(RAW): "forever"}) is None
    assert ttl(BEATS, "stored_at", {}) is None
    assert ttl(BEATS, "stored_at", {variable(BEATS): "30"}) == "stored_at + INTERVAL 30 DAY"


def test_a_wrong_setting_ends_what_reads_the_models_with_its_line_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import app.main"],
        cwd=ROOT,
        env={**os.environ, variable(BEATS): "thirty"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{variable(BEATS)}: 'thirty'")


def test_a_stack_with_a_wrong_setting_says_so_and_starts_nothing(tmp_path: Path) -> None:
    shutil.copy(ROOT / "moose.config.toml", tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "stack", "dev"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), variable(RAW): "thirty"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith(f"{variable(RAW)}: 'thirty'")
    assert {file.name for file in tmp_path.rglob("*")} == {"moose.config.toml", ".beatstream", "launcher.lock"}


def test_every_table_that_has_a_setting_takes_it_and_no_other_has_a_ttl() -> None:
    """What Moose is told, asked in a process of its own: models read the environment as they are imported."""
    program = (
        "import app.main\n"
        "from moose_lib.dmv2._registry import _tables\n"
        "for table in _tables.values():\n"
        "    if table.config.ttl: print(table.name, table.config.ttl.split(' + ')[1], sep='=')\n"
    )
    days = {table: number for number, table in enumerate(USUAL_DAYS, 11)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, **{variable(table): str(number) for table, number in days.items()}},
        capture_output=True,
        text=True,
        check=True,
    )
    told = dict(line.split("=") for line in done.stdout.splitlines())
    assert told == {table: f"INTERVAL {number} DAY" for table, number in days.items()}
