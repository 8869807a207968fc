"""Synthetic people with believable hearts.

Heart rate follows the demand of a workout with on- and off-kinetics (faster in the fit); RR intervals breathe
(respiratory sinus arrhythmia, strong at rest, gone near the maximum) and carry slow noise.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

FIRST_NAMES = (
    "Ada", "Bram", "Chidi", "Dilnoza", "Emeka", "Freya", "Goran", "Hana", "Imani", "Jonas", "Kaito", "Leila", "Mateo",
    "Nadia", "Omar", "Priya", "Quinn", "Rosa", "Sanjay", "Tove", "Uma", "Viktor", "Wanjiru", "Xin", "Yusuf", "Zofia",
)  # fmt: skip
LAST_INITIALS = "ABCDEFGHIJKLMNOPRSTVWZ"

WORKOUT = (
    (60.0, 0.08), (150.0, 0.45), (90.0, 0.85), (60.0, 0.5), (90.0, 0.9), (60.0, 0.5), (90.0, 0.93), (60.0, 0.5),
    (90.0, 0.95), (180.0, 0.25), (90.0, 0.1),
)  # fmt: skip
"""Rest, warm-up, four intervals, recovery: seconds, and demand as a fraction of heart-rate reserve."""

TICK_S = 1 / 1024


@dataclass(frozen=True, slots=True)
class Person:
    """A synthetic person."""

    user_id: int
    name: str
    fitness: float
    """0 (untrained) to 1 (athlete)."""
    hr_rest: float
    hr_max: float


def people(count: int, random: Random) -> list[Person]:
    """So many people with distinct names and user_ids from 1."""
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
        group.append(
            Person(
                user_id=number,
                name=name,
                fitness=fitness,
                hr_rest=random.gauss(76 - 26 * fitness, 3),
                # Tanaka 2001: 208 - 0.7 age, and people differ from it by about 7 bpm.
                hr_max=208 - 0.7 * age + random.gauss(0, 6),
            )
        )
    return group


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
