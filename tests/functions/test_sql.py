"""What the app's SQL does in the engine itself."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from moose_lib.data_models import ClickHouseMaterialized

from app.apis import get_latest_user_heart_rates as latest
from app.datamodels.person_profile import PersonProfile
from app.datamodels.strap_assignment import StrapAssignment
from app.datamodels.training_session import TrainingSession
from tests.clickhouse.bare_engine import Asked

REPOSITORY = Path(__file__).parents[2]


def answers(folder: Path, asked: list[Asked]) -> list[str]:
    """What each statement answers."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.clickhouse.bare_engine", str(folder), "open"],
        input=json.dumps([[each] for each in asked]),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert done.returncode == 0, done.stderr
    told: list[str] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("record", [StrapAssignment, PersonProfile, TrainingSession])
def test_rows_that_are_stored_together_are_all_kept_in_their_order(
    record: type[StrapAssignment | PersonProfile | TrainingSession], tmp_path: Path
) -> None:
    (stored_at,) = [
        each.expression
        for each in record.model_fields["stored_at"].metadata
        if isinstance(each, ClickHouseMaterialized)
    ]
    rows = "\n".join(json.dumps({"who": 7, "number": number}) for number in range(5))
    values = ", ".join(f"(8, {number})" for number in range(5))
    create = (
        f"CREATE TABLE t (who Int64, number Int64, stored_at DateTime64(6) MATERIALIZED {stored_at}) "
        "ENGINE = ReplacingMergeTree ORDER BY (who, stored_at)"
    )
    kept = "SELECT groupArray(number) FROM (SELECT * FROM t FINAL WHERE who = {} ORDER BY stored_at)"
    told = answers(
        tmp_path,
        [
            (sql, {}, {})
            for sql in (
                create,
                f"INSERT INTO t FORMAT JSONEachRow {rows}",
                f"INSERT INTO t (who, number) VALUES {values}",
                "INSERT INTO t (who, number) SELECT 9, number FROM t WHERE who = 7 ORDER BY number",
                *(kept.format(who) for who in (7, 8, 9)),
            )
        ],
    )
    assert told[-3:] == ["[0,1,2,3,4]\n"] * 3, told


def test_a_beat_of_the_future_is_not_young(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Asked] = []

    def ask(_client: Any, sql: str, parameters: dict[str, Any], _row: Any) -> list[Any]:
        asked.append((sql, {name: str(value) for name, value in parameters.items()}, {}))
        return []

    monkeypatch.setattr(latest, "ask", ask)
    monkeypatch.setattr(time, "time", lambda: 1_790_000_000.0)
    for parameters in (latest.LatestParams(), latest.LatestParams(max_age_seconds=10)):
        latest.get_latest_user_heart_rates(Any, parameters)
    create = (
        "CREATE TABLE latest_heart_rate (user_id Int64, user_name String, device_id String, hr_value UInt16, "
        "rr_interval_ms Float64, hr_timestamp_seconds Float64) ENGINE = ReplacingMergeTree ORDER BY user_id"
    )
    fill = (
        "INSERT INTO latest_heart_rate SELECT number, '', toString(number), 60 + number, 0, "
        "1790000000 + [-11, -10, 4, 6][number] FROM numbers(1, 4)"
    )
    told = answers(tmp_path, [(create, {}, {}), (fill, {}, {}), *asked])
    ages = [[line.split("\t")[-1] for line in each.splitlines()] for each in told[-2:]]
    assert ages == [["-6", "-4", "10", "11"], ["-4", "10"]], told
