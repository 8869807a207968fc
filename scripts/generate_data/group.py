"""A class of synthetic people with straps, as one receiver hears it."""

import heapq
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from random import Random

from scripts.delivery.records import Clockface, Record, assignment, profile, raw_records
from scripts.generate_data import heart
from scripts.generate_data.radio import Air, Radio
from scripts.generate_data.strap import Model, Strap, Transmission, felt, transmissions

RECEIVER_ID = "synthetic-1"
MODELS = (Model.PREVIOUS_BEAT,) * 7 + (Model.DEFAULT,) * 2 + (Model.LEGACY,)
SLIPS_PER_HOUR, AWAY_PER_HOUR = 3.0, 2.0


@dataclass(frozen=True, slots=True)
class Member:
    """A person with a strap."""

    person: heart.Person
    strap: Strap
    transmissions: Iterator[Transmission]
    """All that the strap sends."""
    radio: Radio
    """Which of it a receiver hears; to be asked once for each, in order."""


@dataclass(frozen=True, slots=True)
class Group:
    """Who takes part, and what is sent of them."""

    assignments: list[str]
    """Records for strap_assignment."""
    profiles: list[str]
    """Records for person_profile."""
    records: Iterator[Record]
    """Records for raw_ant_hr_packet, by time; endless unless `seconds` is given."""
    air: Air


def synthetic_group(
    count: int,
    *,
    seed: int,
    start_us: int,
    seconds: float | None,
    loss: float,
    perfect: bool = False,
    guests: int = 0,
) -> Group:
    """A class of `count` people from `start_us` (µs since 1970 UTC) on. The same arguments give the same bytes.

    `perfect` leaves contact slips and range out; `loss` is the share of packets lost; `guests` are further people,
    whose straps nobody has registered.
    """
    clockface, air = Clockface(), Air()
    streams, assignments, profiles = [], [], []
    for member in members(count + guests, seed=seed, start_us=start_us, loss=loss, air=air, perfect=perfect):
        device_id = str(member.strap.device_number)
        heard = _heard(member)
        streams.append(_until(raw_records(device_id, RECEIVER_ID, heard, clockface), start_us, seconds))
        person = member.person
        if person.user_id <= count:
            assignments.append(assignment(device_id, person.user_id, person.name, start_us))
            profiles.append(profile(person.user_id, person.name, start_us, **asdict(person.told)))
    return Group(assignments, profiles, heapq.merge(*streams), air)


def members(count: int, *, seed: int, start_us: int, loss: float, air: Air, perfect: bool = False) -> list[Member]:
    """The people of a class, as `synthetic_group`."""
    random = Random(seed)
    people = heart.people(count, random, Random(f"{seed}/private"))
    numbers = _device_numbers(count, random)
    group = []
    for person, number in zip(people, numbers, strict=True):
        # Each strap has its own chance, so that one more strap changes nothing for the others.
        own = Random(f"{seed}/{person.user_id}")
        strap = Strap(
            device_number=number,
            model=MODELS[person.user_id % len(MODELS)],
            phase_us=own.randrange(246_000),
            drift_ppm=own.gauss(0, 15),
            first_ticks=own.randrange(65_536),
            first_count=own.randrange(256),
            battery_volts=own.uniform(2.4, 3.05),
        )
        moments = _moments(person, own, start_us)
        radio = Radio(loss, own, air, away_per_hour=0.0 if perfect else AWAY_PER_HOUR)
        sent = transmissions(strap, felt(moments, own, 0.0 if perfect else SLIPS_PER_HOUR))
        group.append(Member(person, strap, sent, radio))
    return group


def _moments(person: heart.Person, own: Random, start_us: int) -> Iterator[int]:
    return (start_us + round(at * 1_000_000) for at in heart.beats(person, own))


def _heard(member: Member) -> Iterator[Transmission]:
    return (sent for sent in member.transmissions if member.radio.hears(sent.at_us))


def _until(records: Iterator[Record], start_us: int, seconds: float | None) -> Iterator[Record]:
    for record in records:
        if seconds is not None and record.at_us >= start_us + seconds * 1_000_000:
            return
        yield record


def _device_numbers(count: int, random: Random) -> list[int]:
    """Distinct 20-bit numbers; every tenth shares its low 16 bits with the one before (field-notes.md 1)."""
    numbers: list[int] = []
    while len(numbers) < count:
        number = random.randrange(1 << 16, 1 << 20)
        if len(numbers) % 10 == 9:
            nibble, low16 = divmod(numbers[-1], 1 << 16)
            number = (nibble % 15 + 1) << 16 | low16
        if number not in numbers:
            numbers.append(number)
    return numbers
