"""`moose-cli prod`, with the settings of docker-compose.yml, over a database of an older schema.

It runs beside the stack, on its broker, Redis and database server, with names of its own in each. So Redpanda, a real
Redis and a ClickHouse server are not what is tested here: no pinned package has them. docs/deploy.md says what was seen
of Redis.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.datamodels.stream_record import WHEN_STORED
from app.heartrate.retention import variable
from harness import programs
from harness.beatstream import READY_TIMEOUT_S, Beatstream, lay_out
from harness.ports import free_ports
from harness.waiting import wait_for
from stack.processes import MARK
from tests.integration.gate import Gate
from tests.integration.packets import beats, rfc3339

DATABASE, NAMESPACE, KEYS_IN_REDIS = "production", "production", "PRODUCTION"
STRAP, ADA = "770017", 7001
OLD_PACKETS = 1000
SECONDS = "per_second_heart_rate_aggregate"
LACKING, LACKED_BY = "ignored", "strap_assignment"
"""A column that the schema before the planned migration has not."""

ISSUER, AUDIENCE = "https://accounts.example", "beatstream"
KINDS = ("INGEST", "CONSUMPTION", "ADMIN")


class Production:
    """A running `moose-cli prod`."""

    def __init__(self, folder: Path, beatstream: Beatstream) -> None:
        self.folder = folder
        self.beatstream = beatstream
        self.mark = str(folder / "production")
        self.project = folder / "project"
        ports = free_ports("http", "management", "proxy")
        self.to_clickhouse = Gate(beatstream.ports["clickhouse"])
        self.management = f"http://127.0.0.1:{ports['management']}"
        programs = Path(sys.executable).parent
        self.env = {
            **beatstream.env,
            MARK: self.mark,
            "HOME": str(folder),
            # As in the image: Moose starts the first python3 on PATH.
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "MOOSE_HTTP_SERVER_CONFIG__HOST": "127.0.0.1",
            "MOOSE_HTTP_SERVER_CONFIG__PORT": str(ports["http"]),
            "MOOSE_HTTP_SERVER_CONFIG__MANAGEMENT_PORT": str(ports["management"]),
            "MOOSE_HTTP_SERVER_CONFIG__PROXY_PORT": str(ports["proxy"]),
            "MOOSE_CLICKHOUSE_CONFIG__DB_NAME": DATABASE,
            "MOOSE_CLICKHOUSE_CONFIG__HOST_PORT": str(self.to_clickhouse.port),
            "MOOSE_REDPANDA_CONFIG__NAMESPACE": NAMESPACE,
            "MOOSE_REDIS_CONFIG__KEY_PREFIX": KEYS_IN_REDIS,
            # Else it begins with what the instance under the usual prefix has, and believes its topics are there.
            "MOOSE_REDIS_CONFIG__LAST_KEY_PREFIX": KEYS_IN_REDIS,
            "MOOSE_TELEMETRY__ENABLED": "false",
            "MOOSE_LOGGER__LEVEL": "warn",
            "BEATSTREAM_SHARDS": "1",
            variable("raw_ant_hr_packet"): "30",
            variable("unified_hr_packet"): "365",
        }
        self._process: subprocess.Popen[bytes] | None = None
        lay_out(self.project)
        made = {kind: self._new_key() for kind in KINDS}
        self.tokens = {kind: token for kind, (token, _) in made.items()}
        self.env["MOOSE_INGEST_API_KEY"] = made["INGEST"][1]
        self.env["MOOSE_CONSUMPTION_API_KEY"] = made["CONSUMPTION"][1]
        self.env["MOOSE_AUTHENTICATION__ADMIN_API_KEY"] = made["ADMIN"][1]
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{ports['http']}",
            timeout=30.0,
            trust_env=False,
            # Moose ends the connection of a request that it refused unread, at times when the next one is on its way.
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def _new_key(self) -> tuple[str, str]:
        told = self.moose("generate", "hash-token", "--json")
        said: dict[str, str] = json.loads(told[told.index("{") :])
        return said["bearer_token"], said["api_key_hash"]

    def moose(self, *command: str) -> str:
        """What a command of Moose's answers."""
        done = subprocess.run(
            ["moose-cli", *command], cwd=self.project, env=self.env, capture_output=True, text=True, check=True
        )
        return done.stdout

    def of_running(self) -> list[str]:
        """Options of Moose's commands for what runs."""
        return ["--url", str(self.http.base_url), "--token", self.tokens["ADMIN"]]

    def start(self) -> None:
        command, log = ["moose-cli", "prod"], self.folder / "log"
        process = self._process = programs.start(command, cwd=self.project, env=self.env, log=log)
        wait_for(lambda: process.poll() is not None or self._answers(), "production to be ready", READY_TIMEOUT_S, 0.3)
        assert process.poll() is None, (self.folder / "log").read_text()

    def _answers(self) -> bool:
        with suppress(httpx.HTTPError):
            return all(self.http.get(path).is_success for path in ("/ready", "/liveness"))
        return False

    def end(self) -> None:
        """At once: asked nicely it takes 45 s (docs/deploy.md)."""
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.environ().get(MARK) == self.mark:
                    process.kill()
        if self._process is not None:
            self._process.wait(10)

    def ask(self, method: str, path: str, kind: str | None, records: Any = None) -> httpx.Response:
        """Ask with one of the keys."""
        headers = {"Authorization": f"Bearer {self.tokens.get(kind, kind)}"} if kind else {}
        return self.http.request(method, path, headers=headers, json=records)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        return self.beatstream.rows(sql)


