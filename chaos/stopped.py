"""Parts that hang for a while."""

import signal
import time

from chaos.fault import Outcome, disturbed, fault
from chaos.load import Load
from chaos.stack import Stack


def _frozen(stack: Stack, checked: str, part: str, seconds: float) -> Outcome:
    def freeze(load: Load) -> float:
        process = stack.part(part)
        process.send_signal(signal.SIGSTOP)
        try:
            load.await_heard(seconds)
        finally:
            process.send_signal(signal.SIGCONT)
        return time.time()

    return disturbed(stack, Outcome(checked), freeze)


@fault("ClickHouse frozen for 60 s")
def clickhouse(stack: Stack) -> Outcome:
    """SIGSTOP: it takes connections and answers nothing."""
    return _frozen(stack, "every beat; nothing else ends", "ClickHouse", 60)


@fault("Moose CLI, with the broker in it, frozen for 20 s")
def broker(stack: Stack) -> Outcome:
    """As a machine that swaps."""
    return _frozen(stack, "every beat", "moose-cli", 20)
