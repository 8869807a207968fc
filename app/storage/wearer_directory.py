"""Who wears what, kept current for the functions: the stored assignments, and the topics of assignments and erasures.

The table alone would be a second behind (Moose flushes once a second), so people registered just before their first
packet would be missed; the topic alone is forgotten when an in-memory broker restarts. Both together are exact.
"""

import contextlib
import threading
import time
from datetime import UTC, datetime
from typing import NoReturn

from confluent_kafka import OFFSET_BEGINNING, KafkaException, Message, TopicPartition
from pydantic_core import from_json

from app.datamodels.erasure_report import ErasureReport, erasure_report_pipeline
from app.datamodels.strap_assignment import StrapAssignment, strap_assignment_pipeline
from app.heartrate.device_number import InvalidDeviceId
from app.heartrate.moments import to_us
from app.heartrate.wearers import Assignment, InvalidAssignmentError, Wearer, WearerBook, check_assignment
from app.storage import kafka
from app.storage.assignments import ASSIGNMENTS
from app.storage.clickhouse import Patience, connect
from app.storage.moments import check_moment

CAUGHT_UP_WITHIN_S = 60.0
"""How long the first beat of a strap may wait for what the topics held before it; Kafka allows 300 s."""

_RETRY_S = 0.1


def stored_assignments() -> WearerBook:
    """All assignments that are in the table. Raises `clickhouse_connect`'s errors."""
    book = WearerBook()
    client = connect()
    try:
        rows = client.query(
            "SELECT device_id, user_id, user_name, toUnixTimestamp64Micro(since), isNotNull(assigned_at), "  # noqa: S608 (own names)
            f"toUnixTimestamp64Micro(stored_at) FROM {ASSIGNMENTS} ORDER BY stored_at"
        ).result_rows
    finally:
        client.close()
    for device_id, user_id, user_name, since_us, explicit, stored_us in rows:
        _note(book, device_id, Assignment(since_us, Wearer(user_id, user_name), bool(explicit), stored_us))
    return book


class WearerDirectory:
    """Answers who wore a strap at a moment. Starts a thread that follows the topics.

    Raises `SystemExit` where ClickHouse stays away: the next worker reads the batch again, while any other error would
    send it to the dead letter queue. Where the table lies in a part that is corrupted, what the topic tells must do.
    """

    def __init__(self) -> None:
        self._book = Patience().ask(stored_assignments, unreadable=WearerBook, away=_end)
        self._asked: set[str] = set()
        self._follower = _TopicFollower(self._book)
        self._follower.start()

    def wearer(self, device_id: str, at_us: int) -> Wearer:
        """Who wore the strap at a moment (UTC, µs since 1970); user_id 0 and "Strap N" where nobody is registered."""
        if device_id not in self._asked:
            # A strap's first beat waits until all that was told before it has been read: once a strap, not a beat.
            self._follower.catch_up(CAUGHT_UP_WITHIN_S)
            self._asked.add(device_id)
        return self._book.wearer(device_id, at_us)


def _end() -> NoReturn:
    raise SystemExit("ClickHouse does not tell who wears what; the next worker asks again")


class _TopicFollower(threading.Thread):
    """Reads the topics of assignments and erasures from their beginning into the book, and goes on reading."""

    def __init__(self, book: WearerBook) -> None:
        super().__init__(name="wearer-directory", daemon=True)
        self._topic = kafka.full_name(strap_assignment_pipeline.get_stream().name)
        self._erasures = kafka.full_name(erasure_report_pipeline.get_stream().name)
        # A broker that comes back with shorter topics has what was told since then at their beginning.
        settings = {"fetch.wait.max.ms": 50, "auto.offset.reset": "earliest"}
        self._consumer = kafka.consumer("wearer-directory", **settings)
        # A connection of its own: Moose's in-memory broker answers nothing else on one that waits for messages.
        self._asker = kafka.consumer("wearer-directory")
        self._partitions: dict[str, list[int]] = {}
        """Of each topic, once they are followed."""
        self._book = book
        self._read = threading.Condition()
        self._next_offset: dict[tuple[str | None, int | None], int] = {}

    def run(self) -> None:
        partitions = {topic: self._partitions_of(topic) for topic in (self._topic, self._erasures)}
        self._consumer.assign(
            [TopicPartition(topic, at, OFFSET_BEGINNING) for topic, numbers in partitions.items() for at in numbers]
        )
        self._partitions = partitions
        while True:
            message = self._consumer.poll(1.0)
            if message is None or message.error() is not None:
                continue
            # Whatever is wrong with a record, those behind it count; `check_strap_assignment` says what it is.
            with contextlib.suppress(Exception):
                (self._forget if message.topic() == self._erasures else self._take)(message)
            with self._read:
                self._next_offset[message.topic(), message.partition()] = (message.offset() or 0) + 1
                self._read.notify_all()

    def catch_up(self, timeout_s: float) -> None:
        """Wait until everything that is on the topics now has been read, at most `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while (ends := self._ends()) is None:
            if time.monotonic() > deadline:
                return  # what is known must do, and the follower goes on when the broker is back
            time.sleep(_RETRY_S)
        with self._read:
            self._read.wait_for(
                lambda: all(self._next_offset.get(place, 0) >= end for place, end in ends.items()),
                timeout=deadline - time.monotonic(),
            )

    def _ends(self) -> dict[tuple[str, int], int] | None:
        """The offset behind the newest record, by topic and partition; None: the broker is away."""
        places = [(topic, at) for topic, numbers in self._partitions.items() for at in numbers]
        # Moose's broker may take 40 ms for each request, and a class begins all at once.
        with contextlib.suppress(KafkaException):
            newest = kafka.newest(self._asker, places)
            if newest and all(self._next_offset.get(place, 0) >= end for place, end in newest.items()):
                return newest
        try:
            ends = {
                (topic, at): end
                for topic, numbers in self._partitions.items()
                for at, end in kafka.ends(self._asker, topic, numbers).items()
            }
        except KafkaException:
            return None
        return ends or None

    def _partitions_of(self, topic: str) -> list[int]:
        while True:
            try:
                return kafka.partitions(self._asker, topic, kafka.BROKER_TIMEOUT_S)
            except KafkaException:
                time.sleep(_RETRY_S)  # the broker is away, and nothing could be followed without it

    def _forget(self, message: Message) -> None:
        """What comes late from before an erasure is nobody's."""
        report = ErasureReport.model_validate(from_json(message.value() or b""))
        report.require_valid()
        self._book.forget(report.user_id, to_us(report.erased_at))

    def _take(self, message: Message) -> None:
        # As the worker reads it: json.loads takes what pydantic's refuses, such as half of a surrogate pair.
        record = StrapAssignment.model_validate(from_json(message.value() or b""))
        record.require_valid()
        since_us = told_us = message.timestamp()[1] * 1000 or to_us(datetime.now(UTC))
        check_moment("assigned_at", record.assigned_at)
        if record.assigned_at is not None:
            since_us = to_us(record.assigned_at)
        wearer = Wearer(record.user_id, record.user_name)
        _note(self._book, record.device_id, Assignment(since_us, wearer, record.assigned_at is not None, told_us))


def _note(book: WearerBook, device_id: str, assignment: Assignment) -> None:
    try:
        check_assignment(device_id, assignment.wearer.user_id, assignment.wearer.user_name)
    except (InvalidAssignmentError, InvalidDeviceId):
        return
    book.add(device_id, assignment)
