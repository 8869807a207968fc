"""The desk over a broker that forgets."""

import json
from collections.abc import Callable, Iterable

import pytest

from scripts.operate.broker import Place
from scripts.operate.decisions import State
from scripts.operate.desk import Desk, Outcome
from scripts.operate.settings import load

ONE, OTHER, DECISIONS = "oneDeadLetterQueue", "otherDeadLetterQueue", "dead_letter_decision"


class Message:
    """As the client hands it out."""

    def __init__(self, place: Place, offset: int, value: bytes) -> None:
        self._place, self._offset, self._value = place, offset, value

    def topic(self) -> str:
        return self._place.topic

    def partition(self) -> int:
        return self._place.partition

    def offset(self) -> int:
        return self._offset

    def value(self) -> bytes:
        return self._value

    def timestamp(self) -> tuple[int, int]:
        return 1, 0


class Topics(dict[str, list[bytes]]):
    """A broker that is nothing but its topics."""

    def places(self) -> dict[str, list[Place]]:
        return {name: [Place(name, 0)] for name in self}

    def begins(self, places: Iterable[Place]) -> dict[Place, int]:
        return dict.fromkeys(places, 0)

    def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        return {place: len(self[place.topic]) for place in places}

    def read(self, spans: dict[Place, tuple[int, int]], take: Callable[[Message], None]) -> None:
        for place, (begin, end) in spans.items():
            for offset in range(begin, end):
                take(Message(place, offset, self[place.topic][offset]))

    def put(self, topic: str, records: Iterable[dict[str, object]]) -> None:
        self[topic] += [json.dumps(record).encode() for record in records]


def letter(number: int) -> bytes:
    return json.dumps({"originalRecord": {"n": number}, "errorMessage": "why"}).encode()


@pytest.fixture
def topics() -> Topics:
    return Topics({ONE: [letter(1), letter(2)], OTHER: [letter(3)], DECISIONS: [], "raw_ant_hr_packet": []})


def desk(topics: Topics, url: str = "http://127.0.0.1:1") -> Desk:
    return Desk(load(url=url, environment={}), topics)  # type: ignore[arg-type]


def test_letters_of_a_queue_that_has_vanished_are_forgotten(topics: Topics) -> None:
    it = desk(topics)
    it.read()
    assert {queue: counts.open for queue, counts in it.counts().items()} == {ONE: 2, OTHER: 1}
    del topics[ONE]
    it.read()
    assert {queue: counts.open for queue, counts in it.counts().items()} == {OTHER: 1}
    topics[ONE] = [letter(4)]
    it.read()
    assert {queue: counts.open for queue, counts in it.counts().items()} == {ONE: 1, OTHER: 1}


def test_decisions_that_have_vanished_are_forgotten(topics: Topics) -> None:
    it = desk(topics)
    it.read()
    assert len(it.drop(it.choose(OTHER, None, (State.OPEN,)), "old")) == 1
    del topics[DECISIONS]
    it.read()
    assert it.counts()[OTHER].open == 1


def test_a_password_in_the_address_is_kept_nowhere(topics: Topics) -> None:
    topics["raw_ant_hr_packetDeadLetterQueue"] = [letter(5)]
    it = desk(topics, "http://ada:secret@127.0.0.1:1")
    it.read()
    (result,) = it.retry(it.choose("raw_ant_hr_packetDeadLetterQueue", None, (State.OPEN,)))
    assert result.outcome is Outcome.AWAY
    assert result.why.startswith("Moose at http://127.0.0.1:1 does not answer")
    assert len(topics[DECISIONS]) == 2
    assert b"secret" not in b"".join(topics[DECISIONS])
