"""The stack's life: data survives a restart, Ctrl-C leaves nothing, conflicts are named. Runs last: it ends it."""

import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.beatstream import Beatstream
from tests.integration.packets import beats

pytestmark = pytest.mark.stack


def test_ctrl_c_leaves_nothing_and_a_restart_finds_everything(beatstream: Beatstream) -> None:
    def same(columns: str) -> str:
        return f"groupBitXor(cityHash64({columns}))"  # a sum of floats depends on the order of rows

    def content() -> list[tuple[Any, ...]]:
        return [
            *beatstream.rows("SELECT count(), sum(heart_beat_count) FROM processed_ant_hr_packet FINAL"),
            *beatstream.rows(f"SELECT count(), {same('device_id, hr_timestamp_seconds')} FROM unified_hr_packet FINAL"),
            *beatstream.rows(
                f"SELECT count(), {same('rounded_up_time, user_id, avg_hr_per_second')} "
                "FROM per_second_heart_rate_aggregate FINAL"
            ),
            *beatstream.rows("SELECT count(), max(version) FROM latest_heart_rate FINAL"),
            *beatstream.rows("SELECT count() FROM strap_assignment FINAL"),
        ]

    assert beatstream.post(
        "raw_ant_hr_packet", beats("770001", datetime.now(UTC) - timedelta(minutes=1), 60)
    ).is_success
    beatstream.await_settled()
    before = content()
    assert before[1][0] >= 60
    assert beatstream.stop() == 0
    beatstream.start()
    assert content() == before


def test_a_crash_of_clickhouse_ends_all(beatstream: Beatstream) -> None:
    database = next(p for p in beatstream.processes() if "stack.clickhouse" in " ".join(p.cmdline()))
    database.kill()
    assert beatstream.await_end() == 1
    assert beatstream.processes() == []
    assert beatstream.held_ports() == []
    assert "ClickHouse" in beatstream.said().splitlines()[-1]


def test_a_port_conflict_is_named_before_anything_starts(beatstream: Beatstream) -> None:
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", beatstream.ports["clickhouse"]))
        holder.listen()
        done = subprocess.run(
            [sys.executable, "-m", "stack", "dev"],
            cwd=beatstream.project,
            env=beatstream.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert f"port {beatstream.ports['clickhouse']} (ClickHouse HTTP) is taken" in done.stdout
    assert f"(pid {os.getpid()})" in done.stdout
    assert beatstream.processes() == []