@pytest.fixture(scope="module")
def production(beatstream: Beatstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    """Production, started over tables that lack two of today's columns and hold rows."""
    running = Production(tmp_path_factory.mktemp("production"), beatstream)
    try:
        with beatstream.clickhouse() as client:
            # `moose-cli prod` does not make it, and ends where it is missing.
            client.command(f"CREATE DATABASE {DATABASE}")
            for table, column in (("strap_assignment", "ignored"), ("raw_ant_hr_packet", "rssi_dbm")):
                client.command(f"CREATE TABLE {DATABASE}.{table} AS local.{table}")
                client.command(f"ALTER TABLE {DATABASE}.{table} DROP COLUMN {column}")
            client.command(f"ALTER TABLE {DATABASE}.strap_assignment MODIFY COLUMN stored_at MATERIALIZED now64(6)")
            # What was stored before it had smaller granules.
            client.command(
                f"CREATE TABLE {DATABASE}.{SECONDS} AS local.{SECONDS} ENGINE = AggregatingMergeTree "
                "PARTITION BY toYYYYMM(rounded_up_time) ORDER BY (rounded_up_time, user_id, user_name)"
            )
            client.command(
                f"INSERT INTO {DATABASE}.{SECONDS} (rounded_up_time, user_id, user_name, processed_timestamp, "
                "beat_offsets_ms, hr_by_offset_ms) "
                f"VALUES ('2026-11-01 00:00:01', {ADA}, 'Ada', '2026-11-01 00:00:02', [500], map(500, 61))"
            )
            client.command(
                f"INSERT INTO {DATABASE}.strap_assignment (device_id, user_id, user_name, assigned_at) "
                f"VALUES ('{STRAP}', {ADA}, 'Ada', '2026-11-01 00:00:00')"
            )
            client.command(
                f"INSERT INTO {DATABASE}.raw_ant_hr_packet (device_id, packet_count, ant_hr_packet, received_at) "
                f"SELECT '1', number, '04ff0a14ce180764', now64(6) FROM numbers({OLD_PACKETS})"
            )
            # Younger than the 90 days of their table, older than the 30 that are set now.
            client.command(
                f"INSERT INTO {DATABASE}.raw_ant_hr_packet (device_id, packet_count, ant_hr_packet, received_at, "
                "stored_at) SELECT '2', number, '04ff0a14ce180764', now(), now() - INTERVAL 40 DAY FROM numbers(10)",
                settings={"insert_allow_materialized_columns": 1},
            )
        running.start()
        yield running
    finally:
        running.end()
        running.http.close()
        running.to_clickhouse.close()
        with beatstream.clickhouse() as client:
            client.command(f"DROP DATABASE IF EXISTS {DATABASE}")


def test_columns_that_an_older_schema_lacks_are_added_and_its_rows_kept(production: Production) -> None:
    columns = production.rows(
        f"SELECT table, name, type FROM system.columns WHERE database = '{DATABASE}' "
        "AND name IN ('ignored', 'rssi_dbm') AND table IN ('strap_assignment', 'raw_ant_hr_packet') ORDER BY table"
    )
    assert columns == [
        ("raw_ant_hr_packet", "rssi_dbm", "Nullable(Int8)"),
        ("strap_assignment", "ignored", "Nullable(Bool)"),
    ]
    old = f"SELECT count(), uniqExact(packet_count), countIf(rssi_dbm IS NULL) FROM {DATABASE}.raw_ant_hr_packet"
    assert production.rows(f"{old} WHERE device_id = '1'") == [(OLD_PACKETS, OLD_PACKETS, OLD_PACKETS)]
    assert production.rows(f"SELECT user_name, ignored FROM {DATABASE}.strap_assignment") == [("Ada", None)]
    assert production.rows(
        f"SELECT default_expression FROM system.columns WHERE database = '{DATABASE}' "
        "AND table = 'strap_assignment' AND name = 'stored_at'"
    ) == [(WHEN_STORED.expression,)]
    assert production.rows(f"SELECT avg_hr_per_second FROM {DATABASE}.{SECONDS} FINAL") == [(61.0,)]


def test_other_retentions_than_the_tables_had_come_into_force(production: Production) -> None:
    told = production.rows(
        "SELECT name, extract(create_table_query, 'TTL (.*?) SETTINGS') FROM system.tables "
        f"WHERE database = '{DATABASE}' AND create_table_query LIKE '% TTL %' ORDER BY name"
    )
    assert told == [
        ("bluetooth_hr_packet", "stored_at + toIntervalDay(90)"),
        ("processed_ant_hr_packet", "stored_at + toIntervalDay(90)"),
        ("raw_ant_hr_packet", "stored_at + toIntervalDay(30)"),
        ("unified_hr_packet", "toDateTime(processed_timestamp) + toIntervalDay(365)"),
    ]
    gone = f"SELECT count() FROM {DATABASE}.raw_ant_hr_packet WHERE device_id = '2'"
    wait_for(lambda: production.rows(gone) == [(0,)], "the old packets to go", 60)


def test_every_table_and_view_is_there(production: Production) -> None:
    tables = "SELECT name, engine FROM system.tables WHERE database = '{}' AND name NOT LIKE '.inner%' ORDER BY name"
    assert production.rows(tables.format(DATABASE)) == production.rows(tables.format("local"))


def test_a_heartbeat_goes_all_the_way_and_into_this_database_only(production: Production) -> None:
    start = datetime.now(UTC) - timedelta(seconds=20)
    sent = production.ask("POST", "/ingest/raw_ant_hr_packet", "INGEST", beats(STRAP, start, 20))
    assert sent.status_code == 200
    # Who wears it, the older rows said.
    count = f"SELECT count() FROM {DATABASE}.unified_hr_packet FINAL WHERE user_id = {ADA} AND user_name = 'Ada'"
    wait_for(lambda: production.rows(count) == [(20,)], "the beats in their table", 60)
    assert production.rows(f"SELECT count() FROM local.unified_hr_packet WHERE device_id = '{STRAP}'") == [(0,)]
    answer = production.ask(
        "GET",
        f"/api/getUserHeartRateStats?start={rfc3339(start)}&end={rfc3339(start + timedelta(minutes=1))}",
        "CONSUMPTION",
    )
    (entry,) = answer.json()["entries"]
    assert (entry["user_name"], entry["beat_count"]) == ("Ada", 20)


def test_while_the_database_is_away_all_goes_on_and_nothing_is_lost(production: Production) -> None:
    now = datetime.now(UTC)
    # A strap that is new; and one of whose past the database is to be asked.
    starts = {"770018": now - timedelta(seconds=20), STRAP: now - timedelta(hours=2)}
    production.to_clickhouse.shut()
    try:
        for strap, start in starts.items():
            sent = production.ask("POST", "/ingest/raw_ant_hr_packet", "INGEST", beats(strap, start, 20))
            assert sent.status_code == 200
        refused = production.to_clickhouse.turned_away + 10
        wait_for(lambda: production.to_clickhouse.turned_away > refused, "the database to be missed", 60)
        assert production.ask("GET", "/api/getPeople", "CONSUMPTION").is_server_error
        assert production.http.get("/liveness").is_success
    finally:
        production.to_clickhouse.open()
    count = " + ".join(
        f"(SELECT count() FROM {DATABASE}.unified_hr_packet FINAL WHERE device_id = '{strap}' "
        f"AND hr_timestamp_seconds BETWEEN {start.timestamp() - 1} AND {start.timestamp() + 30})"
        for strap, start in starts.items()
    )
    wait_for(lambda: production.rows(f"SELECT {count}") == [(40,)], "the beats in their table", 60)
    assert production.ask("GET", "/api/getPeople", "CONSUMPTION").is_success


def test_what_the_broker_has_not_taken_is_not_answered_with_success(production: Production) -> None:
    """Moose answers 200 once `message_timeout_ms` has passed, and what was sent is gone."""
    (broker,) = (process for process in production.beatstream.processes() if process.name() == "moose-cli")
    record = {"device_id": "aa:bb:cc:dd:ee:ff", "packet_count": 1, "hr_measurement": "0048", "receiver_id": "hall"}
    with ThreadPoolExecutor(1) as thread:
        broker.suspend()
        try:
            sent = thread.submit(production.ask, "POST", "/ingest/bluetooth_hr_packet", "INGEST", [record])
            with pytest.raises(TimeoutError):
                sent.result(3)
        finally:
            broker.resume()
        assert sent.result(30).status_code == 200
    (arrived,) = production.beatstream.topic(f"{NAMESPACE}.bluetooth_hr_packet")
    assert arrived["device_id"] == record["device_id"]


@pytest.mark.parametrize("kind", [None, "a.guess", *KINDS])
@pytest.mark.parametrize(
    ("method", "path", "opens"),
    [
        ("POST", "/ingest/strap_assignment", "INGEST"),
        ("POST", "/ingest/raw_ant_hr_packet", "INGEST"),
        ("GET", "/api/getPeople", "CONSUMPTION"),
        ("GET", "/consumption/getPeople", "CONSUMPTION"),
        ("GET", "/admin/inframap", "ADMIN"),
        ("GET", "/admin/reality-check", "ADMIN"),
    ],
)
def test_a_key_opens_its_own_doors_only(
    production: Production, method: str, path: str, opens: str, kind: str | None
) -> None:
    answer = production.ask(method, path, kind, [] if method == "POST" else None)
    assert (answer.status_code == 401) == (kind != opens)


def test_what_production_tells_anybody(production: Production) -> None:
    """Why nothing but the proxy may be published."""
    assert production.http.get("/health").is_success
    assert httpx.get(f"{production.management}/openapi.yaml").status_code == 403
    assert "moose_streaming_functions_events_input_count_total" in httpx.get(f"{production.management}/metrics").text
    assert httpx.get(f"{production.management}/infra-map").is_success, "the schema, without a key"
    assert production.http.options("/ingest/strap_assignment").headers["Access-Control-Allow-Origin"] == "*"


@dataclass(frozen=True)
class Planned:
    """Production, ended and started again with an approved plan; and how it asks for tokens."""

    production: Production
    before: list[tuple[Any, ...]]
    said: str
    """What `moose-cli plan` said."""
    key: RSAPrivateKey
    """With the issuer of tokens."""


def checksums(production: Production) -> list[tuple[Any, ...]]:
    """Rows of every table, and what they hold; but for what differs where a beat is told again."""
    tables = production.rows(
        f"SELECT name FROM system.tables WHERE database = '{DATABASE}' AND engine LIKE '%MergeTree' ORDER BY name"
    )
    return [
        (table, *row)
        for (table,) in tables
        for row in production.rows(
            f"SELECT count(), sum(cityHash64(toString(tuple(* EXCEPT ({LACKING}, processed_timestamp))))) "
            f"FROM {DATABASE}.{table} FINAL"
        )
    ]


@pytest.fixture(scope="module")
def planned(production: Production) -> Planned:
    """It comes last: it ends what the other tests ask."""
    with production.beatstream.clickhouse() as client:
        client.command(f"ALTER TABLE {DATABASE}.{LACKED_BY} DROP COLUMN {LACKING}")
    production.env[variable("raw_ant_hr_packet")] = "60"
    said = production.moose("plan", *production.of_running())
    production.moose("generate", "migration", "--save", "--yes-all", *production.of_running())
    production.end()
    before = checksums(production)
    key = generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    production.env |= {
        "MOOSE_JWT__SECRET": public,
        "MOOSE_JWT__ISSUER": ISSUER,
        "MOOSE_JWT__AUDIENCE": AUDIENCE,
        "MOOSE_JWT__ENFORCE_ON_ALL_INGEST_APIS": "true",
        "MOOSE_JWT__ENFORCE_ON_ALL_CONSUMPTIONS_APIS": "true",
    }
    # With it, Moose's APIs want the key and the token, in the same header.
    del production.env["MOOSE_CONSUMPTION_API_KEY"]
    production.start()
    return Planned(production, before, said, key)


def test_a_plan_is_made_of_what_runs_and_carried_out_at_the_next_start_with_all_data_kept(planned: Planned) -> None:
    production = planned.production
    assert "stored_at + INTERVAL 30 DAY -> stored_at + INTERVAL 60 DAY" in planned.said
    assert f"+ {LACKING}: Boolean NULLABLE" in planned.said
    assert "Migration completed successfully" in (production.folder / "log").read_text()
    assert production.rows(
        f"SELECT type FROM system.columns WHERE database = '{DATABASE}' AND table = '{LACKED_BY}' "
        f"AND name = '{LACKING}'"
    ) == [("Nullable(Bool)",)]
    assert production.rows(
        "SELECT extract(create_table_query, 'TTL (.*?) SETTINGS') FROM system.tables "
        f"WHERE database = '{DATABASE}' AND name = 'raw_ant_hr_packet'"
    ) == [("stored_at + toIntervalDay(60)",)]
    assert checksums(production) == planned.before
    kept = {table: rows for table, rows, _ in planned.before}
    assert min(kept[table] for table in ("raw_ant_hr_packet", "unified_hr_packet", SECONDS, LACKED_BY)) > 0


def test_with_a_plan_that_was_carried_out_production_does_not_start_again(planned: Planned) -> None:
    production = planned.production
    again = subprocess.run(
        ["moose-cli", "prod"],
        cwd=production.project,
        env=production.env,
        capture_output=True,
        text=True,
        timeout=READY_TIMEOUT_S,
        check=False,
    )
    assert again.returncode != 0
    assert "Migration validation failed - database state has changed since plan was generated" in again.stdout


@pytest.mark.parametrize(("method", "path"), [("POST", "/ingest/strap_assignment"), ("GET", "/api/getPeople")])
def test_where_tokens_are_asked_for_only_the_issuer_s_open_the_door(planned: Planned, method: str, path: str) -> None:
    def answer(token: str | None) -> int:
        return planned.production.ask(method, path, token, [] if method == "POST" else None).status_code

    def signed(key: RSAPrivateKey, **claims: Any) -> str:
        said = {"iss": ISSUER, "aud": AUDIENCE, "exp": datetime.now(UTC) + timedelta(minutes=5), **claims}
        return jwt.encode({name: value for name, value in said.items() if value}, key, algorithm="RS256")

    assert answer(signed(planned.key)) == 200
    another = generate_private_key(public_exponent=65537, key_size=2048)
    refused = {
        "none": None,
        "a key of Moose's": "INGEST",
        "the other key": "CONSUMPTION",
        "of another's key": signed(another),
        "over": signed(planned.key, exp=datetime.now(UTC) - timedelta(minutes=5)),
        "without an end": signed(planned.key, exp=None),
        "of another issuer": signed(planned.key, iss="https://elsewhere.example"),
        "for another audience": signed(planned.key, aud="elsewhere"),
        "unsigned": jwt.encode({"iss": ISSUER, "aud": AUDIENCE, "exp": 4_000_000_000}, "", algorithm="none"),
    }
    assert {what: answer(token) for what, token in refused.items()} == dict.fromkeys(refused, 401)
