"""`BACKUP` and `RESTORE` of the app's own tables, as docs/deploy.md tells it, in a bare engine."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.clickhouse.moose import DATABASE, Moose
from tests.clickhouse.server import Server

PROJECT = Path(__file__).parents[2]
ALL = f"SELECT name, engine, create_table_query FROM system.tables WHERE database = '{DATABASE}' ORDER BY name"


def beats(first: int, number: int) -> str:
    """Heartbeats of three people, one a second."""
    return (
        f"INSERT INTO {DATABASE}.unified_hr_packet SELECT number % 3 + 1, concat('Person ', number % 3), "
        "toString(number % 3), 1790000000 + number, 60 + number % 90, 800.5, false, NULL, 96, now64(3) "
        f"FROM numbers({first}, {number})"
    )


def size(folder: Path) -> int:
    """Of all its files."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


class Place:
    """A data folder and a folder of backups."""

    def __init__(self, data: Path, backups: Path) -> None:
        self._data = data
        self._backups = backups

    def run(self, *statements: str) -> list[list[list[Any]]]:
        """The rows of each."""
        done = subprocess.run(
            [sys.executable, "-m", "tests.clickhouse.backed_up", str(self._data), str(self._backups)],
            input=json.dumps(statements),
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told: list[list[list[Any]]] = json.loads(done.stdout)
        return told

    def contents(self) -> dict[str, tuple[int, str]]:
        """Of each table that has rows of its own: how many, and their checksum, materialized columns too."""
        (tables,) = self.run(
            f"SELECT name FROM system.tables WHERE database = '{DATABASE}' AND engine LIKE '%MergeTree'"
        )
        answers = self.run(
            *(
                f"SELECT count(), toString(sum(cityHash64(toString(tuple(*))))) FROM {DATABASE}.{name} FINAL "
                "SETTINGS asterisk_include_materialized_columns = 1, asterisk_include_alias_columns = 1"
                for (name,) in tables
            )
        )
        return {name: (int(count), checksum) for (name,), ((count, checksum),) in zip(tables, answers, strict=True)}


@pytest.fixture
def original(own_server: Server, tmp_path: Path) -> Place:
    """The app's tables, with rows in most, of a server that has ended."""
    Moose(tmp_path, own_server, {}).migrate()
    own_server.text(beats(0, 5000))
    for table, columns, values in (
        ("raw_ant_hr_packet", "device_id, packet_count, ant_hr_packet", "'1', number, '04ff0a14ce180764'"),
        ("strap_assignment", "device_id, user_id, user_name", "toString(number), number, 'Ada'"),
        ("erasure_report", "erasure_id, user_id, erased_at, removed", "'a', number, now64(6), map('t', number)"),
    ):
        own_server.text(f"INSERT INTO {DATABASE}.{table} ({columns}) SELECT {values} FROM numbers(100)")
    own_server.end()
    (tmp_path / "backups").mkdir()
    return Place(tmp_path / "data", tmp_path / "backups")


def test_all_comes_back_from_a_backup_and_its_increment(original: Place, tmp_path: Path) -> None:
    original.run(f"BACKUP DATABASE {DATABASE} TO File('first')", beats(5000, 1000))
    # What a view filled, and would fill again if it ran.
    original.run(f"TRUNCATE TABLE {DATABASE}.latest_heart_rate")
    original.run(f"BACKUP DATABASE {DATABASE} TO File('second') SETTINGS base_backup = File('first')")
    (tables,) = original.run(ALL)
    before = original.contents()
    assert before["unified_hr_packet"][0] == before["per_second_heart_rate_aggregate"][0] == 6000
    first, second = (size(tmp_path / "backups" / name) for name in ("first", "second"))
    assert second < first, "an increment holds what is new"

    elsewhere = Place(tmp_path / "elsewhere", tmp_path / "backups")
    elsewhere.run(f"RESTORE DATABASE {DATABASE} FROM File('second')")
    assert elsewhere.run(ALL) == [tables]
    assert elsewhere.contents() == before
    elsewhere.run(beats(6000, 10))
    after = elsewhere.contents()
    counts = [after[name][0] for name in ("unified_hr_packet", "per_second_heart_rate_aggregate", "latest_heart_rate")]
    assert counts == [6010, 6010, 3], "views go on"
