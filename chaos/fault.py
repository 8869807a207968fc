"""What a fault is, what came of it, and all that there are."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from chaos.load import Load, running
from chaos.stack import Stack
from harness.waiting import wait_for

BEFORE_S, AFTER_S = 8.0, 8.0
"""How long the load is heard before a fault, and after the recovery from it."""

RECOVERY_GOAL_S = 15.0
RECOVERY_TIMEOUT_S = 120.0


@dataclass(slots=True)
class Outcome:
    """What came of a fault."""

    checked: str
    expected: int = 0
    """Heartbeats that the straps told."""
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    recovered_s: float | None = None
    """None: nothing was away."""
    broken: list[str] = field(default_factory=list)
    """Further promises that were broken."""
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """All promises were kept."""
        recovered = self.recovered_s is None or self.recovered_s < RECOVERY_GOAL_S
        return recovered and not (self.lost or self.doubled or self.wrong or self.broken)

    def as_json(self) -> dict[str, Any]:
        """To keep it."""
        return {**asdict(self), "ok": self.ok}

    def compare(self, load: Load) -> None:
        """Wait until all is stored, and hold it beside the truth."""
        load.finish()
        found = load.compare()
        self.expected += found.expected
        self.lost += found.lost
        self.doubled += found.doubled
        self.wrong += found.wrong
        if load.rejected:
            self.broken.append(f"{len(load.rejected)} good packets were refused: {load.rejected[0][:200]}")


Run = Callable[[Stack], Outcome]
FAULTS: dict[str, Run] = {}
"""By name, in the order in which they are run."""


def fault(name: str) -> Callable[[Run], Run]:
    """Register a fault under its name."""

    def register(run: Run) -> Run:
        FAULTS[name] = run
        return run

    return register


def disturbed(
    stack: Stack,
    outcome: Outcome,
    disturb: Callable[[Load], float],
    *,
    shows: Callable[[Load, float], bool] | None = None,
    copies: int = 1,
) -> Outcome:
    """The load before, during and after a fault; what came of it goes into `outcome`, which is returned.

    `disturb` does it, and returns since when (Unix) recovery counts. `shows` tells that a beat newer than that is to be
    seen; by itself the API is asked.
    """
    with running(stack, copies=copies) as load:
        wait_for(load.newest_beat, "the first beat to be seen", 60)
        load.await_heard(BEFORE_S)
        since = disturb(load)
        began = time.monotonic() - (time.time() - since)
        seen = shows or (lambda load, since: load.newest_beat() > since)

        def recovered() -> bool:
            ended_after = time.monotonic() - began
            ready_after = stack.restart_if_ended()
            if ready_after is not None:
                outcome.notes.append(
                    f"the stack ended after {ended_after:.1f} s and was started again, as a service manager does; "
                    f"ready {ready_after:.1f} s later"
                )
            return seen(load, since)

        wait_for(recovered, "a new beat to be seen", RECOVERY_TIMEOUT_S, every_s=0.05)
        outcome.recovered_s = time.monotonic() - began
        load.await_heard(AFTER_S)
        outcome.compare(load)
    return outcome
