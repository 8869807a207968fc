"""The changes to Moose's runner: what is left out, and what is not."""

import ast
import gc
import inspect
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import confluent_kafka
import moose_lib
import moose_lib.commons
import pytest
from confluent_kafka import KafkaException, TopicPartition
from moose_lib.commons import CliLogData, EnhancedJSONEncoder

from app import moose_runner
from app.datamodels.stream_record import RejectedRecordError
from app.datamodels.unified_hr_packet import UnifiedHRPacket
from app.moose_runner import RUNNER, RunnerConsumer, RunnerProducer, make_fast, name_nobody, use_librdkafka
from harness.waiting import wait_for

RECORD = UnifiedHRPacket(
    user_id=7,
    user_name="Ada",
    device_id="863436",
    hr_timestamp_seconds=1_790_000_000.25,
    hr_value=None,
    rr_interval_ms=float("nan"),
    rr_computed=False,
    revision=0,
    processed_timestamp=datetime(2026, 11, 24, 10, 0, 0, 123_000, UTC),
)


@pytest.fixture
def runner() -> ModuleType:
    module = ModuleType("runner")
    lines: list[Any] = []
    module.__dict__.update(lines=lines, log=lines.append, cli_log=lines.append, json=json)
    make_fast(module)
    return module


def test_only_the_lines_of_single_messages_are_left_out(runner: ModuleType) -> None:
    runner.log("Message partition=0 offset=17")
    runner.cli_log(CliLogData(action="Received", message="a -> b 1 message(s)"))
    assert runner.lines == []
    runner.log("Consumer ready with 1 partition(s)")
    runner.cli_log(CliLogData(action="DeadLetter", message="sent", message_type=CliLogData.ERROR))
    assert len(runner.lines) == 2


