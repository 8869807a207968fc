"""The stack's life: data survives a restart, but for what is too old, Ctrl-C leaves nothing, conflicts are named.

Runs last: it ends it.
"""

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import psutil
import pytest
from clickhouse_connect.driver.exceptions import Error as ClickHouseError

from app.heartrate.retention import USUAL_DAYS, variable
from harness.beatstream import Beatstream
from harness.waiting import wait_for
from tests.integration.packets import beats, rfc3339

pytestmark = pytest.mark.stack


OLD = "old"
"""The strap of all that was put into the past."""

SECONDS, LATEST = "per_second_heart_rate_aggregate", "latest_heart_rate"
KEPT_DAYS = {"raw_ant_hr_packet": 30, "unified_hr_packet": 30, SECONDS: 60, LATEST: 60}
"""Set at the restart; without a setting the first is 90 and the others are kept for ever."""

DAYS_AGO = (20, 40, 70)
"""When somebody was heard, and their beats stored."""

IMPORTED = 71
"""When somebody was heard whose beats are stored only now, as with a replay."""

FIRST_PERSON = 990_000
"""Who was heard so many days ago has this number and the days'."""

THE_PAST = f"(SELECT arrayJoin({[*DAYS_AGO, IMPORTED]}) AS ago, now() - toIntervalDay(ago % {IMPORTED}) AS stored)"
PEOPLE = ", ".join(str(FIRST_PERSON + ago) for ago in (*DAYS_AGO, IMPORTED))


@dataclass(frozen=True)
class Before:
    """What there was when the stack was stopped."""

    since: float
    """Whose newest beat was heard before (Unix time), has no row of their own to be kept."""
    young: list[tuple[Any, ...]]
    views: list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def before(beatstream: Beatstream) -> Before:
    """The stack, stopped and started again over its data, with other retentions."""
    assert beatstream.post(
        "raw_ant_hr_packet", beats("770001", datetime.now(UTC) - timedelta(minutes=1), 60)
    ).is_success
    beatstream.await_settled()
    with beatstream.clickhouse() as client:
        client.command(
            "INSERT INTO raw_ant_hr_packet (device_id, packet_count, ant_hr_packet, received_at, stored_at) "
            f"SELECT '{OLD}', ago, '04ff0a14ce180764', now() - toIntervalDay(ago), stored FROM {THE_PAST}",
            settings={"insert_allow_materialized_columns": 1},
        )
        client.command(
            "INSERT INTO unified_hr_packet (user_id, user_name, device_id, hr_timestamp_seconds, hr_value, "
            "rr_computed, revision, processed_timestamp) "
            f"SELECT {FIRST_PERSON} + ago, concat('Old ', toString(ago)), '{OLD}', "
            f"toUnixTimestamp(now() - toIntervalDay(ago)) + 0.5, 61, false, 0, stored FROM {THE_PAST}"
        )
    since = time.time() - (KEPT_DAYS[LATEST] - 1) * 86_400
    found = Before(since, young(beatstream, since), views(beatstream))
    assert found.young[1][0] >= 60
    assert set(old(beatstream).values()) == {(*DAYS_AGO, IMPORTED)}
    assert beatstream.stop() == 0
    beatstream.env.update({variable(table): str(days) for table, days in KEPT_DAYS.items()})
    beatstream.start()
    return found


def young(beatstream: Beatstream, since: float) -> list[tuple[Any, ...]]:
    """All but what was put into the past."""

    def same(columns: str) -> str:
        return f"groupBitXor(cityHash64({columns}))"  # a sum of floats depends on the order of rows

    people = f"user_id NOT IN ({PEOPLE})"
    return [
        *beatstream.rows("SELECT count(), sum(heart_beat_count) FROM processed_ant_hr_packet FINAL"),
        *beatstream.rows(
            f"SELECT count(), {same('device_id, hr_timestamp_seconds')} FROM unified_hr_packet FINAL WHERE {people}"
        ),
        *beatstream.rows(
            f"SELECT count(), {same('rounded_up_time, user_id, avg_hr_per_second')} FROM {SECONDS} FINAL WHERE {people}"
        ),
        *beatstream.rows(
            f"SELECT count(), max(version) FROM {LATEST} FINAL "
            f"WHERE {people} AND hr_timestamp_seconds > {{since:Float64}}",
            since=since,
        ),
        *beatstream.rows("SELECT count() FROM strap_assignment FINAL"),
    ]


def old(beatstream: Beatstream) -> dict[str, tuple[int, ...]]:
    """Whose rows of the past are in which table."""
    people = f"user_id - {FIRST_PERSON} FROM {{}} FINAL WHERE user_id IN ({PEOPLE})"
    asked = {
        "raw_ant_hr_packet": f"packet_count FROM raw_ant_hr_packet FINAL WHERE device_id = '{OLD}'",
        **{table: people.format(table) for table in ("unified_hr_packet", SECONDS, LATEST)},
    }
    return {
        table: tuple(number for (number,) in beatstream.rows(f"SELECT {sql} ORDER BY 1"))
        for table, sql in asked.items()
    }


