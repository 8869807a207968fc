"""What the APIs make of what is in the tables, whichever way it came there; on a ClickHouse without Moose."""

from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from clickhouse_connect.driver.binding import format_query_value
from clickhouse_connect.driver.client import Client
from moose_lib.dmv2.registry import get_apis

import app.main  # noqa: F401 (declares every API)
from app.heartrate.moments import from_us, to_us
from app.storage import erasure, wearer_directory
from app.storage.person_rows import Rows
from tests.clickhouse.conftest import running
from tests.functions.database import TABLES, client_of
from tests.integration.packets import rfc3339

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
START_S = round(START.timestamp())
SPAN = {"start": "2026-11-21T12:00:00Z", "end": "2026-11-21T12:01:00Z"}
ADA, BO = (7, "Ada"), (3, "Bo")


class Database:
    """The tables, and the APIs on them."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def api(self, name: str, **parameters: Any) -> list[Any]:
        api: Any = get_apis()[name]
        answer = api.query_function(
            SimpleNamespace(query=SimpleNamespace(ch_client=self.client)), api.model_type.model_validate(parameters)
        )
        entries: list[Any] = answer.entries
        return entries

    def beats(self, device_id: str, wearer: tuple[int, str], numbers: range, heart_rate: int = 120) -> None:
        """Two beats a second."""
        self.insert(
            "unified_hr_packet",
            [
                dict(zip(("user_id", "user_name"), wearer, strict=True))
                | {"device_id": device_id, "hr_timestamp_seconds": START_S + 0.25 + number / 2}
                | {"hr_value": heart_rate, "rr_interval_ms": 500.0, "rr_computed": False, "revision": 96}
                | {"processed_timestamp": datetime.now(UTC)}
                for number in numbers
            ],
        )

    def assign(self, device_id: str, wearer: tuple[int, str], **columns: Any) -> None:
        self.insert("strap_assignment", [assignment(device_id, wearer, **columns)])

    def insert(self, table: str, rows: list[dict[str, Any]]) -> None:
        values = ", ".join(f"({', '.join(literal(row[column]) for column in rows[0])})" for row in rows)
        self.client.command(
            f"INSERT INTO {table} ({', '.join(rows[0])}) VALUES {values}",
            settings={"insert_allow_materialized_columns": 1, "date_time_input_format": "best_effort"},
        )


def literal(value: object) -> str:
    """In SQL."""
    return str(format_query_value(rfc3339(value) if isinstance(value, datetime) else value))


def assignment(device_id: str, wearer: tuple[int, str], **columns: Any) -> dict[str, Any]:
    return {"device_id": device_id, "user_id": wearer[0], "user_name": wearer[1], **columns}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    for server in running(tmp_path_factory.mktemp("clickhouse")):
        client = client_of(server)
        yield client
        client.close()


@pytest.fixture
def database(tables: Client, monkeypatch: pytest.MonkeyPatch) -> Database:
    for table in TABLES:
        tables.command(f"TRUNCATE TABLE {table}")
    monkeypatch.setattr(wearer_directory, "connect", lambda: SimpleNamespace(query=tables.query, close=lambda: None))
    return Database(tables)


# --- strangers' beats that are somebody's by now


def seconds(database: Database) -> dict[str, Any]:
    """What all answers by second tell, of whom."""
    database.insert(
        "training_session",
        [
            {"session_id": "a", "name": "Spin", "kind": "class", "started_at": START}
            | {"ended_at": from_us(to_us(START) + 60_000_000), "stop_marked_at": from_us(to_us(START) + 10_000_000)}
        ],
    )
    return {
        "stats": [(each.user_name, each.beat_count) for each in database.api("getUserHeartRateStats", **SPAN)],
        "by name": [each.beat_count for each in database.api("getUserHeartRateStats", user_name="Strap 5", **SPAN)],
        "group": [(each.avg_heart_rate, each.user_count) for each in database.api("get_group_hr_by_second", **SPAN)],
        "moment": [
            (each.user_name, each.second[-3:-1])
            for each in database.api("getHR", timestamp="2026-11-21T12:00:01Z", window_seconds=2)
        ],
        "zones": [each.user_name for each in database.api("getUserZones", **SPAN)],
        "summary": sorted(
            (each.user_name, each.beat_count) for each in database.api("getSessionSummary", session_id="a")
        ),
    }


def test_a_class_that_is_sent_again_once_it_is_registered_is_there_once(database: Database) -> None:
    database.beats("6", (9, "Cy"), range(20), heart_rate=150)
    database.assign("6", (9, "Cy"), assigned_at=START)
    database.beats("5", (0, "Strap 5"), range(20))
    strangers = seconds(database)
    assert strangers["stats"] == [("Strap 5", 20), ("Cy", 20)]
    assert strangers["by name"] == [20]
    database.assign("5", ADA, assigned_at=START)
    assert seconds(database) == strangers, "they were nobody's then, and nothing else is told of them"
    database.beats("5", ADA, range(20))
    assert seconds(database) == {
        "stats": [("Ada", 20), ("Cy", 20)],
        "by name": [],
        "group": [(135.0, 2)] * 10,
        "moment": [("Ada", "01"), ("Cy", "01"), ("Ada", "02"), ("Cy", "02")],
        "zones": ["Ada", "Cy"],
        "summary": [("Ada", 20), ("Cy", 20)],
    }


def test_what_is_not_sent_again_stays_a_strangers(database: Database) -> None:
    database.beats("5", (0, "Strap 5"), range(20))
    database.beats("8", (0, "Strap 8"), range(20))
    database.assign("5", ADA, assigned_at=START)
    database.beats("5", ADA, range(8))
    told = seconds(database)
    assert told["stats"] == [("Strap 5", 12), ("Strap 8", 20), ("Ada", 8)]
    assert told["group"] == [(120.0, 2)] * 10


def test_one_that_is_handed_back_for_then_and_sent_again_is_a_strangers(database: Database) -> None:
    database.beats("5", (0, "Strap 5"), range(20))
    database.assign("5", ADA, assigned_at=START)
    database.beats("5", ADA, range(10))
    database.beats("5", (0, "Strap 5"), range(10))
    assert ("Strap 5", 20) in seconds(database)["stats"]


def test_who_is_erased_is_no_stranger_again(database: Database) -> None:
    database.client.command("SYSTEM STOP MERGES unified_hr_packet")
    database.beats("5", (0, "Strap 5"), range(20))
    database.beats("8", (0, "Strap 8"), range(20))
    database.assign("5", ADA, assigned_at=START)
    database.beats("5", ADA, range(8, 20))
    database.client.command("SYSTEM START MERGES unified_hr_packet")
    for table, rows in erasure._parts(ADA[0], [], 0):
        erasure._remove(database.client, table, rows)
    told = seconds(database)
    assert told["stats"] == [("Strap 5", 8), ("Strap 8", 20)]
    assert told["group"] == [(120.0, 2)] * 4 + [(120.0, 1)] * 6
    assert database.client.query("SELECT count() FROM unified_hr_packet FINAL").result_rows == [(28,)]


def test_where_nobody_is_a_stranger_no_more_is_asked(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    raw_query = database.client.raw_query

    def counted(sql: str, *arguments: Any, **named: Any) -> bytes:
        asked.append(sql)
        answer: bytes = raw_query(sql, *arguments, **named)
        return answer

    database.beats("6", (9, "Cy"), range(20))
    monkeypatch.setattr(database.client, "raw_query", counted)
    for name in ("getUserHeartRateStats", "get_group_hr_by_second"):
        assert database.api(name, **SPAN)
    assert len(asked) == 2


# --- who wears what


TOLD = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return from_us(to_us(TOLD) + round(seconds * 1_000_000))


def wearers(database: Database, at_s: float) -> set[str]:
    """Who wears strap 5, as each who reads the table finds."""
    *_, newest = [
        each.user_name
        for each in database.api("getStrapAssignments")
        if each.device_id == "5" and datetime.fromisoformat(each.since) <= at(at_s)
    ]
    return {newest, wearer_directory.stored_assignments().wearer("5", to_us(at(at_s))).user_name}


@pytest.mark.parametrize(
    ("stored_s", "told_s"),
    [((31.0, 31.000001), 20.0), ((31.0, 33.0), 20.0), ((1.0, 1.000001), 0.5), ((100.0, 100.000001), 2.0)],
)
def test_who_was_told_last_wears_it_however_late_it_was_stored(
    database: Database, stored_s: tuple[float, float], told_s: float
) -> None:
    """Ada at once, by a record without a moment; then Bo, by the wall, which states it."""
    first, second = map(at, stored_s)
    database.insert(
        "strap_assignment",
        [
            assignment("5", ADA, assigned_at=None, stored_at=first),
            assignment("5", BO, assigned_at=at(told_s), stored_at=second),
        ],
    )
    assert wearers(database, 60) == {"Bo"}
    assert wearers(database, 3600) == {"Bo"}


@pytest.mark.parametrize(
    ("of_bo", "why"),
    [
        ({"assigned_at": at(-3600), "stored_at": at(1)}, "it was stated for long before"),
        ({"assigned_at": at(-0.5), "stored_at": at(600)}, "it was told long after"),
        ({"assigned_at": at(-0.5), "stored_at": at(-0.2)}, "it was told before"),
        ({"assigned_at": at(-0.5), "stored_at": at(1), "user_name": "B" * 61}, "it was refused"),
        ({"assigned_at": at(-0.5), "stored_at": at(1), "device_id": "6"}, "it is of another strap"),
    ],
)
def test_a_record_without_a_moment_gives_way_to_no_other(database: Database, of_bo: dict[str, Any], why: str) -> None:
    rows = [
        assignment("5", ADA, assigned_at=None, stored_at=at(0)),
        {**assignment("5", BO), **of_bo},
    ]
    database.insert("strap_assignment", rows)
    assert wearers(database, 60) == {"Ada"}, why


def test_the_newest_beat_of_a_strap_that_was_handed_back_is_a_strangers_again(database: Database) -> None:
    """As above: a record without a moment that was stored late, and one that the wall told after it."""
    now = datetime.now(UTC)
    now_us = to_us(now)
    database.insert(
        "strap_assignment",
        [
            assignment("5", ADA, assigned_at=None, stored_at=from_us(now_us - 9_000_000)),
            assignment("5", (0, ""), assigned_at=from_us(now_us - 20_000_000), stored_at=from_us(now_us - 8_999_999)),
        ],
    )
    database.insert(
        "unified_hr_packet",
        [
            {"user_id": 0, "user_name": "Strap 5", "device_id": "5", "hr_value": 120, "revision": 96}
            | {"hr_timestamp_seconds": now.timestamp() - 10, "processed_timestamp": now}
        ],
    )
    assert [each.device_id for each in database.api("getLatestUserHeartRates")] == ["5"]


def test_who_is_erased_takes_nothing_from_who_came_after(database: Database) -> None:
    database.insert(
        "strap_assignment",
        [
            assignment("5", ADA, assigned_at=None, stored_at=at(31)),
            assignment("5", BO, assigned_at=at(20), stored_at=at(32)),
        ],
    )
    adas = Rows("user_id = {user:Int64}", {"user": ADA[0]})
    assert erasure._remove(database.client, "strap_assignment", adas) == 1
    assert wearers(database, 60) == {"Bo"}


def test_the_profile_that_was_told_last_counts_however_late_it_was_stored(database: Database) -> None:
    database.insert(
        "person_profile",
        [
            {"user_id": 7, "user_name": "Ada", "updated_at": None, "stored_at": at(31)},
            {"user_id": 7, "user_name": "Ada Lovelace", "updated_at": at(20), "stored_at": at(31.000001)},
        ],
    )
    assert [each.user_name for each in database.api("getPeople")] == ["Ada Lovelace"]


# --- what was refused, and is in the table all the same


REFUSED = [
    ("person_profile", {"user_id": 0, "user_name": "Ada"}),
    ("person_profile", {"user_id": -1, "user_name": "Ada"}),
    ("person_profile", {"user_id": 6, "user_name": "Ada", "updated_at": datetime(1950, 1, 1, tzinfo=UTC)}),
    ("person_profile", {"user_id": 7, "user_name": "A", "hr_max": 1, "updated_at": at(0)}),
    ("person_profile", {"user_id": 7, "user_name": "A", "updated_at": datetime(2200, 1, 1, tzinfo=UTC)}),
    ("strap_assignment", assignment("5", (0, "Ada"))),
    ("strap_assignment", assignment("5", (-1, "Ada"))),
    ("strap_assignment", assignment("6", (6, "A" * 61))),
    ("strap_assignment", assignment("5", (6, "Ada"), assigned_at=datetime(1950, 1, 1, tzinfo=UTC))),
    ("strap_assignment", assignment("6", (6, "Ada"), assigned_at=datetime(2200, 1, 1, tzinfo=UTC))),
    ("training_session", {"session_id": "a", "name": "\t", "kind": "class", "started_at": at(0)}),
    (
        "training_session",
        {"session_id": "a", "name": "A", "kind": "class"} | {"started_at": datetime(1950, 1, 1, tzinfo=UTC)},
    ),
    (
        "training_session",
        {"session_id": "a", "name": "A", "kind": "class", "started_at": at(0)}
        | {"stop_marked_at": datetime(2200, 1, 1, tzinfo=UTC)},
    ),
]


@pytest.mark.parametrize(("table", "row"), REFUSED, ids=str)
def test_what_was_refused_changes_no_answer(database: Database, table: str, row: dict[str, Any]) -> None:
    database.beats("5", (0, "Strap 5"), range(20))
    database.beats("6", (6, "Cy"), range(20))
    database.assign("6", (6, "Cy"), assigned_at=at(-60), stored_at=at(-60))
    database.insert("person_profile", [{"user_id": 7, "user_name": "Ada", "updated_at": at(-60)}])

    def told() -> list[Any]:
        return [
            *(database.api(name, users="Ada") for name in ("getLatestUserHeartRates", "get_group_hr_by_second")),
            database.api("getUserHeartRateStats", user_name="Ada", **SPAN),
            [each.model_dump() for each in database.api("getPeople")],
            [each.model_dump() for each in database.api("getStrapAssignments") if each.user_id != 0],
            wearer_directory.stored_assignments().wearer("5", to_us(at(60))).user_name,
            wearer_directory.stored_assignments().wearer("6", to_us(at(10**9))).user_name,
            database.api("getSessions"),
        ]

    before = told()
    assert before[:3] == [[], [], []]
    database.insert(table, [row])
    assert told() == before
