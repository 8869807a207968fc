"""The figures, asked of a ClickHouse of its own."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from scripts.operate.database import Database, DatabaseError
from scripts.operate.settings import load
from tests.clickhouse.conftest import running
from tests.clickhouse.server import Server

TABLES = """
raw_ant_hr_packet (device_id String, packet_count UInt64, received_at DateTime64(6), receiver_id Nullable(String))
ORDER BY (device_id, received_at, packet_count, receiver_id) SETTINGS allow_nullable_key = 1;
processed_ant_hr_packet (device_id String, beat_at DateTime64(6), revision UInt8, received_at DateTime64(6))
ORDER BY (device_id, beat_at);
unified_hr_packet (device_id String, hr_timestamp_seconds Float64, revision UInt8, processed_timestamp DateTime64(3))
ORDER BY (device_id, hr_timestamp_seconds);
latest_heart_rate (user_id Int64, hr_timestamp_seconds Float64) ORDER BY user_id
"""
SLOT = timedelta(microseconds=246_338)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from running(tmp_path_factory.mktemp("operate"))


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    for table in TABLES.split(";"):
        columns, _, order = table.partition("ORDER BY")
        server.text(f"CREATE OR REPLACE TABLE {columns} ENGINE ReplacingMergeTree ORDER BY {order}")
    found = Database(
        load(clickhouse=server.url.rstrip("/"), environment={"MOOSE_CLICKHOUSE_CONFIG__DB_NAME": "default"})
    )
    yield found
    found.close()


def hear(
    server: Server, first: datetime, device_id: str, counts: list[int], slots: list[int], receiver: str = "'one'"
) -> None:
    rows = [
        f"('{device_id}', {count}, '{(first + slot * SLOT).strftime('%F %T.%f')}', {receiver})"
        for count, slot in zip(counts, slots, strict=True)
    ]
    server.text(f"INSERT INTO raw_ant_hr_packet VALUES {', '.join(rows)}")


def test_nothing_heard_has_no_figures(database: Database) -> None:
    assert database.newest_age_s() is None
    assert database.beats() == 0
    assert (database.reception().packets, database.reception().radio_loss) == (0, None)
    assert database.latency().quantiles == {}


def test_loss_is_told_apart(server: Server, database: Database) -> None:
    first = datetime.now(UTC) - timedelta(seconds=40)
    hear(server, first, "1", [10, 11, 12, 13], [0, 1, 2, 4])  # one slot brought nothing
    hear(server, first, "1", [10, 11, 12, 13], [0, 1, 2, 4], "NULL")  # as another receiver hears it
    hear(server, first, "2", [500, 501, 0, 1], [0, 1, 2, 3])  # a receiver that was started anew
    hear(server, first, "3", [7, 9], [0, 2])  # number 8 was heard, and is not here
    hear(server, first, "3", [7, 9], [0, 2])  # sent twice
    reception = database.reception()
    assert reception.packets == 14
    assert reception.radio_loss == pytest.approx(3 / 17)
    assert reception.delivery_loss == pytest.approx(1 / 15)


def test_latency_is_of_the_last_minutes_beats(server: Server, database: Database) -> None:
    now = datetime.now(UTC)
    for number, latency_ms in enumerate([100, 200, 300, 9_000]):
        beat = now - timedelta(seconds=20 + number, microseconds=123)
        heard = beat + timedelta(milliseconds=50)
        made = heard + timedelta(milliseconds=latency_ms)
        server.text(
            f"INSERT INTO processed_ant_hr_packet VALUES ('1', '{beat.strftime('%F %T.%f')}', 0, "
            f"'{heard.strftime('%F %T.%f')}')"
        )
        server.text(
            f"INSERT INTO unified_hr_packet VALUES ('1', {beat.timestamp():.6f}, 0, '{made.strftime('%F %T.%f')[:-3]}')"
        )
    latency = database.latency()
    assert (latency.beats, database.beats()) == (4, 4)
    assert latency.quantiles[0.5] == pytest.approx(0.25, abs=0.002)
    assert 0.3 < latency.quantiles[0.95] < 9
    server.text(f"INSERT INTO latest_heart_rate VALUES (7, {now.timestamp() - 5})")
    age = database.newest_age_s()
    assert age is not None
    assert 5 <= age < 20


def test_what_is_to_come_is_not_of_the_last_minute(server: Server, database: Database) -> None:
    now = datetime.now(UTC)
    future = now + timedelta(hours=1)
    hear(server, future, "1", [1, 2], [0, 2])
    for moment in (now, future):
        beat = moment.strftime("%F %T.%f")
        server.text(f"INSERT INTO processed_ant_hr_packet VALUES ('1', '{beat}', 0, '{beat}')")
        server.text(f"INSERT INTO unified_hr_packet VALUES ('1', {moment.timestamp():.6f}, 0, '{beat[:-3]}')")
    assert database.reception().packets == 0
    assert (database.beats(), database.latency().beats) == (1, 1)


def test_a_password_in_the_address_is_not_shown() -> None:
    database = Database(load(clickhouse="http://panda:secret@127.0.0.1:1", environment={}))
    with pytest.raises(DatabaseError, match=r"^ClickHouse at http://127\.0\.0\.1:1 does not answer"):
        database.version()
    database.close()


def test_what_goes_wrong_is_a_sentence(server: Server) -> None:
    for settings, why in (
        (load(clickhouse="http://127.0.0.1:1", environment={}), "does not answer"),
        (load(clickhouse=server.url, environment={"MOOSE_CLICKHOUSE_CONFIG__PASSWORD": "wrong"}), "403"),
    ):
        database = Database(settings)
        with pytest.raises(DatabaseError, match=why):
            database.version()
        database.close()
