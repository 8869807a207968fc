"""How ClickHouse keeps the tables: what Moose is told of a cluster and of partitions."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from moose_lib import OlapConfig
from moose_lib.blocks import MergeTreeEngine

from app.datamodels.on_cluster import on_cluster
from app.table_layout import (
    CLUSTER,
    PARTITION,
    PARTITIONS,
    USUAL_PARTITION,
    InvalidLayout,
    cluster,
    partition_by,
    partition_function,
)

ROOT = Path(__file__).resolve().parents[2]
TOLD = "import app.main, json; from moose_lib.internal import to_infra_map; print(json.dumps(to_infra_map()))"
"""What Moose is told, asked in a process of its own: models read the environment as they are imported."""


def ran(command: list[str], settings: dict[str, str], folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """A program of ours, with nothing set but this."""
    env = {name: value for name, value in os.environ.items() if name not in (CLUSTER, PARTITION)}
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**env, "PYTHONPATH": str(ROOT), **settings},
        capture_output=True,
        text=True,
        check=False,
    )


def told(settings: dict[str, str]) -> dict[str, Any]:
    """All resources, as Moose gets them."""
    done = ran(["-c", TOLD], settings)
    assert done.returncode == 0, done.stderr
    resources: dict[str, Any] = json.loads(done.stdout)
    return resources


@pytest.fixture(scope="module")
def usual() -> dict[str, Any]:
    return told({})


def test_without_a_setting_there_is_no_cluster_and_a_month_is_a_partition(usual: dict[str, Any]) -> None:
    tables = usual["tables"]
    assert {table["cluster"] for table in tables.values()} == {None}
    assert {table["engineConfig"]["engine"] for table in tables.values()} == {
        "ReplacingMergeTree",
        "AggregatingMergeTree",
    }
    assert {name: table["partitionBy"] for name, table in tables.items() if table["partitionBy"]} == {
        "raw_ant_hr_packet": "toYYYYMM(received_at)",
        "bluetooth_hr_packet": "toYYYYMM(received_at)",
        "processed_ant_hr_packet": "toYYYYMM(beat_at)",
        "unified_hr_packet": "toYYYYMM(toDateTime(hr_timestamp_seconds, 'UTC'))",
        "per_second_heart_rate_aggregate": "toYYYYMM(rounded_up_time)",
    }


def test_on_a_cluster_every_table_is_replicated_and_nothing_else_is_changed(usual: dict[str, Any]) -> None:
    for table in usual["tables"].values():
        table["cluster"] = "gym"
        engine = table["engineConfig"]
        engine |= {"engine": f"Replicated{engine['engine']}", "keeperPath": None, "replicaName": None}
    # A view keeps no rows; what fills its table is told of above.
    assert usual["materializedViews"].keys() == {"aggregated_per_second", "latest_by_person"}
    assert told({CLUSTER: "gym"}) == usual


@pytest.mark.parametrize("name", sorted(PARTITIONS.keys() - {USUAL_PARTITION}))
def test_each_table_that_grows_with_time_is_divided_alike(name: str) -> None:
    function = PARTITIONS[name]
    divided = [table["partitionBy"] for table in told({PARTITION: name})["tables"].values() if table["partitionBy"]]
    assert len(divided) == (5 if function else 0)
    assert all(partition.startswith(f"{function}(") for partition in divided)


@pytest.mark.parametrize(
    ("text", "name"), [("", None), ("gym", "gym"), ("{cluster}", "{cluster}"), ("eu-{cluster}", "eu-{cluster}")]
)
def test_a_cluster_has_a_name_or_a_macro(text: str, name: str | None) -> None:
    assert cluster({CLUSTER: text}) == name
    assert cluster({}) is None


@pytest.mark.parametrize("text", ["a b", "it's", "1st", "-a", "`x`", "{cluster", "{}", "gym\n", "a" * 65, "²"])
def test_another_cluster_is_refused_in_a_line_that_names_it(text: str) -> None:
    with pytest.raises(InvalidLayout) as refused:
        cluster({CLUSTER: text})
    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"{CLUSTER}: ")


def test_a_partition_is_one_of_three() -> None:
    assert partition_by("at", {}) == partition_by("at", {PARTITION: ""}) == "toYYYYMM(at)"
    assert partition_by("at", {PARTITION: "day"}) == "toYYYYMMDD(at)"
    assert partition_by("at", {PARTITION: "none"}) is None
    with pytest.raises(InvalidLayout, match=f"^{PARTITION}: 'week' is none of month, day, none$"):
        partition_function({PARTITION: "week"})


def test_an_engine_whose_replicated_kind_is_unknown_is_no_table_of_a_cluster() -> None:
    with pytest.raises(KeyError):
        on_cluster(OlapConfig(engine=MergeTreeEngine()), {CLUSTER: "gym"})


@pytest.mark.parametrize("name", [CLUSTER, PARTITION])
def test_a_wrong_setting_ends_what_reads_the_models_with_its_line_alone(name: str) -> None:
    done = ran(["-c", "import app.main"], {name: "a week"})
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{name}: 'a week'")


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        (CLUSTER, "a week", f"{CLUSTER}: 'a week'"),
        (CLUSTER, "gym", f"{CLUSTER}: the embedded ClickHouse is one server"),
        (PARTITION, "a week", f"{PARTITION}: 'a week'"),
    ],
)
def test_a_stack_with_a_wrong_setting_says_so_and_starts_nothing(
    name: str, text: str, line: str, tmp_path: Path
) -> None:
    shutil.copy(ROOT / "moose.config.toml", tmp_path)
    done = ran(["-m", "stack", "dev"], {name: text}, tmp_path)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith(line)
    assert {file.name for file in tmp_path.rglob("*")} == {"moose.config.toml", ".beatstream", "launcher.lock"}
