"""What asks the programs to end."""

import signal
import threading

import pytest

from scripts.signals import set_on_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_sets_the_event_and_handlers_come_back(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_DFL)
    try:
        stopping = threading.Event()
        with set_on_signals(stopping):
            signal.raise_signal(number)
            signal.raise_signal(number)
        assert stopping.is_set()
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_nohup_is_left_alone() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stopping = threading.Event()
        with set_on_signals(stopping):
            signal.raise_signal(signal.SIGHUP)
            assert not stopping.is_set()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
