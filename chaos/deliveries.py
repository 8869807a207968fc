"""What comes late, twice, or all at once."""

import time

from chaos.fault import AFTER_S, Outcome, disturbed, fault
from chaos.load import Load, running
from chaos.stack import Stack

HOUR_S = 3600.0
LATE_S, LATE_PACE = 120.0, 20.0
BURST_S, BURST_PACE = 300.0, 10.0


@fault("all sent twice, then all once more")
def doubled(stack: Stack) -> Outcome:
    """A sender that repeats itself."""

    def again(load: Load) -> float:
        load.send_again()
        return time.time()

    return disturbed(stack, Outcome("every beat once"), again, copies=2)


@fault("data late by an hour")
def late(stack: Stack) -> Outcome:
    """Two minutes of a class of an hour ago, among those of a class that is heard live."""
    outcome = Outcome("every beat of both classes")
    with running(stack) as live, running(stack, behind_s=HOUR_S, pace=LATE_PACE) as old:
        live.await_heard(3)
        old.await_heard(LATE_S)
        old.stop_hearing()
        since = time.time()
        live.await_heard(AFTER_S)
        live.stop_hearing()
        if live.newest_beat() < since:
            outcome.broken.append("the live class stopped being seen")
        outcome.compare(old)
        outcome.compare(live)
    return outcome


@fault("burst of 10 times the rate")
def burst(stack: Stack) -> Outcome:
    """Five minutes of a class within 30 s, as from a spool that was cut off."""
    outcome = Outcome("every beat")
    with running(stack, behind_s=BURST_S, pace=BURST_PACE) as load:
        load.await_heard(BURST_S)
        began = time.monotonic()
        outcome.compare(load)
        outcome.notes.append(f"all stored {time.monotonic() - began:.1f} s after the last packet")
    return outcome
