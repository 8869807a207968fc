"""Synthetic people with believable hearts.

Heart rate follows the demand of a workout with on- and off-kinetics (faster in the fit); RR intervals breathe
(respiratory sinus arrhythmia, strong at rest, gone near the maximum) and carry slow noise.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from app.heartrate.effort import Sex

FIRST_NAMES = (
    "Ada", "Bram", "Chidi", "Dilnoza", "Emeka", "Freya", "Goran", "Hana", "Imani", "Jonas", "Kaito", "Leila", "Mateo",
    "Nadia", "Omar", "Priya", "Quinn", "Rosa", "Sanjay", "Tove", "Uma", "Viktor", "Wanjiru", "Xin", "Yusuf", "Zofia",
)  # fmt: skip
MENS_NAMES = frozenset((
    "Bram", "Chidi", "Emeka", "Goran", "Jonas", "Kaito", "Mateo", "Omar", "Sanjay", "Viktor", "Yusuf",
))  # fmt: skip
ANYBODYS_NAMES = frozenset(("Quinn", "Xin"))
LAST_INITIALS = "ABCDEFGHIJKLMNOPRSTVWZ"

WORKOUT = (
    (60.0, 0.08), (150.0, 0.45), (90.0, 0.85), (60.0, 0.5), (90.0, 0.9), (60.0, 0.5), (90.0, 0.93), (60.0, 0.5),
    (90.0, 0.95), (180.0, 0.25), (90.0, 0.1),
)  # fmt: skip
"""Rest, warm-up, four intervals, recovery: seconds, and demand as a fraction of heart-rate reserve."""

TICK_S = 1 / 1024

YEAR = 2026
"""When the people are as old as they are drawn: a seed means the same people in later years too."""

NAME_ONLY_EVERY = 6
"""One of so many people says nothing of themselves but a name, in a group of so many or more."""

SHARE_WITH_HR_MAX, SHARE_WITH_HR_REST = 2 / 3, 1 / 2
"""How many of those who say something have measured it."""

KG = {Sex.FEMALE: (66.0, 8.0), Sex.MALE: (80.0, 10.0)}
"""Mean and spread."""

LIGHTEST_KG, HEAVIEST_KG = 45.0, 120.0


@dataclass(frozen=True, slots=True)
class Told:
    """What a person says of themselves; None: nothing. The fields are those of a profile's record."""

    birth_year: int | None = None
    sex: Sex | None = None
    weight_kg: float | None = None
    hr_rest: int | None = None
    """Rounded, bpm."""
    hr_max: int | None = None
    """As `hr_rest`."""


@dataclass(frozen=True, slots=True)
class Person:
    """A synthetic person."""

    user_id: int
    name: str
    fitness: float
    """0 (untrained) to 1 (athlete)."""
    hr_rest: float
    hr_max: float
    birth_year: int
    sex: Sex
    weight_kg: float
    told: Told


def people(count: int, random: Random, private: Random) -> list[Person]:
    """So many people with distinct names and user_ids from 1. `random` makes the hearts, `private` all else."""
    initials = random.sample(LAST_INITIALS, len(LAST_INITIALS))
    names = [
        f"{first} {initials[(turn + place) % len(initials)]}."
        for turn in range(len(initials))
        for place, first in enumerate(FIRST_NAMES)
    ]
    chosen = [names[i % len(names)] + (f" {i // len(names) + 1}" if i >= len(names) else "") for i in range(count)]
    group = []
    for number, name in enumerate(chosen, start=1):
        fitness = random.betavariate(2.5, 2.5)
        age = random.uniform(18, 62)
        hr_rest = random.gauss(76 - 26 * fitness, 3)
        # Tanaka 2001: 208 - 0.7 age, and people differ from it by about 7 bpm.
        hr_max = 208 - 0.7 * age + random.gauss(0, 6)
        birth_year, sex = YEAR - int(age), _sex(name, private)
        weight_kg = _weight_kg(sex, fitness, private)
        # Always drawn, so that nobody's chance depends on what others say.
        knows_hr_max, knows_hr_rest = private.random() < SHARE_WITH_HR_MAX, private.random() < SHARE_WITH_HR_REST
        told = Told(
            birth_year,
            sex,
            weight_kg,
            hr_rest=round(hr_rest) if knows_hr_rest else None,
            hr_max=round(hr_max) if knows_hr_max else None,
        )
        if count >= NAME_ONLY_EVERY and number % NAME_ONLY_EVERY == 0:
            told = Told()
        group.append(Person(number, name, fitness, hr_rest, hr_max, birth_year, sex, weight_kg, told))
    return group


def _sex(name: str, private: Random) -> Sex:
    drawn, first = private.choice((Sex.FEMALE, Sex.MALE)), name.partition(" ")[0]
    if first in ANYBODYS_NAMES:
        return drawn
    return Sex.MALE if first in MENS_NAMES else Sex.FEMALE


def _weight_kg(sex: Sex, fitness: float, private: Random) -> float:
    """The fit are a little lighter."""
    mean, spread = KG[sex]
    return round(min(HEAVIEST_KG, max(LIGHTEST_KG, private.gauss(mean - 10 * (fitness - 0.5), spread))), 1)


def beats(person: Person, random: Random) -> Iterator[float]:
    """Moments of the person's heartbeats, seconds from the start, for ever."""
    reserve = person.hr_max - person.hr_rest
    rate = person.hr_rest + 0.05 * reserve
    breath_phase, slow_noise = random.uniform(0, 2 * math.pi), 0.0
    workout_s = sum(duration for duration, _ in WORKOUT)
    begin_s = random.uniform(0, 120)
    effort = random.uniform(0.88, 1.05)
    at = random.uniform(0, 0.9)
    while True:
        yield at
        demand = _demand((at + begin_s) % workout_s) * effort
        target = person.hr_rest + min(1.0, demand) * reserve
        tau_s = (40 - 18 * person.fitness) if target > rate else (65 - 30 * person.fitness)
        interval = 60 / rate
        rate += (target - rate) * (1 - math.exp(-interval / tau_s))
        intensity = min(1.0, max(0.0, (rate - person.hr_rest) / reserve))
        breath_phase += 2 * math.pi * (0.22 + 0.35 * intensity) * interval
        slow_noise = 0.92 * slow_noise + random.gauss(0, 0.006)
        calm = (1 - intensity) ** 2
        variability = (0.05 * person.fitness + 0.015) * calm * math.sin(breath_phase) + slow_noise * (0.15 + calm)
        at += min(2.0, max(0.28, interval * (1 + variability)))


def _demand(at_s: float) -> float:
    for duration, demand in WORKOUT:
        if at_s < duration:
            return demand
        at_s -= duration
    return WORKOUT[-1][1]
