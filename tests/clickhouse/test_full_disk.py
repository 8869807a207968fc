"""What a full disk does not take is told to who sent it; what it took before and after is there."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clickhouse.conftest import running
from tests.clickhouse.server import Server

DISK_MB = 24
OWN_MOUNTS = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]


class OnSmallDisk(Server):
    """Its data folder is a disk of a few megabytes, which only it sees."""

    def command(self) -> list[str]:
        mount = f'mount -t tmpfs -o size={DISK_MB}m tmpfs "$0" && exec "$@"'
        return [*OWN_MOUNTS, "sh", "-c", mount, str(self.config.parent / "data"), *super().command()]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    if (
        not shutil.which("unshare")
        or subprocess.run([*OWN_MOUNTS, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("no mounts of our own can be made here (unshare)")
    (tmp_path / "data").mkdir()
    yield from running(tmp_path, OnSmallDisk)


def test_what_a_full_disk_does_not_take_is_told(server: Server) -> None:
    server.text("CREATE TABLE beats (id UInt32, noise String) ENGINE = MergeTree ORDER BY id")
    server.text("CREATE TABLE seconds (id UInt32) ENGINE = MergeTree ORDER BY id")
    server.text("CREATE MATERIALIZED VIEW to_seconds TO seconds AS SELECT id FROM beats")
    server.text("CREATE TABLE ballast (noise String) ENGINE = MergeTree ORDER BY tuple()")

    def insert(number: int) -> int:
        record = b'{"id": %d, "noise": "%s"}\n' % (number, os.urandom(50_000).hex().encode())
        return server.ask("INSERT INTO beats FORMAT JSONEachRow", record).status_code

    assert insert(1) == 200
    while server.ask("INSERT INTO ballast SELECT randomString(500000)").status_code == 200:
        pass
    while server.ask("INSERT INTO ballast SELECT 'x'").status_code == 200:
        pass
    assert [insert(number) >= 500 for number in (2, 3, 4)] == [True] * 3
    assert server.text("SELECT groupArray(id), sum(length(noise)) FROM beats") == "[1]\t100000"
    server.text("DROP TABLE ballast SYNC")
    assert insert(5) == 200
    assert server.text("SELECT groupArray(id) FROM (SELECT id FROM beats ORDER BY id)") == "[1,5]"
    assert server.text("SELECT groupArray(id) FROM (SELECT id FROM seconds ORDER BY id)") == "[1,5]"