def views(beatstream: Beatstream) -> list[tuple[Any, ...]]:
    """A view that is made anew, which would empty its table, has another UUID."""
    return beatstream.rows(
        "SELECT name, uuid FROM system.tables WHERE database = 'local' AND engine = 'MaterializedView' ORDER BY name"
    )


def test_everything_listens_on_this_machine_only(beatstream: Beatstream) -> None:
    listening = {
        ip_address(connection.laddr.ip)
        for process in beatstream.processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening
    assert all(address.is_loopback for address in listening), listening


def test_ctrl_c_leaves_nothing_and_a_restart_finds_everything(beatstream: Beatstream, before: Before) -> None:
    assert young(beatstream, before.since) == before.young


def test_a_restart_with_other_retentions_takes_what_was_stored_too_long_ago(
    beatstream: Beatstream, before: Before
) -> None:
    assert KEPT_DAYS.keys() <= USUAL_DAYS.keys()
    left = {
        "raw_ant_hr_packet": (20, IMPORTED),
        "unified_hr_packet": (20, IMPORTED),
        SECONDS: (20, 40, IMPORTED),
        LATEST: (20, 40),
    }
    wait_for(lambda: old(beatstream) == left, "the old rows to go", 60)
    assert views(beatstream) == before.views


@pytest.mark.usefixtures("before")
def test_what_becomes_too_old_goes_with_a_merge(beatstream: Beatstream) -> None:
    with beatstream.clickhouse() as client:
        client.command(
            "INSERT INTO raw_ant_hr_packet (device_id, packet_count, ant_hr_packet, received_at, stored_at) "
            "SELECT 'ageing', arrayJoin([29, 31]) AS ago, '04ff0a14ce180764', now(), now() - toIntervalDay(ago)",
            settings={"insert_allow_materialized_columns": 1},
        )
        client.command("OPTIMIZE TABLE raw_ant_hr_packet FINAL")
    assert beatstream.rows("SELECT packet_count FROM raw_ant_hr_packet WHERE device_id = 'ageing'") == [(29,)]


@pytest.mark.usefixtures("before")
def test_seconds_go_on_where_beats_are_gone(beatstream: Beatstream) -> None:
    then = datetime.now(UTC) - timedelta(days=40, minutes=30)
    span = {"start": rfc3339(then), "end": rfc3339(then + timedelta(hours=1))}
    (entry,) = beatstream.api("getUserHeartRateStats", user_name="Old 40", **span)
    assert (entry["beat_count"], entry["avg_heart_rate"]) == (1, 61.0)
    assert beatstream.api("getUserBeats", user_id=FIRST_PERSON + 40, **span) == []
    (entry,) = beatstream.api("getSessionSummary", user_id=FIRST_PERSON + 40, **span)
    assert (entry["user_name"], entry["beat_count"]) == ("Old 40", 1)

    seconds = f"SELECT sum(length(beat_offsets_ms)) FROM {SECONDS} FINAL WHERE user_name = 'Strap 770002'"
    sent = beats("770002", datetime.now(UTC) - timedelta(minutes=1), 60)
    assert beatstream.post("raw_ant_hr_packet", sent).is_success
    wait_for(lambda: beatstream.rows(seconds) == [(60,)], "new beats in their seconds", 60)


@pytest.mark.usefixtures("before")
def test_who_has_only_seconds_left_can_be_erased(beatstream: Beatstream) -> None:
    request = {"erasure_id": "only-seconds", "user_id": FIRST_PERSON + 40, "requested_at": rfc3339(datetime.now(UTC))}
    beatstream.produce("erasure_request", [json.dumps(request).encode()])

    def report() -> dict[str, int] | None:
        found = [entry for entry in beatstream.api("getErasures") if entry["erasure_id"] == "only-seconds"]
        return found[0]["removed"] if found else None

    removed = wait_for(report, "the report of the erasure", 60)
    assert {table: rows for table, rows in removed.items() if rows} == {SECONDS: 1, LATEST: 1}
    assert 40 not in {number for numbers in old(beatstream).values() for number in numbers}


def database(beatstream: Beatstream, module: str) -> psutil.Process:
    """The server, or what keeps it running."""
    return next(process for process in beatstream.processes() if module in process.cmdline())


def test_a_clickhouse_that_dies_is_started_again(beatstream: Beatstream) -> None:
    killed = database(beatstream, "stack.clickhouse")
    killed.kill()
    wait_for(lambda: killed not in beatstream.processes(), "the server to be gone", 20)
    sent = beats("770003", datetime.now(UTC) - timedelta(minutes=1), 60)
    assert beatstream.post("raw_ant_hr_packet", sent).is_success
    seen = "SELECT count() FROM unified_hr_packet FINAL WHERE device_id = '770003'"

    def stored() -> bool:
        with suppress(ClickHouseError):
            return beatstream.rows(seen) == [(60,)]
        return False

    wait_for(stored, "the beats that came meanwhile", 60)


def test_a_clickhouse_that_stays_away_ends_all(beatstream: Beatstream) -> None:
    database(beatstream, "stack.clickhouse.kept").kill()
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