def test_a_log_does_not_tell_what_stood_in_a_record(runner: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    name_nobody(runner)
    letter = CliLogData(action="DeadLetter", message="Sent message to DLQ x: user_name: 'Ada' is no name")
    runner.cli_log(letter)
    assert runner.lines[-1].message == "Sent message to DLQ x"
    assert "Ada" in letter.message
    runner.cli_log(CliLogData(action="Function", message="Error: all of it"))
    assert runner.lines[-1].message == "Error: all of it"
    for error in (RejectedRecordError("user_name: 'Ada' is no name"), KeyError("unexpected")):
        try:
            raise error
        except (ValueError, KeyError):
            runner.traceback.print_exc()
    said = capsys.readouterr().err
    assert "Ada" not in said
    assert "KeyError: 'unexpected'" in said


def test_records_are_written_as_before(runner: ModuleType) -> None:
    fast = json.loads(runner.json.dumps(RECORD, cls=EnhancedJSONEncoder))
    before = json.loads(json.dumps(RECORD, cls=EnhancedJSONEncoder))
    # What is no number is null, and moments are the same moments.
    assert fast.pop("rr_interval_ms") is None
    assert before.pop("rr_interval_ms") != before.get("rr_interval_ms")
    moments = [datetime.fromisoformat(each.pop("processed_timestamp")) for each in (fast, before)]
    assert moments == [RECORD.processed_timestamp] * 2
    assert fast == before
    assert runner.json.loads(runner.json.dumps({"a": datetime(2026, 1, 1, tzinfo=UTC)}, cls=EnhancedJSONEncoder))


def test_moose_still_has_what_is_changed() -> None:
    source = (Path(moose_lib.__file__).parent / "streaming" / f"{RUNNER}.py").read_text()
    assert re.search(r'log\(\s*f"Message partition=', source)
    assert re.search(r'cli_log\(\s*CliLogData\(\s*action="Received"', source)
    assert re.search(r"json\.dumps\(\s*item, cls=EnhancedJSONEncoder", source)


# --- on librdkafka: a broker of its own, made for tests


@pytest.fixture
def broker() -> Iterator[str]:
    holder = confluent_kafka.Producer({"test.mock.num.brokers": 1, "log_level": 0})
    (told,) = holder.list_topics(timeout=10).brokers.values()
    yield f"{told.host}:{told.port}"
    holder.flush()


@pytest.fixture
def producer(broker: str) -> Iterator[RunnerProducer]:
    made = RunnerProducer(broker=broker, sasl_username=None, max_request_size=1_048_576)
    yield made
    made.close()


def consumer_of(broker: str) -> RunnerConsumer:
    made = RunnerConsumer(
        broker=broker,
        client_id="test",
        group_id="flow-a-b",
        value_deserializer=lambda message: json.loads(message.decode("utf-8")),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    made.subscribe(["a"])
    return made


def read(consumer: Any, count: int) -> list[Any]:
    got: list[Any] = []

    def enough() -> bool:
        if messages := [message for messages in consumer.poll(timeout_ms=100).values() for message in messages]:
            got.extend(messages)
            consumer.commit()
        return len(got) >= count

    wait_for(enough, f"{count} messages", 30)
    return got


def test_messages_come_in_order_and_are_committed(broker: str, producer: RunnerProducer) -> None:
    sent = [json.dumps({"number": number}) for number in range(2500)]
    sent[7] = "not JSON {"
    for text in sent:
        producer.send("a", text.encode())
    producer.flush()
    first = consumer_of(broker)
    got = read(first, 2500)
    by_partition: dict[int, list[Any]] = {}
    for message in got:
        by_partition.setdefault(message.partition, []).append(message)
    for messages in by_partition.values():
        assert [message.offset for message in messages] == list(range(len(messages)))
        numbers = [message.value["number"] for message in messages if isinstance(message.value, dict)]
        assert numbers == sorted(numbers)
    values = [message.value for message in got]
    assert sorted(value["number"] for value in values if isinstance(value, dict)) == [*range(7), *range(8, 2500)]
    assert [value for value in values if not isinstance(value, dict)] == ["not JSON {"]
    assert {each.topic for each in first.assignment()} == {"a"}
    # The broker made for tests lets no second member into a group, so what the next worker reads is asked for.
    asker = confluent_kafka.Consumer({"bootstrap.servers": broker, "group.id": "flow-a-b"})
    committed = asker.committed([TopicPartition("a", partition) for partition in by_partition], timeout=10)
    asker.close()
    first.close()
    assert {each.partition: each.offset for each in committed} == {at: len(all_) for at, all_ in by_partition.items()}


def test_a_batch_that_was_not_finished_ends_the_worker(broker: str, producer: RunnerProducer) -> None:
    consumer = consumer_of(broker)
    producer.send("a", b"{}").get()
    assert wait_for(lambda: consumer.poll(timeout_ms=100), "a message", 30)
    # The runner has noted what went wrong, and goes on as if nothing had.
    with pytest.raises(SystemExit, match="the next worker"):
        consumer.poll(timeout_ms=100)
    consumer.close()


def test_a_dead_letter_of_a_record_that_fills_a_message_is_shortened(broker: str, producer: RunnerProducer) -> None:
    letter = {"originalRecord": {"device_id": "x" * 1_048_500}, "errorMessage": "device_id: ..."}
    producer.send("aDeadLetterQueue", json.dumps(letter).encode()).get()
    reader = confluent_kafka.Consumer({"bootstrap.servers": broker, "group.id": "reader"})
    reader.assign([TopicPartition("aDeadLetterQueue", partition, 0) for partition in range(4)])
    message = wait_for(lambda: reader.poll(0.1), "the letter", 30)
    told = json.loads(message.value())
    assert told["errorMessage"] == letter["errorMessage"]
    assert told["originalRecord"]["shortened"].startswith('{"device_id": "xxx')
    reader.close()


def test_what_the_broker_refuses_ends_the_worker(producer: RunnerProducer) -> None:
    with pytest.raises(KafkaException):
        producer.send("a", b"x" * 2_000_000)
    producer.send("a", b"{}").get()
    producer._note(confluent_kafka.KafkaError(confluent_kafka.KafkaError._MSG_TIMED_OUT), None)
    producer.send("a", b"{}")
    # Not an Exception: the runner would note it, go on, and commit.
    with pytest.raises(SystemExit, match="refused"):
        producer.flush()


def test_all_that_the_runner_asks_of_its_clients_is_there() -> None:
    source = (Path(moose_lib.__file__).parent / "streaming" / f"{RUNNER}.py").read_text()
    for name, client in (("consumer", RunnerConsumer), ("producer", RunnerProducer)):
        asked = set(re.findall(rf"\b{name}\.(\w+)\(", source)) | set(
            re.findall(rf'kafka_refs\["{name}"\]\.(\w+)\(', source)
        )
        assert asked <= {method for method, _ in inspect.getmembers(client, inspect.isfunction)}, name
        assert asked


def test_all_that_the_runner_gives_its_clients_is_known() -> None:
    source = (Path(moose_lib.__file__).parent / "streaming" / f"{RUNNER}.py").read_text()
    calls = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("dict", "get_kafka_producer")
    ]
    given = {word.arg for call in calls for word in call.keywords if word.arg}
    assert {"broker", "group_id", "max_request_size"} <= given
    assert given - {"value_deserializer"} <= moose_runner._SETTINGS.keys()


def test_only_the_runner_has_these_clients() -> None:
    before = (moose_lib.commons.KafkaConsumer, moose_lib.commons.KafkaProducer, moose_lib.commons.get_kafka_producer)
    module = ModuleType("runner")
    thresholds = gc.get_threshold()
    try:
        use_librdkafka(module)
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
    assert module.get_kafka_producer is RunnerProducer
    assert module.get_kafka_consumer is RunnerConsumer
    # Stream.send, by which an erasure hands straps back, serialises by itself.
    commons = moose_lib.commons
    assert (commons.KafkaConsumer, commons.KafkaProducer, commons.get_kafka_producer) == before


def test_an_unknown_setting_is_an_error() -> None:
    with pytest.raises(KeyError, match="fetch_max_bytes"):
        moose_runner._librdkafka({"broker": ["a:1", "b:2"], "fetch_max_bytes": 3})
    assert moose_runner._librdkafka({"broker": ["a:1", "b:2"]}) == {"bootstrap.servers": "a:1,b:2"}
