"""What an erasure takes, as the statements tell. What it leaves: tests/integration."""

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from moose_lib import Stream

from app.heartrate.moments import from_us, to_us
from app.heartrate.wearers import Assignment, Wearer, WearerBook
from app.storage import erasure, kafka
from app.storage.person_rows import TABLES

REQUESTED_AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
REQUESTED_US = to_us(REQUESTED_AT)
STRAPS = ("raw_ant_hr_packet", "bluetooth_hr_packet", "processed_ant_hr_packet")


class Database:
    """Has a row of everything, until that is deleted."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.deleted: dict[str, str] = {}
        self.inserted: list[str] = []

    def query(self, sql: str, _parameters: dict[str, Any]) -> Any:
        table = sql.split(" FROM ")[1].split(maxsplit=1)[0]
        self.log.append("look")
        return SimpleNamespace(result_rows=[(0 if table in self.deleted else 1,)])

    def command(self, sql: str, parameters: dict[str, Any], settings: dict[str, Any]) -> None:
        if sql.startswith("ALTER TABLE"):
            assert settings["mutations_sync"] == 2
            self.deleted[sql.split()[2]] = sql.partition(" DELETE WHERE ")[2]
            assert parameters in ({"user": 1}, {"device0": "863436"})
        else:
            assert settings == {"insert_allow_materialized_columns": 1}
            self.inserted.append(sql)

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    made = Database()
    monkeypatch.setattr(erasure, "connect", lambda _answer_timeout_s: made)
    monkeypatch.setattr(erasure, "FLUSH_S", 0.0)
    monkeypatch.setattr(Stream, "send", lambda *_: made.log.append("hand back"))
    monkeypatch.setattr(kafka, "_RETRY_S", 0.0)
    monkeypatch.setattr(kafka, "full_name", lambda name: name)
    monkeypatch.setattr(kafka, "consumer", lambda group: SimpleNamespace(group=group, close=lambda: None))
    monkeypatch.setattr(kafka, "partitions", lambda *_: [0])
    monkeypatch.setattr(kafka, "ends", lambda *_: {0: 7})
    monkeypatch.setattr(kafka, "committed", lambda *_: {0: 7})
    return made


def wearing(*assignments: Assignment) -> Callable[[], WearerBook]:
    def stored() -> WearerBook:
        book = WearerBook()
        for assignment in assignments:
            book.add("863436", assignment)
        return book

    return stored


@pytest.mark.parametrize(
    ("told", "spans"),
    [
        # Straps that are worn still: the hand-back that was sent is not in the table yet.
        ([(-500, 1, True)], [(-500, 0)]),
        ([(-500, 1, False)], [(None, 0)]),
        ([(500, 1, True)], [(500, 500)]),
        ([(-500, 1, True), (-200, 2, True)], [(-500, -200)]),
        ([(-500, 1, True), (-200, 2, True), (-100, 1, True)], [(-500, -200), (-100, 0)]),
    ],
)
def test_what_the_next_wearer_sends_stays(
    monkeypatch: pytest.MonkeyPatch,
    database: Database,
    told: list[tuple[int, int, bool]],
    spans: list[tuple[int | None, int]],
) -> None:
    assignments = [Assignment(REQUESTED_US + after, Wearer(user, "x"), explicit) for after, user, explicit in told]
    monkeypatch.setattr(erasure, "stored_assignments", wearing(*assignments))
    removed = erasure.erase(1, REQUESTED_AT)
    assert set(removed.values()) == {1}
    for table in STRAPS:
        moment = "beat_at" if table == "processed_ant_hr_packet" else "received_at"
        times = [
            " AND ".join(
                f"{moment} {sign} fromUnixTimestamp64Micro(toInt64({REQUESTED_US + after}))"
                for sign, after in ((">=", since), ("<", until))
                if after is not None
            )
            for since, until in spans
        ]
        assert database.deleted[table] == f"device_id = {{device0:String}} AND ({' OR '.join(times)})"
    (nobody,) = database.inserted
    assert nobody.count("stored_at") >= 2, "it keeps its place among those of one moment"


def test_each_round_waits_for_what_is_on_the_topics(monkeypatch: pytest.MonkeyPatch, database: Database) -> None:
    monkeypatch.setattr(erasure, "stored_assignments", wearing())
    behind = {stream.name: 3 for stream in erasure._STREAMS}

    def committed(asker: Any, topic: str, _timeout_s: float) -> dict[int, int]:
        if asker.group != kafka.SYNC_GROUP:
            return {0: 7}
        behind[topic] = max(0, behind[topic] - 1)
        database.log.append("behind" if behind[topic] else topic)
        return {0: 7 - behind[topic]}

    monkeypatch.setattr(kafka, "committed", committed)
    erasure.erase(1, REQUESTED_AT)
    looked = database.log.index("look")
    assert {*database.log[:looked]} == {*behind, "behind", "hand back"}
    assert {*STRAPS, "unified_hr_packet", "person_profile", "strap_assignment"} <= behind.keys()
    second_round = database.log[looked:]
    assert {*second_round} == {*behind, "look"}, "and so does the next round"


def test_each_round_waits_for_the_functions_first(monkeypatch: pytest.MonkeyPatch, database: Database) -> None:
    monkeypatch.setattr(erasure, "stored_assignments", wearing())
    monkeypatch.setattr(erasure, "_STREAMS", ())
    raw, processed, unified = (f"{stage}_hr_packet" for stage in ("raw_ant", "processed_ant", "unified"))
    bluetooth = "bluetooth_hr_packet"
    flows = [f"flow-{raw}-{processed}", f"flow-{bluetooth}-{unified}", f"flow-{processed}-{unified}"]
    behind = dict.fromkeys(flows, 2)

    def committed(asker: Any, topic: str, _timeout_s: float) -> dict[int, int]:
        assert asker.group.startswith(f"flow-{topic}-")
        behind[asker.group] = max(0, behind[asker.group] - 1)
        if not behind[asker.group]:
            database.log.append(asker.group)
        return {0: 7 - behind[asker.group]}

    monkeypatch.setattr(kafka, "committed", committed)
    erasure.erase(1, REQUESTED_AT)
    assert [each for each in database.log if each != "look"] == ["hand back", *flows, *flows]


def test_an_erasure_that_does_not_end_is_none(monkeypatch: pytest.MonkeyPatch, database: Database) -> None:
    monkeypatch.setattr(erasure, "stored_assignments", wearing())
    monkeypatch.setattr(Database, "command", lambda *_, **__: None)
    with pytest.raises(erasure.UnfinishedErasureError, match="after 10 rounds"):
        erasure.erase(1, REQUESTED_AT)
    assert database.log.count("look") >= erasure.MOST_ROUNDS


def test_tables_that_stand_still_are_awaited_with_an_end(monkeypatch: pytest.MonkeyPatch, database: Database) -> None:
    monkeypatch.setattr(erasure, "stored_assignments", wearing())
    monkeypatch.setattr(erasure, "STORED_WITHIN_S", 0.0)
    monkeypatch.setattr(kafka, "committed", lambda *_: {0: 6})
    assert sum(erasure.erase(1, REQUESTED_AT).values()) == 5
    assert database.deleted.keys() == TABLES.keys() - {*STRAPS}


def test_a_moment_without_a_zone_is_refused_before_anything_is_sent(database: Database) -> None:
    with pytest.raises(TypeError):
        erasure.erase(1, from_us(REQUESTED_US).replace(tzinfo=None))
    assert database.log == []
