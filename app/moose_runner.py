"""Changes to Moose's own streaming runner: what it loses, and what makes it slow.

What it loses: it decodes JSON inside the Kafka client's poll. A message that is not JSON raises there, before the
position moves on, so the same poll fails for ever (seen with moose-lib 0.6.533). Here such a message reaches the
function as text; its record does not validate, and it goes to the dead letter queue alone like any other wrong record.
And where anything else goes wrong within a batch, the runner goes on with the next one and commits both: the first is
gone. Here the worker ends instead, and its successor reads the batch again.

What makes it slow, as profiled (`make bench` compares with the runner as it is): a Kafka client in pure Python, which
wakes a thread for every message sent; two log lines a message; and records that become JSON by way of a dict and a
Python encoder. Here librdkafka reads and sends, those two lines are left out (all others are written), and pydantic
reads and writes JSON.

And what it tells: its log has the reason of each dead letter, which may name somebody. Here the letter alone has it.

`moose_changes.py` tells when all of it is off.
"""

import gc
import json
import sys
import traceback
from collections.abc import Callable
from copy import copy
from functools import wraps
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from pydantic import BaseModel
from pydantic_core import from_json

from app import moose_changes

RUNNER = "streaming_function_runner"

MOST_AT_ONCE = 1000
"""Messages between two commits."""

_LINE_A_MESSAGE, _ACTION_A_MESSAGE, _ACTION_A_LETTER = "Message partition=", "Received", "DeadLetter"
_DEAD_LETTERS = "DeadLetterQueue"
_LETTER_CHARACTERS = 10_000
_BUFFERED_KB = 16_384
_MISSED_AFTER_MS = 6_000
"""A worker that was killed is missed so late: its successor reads nothing before. The least that brokers allow."""

_OBJECTS_UNTIL_A_LOOK = 50_000
_SETTINGS = {
    "broker": "bootstrap.servers",
    "client_id": "client.id",
    "group_id": "group.id",
    "auto_offset_reset": "auto.offset.reset",
    "enable_auto_commit": "enable.auto.commit",
    "sasl_mechanism": "sasl.mechanism",
    "sasl_username": "sasl.username",
    "sasl_password": "sasl.password",
    "security_protocol": "security.protocol",
    "max_request_size": "message.max.bytes",
}


def _librdkafka(settings: dict[str, Any]) -> dict[str, Any]:
    """The runner's settings in librdkafka's words. Raises `KeyError` for one that it is not known to give."""
    servers = settings["broker"]
    told = {**settings, "broker": servers if isinstance(servers, str) else ",".join(servers)}
    return {_SETTINGS[name]: value for name, value in told.items() if value is not None}


class Message(NamedTuple):
    """A message as the runner reads it."""

    partition: int
    offset: int
    value: Any


class RunnerConsumer:
    """What the runner's `get_kafka_consumer` gives, as far as the runner uses it, on librdkafka."""

    def __init__(self, *, value_deserializer: Callable[[bytes], Any], **settings: Any) -> None:
        self._deserialize = value_deserializer
        self._under_way = False
        self._client = confluent_kafka.Consumer(
            {
                **_librdkafka(settings),
                "queued.max.messages.kbytes": _BUFFERED_KB,
                "reconnect.backoff.max.ms": 1000,
                "session.timeout.ms": _MISSED_AFTER_MS,
                "heartbeat.interval.ms": _MISSED_AFTER_MS // 4,
            }
        )

    def subscribe(self, topics: list[str]) -> None:
        """Join the group."""
        self._client.subscribe(topics)

    def assignment(self) -> set[TopicPartition]:
        """What this member reads."""
        return set(self._client.assignment())

    def poll(self, timeout_ms: int) -> dict[TopicPartition, list[Message]]:
        """Wait for a message; what has arrived with it is taken along.

        Raises `SystemExit`, which the runner does not catch, where the messages before were not committed: its thread
        ends, and so does the worker. To read them again here would not do, as the function has seen them.
        """
        if self._under_way:
            raise SystemExit("a batch was not finished; the next worker reads it again")
        first = self._client.poll(timeout_ms / 1000)
        if first is None:
            return {}
        by_partition: dict[TopicPartition, list[Message]] = {}
        for each in (first, *self._client.consume(MOST_AT_ONCE - 1, 0)):
            if each.error() is not None:  # librdkafka tells it in the log and goes on by itself
                continue
            partition = each.partition() or 0
            messages = by_partition.setdefault(TopicPartition(each.topic() or "", partition), [])
            messages.append(Message(partition, each.offset() or 0, self._value(each.value())))
        self._under_way = bool(by_partition)
        return by_partition

    def _value(self, raw: bytes | None) -> Any:
        try:
            return self._deserialize(raw or b"")
        except ValueError:  # also UnicodeDecodeError and JSONDecodeError
            return (raw or b"").decode("utf-8", errors="replace")

    def commit(self) -> None:
        """What was polled is done."""
        self._client.commit(asynchronous=False)
        self._under_way = False

    def close(self) -> None:
        """Leave the group."""
        self._client.close()


