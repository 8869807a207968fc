"""Parts that hang for a minute."""

import signal
import threading
import time

from chaos.fault import Outcome, disturbed, fault
from chaos.load import Load
from chaos.stack import Stack

FROZEN_S = 60.0


def _frozen(stack: Stack, part: str, load: Load) -> float:
    process = stack.part(part)
    process.send_signal(signal.SIGSTOP)
    woken = threading.Timer(FROZEN_S, process.send_signal, [signal.SIGCONT])
    woken.start()
    try:
        load.await_heard(FROZEN_S)
    finally:
        woken.join()
    return time.time()


@fault("ClickHouse frozen for 60 s")
def clickhouse(stack: Stack) -> Outcome:
    """SIGSTOP: it takes connections and answers nothing."""
    return disturbed(stack, "every beat; nothing else ends", lambda load: _frozen(stack, "ClickHouse", load))


@fault("Moose CLI, with the broker in it, frozen for 20 s")
def broker(stack: Stack) -> Outcome:
    """As a machine that swaps."""

    def freeze(load: Load) -> float:
        process = stack.part("moose-cli")
        process.send_signal(signal.SIGSTOP)
        try:
            load.await_heard(20)
        finally:
            process.send_signal(signal.SIGCONT)
        return time.time()

    return disturbed(stack, "every beat", freeze)
