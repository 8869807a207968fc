"""kill -9 of each process in turn."""

import signal
import time
from contextlib import closing
from functools import partial

from chaos.fault import Outcome, disturbed, fault
from chaos.load import Load
from chaos.poison import letters
from chaos.stack import Stack
from harness.live import Screen

WORKERS = {
    "raw_to_processed": "function raw_ant_hr_packet",
    "processed_to_unified": "function processed_ant_hr_packet",
}
PARTS = {"the APIs": "APIs", "Moose CLI, with the broker in it": "moose-cli", "ClickHouse": "ClickHouse"}
BESIDE = {
    "bluetooth_to_unified": "bluetooth_hr_packet",
    "check_strap_assignment": "strap_assignment",
    "check_person_profile": "person_profile",
    "check_training_session": "training_session",
    "erase_person": "erasure_request",
}
"""Functions that no beat of the load passes, and what they read."""


def _kill(stack: Stack, part: str, load: Load, *, by: signal.Signals = signal.SIGKILL) -> float:
    del load
    process = stack.part(part)
    since = time.time()
    process.send_signal(by)
    return since


def _killed(name: str, part: str) -> None:
    @fault(f"kill -9 of {name}")
    def run(stack: Stack) -> Outcome:
        return disturbed(
            stack, Outcome("every beat; a new one in getLatestUserHeartRates"), partial(_kill, stack, part)
        )


def _killed_beside(name: str, stream: str) -> None:
    @fault(f"kill -9 of {name}")
    def run(stack: Stack) -> Outcome:
        before = letters(stack, stream)

        def kill(load: Load) -> float:
            since = _kill(stack, f"function {stream}", load)
            stack.produce(stream, [b"{}"])
            return since

        def works(load: Load, since: float) -> bool:
            del load, since
            return letters(stack, stream) > before

        return disturbed(stack, Outcome("every beat; a record that comes meanwhile is taken"), kill, shows=works)


for _name, _part in {**WORKERS, **PARTS}.items():
    _killed(_name, _part)
for _name, _stream in BESIDE.items():
    _killed_beside(_name, _stream)


@fault("SIGTERM of ClickHouse")
def clickhouse_asked(stack: Stack) -> Outcome:
    """As somebody who stops the wrong service."""
    return disturbed(
        stack,
        Outcome("every beat; a new one in getLatestUserHeartRates"),
        partial(_kill, stack, "ClickHouse", by=signal.SIGTERM),
    )


@fault("kill -9 of the wall")
def wall(stack: Stack) -> Outcome:
    """The wall's server comes back by itself, and so do its screens."""

    def on_the_wall(load: Load, since: float) -> bool:
        del load
        with closing(Screen(stack.live_url)) as screen:
            screen.start()
            screen.join(0.3)
            return bool(screen.is_alive() and screen.values) and time.time() > since

    return disturbed(
        stack, Outcome("every beat; a screen is served again"), partial(_kill, stack, "wall"), shows=on_the_wall
    )


@fault("kill -9 of the launcher")
def launcher(stack: Stack) -> Outcome:
    """What it leaves behind is ended by the next one."""

    def kill(load: Load) -> float:
        del load
        since = time.time()
        stack.kill_launcher()
        stack.start()
        return since

    return disturbed(stack, Outcome("every beat; the next launcher ends what was left"), kill)