def _shortened(letter: bytes) -> bytes:
    """A dead letter whose record fills a message by itself, with the beginning of that record."""
    told = json.loads(letter)
    told["originalRecord"] = {"shortened": json.dumps(told["originalRecord"], ensure_ascii=False)[:_LETTER_CHARACTERS]}
    return json.dumps(told).encode()


class RunnerProducer:
    """What the runner's `get_kafka_producer` gives, as far as the runner uses it, on librdkafka."""

    def __init__(self, **settings: Any) -> None:
        self._client = confluent_kafka.Producer(
            {
                **_librdkafka(settings),
                "acks": "all",
                # Moose's own broker keeps all it ever got in memory, as it came.
                "compression.type": "lz4",
                "max.in.flight.requests.per.connection": 1,
                "message.timeout.ms": 0,
                "reconnect.backoff.max.ms": 1000,
            }
        )
        self._refused: KafkaError | None = None

    def send(self, topic: str, value: bytes) -> "RunnerProducer":
        """Queue a message; `send(…).get()` waits until the broker has it. Raises `KafkaException` if it is too big."""
        try:
            self._produce(topic, value)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE or not topic.endswith(_DEAD_LETTERS):
                raise
            self._produce(topic, _shortened(value))
        return self

    def _produce(self, topic: str, value: bytes) -> None:
        try:
            self._client.produce(topic, value, on_delivery=self._note)
        except BufferError:
            self.flush()
            self._client.produce(topic, value, on_delivery=self._note)

    def _note(self, error: KafkaError | None, _message: Any) -> None:
        self._refused = error or self._refused

    def flush(self) -> None:
        """Wait until the broker has everything; while it is away, that is until it is back.

        Raises `SystemExit` if it refused a message; as `RunnerConsumer.poll`.
        """
        self._client.flush()
        if self._refused is not None:
            raise SystemExit(f"the broker refused a message: {self._refused}")

    get = flush

    def close(self) -> None:
        """Send what is queued."""
        self._client.flush(1.0)


def make_fast(runner: ModuleType) -> None:
    """Leave out the lines of single messages, and let pydantic read and write JSON."""
    log, cli_log = runner.log, runner.cli_log

    @wraps(log)
    def log_of_batches(message: str) -> None:
        if not message.startswith(_LINE_A_MESSAGE):
            log(message)

    @wraps(cli_log)
    def cli_log_of_batches(line: Any) -> None:
        if line.action != _ACTION_A_MESSAGE:
            cli_log(line)

    def dumps(value: Any, **options: Any) -> str:
        return value.model_dump_json() if isinstance(value, BaseModel) else json.dumps(value, **options)

    for name, replacement in (
        ("log", log_of_batches),
        ("cli_log", cli_log_of_batches),
        ("json", SimpleNamespace(**{**vars(json), "dumps": dumps, "loads": from_json})),
    ):
        setattr(runner, name, replacement)


def name_nobody(runner: ModuleType) -> None:
    """Leave why a record was refused to its dead letter: the reason tells what stood in it, and others read logs."""
    cli_log = runner.cli_log

    @wraps(cli_log)
    def cli_log_without_reasons(line: Any) -> None:
        if line.action == _ACTION_A_LETTER:
            line = copy(line)
            line.message = line.message.partition(":")[0]
        cli_log(line)

    def print_exc() -> None:
        if not isinstance(sys.exception(), ValueError):  # so all say that refuse a record
            traceback.print_exc()

    for name, replacement in (
        ("cli_log", cli_log_without_reasons),
        ("traceback", SimpleNamespace(print_exc=print_exc)),
    ):
        setattr(runner, name, replacement)


def use_librdkafka(runner: ModuleType) -> None:
    """Let librdkafka read and send for the runner; `Stream.send` and all else of Moose keep their own clients."""
    # What the modules made lives as long as the process: no need to look through it over and over. And a batch's
    # objects all go with it, so looking through them meanwhile finds nothing.
    gc.freeze()
    gc.set_threshold(_OBJECTS_UNTIL_A_LOOK)
    for name, client in (("get_kafka_consumer", RunnerConsumer), ("get_kafka_producer", RunnerProducer)):
        setattr(runner, name, client)


def _is_runner(module: ModuleType) -> bool:
    return RUNNER in (getattr(module, "__file__", None) or "")


if moose_changes.wanted() and _is_runner(sys.modules["__main__"]):
    use_librdkafka(sys.modules["__main__"])
    make_fast(sys.modules["__main__"])
    name_nobody(sys.modules["__main__"])
