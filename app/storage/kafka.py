"""Kafka clients for the functions' own questions, on the broker that Moose itself is configured with."""

import time
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition
from moose_lib import Stream
from moose_lib.config.runtime import config_registry

SYNC_GROUP = "clickhouse_sync"
"""The group by which Moose brings topics into tables (moose-guide.md 5)."""

BROKER_TIMEOUT_S = 5.0
_RETRY_S = 0.05


def consumer(group: str, **settings: Any) -> Consumer:
    """A client of a group that commits nothing."""
    kafka = config_registry.get_kafka_config()
    given = {
        "bootstrap.servers": kafka.broker,
        "group.id": group,
        "enable.auto.commit": False,
        "security.protocol": kafka.security_protocol,
        "sasl.mechanism": kafka.sasl_mechanism,
        "sasl.username": kafka.sasl_username,
        "sasl.password": kafka.sasl_password,
        **settings,
    }
    return Consumer({key: value for key, value in given.items() if value is not None})


def full_name(name: str) -> str:
    """A topic's or a group's name on the broker, as Moose writes it: after the namespace, if there is one."""
    namespace = config_registry.get_kafka_config().namespace
    return f"{namespace}.{name}" if namespace else name


def partitions(asker: Consumer, topic: str, timeout_s: float) -> list[int]:
    """The partitions of a topic. Raises `KafkaException` if the broker does not answer."""
    return sorted(asker.list_topics(topic, timeout=timeout_s).topics[topic].partitions) or [0]


def committed(asker: Consumer, topic: str, timeout_s: float) -> dict[int, int]:
    """The asker's group's offset by partition, 0: it has none. Raises `KafkaException` if the broker is away."""
    at = [TopicPartition(topic, number) for number in partitions(asker, topic, timeout_s)]
    return {each.partition: max(each.offset, 0) for each in asker.committed(at, timeout=timeout_s)}


def ends(asker: Consumer, topic: str, numbers: list[int]) -> dict[int, int]:
    """The offset behind the newest message, by partition; 0: it holds none, or there is no such topic.

    Raises `KafkaException` if the broker is away.
    """
    first, end = (_offsets(asker, topic, numbers, which) for which in (OFFSET_BEGINNING, OFFSET_END))
    # Nobody can read up to an end before which everything has expired.
    return {number: end[number] if first[number] < end[number] else 0 for number in numbers}


def newest(asker: Consumer, places: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """The offset behind the newest message that there ever was, by topic and partition: one request.

    Raises `KafkaException` if the broker is away, or one of the topics is not there.
    """
    return _asked(asker, places, OFFSET_END)


def _asked(asker: Consumer, places: list[tuple[str, int]], which: int) -> dict[tuple[str, int], int]:
    # `get_watermark_offsets` puts two questions at once, and Moose's broker answers the second one 40 ms late.
    found = asker.offsets_for_times([TopicPartition(*place, which) for place in places], timeout=BROKER_TIMEOUT_S)
    for each in found:
        if each.error is not None:
            raise KafkaException(each.error)
    return {(each.topic, each.partition): each.offset for each in found}


def _offsets(asker: Consumer, topic: str, numbers: list[int], which: int) -> dict[int, int]:
    try:
        found = _asked(asker, [(topic, number) for number in numbers], which)
    except KafkaException:
        # An unknown partition is what librdkafka calls one of a broker that is away, too; that one lists no topics.
        missing = asker.list_topics(topic, timeout=BROKER_TIMEOUT_S).topics[topic].error
        if missing is None or missing.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise
        return dict.fromkeys(numbers, 0)
    return {number: offset for (_, number), offset in found.items()}


def await_committed(asker: Consumer, topic: str, offsets: dict[int, int], deadline: float) -> None:
    """Wait until the asker's group has committed those offsets; until `deadline` (`time.monotonic`) at most.

    Raises `KafkaException` if the broker is away.
    """
    while any(offsets.values()) and time.monotonic() < deadline:
        reached = committed(asker, topic, BROKER_TIMEOUT_S)
        if all(reached.get(number, 0) >= offset for number, offset in offsets.items()):
            return
        time.sleep(_RETRY_S)


def await_caught_up(asker: Consumer, topic: str, deadline: float) -> None:
    """Wait until the asker's group has committed all that is on a topic now; as `await_committed`."""
    await_committed(asker, topic, ends(asker, topic, partitions(asker, topic, BROKER_TIMEOUT_S)), deadline)


def flow_group(source: Stream[Any], target: Stream[Any]) -> str:
    """The group by which Moose's runner reads a function's source (moose-guide.md 3.2)."""
    return f"flow-{full_name(source.name)}-{full_name(target.name)}"
