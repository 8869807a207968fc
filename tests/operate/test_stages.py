"""How long stages take, told by messages as they stand on the topics."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_NOT_AVAILABLE

from scripts.operate import stages as module
from scripts.operate.broker import Broker, Place
from scripts.operate.settings import load
from scripts.operate.stages import NEWEST, stages

HEARD, TOLD = "gym.processed_ant_hr_packet", "gym.unified_hr_packet"
NOW_S = 1_790_000_000.0


class Message:
    """A message of a topic."""

    def __init__(self, topic: str, value: Any, put_s: float, kind: int = TIMESTAMP_CREATE_TIME) -> None:
        self._topic = topic
        self._value = value if isinstance(value, bytes) else json.dumps(value).encode()
        self._timestamp = (kind, round(put_s * 1000))

    def topic(self) -> str:
        return self._topic

    def value(self) -> bytes:
        return self._value

    def timestamp(self) -> tuple[int, int]:
        return self._timestamp


def beat(at_s: float, received_s: float, made_s: float, told_s: float | None, **other: Any) -> list[Message]:
    """What stands on both topics of a beat; None: it is not told yet."""
    strap = {"device_id": "652", "revision": 96, **other}
    at, received = (datetime.fromtimestamp(each, UTC).isoformat() for each in (at_s, received_s))
    heard = Message(HEARD, {**strap, "beat_at": at, "received_at": received}, made_s)
    if told_s is None:
        return [heard]
    return [heard, Message(TOLD, {**strap, "hr_timestamp_seconds": at_s}, told_s)]


@pytest.fixture
def took(monkeypatch: pytest.MonkeyPatch) -> Callable[[Iterable[Message]], dict[str, dict[float, float]]]:
    monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: NOW_S))
    settings = load(broker="127.0.0.1:1", environment={"MOOSE_REDPANDA_CONFIG__NAMESPACE": "gym"})
    asked: dict[Place, tuple[int, int]] = {}

    def of(messages: Iterable[Message]) -> dict[str, dict[float, float]]:
        def read(_self: Broker, spans: dict[Place, tuple[int, int]], take: Callable[[Any], None]) -> None:
            asked.update(spans)
            for message in messages:
                take(message)

        monkeypatch.setattr(Broker, "read", read)
        ends = {Place(HEARD, 0): NEWEST + 7, Place(TOLD, 0): 3, Place("gym.other", 0): 5, Place(TOLD[4:], 0): 9}
        told = stages(settings, Broker(settings), ends)
        assert asked == {Place(HEARD, 0): (7, NEWEST + 7), Place(TOLD, 0): (0, 3)}, "the newest, of this namespace"
        return told

    return of


def test_each_stage_has_its_own_time(took: Callable[[Iterable[Message]], dict[str, dict[float, float]]]) -> None:
    messages: list[Message] = []
    for number in range(100):
        heard_s = NOW_S - 30 + number / 10
        made_s = heard_s + (number + 1) / 100
        # On the topics they stand in any order.
        messages = beat(heard_s - 0.2 + 0.000123, heard_s, made_s, made_s + 0.5) + messages[::-1]
    told = took(messages)
    assert told["received_to_processed"] == pytest.approx({0.5: 0.51, 0.95: 0.96, 0.99: 1.0}, abs=0.0015)
    assert told["processed_to_unified"] == pytest.approx({0.5: 0.5, 0.95: 0.5, 0.99: 0.5}, abs=0.0015)


def test_what_is_of_no_use_is_left_out(took: Callable[[Iterable[Message]], dict[str, dict[float, float]]]) -> None:
    assert took([]) == {}
    usual = NOW_S - 10
    assert set(took(beat(usual, usual, usual, None))) == {"received_to_processed"}, "it is not told yet"
    assert took(beat(usual, usual + 5, usual, None))["received_to_processed"][0.5] == 0, "a receiver's clock is ahead"
    for useless in (
        beat(NOW_S - 61, NOW_S - 61, NOW_S - 61, NOW_S - 61),
        beat(usual - 100, usual - 100, usual, usual),
        beat(usual + 3600, usual, usual, usual),
        [Message(HEARD, b"no JSON", usual), Message(HEARD, b"[]", usual), Message(TOLD, {"hr": 1}, usual)],
        [Message(HEARD, {"beat_at": "yesterday", "received_at": 1}, usual)],
        [Message(TOLD, {"device_id": "aa:bb", "revision": 0, "hr_timestamp_seconds": usual}, usual)],
        [Message(HEARD, beat(usual, usual, usual, None)[0].value(), usual, TIMESTAMP_NOT_AVAILABLE)],
    ):
        assert took(useless) == {}
