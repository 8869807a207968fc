"""Follows topics: one consumer each for what is news only (from now on) and for what is state (from the beginning)."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, Producer, TopicPartition
from pydantic_core import from_json

MOST_AT_ONCE = 1000
SEND_TIMEOUT_MS = 5000
LOOK_EVERY_S = 2.0

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
        self._from_beginning = from_beginning
        self._stopping = threading.Event()
        given = {
            **settings,
            "group.id": "beatstream-live",  # asked for by the client; nothing is committed
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest" if from_beginning else "latest",
            "fetch.wait.max.ms": 50,
            "reconnect.backoff.max.ms": 1000,
            "log_level": 0,
        }
        self._consumer = Consumer(given)
        # A connection of its own: Moose's in-memory broker answers nothing else on one that waits for messages.
        self._asker = Consumer(given)
        self._partitions: list[tuple[str, int]] = []
        self._ends: list[int] = []
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
            self._await_topics()
            looked_at = time.monotonic()
            while not self._stopping.is_set():
                message = self._consumer.poll(_POLL_S)
                if time.monotonic() - looked_at > LOOK_EVERY_S:
                    self._look_at_the_broker()
                    looked_at = time.monotonic()
                if message is None:
                    continue
                # What has arrived with it is taken along, and nothing is waited for.
                batch = [message, *self._consumer.consume(MOST_AT_ONCE, 0)]
                told = [told for each in batch if (told := self._message(each)) is not None]
                if told:
                    self._hand_on(told)
        finally:
            self._consumer.close()
            self._asker.close()

    def _await_topics(self) -> None:
        """Wait until all topics are there, and begin."""
        while not self._stopping.is_set():
            try:
                known = self._asker.list_topics(timeout=_RETRY_S).topics
            except KafkaException:
                known = {}
            if self._streams.keys() <= known.keys():
                self._partitions = [(topic, at) for topic in self._streams for at in known[topic].partitions]
                self._assign(OFFSET_BEGINNING if self._from_beginning else OFFSET_END)
                self._look_at_the_broker()
                return
            self._stopping.wait(_RETRY_S)

    def _assign(self, offset: int) -> None:
        self._consumer.assign([TopicPartition(topic, at, offset) for topic, at in self._partitions])

    def _look_at_the_broker(self) -> None:
        """Whether it answers; and where it has begun anew, begin anew, too.

        Moose's in-memory broker forgets its topics when it restarts, and to a question for an offset that is beyond the
        new end it answers nothing, not even an error (seen with moose-cli 0.6.533).
        """
        try:
            # Not by `get_watermark_offsets`, for which Moose's broker needs 40 ms a topic: messages wait meanwhile.
            asked = [TopicPartition(topic, at, OFFSET_END) for topic, at in self._partitions]
            ends = [self._offset(place) for place in self._asker.offsets_for_times(asked, _RETRY_S)]
        except KafkaException:
            self.connected = False
            return
        shrunk = any(end < before for end, before in zip(ends, self._ends, strict=False))
        back = bool(self._ends) and not self.connected
        self.connected, self._ends = True, ends
        if shrunk or (back and self._from_beginning):
            self._assign(OFFSET_BEGINNING)

    @staticmethod
    def _offset(place: TopicPartition) -> int:
        if place.error is not None:
            raise KafkaException(place.error)
        return place.offset

    def _message(self, message: Any) -> Message | None:
        if message.error() is not None:
            return None
        try:
            record = from_json(message.value() or b"")
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
