"""Who wears what, where the database is away and the topic holds what is wrong."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from app.heartrate.wearers import NOBODY, Assignment, Wearer, WearerBook
from app.storage import clickhouse, kafka, wearer_directory
from app.storage.clickhouse import Patience
from app.storage.wearer_directory import WearerDirectory
from tests.integration.packets import rfc3339

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
AT_US = round(AT.timestamp() * 1_000_000)
ASSIGNMENTS, ERASURES = "strap_assignment", "erasure_report"
EVE = Wearer(1, "Eve")


class Told:
    """A message, as confluent_kafka gives it."""

    def __init__(self, topic: str, offset: int, value: bytes) -> None:
        self._topic, self._offset, self._value = topic, offset, value

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._offset

    def value(self) -> bytes:
        return self._value

    def timestamp(self) -> tuple[int, int]:
        return (1, AT_US // 1000)

    def error(self) -> None:
        return None


class TopicEndError(Exception):
    """All is read."""


class Topics:
    """A consumer of what was told."""

    def __init__(self, messages: list[Told]) -> None:
        self._messages = messages

    def assign(self, partitions: list[Any]) -> None:
        assert {each.topic for each in partitions} == {ASSIGNMENTS, ERASURES}

    def poll(self, _timeout: float) -> Told:
        if not self._messages:
            raise TopicEndError
        return self._messages.pop(0)


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> list[Told]:
    messages: list[Told] = []
    monkeypatch.setattr(kafka, "full_name", lambda name: name)
    monkeypatch.setattr(kafka, "consumer", lambda *_, **__: Topics(messages))
    monkeypatch.setattr(kafka, "partitions", lambda *_: [0])
    monkeypatch.setattr(clickhouse, "_RETRY_S", 0.0)
    return messages


def assignment(device_id: str, **fields: Any) -> bytes:
    record = {"device_id": device_id, "user_id": 1, "user_name": "Eve", "assigned_at": rfc3339(AT), **fields}
    return json.dumps(record).encode()


WRONG = {
    "no JSON": b"{",
    "not UTF-8": b"\xff",
    "no object": b"[]",
    "nothing": b"",
    "a field missing": b'{"device_id": "8"}',
    "no zone": assignment("8", assigned_at="2026-11-21T12:00:00"),
    "half of a surrogate pair": assignment("8", user_name="\ud800"),
    "a long name": assignment("8", user_name="E" * 61),
    "no strap": assignment("x"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_record_holds_up_none_behind_it(what: str, no_broker: list[Told]) -> None:
    no_broker += [
        Told(ASSIGNMENTS, 0, WRONG[what]),
        Told(ASSIGNMENTS, 1, assignment("7")),
        Told(ASSIGNMENTS, 2, WRONG[what]),
    ]
    book = WearerBook()
    follower = wearer_directory._TopicFollower(book)
    with pytest.raises(TopicEndError):
        follower.run()
    assert book.wearer("7", AT_US) == EVE
    assert book.wearer("8", AT_US).user_id == NOBODY
    assert follower._next_offset == {0: 3}, "a strap's first beat waits until all is read"


def test_a_wrong_report_of_an_erasure_holds_up_none_behind_it(no_broker: list[Told]) -> None:
    report = {"erasure_id": "x", "user_id": 1, "erased_at": rfc3339(AT), "removed": {}}
    no_broker += [
        Told(ERASURES, 0, json.dumps({**report, "erased_at": "2026-11-21T12:00:00"}).encode()),
        Told(ERASURES, 1, b"\xff"),
        Told(ASSIGNMENTS, 0, assignment("7")),
    ]
    book = WearerBook()
    with pytest.raises(TopicEndError):
        wearer_directory._TopicFollower(book).run()
    assert book.wearer("7", AT_US) == EVE
    no_broker.append(Told(ERASURES, 2, json.dumps(report).encode()))
    with pytest.raises(TopicEndError):
        wearer_directory._TopicFollower(book).run()
    assert book.wearer("7", AT_US).user_id == NOBODY


class Idle:
    """A follower that has nothing to read."""

    def __init__(self, _book: WearerBook) -> None:
        self.caught_up = 0

    def start(self) -> None:
        """There is no thread."""

    def catch_up(self, _timeout_s: float) -> None:
        self.caught_up += 1


class Database:
    """Answers with errors first, then with Eve's strap."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)

    def __call__(self) -> WearerBook:
        if self._errors:
            raise self._errors.pop(0)
        book = WearerBook()
        book.add("7", Assignment(AT_US, EVE, True))
        return book


REFUSED = OperationalError("Error HTTPConnectionPool: connection refused")
FAILED = DatabaseError("Received ClickHouse exception, code: 241, server response: memory limit")
CORRUPTED = DatabaseError("Received ClickHouse exception, code: 40, server response: checksum does not match")


def test_a_database_that_comes_back_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wearer_directory, "_TopicFollower", Idle)
    monkeypatch.setattr(wearer_directory, "stored_assignments", Database(REFUSED, FAILED))
    assert WearerDirectory().wearer("7", AT_US) == EVE


def test_one_that_stays_away_ends_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wearer_directory, "_TopicFollower", Idle)
    monkeypatch.setattr(clickhouse, "ANSWER_TIMEOUT_S", 0.0)
    monkeypatch.setattr(wearer_directory, "stored_assignments", Database(*[REFUSED] * 1_000_000))
    # Not an Exception: the runner would send the beat to the dead letter queue.
    with pytest.raises(SystemExit, match="next worker"):
        WearerDirectory()


def test_where_the_table_is_corrupted_the_topic_must_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(wearer_directory, "_TopicFollower", Idle)
    monkeypatch.setattr(wearer_directory, "stored_assignments", Database(*[CORRUPTED] * 1_000_000))
    assert WearerDirectory().wearer("7", AT_US) == Wearer(NOBODY, "Strap 7")
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_who_has_waited_once_for_a_database_that_is_away_waits_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clickhouse, "ANSWER_TIMEOUT_S", 0.0)
    asked = 0

    def read() -> str:
        nonlocal asked
        asked += 1
        raise REFUSED

    patience = Patience()
    ask = {"unreadable": lambda: "unreadable", "away": lambda: "away"}
    assert patience.ask(read, **ask) == "away"
    before = asked
    assert patience.ask(read, **ask) == "away"
    assert asked == before + 1
    assert patience.ask(lambda: "back", **ask) == "back"
