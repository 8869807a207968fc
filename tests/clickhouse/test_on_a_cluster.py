"""What Moose has the servers of a ClickHouse cluster make."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.table_layout import CLUSTER, PARTITION
from tests.clickhouse.conftest import running
from tests.clickhouse.moose import DATABASE, Moose
from tests.clickhouse.of_a_cluster import MADE
from tests.clickhouse.server import Server

SETTINGS = {CLUSTER: "gym", "MOOSE_CLICKHOUSE_CONFIG__CLUSTERS[0]__NAME": "gym", PARTITION: "day"}
BLOCKED = "CREATE blocked because corresponding DROP was blocked"
"""What Moose says of a table that is not as it should be, and stays."""


class OfACluster(Server):
    """It stands in for one with a Keeper."""

    def command(self) -> list[str]:
        module, *rest = super().command()[2:]
        assert module == "stack.clickhouse"
        return [sys.executable, "-m", "tests.clickhouse.of_a_cluster", *rest]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    yield from running(tmp_path, OfACluster)


def test_tables_are_made_on_every_server_and_are_left_as_they_are(server: Server, tmp_path: Path) -> None:
    moose = Moose(tmp_path, server, SETTINGS)
    moose.migrate()
    made = (tmp_path / "data" / MADE).read_text()
    tables = re.findall(r"^CREATE TABLE IF NOT EXISTS `beatstream`\.`([a-z_]+)`\nON CLUSTER 'gym'", made, re.MULTILINE)
    replicated = re.findall(r"^ENGINE = Replicated(?:Replacing|Aggregating)MergeTree\((`\w+`)?\)$", made, re.MULTILINE)
    assert len(tables) == len(set(tables)) == len(replicated) == 11
    assert set(replicated) == {"", "`revision`", "`version`"}
    assert set(re.findall(r"^PARTITION BY (\w+)", made, re.MULTILINE)) == {"toYYYYMMDD"}
    # Views are made on the server that Moose speaks to: where rows are inserted.
    assert made.count("CREATE MATERIALIZED VIEW") == 2
    assert not re.search("VIEW.*ON CLUSTER", made)
    # What Moose remembers is gone, as Redis may be; the server tells of Keeper's paths.
    server.text(f"TRUNCATE TABLE {DATABASE}._MOOSE_STATE")
    assert BLOCKED not in moose.plan({})
    # Those that have partitions would have to be made anew.
    assert moose.plan({PARTITION: "month"}).count(BLOCKED) == 5
