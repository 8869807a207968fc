"""People with straps whose every heartbeat is known: what is sent, and what must be in the tables after it."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import pairwise
from random import Random
from typing import Self

from app.heartrate.beat_tracker import Beat as TrackedBeat
from app.heartrate.beat_tracker import BeatTracker
from app.heartrate.profile import TICKS_PER_SECOND
from scripts.delivery.records import Clockface, Record, assignment, raw_records
from scripts.generate_data import heart
from scripts.generate_data.group import MODELS
from scripts.generate_data.strap import Beat, Strap, Transmission, felt, transmissions

SECOND_US = 1_000_000
SLOT_US = 260_000
"""A beat is heard at most one radio slot after it."""

DRIFT_US = 10_000
"""How far a strap's crystal runs away while its clock is compared with ours: two minutes."""

EQUAL_S = 0.001
FIRST_STRAP = 100_000


@dataclass(frozen=True, slots=True)
class Expected:
    """A heartbeat that must be stored."""

    at_s: float
    heart_rate: int | None
    rr_ms: float | None

    @classmethod
    def of(cls, beat: TrackedBeat) -> Self:
        """As a tracker tells it."""
        rr_ms = None if beat.rr_ticks is None else beat.rr_ticks * 1000 / TICKS_PER_SECOND
        return cls(beat.time_us / SECOND_US, beat.heart_rate, rr_ms)


@dataclass(slots=True)
class Comparison:
    """The tables beside what was sent."""

    expected: int = 0
    lost: int = 0
    doubled: int = 0
    """Rows that are nobody's heartbeat."""
    wrong: int = 0
    """Heartbeats with another RR interval, heart rate or wearer."""

    @property
    def differences(self) -> int:
        """How many heartbeats are not as they must be."""
        return self.lost + self.doubled + self.wrong


def told(packets: Iterable[tuple[bytes, int]]) -> list[TrackedBeat]:
    """The beats that an undisturbed tracker makes of a strap's packets (payload, µs since 1970), as told last."""
    tracker = BeatTracker()
    newest = {
        (beat.epoch, beat.beat_count): beat for payload, at_us in packets for beat in tracker.push(payload, at_us)
    }
    return [newest[identity] for identity in sorted(newest)]


class Person:
    """Somebody with a strap; remembers what was sent of them."""

    def __init__(self, number: int, start_us: int) -> None:
        random = Random(f"chaos/{number}")
        (who,) = heart.people(1, Random(number), Random(f"{number}/private"))
        self.user_id = number + 1
        self.name = f"{who.name} {number}"
        self.strap = Strap(
            device_number=FIRST_STRAP + number,
            model=MODELS[number % len(MODELS)],
            phase_us=random.randrange(246_000),
            drift_ppm=random.gauss(0, 15),
            first_ticks=random.randrange(65_536),
            first_count=random.randrange(256),
        )
        self._felt: list[Beat] = []
        self._on_air: list[Transmission] = []
        self.sent = 0
        """How many packets of it were sent."""
        moments = (start_us + round(at * SECOND_US) for at in heart.beats(who, random))
        self._air = transmissions(self.strap, self._noted(felt(moments, random, 0.0)))
        self.assignment = assignment(self.device_id, self.user_id, self.name, start_us)

    @property
    def device_id(self) -> str:
        """As the contract writes it."""
        return str(self.strap.device_number)

    def records(self, clockface: Clockface) -> Iterator[Record]:
        """What a receiver makes of the strap's packets. Count in `sent` those that are sent."""
        return raw_records(self.device_id, "chaos-1", self._sending(), clockface)

    def expected(self) -> list[Expected]:
        """The heartbeats that the sent packets tell.

        What an undisturbed tracker makes of them, checked here against the heart that beat: each beat, each interval.
        """
        heard = self._on_air[: self.sent]
        beats = told((sent.payload, sent.at_us) for sent in heard)
        if not beats:
            return []
        true = [beat for beat in self._felt if beat.at_us <= heard[-1].at_us]
        ticks = self._ticks(true)
        # The first beat comes without heart rate and interval, so it shows no person and is not told.
        true, intervals = true[1:], [after - before for before, after in pairwise(ticks)]
        assert len(beats) == len(true), f"strap {self.device_id}: {len(beats)} beats told of {len(true)}"
        for beat, heartbeat, interval in zip(beats, true, intervals, strict=True):
            assert (beat.rr_ticks, beat.heart_rate) == (interval, heartbeat.heart_rate), f"strap {self.device_id}"
            assert -DRIFT_US <= beat.time_us - heartbeat.at_us <= SLOT_US, f"strap {self.device_id}"
        return [Expected.of(beat) for beat in beats]

    def _noted(self, beats: Iterator[Beat]) -> Iterator[Beat]:
        for beat in beats:
            self._felt.append(beat)
            yield beat

    def _sending(self) -> Iterator[Transmission]:
        for sent in self._air:
            self._on_air.append(sent)
            yield sent

    def _ticks(self, beats: list[Beat]) -> list[int]:
        pace = TICKS_PER_SECOND * (1 + self.strap.drift_ppm / 1_000_000) / SECOND_US
        return [self.strap.first_ticks + int((beat.at_us - beats[0].at_us) * pace) for beat in beats]


class Group:
    """Some people whose straps nobody has used before, from `start_us` (µs since 1970 UTC) on."""

    _used = 0

    def __init__(self, count: int, start_us: int) -> None:
        self.people = [Person(Group._used + number, start_us) for number in range(count)]
        Group._used += count
        self.start_us = start_us

    def records(self) -> Iterator[Record]:
        """What is to be sent, by time, for ever; each counts as sent when it is taken."""
        clockface = Clockface()
        for record, person in merge(
            *(_of(person, clockface) for person in self.people), key=lambda each: each[0].at_us
        ):
            person.sent += 1
            yield record

    def compare(self, rows: Iterable[tuple[str, float, int | None, float | None, int]]) -> Comparison:
        """The stored beats (strap, moment, heart rate, interval, wearer) beside those that must be there."""
        stored: dict[str, list[tuple[float, int | None, float | None, int]]] = defaultdict(list)
        for device, at_s, heart_rate, rr_ms, user_id in sorted(rows, key=lambda row: (row[0], row[1])):
            stored[device].append((at_s, heart_rate, rr_ms, user_id))
        result = Comparison()
        for person in self.people:
            _compare_person(person, stored[person.device_id], result)
        return result


def _of(person: Person, clockface: Clockface) -> Iterator[tuple[Record, Person]]:
    return ((record, person) for record in person.records(clockface))


def _compare_person(
    person: Person, rows: list[tuple[float, int | None, float | None, int]], result: Comparison
) -> None:
    taken: set[int] = set()
    for beat in person.expected():
        result.expected += 1
        place = bisect_left(rows, beat.at_s - EQUAL_S, key=lambda row: row[0])
        if place == len(rows) or rows[place][0] > beat.at_s + EQUAL_S:
            result.lost += 1
            continue
        taken.add(place)
        result.wrong += rows[place][1:] != (beat.heart_rate, beat.rr_ms, person.user_id)
    result.doubled += len(rows) - len(taken)
