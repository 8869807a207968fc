"""Follows topics: one consumer each for what is news only (from now on) and for what is state (from the beginning)."""

import json
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, Producer, TopicPartition

MOST_AT_ONCE = 1000
SEND_TIMEOUT_MS = 5000
_POLL_S = 0.5
_RETRY_S = 1.0


class Message(NamedTuple):
    """A record of a topic."""

    stream: str
    record: dict[str, Any]
    at_us: int
    """When it was put on the topic, µs since 1970 UTC."""


class Follower(threading.Thread):
    """Reads streams and hands on what comes, in order, on its own thread. Goes on whatever happens to the broker.

    Args:
        settings: Of the Kafka client.
        topics: Topic by stream.
        hand_on: Takes the messages.
        from_beginning: State: all that is on the topics. Else: news, from now on.
    """

    def __init__(
        self,
        settings: dict[str, str],
        topics: dict[str, str],
        hand_on: Callable[[Sequence[Message]], None],
        *,
        from_beginning: bool,
    ) -> None:
        super().__init__(name="registry" if from_beginning else "news", daemon=True)
        self._streams = {topic: stream for stream, topic in topics.items()}
        self._hand_on = hand_on
        self._offset = OFFSET_BEGINNING if from_beginning else OFFSET_END
        self._stopping = threading.Event()
        self._consumer = Consumer(
            {
                **settings,
                "group.id": "beatstream-live",  # asked for by the client; nothing is committed
                "enable.auto.commit": False,
                # A broker in memory forgets its topics when it restarts, and then offsets begin anew.
                "auto.offset.reset": "earliest" if from_beginning else "latest",
                "fetch.wait.max.ms": 50,
                "reconnect.backoff.max.ms": 1000,
                "log_level": 0,
                "error_cb": self._note_trouble,
            }
        )
        self.connected = False
        """Whether the broker answers."""
        self.unreadable = 0
        """Messages that were no JSON objects."""

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        self.join()

    def run(self) -> None:
        """As `threading.Thread.run`."""
        try:
            if not self._assign():
                return
            while not self._stopping.is_set():
                message = self._consumer.poll(_POLL_S)
                if message is None:
                    self.connected = self.connected or self._topics() is not None
                    continue
                self.connected = True
                # What has arrived with it is taken along, and nothing is waited for.
                batch = [message, *self._consumer.consume(MOST_AT_ONCE, 0)]
                told = [told for each in batch if (told := self._message(each)) is not None]
                if told:
                    self._hand_on(told)
        finally:
            self._consumer.close()

    def _assign(self) -> bool:
        """Wait until all topics are there, and begin."""
        while not self._stopping.is_set():
            known = self._topics()
            if known is not None and self._streams.keys() <= known.keys():
                self.connected = True
                self._consumer.assign(
                    [
                        TopicPartition(topic, partition, self._offset)
                        for topic in self._streams
                        for partition in known[topic].partitions
                    ]
                )
                return True
            self._stopping.wait(_RETRY_S)
        return False

    def _topics(self) -> dict[str, Any] | None:
        """The broker's topics; None: it does not answer."""
        try:
            return dict(self._consumer.list_topics(timeout=_RETRY_S).topics)
        except KafkaException:
            return None

    def _note_trouble(self, error: KafkaError) -> None:
        if error.code() in (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT):  # noqa: SLF001 (named so by the library)
            self.connected = False

    def _message(self, message: Any) -> Message | None:
        if message.error() is not None:
            return None
        try:
            record = json.loads(message.value() or b"")
        except ValueError:
            record = None
        if not isinstance(record, dict):
            self.unreadable += 1
            return None
        return Message(self._streams[message.topic()], record, message.timestamp()[1] * 1000)


def send(settings: dict[str, str], topic: str, record: dict[str, Any]) -> bool:
    """Put one record on a topic; whether the broker has it. For what is sent seldom: it connects each time."""
    producer = Producer({**settings, "acks": "all", "message.timeout.ms": SEND_TIMEOUT_MS, "log_level": 0})
    delivered: list[bool] = []
    producer.produce(topic, json.dumps(record), on_delivery=lambda error, _message: delivered.append(error is None))
    producer.flush(SEND_TIMEOUT_MS / 1000 + 1)
    return delivered == [True]
