"""What the broker knows: topics, how far they reach, how far each group has read them."""

import json
import socket
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future
from typing import Any, NamedTuple

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from scripts.operate.settings import Settings

TIMEOUT_S = 3.0
STALLED_S = 10.0
"""After so long without a message, a topic that has more is not waited for."""

MOST_AT_ONCE = 1000
_POLL_S = 0.2


class BrokerError(Exception):
    """The broker does not answer, or not as it should; the text says so to a person."""


class Place(NamedTuple):
    """A partition."""

    topic: str
    partition: int


class Broker:
    """A client. It asks on a connection of its own: Moose's in-memory broker answers nothing on one that waits."""

    def __init__(self, settings: Settings, timeout_s: float = TIMEOUT_S) -> None:
        self._where = settings.broker
        self._settings: dict[str, Any] = {
            **settings.kafka,
            "log_level": 0,  # what goes wrong is raised
            "reconnect.backoff.max.ms": 1000,
        }
        self._timeout_s = timeout_s
        self._admin = AdminClient(self._settings)
        self._consumer: Consumer | None = None
        self._producer: Producer | None = None

    def close(self) -> None:
        """Let go of the connection that reads."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def places(self) -> dict[str, list[Place]]:
        """Every topic's partitions."""
        self._knock()
        topics = self._ask(lambda: self._admin.list_topics(timeout=self._timeout_s).topics)
        return {name: [Place(name, number) for number in sorted(topic.partitions)] for name, topic in topics.items()}

    def _knock(self) -> None:
        """Say at once that nobody is there: librdkafka would wait for somebody to come."""
        why: OSError | None = None
        for server in self._where.split(","):
            host, _, port = server.strip().rpartition(":")
            try:
                socket.create_connection((host.strip("[]"), int(port)), self._timeout_s).close()
            except ValueError as error:
                raise BrokerError(f"{server!r} is not like localhost:19092") from error
            except OSError as error:
                why = error
            else:
                return
        raise BrokerError(f"the broker at {self._where} does not answer: {why}") from why

    def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """Where the next message of each partition will stand."""
        return self._offsets(places, OffsetSpec.latest())  # type: ignore[no-untyped-call]

    def begins(self, places: Iterable[Place]) -> dict[Place, int]:
        """Where the first message of each partition stands that is still kept."""
        return self._offsets(places, OffsetSpec.earliest())  # type: ignore[no-untyped-call]

    def _offsets(self, places: Iterable[Place], spec: OffsetSpec) -> dict[Place, int]:
        asked = {TopicPartition(*place): spec for place in places}
        if not asked:
            return {}

        def ask() -> dict[Place, int]:
            answers = self._admin.list_offsets(asked, request_timeout=self._timeout_s)
            return {Place(at.topic, at.partition): int(answer.result().offset) for at, answer in answers.items()}

        return self._ask(ask)

    def committed(self, group: str, places: Collection[Place]) -> dict[Place, int]:
        """How far a group has read; 0 where it never has."""
        asked = ConsumerGroupTopicPartitions(group, [TopicPartition(*place) for place in places])

        def ask() -> dict[Place, int]:
            answer = self._admin.list_consumer_group_offsets([asked], request_timeout=self._timeout_s)[group]
            found = _of_a_group(answer)
            told = [] if found is None else found.topic_partitions
            return {Place(at.topic, at.partition): max(int(at.offset), 0) for at in told}

        return dict.fromkeys(places, 0) | self._ask(ask)

    def readers(self, groups: Collection[str]) -> dict[str, set[str]]:
        """The topics that members of each group read; none of a group that has no member."""

        def ask() -> dict[str, set[str]]:
            answers = self._admin.describe_consumer_groups(list(groups), request_timeout=self._timeout_s)
            return {group: _read_by(_of_a_group(answer)) for group, answer in answers.items()}

        return self._ask(ask)

    def read(self, spans: dict[Place, tuple[int, int]], take: Callable[[Message], None]) -> None:
        """Hand on what stands in each partition from an offset to before another, in order.

        Raises `BrokerError` where it does not come.
        """
        left = {place: end for place, (begin, end) in spans.items() if begin < end}
        if not left:
            return
        consumer = self._reader()
        consumer.assign([TopicPartition(*place, spans[place][0]) for place in left])
        try:
            waited_s = 0.0
            while left:
                first = self._ask(lambda: consumer.poll(_POLL_S))
                # What has arrived with it is taken along, and nothing is waited for.
                told = [] if first is None else [first, *self._ask(lambda: consumer.consume(MOST_AT_ONCE, 0))]
                # librdkafka tells errors in between, and goes on by itself.
                messages = [message for message in told if message.error() is None]
                waited_s = 0.0 if messages else waited_s + _POLL_S
                if waited_s > STALLED_S:
                    raise BrokerError(f"the broker at {self._where} hands out nothing of {', '.join(min(left)[:1])}")
                for message in messages:
                    place, offset = Place(message.topic() or "", message.partition() or 0), message.offset() or 0
                    end = left.get(place)
                    if end is None or offset >= end:
                        left.pop(place, None)
                        continue
                    take(message)
                    if offset + 1 >= end:
                        del left[place]
        finally:
            consumer.unassign()

    def _reader(self) -> Consumer:
        if self._consumer is None:
            self._consumer = Consumer(
                {
                    **self._settings,
                    "group.id": "beatstream-operate",  # asked for by the client; nothing is committed
                    "enable.auto.commit": False,
                    "auto.offset.reset": "earliest",
                    "fetch.wait.max.ms": 50,
                }
            )
        return self._consumer

    def put(self, topic: str, records: Iterable[dict[str, Any]]) -> None:
        """Put records on a topic's first partition, in order, and wait until the broker has them."""
        refused: list[str] = []

        def note(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                refused.append(error.str())

        producer = self._writer()
        for record in records:
            value = json.dumps(record)
            while True:
                try:
                    self._ask(lambda value=value: producer.produce(topic, value, partition=0, on_delivery=note))  # type: ignore[misc]
                    break
                except BufferError:  # so much waits; after its timeout at the latest it waits no more
                    producer.poll(_POLL_S)
            if refused:
                break
        if producer.flush(self._timeout_s + 1) or refused:
            why = refused[0] if refused else "no answer"
            raise BrokerError(f"the broker at {self._where} did not take what was put on {topic}: {why}")

    def _writer(self) -> Producer:
        if self._producer is None:
            self._producer = Producer(
                {
                    **self._settings,
                    "acks": "all",
                    "enable.idempotence": False,  # Moose's in-memory broker does not know it
                    "max.in.flight.requests.per.connection": 1,
                    "message.max.bytes": 2_000_000,  # the broker knows its limit
                    "message.timeout.ms": int(self._timeout_s * 1000),
                }
            )
        return self._producer

    def _ask[Answer](self, question: Callable[[], Answer]) -> Answer:
        try:
            return question()
        except KafkaException as error:
            why = error.args[0]
            silent = why.code() in (KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN)  # noqa: SLF001 (so named)
            said = f"does not answer within {self._timeout_s:.0f} s" if silent else f"says: {why.str()}"
            raise BrokerError(f"the broker at {self._where} {said}") from error


def _of_a_group(answer: Future[Any]) -> Any:
    """What the broker says of a group; None: it does not know it."""
    try:
        return answer.result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return None
        raise


def _read_by(group: Any) -> set[str]:
    """The topics that a group's members have been given."""
    assignments = [] if group is None else [member.assignment for member in group.members]
    return {at.topic for assignment in assignments if assignment is not None for at in assignment.topic_partitions}
