"""A long class at speed: what stays as it is, and what grows."""

import os
import time

from chaos.fault import Outcome, fault
from chaos.load import STRAPS, running
from chaos.stack import Stack
from harness.waiting import wait_for

HOURS = float(os.environ.get("CHAOS_HOURS", "0.5"))
"""Of class. `CHAOS_HOURS=8`: a day, which takes longer than all other faults together."""

BROKER = "moose-cli"

PACE = float(os.environ.get("CHAOS_PACE", "20"))
"""Times that of life. With `CHAOS_PACE=1` messages come in batches as small as in life, which take more memory."""

KEEPING_UP = 20_000
"""Messages that may wait: a few seconds' at that pace."""

GROWTH_MB, GROWTH_SHARE = 30.0, 0.10
"""A process whose memory grows by more of this, between the first and the last third, is not flat."""

SHARED_GB = 8.0
PACKETS_PER_S = STRAPS * 4.06


def _megabytes(stack: Stack) -> dict[str, float]:
    return {name: process.memory_info().rss / 1e6 for name, process in stack.named().items()}


def _await_no_backlog(stack: Stack) -> None:
    """Wait until the workers keep up with what comes."""
    stages = {"raw_ant_hr_packet": "processed_ant_hr_packet", "processed_ant_hr_packet": "unified_hr_packet"}
    wait_for(
        lambda: all(stack.lag(f"flow-{source}-{target}", source) < KEEPING_UP for source, target in stages.items()),
        "the workers to keep up",
        300,
    )


@fault("a long class at speed")
def memory(stack: Stack) -> Outcome:
    """Memory of each process of ours, and of Moose, which holds every message for ever."""
    outcome = Outcome("every beat; no process of ours grows")
    seconds = HOURS * 3600
    with running(stack, behind_s=seconds, pace=PACE) as load:
        load.await_heard(seconds / 3)
        _await_no_backlog(stack)
        before, packets_before = _megabytes(stack), len(load.texts)
        load.await_heard(seconds * 2 / 3 - 60)
        _await_no_backlog(stack)
        after, packets = _megabytes(stack), len(load.texts) - packets_before
        began = time.monotonic()
        outcome.compare(load)
        outcome.notes.append(f"all stored {time.monotonic() - began:.1f} s after the last packet")
    for name, end in sorted(after.items()):
        start = before.get(name, end)
        growing = end - start > max(GROWTH_MB, GROWTH_SHARE * start)
        outcome.notes.append(f"{name}: {start:.0f} MB, then {end:.0f} MB")
        if name == BROKER:
            a_packet = (end - start) * 1e6 / packets
            growth = f"grows by {a_packet:.0f} MB a million packets at {PACE:.0f} times the pace"
            if PACE == 1:
                hours = (SHARED_GB * 1000 - sum(after.values())) * 1e6 / a_packet / PACKETS_PER_S / 3600
                growth += f": 8 GB beside {sum(after.values()) - end:.0f} MB of all else last for {hours:.0f} h"
            outcome.notes.append(f"Moose CLI, with the broker in it, {growth}")
        elif growing:
            outcome.broken.append(f"{name} grew from {start:.0f} to {end:.0f} MB")
    return outcome
