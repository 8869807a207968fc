"""The air between straps and a receiver: packets get lost, in bursts more than alone (Gilbert 1960, Elliott 1963)."""

from dataclasses import dataclass
from random import Random

MEAN_BURST_PACKETS = 4.0
LOSS_IN_BURST = 0.85


@dataclass(slots=True)
class Air:
    """What all radios together heard of what was sent."""

    sent: int = 0
    lost: int = 0

    @property
    def loss(self) -> float:
        """Share of the packets that was lost, 0 to 1."""
        return self.lost / self.sent if self.sent else 0.0


class Radio:
    """Decides for each packet of one strap, in order, whether it is heard.

    Args:
        loss: Share of the packets that is lost on average, 0 to 1.
        bursts: Lose them in bursts; else independently.
        random: Where chance comes from.
        air: Where it counts what it hears and what not.
        away_per_hour: How often the strap leaves the receiver's range, for 10 s on average.
    """

    def __init__(
        self, loss: float, random: Random, air: Air, *, bursts: bool = True, away_per_hour: float = 0.0
    ) -> None:
        self._loss = loss
        self._air = air
        self._random = random
        self._bursts = bursts and 0 < loss < LOSS_IN_BURST
        self._bad = False
        # In the bad state `LOSS_IN_BURST` of the packets are lost, in the good state none.
        share_bad = loss / LOSS_IN_BURST
        self._leave_bad = 1 / MEAN_BURST_PACKETS
        self._enter_bad = self._leave_bad * share_bad / (1 - share_bad) if self._bursts else 0.0
        self._away_per_us = away_per_hour / 3600 / 1_000_000
        self._away_until_us = 0
        self._last_us: int | None = None

    def hears(self, at_us: int) -> bool:
        """Whether a packet sent at this moment (µs) is heard."""
        heard = self._hears(at_us)
        self._air.sent += 1
        self._air.lost += not heard
        return heard

    def _hears(self, at_us: int) -> bool:
        if self._away_per_us:
            passed, self._last_us = at_us - (self._last_us or at_us), at_us
            if at_us > self._away_until_us and self._random.random() < self._away_per_us * passed:
                self._away_until_us = at_us + round(self._random.expovariate(1 / 10) * 1_000_000)
            if at_us <= self._away_until_us:
                return False
        if not self._bursts:
            return self._random.random() >= self._loss
        if self._random.random() < (self._leave_bad if self._bad else self._enter_bad):
            self._bad = not self._bad
        return not (self._bad and self._random.random() < LOSS_IN_BURST)
