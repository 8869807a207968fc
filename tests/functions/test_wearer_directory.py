"""Who wears what, where the database is away and the topic holds what is wrong."""

import contextlib
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, Producer, TopicPartition

from app.heartrate.wearers import NOBODY, Assignment, Wearer, WearerBook
from app.storage import clickhouse, kafka, wearer_directory
from app.storage.clickhouse import Patience
from app.storage.wearer_directory import WearerDirectory
from harness.waiting import wait_for
from tests.integration.packets import rfc3339

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
AT_US = round(AT.timestamp() * 1_000_000)
ASSIGNMENTS, ERASURES = "strap_assignment", "erasure_report"
EVE = Wearer(1, "Eve")
PARTITIONS = kafka.partitions


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

    def offsets_for_times(self, places: list[TopicPartition], **_: Any) -> list[TopicPartition]:
        return [TopicPartition(place.topic, 0, self.bounds(place.topic)[place.offset]) for place in places]

    def bounds(self, _topic: str) -> dict[int, int]:
        return {OFFSET_BEGINNING: 0, OFFSET_END: 1}

    def poll(self, _timeout: float) -> Told:
        if not self._messages:
            raise TopicEndError
        return self._messages.pop(0)


class Follower(wearer_directory._TopicFollower):
    """One that ends when all is read."""

    def run(self) -> None:
        with contextlib.suppress(TopicEndError):
            super().run()

    def end(self) -> None:
        self._consumer = Topics([])  # type: ignore[assignment]
        self.join(10)
        assert not self.is_alive()


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


def report(**fields: Any) -> bytes:
    record = {"erasure_id": "x", "user_id": 1, "erased_at": rfc3339(AT), "removed": {}, **fields}
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
    assert follower._next_offset == {(ASSIGNMENTS, 0): 3}, "a strap's first beat waits until all is read"


def test_a_wrong_report_of_an_erasure_holds_up_none_behind_it(no_broker: list[Told]) -> None:
    no_broker += [
        Told(ERASURES, 0, report(erased_at="2026-11-21T12:00:00")),
        Told(ERASURES, 1, b"\xff"),
        Told(ASSIGNMENTS, 0, assignment("7")),
    ]
    book = WearerBook()
    with pytest.raises(TopicEndError):
        wearer_directory._TopicFollower(book).run()
    assert book.wearer("7", AT_US) == EVE
    no_broker.append(Told(ERASURES, 2, report()))
    with pytest.raises(TopicEndError):
        wearer_directory._TopicFollower(book).run()
    assert book.wearer("7", AT_US).user_id == NOBODY


def test_who_was_registered_for_later_is_erased_for_then_too(no_broker: list[Told]) -> None:
    tomorrow = AT + timedelta(days=1)
    no_broker += [Told(ASSIGNMENTS, 0, assignment("7", assigned_at=rfc3339(tomorrow))), Told(ERASURES, 0, report())]
    book = WearerBook()
    with pytest.raises(TopicEndError):
        wearer_directory._TopicFollower(book).run()
    assert book.knows("7")
    assert book.wearer("7", AT_US + 2 * 86_400_000_000).user_id == NOBODY


def test_a_first_beat_waits_for_erasures_as_for_assignments(
    no_broker: list[Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    no_broker += [Told(ASSIGNMENTS, 0, assignment("7")), Told(ERASURES, 0, report())]
    forget = wearer_directory._TopicFollower._forget

    def slowly(follower: wearer_directory._TopicFollower, message: Any) -> None:
        time.sleep(0.3)
        forget(follower, message)

    monkeypatch.setattr(wearer_directory._TopicFollower, "_forget", slowly)
    book = WearerBook()
    follower = Follower(book)
    follower.start()
    follower.catch_up(10)
    assert book.knows("7")
    assert book.wearer("7", AT_US).user_id == NOBODY
    follower.end()


def test_what_has_expired_is_not_waited_for(no_broker: list[Told], monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports are rare: a week after the last one its topic is empty, and its end stays where it was."""
    no_broker.append(Told(ASSIGNMENTS, 0, assignment("7")))
    bounds = {
        ASSIGNMENTS: {OFFSET_BEGINNING: 0, OFFSET_END: 1},
        ERASURES: {OFFSET_BEGINNING: 5, OFFSET_END: 5},
    }
    monkeypatch.setattr(Topics, "bounds", lambda _, topic: bounds[topic])
    assert caught_up() == EVE


def caught_up() -> Wearer:
    """Who wears strap 7 after a first beat's wait, which is over long before it must be."""
    book = WearerBook()
    follower = Follower(book)
    follower.start()
    began = time.monotonic()
    follower.catch_up(60)
    assert time.monotonic() - began < 20
    follower.end()
    return book.wearer("7", AT_US)


# --- on librdkafka: a broker of its own, made for tests


@pytest.fixture
def broker(no_broker: list[Told], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    assert not no_broker
    holder = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    (told,) = holder.list_topics(timeout=10).brokers.values()
    address = f"{told.host}:{told.port}"
    monkeypatch.setattr(kafka, "partitions", PARTITIONS)
    monkeypatch.setattr(kafka, "consumer", lambda group, **settings: consumer_of(address, group, settings))
    yield address
    holder.flush()


def consumer_of(address: str, group: str, settings: dict[str, Any]) -> Consumer:
    given = {"bootstrap.servers": address, "group.id": group, "enable.auto.commit": False, "log_level": 0}
    return Consumer({**given, **settings})


def tell(address: str, topic: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": address, "log_level": 0})
    producer.produce(topic, partition=0, value=value)
    assert producer.flush(10) == 0


def test_a_topic_that_is_missing_or_empty_is_not_waited_for(broker: str) -> None:
    tell(broker, ASSIGNMENTS, assignment("7"))
    assert caught_up() == EVE
    Producer({"bootstrap.servers": broker, "log_level": 0}).list_topics(ERASURES, timeout=10)
    assert caught_up() == EVE


def test_a_topic_that_comes_later_is_followed(broker: str) -> None:
    tell(broker, ASSIGNMENTS, assignment("7"))
    book = WearerBook()
    follower = Follower(book)
    follower.start()
    follower.catch_up(60)
    tell(broker, ERASURES, report())
    wait_for(lambda: book.wearer("7", AT_US).user_id == NOBODY, "the erasure", 30)
    follower.end()


def test_a_broker_that_is_away_is_not_taken_for_one_without_the_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    holder = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    (told,) = holder.list_topics(timeout=10).brokers.values()
    address = f"{told.host}:{told.port}"
    asker = consumer_of(address, "test", {})
    tell(address, ASSIGNMENTS, assignment("7"))
    assert kafka.ends(asker, ASSIGNMENTS, [0]) == {0: 1}
    monkeypatch.setattr(kafka, "BROKER_TIMEOUT_S", 1.0)
    del holder
    with pytest.raises(KafkaException):
        wait_for(lambda: kafka.ends(asker, ASSIGNMENTS, [0]) != {0: 1}, "an error", 10)


def test_what_a_broker_that_came_back_with_a_shorter_topic_was_told_is_read(
    broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(broker, ASSIGNMENTS, assignment("7"))
    # As far as it had read of the broker that is gone.
    monkeypatch.setattr(wearer_directory, "OFFSET_BEGINNING", 10)
    book = WearerBook()
    follower = Follower(book)
    follower.start()
    wait_for(lambda: book.wearer("7", AT_US) == EVE, "the assignment", 20)
    follower.end()


# --- where the database is away


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
