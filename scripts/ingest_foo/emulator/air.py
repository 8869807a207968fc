"""Synthetic people in front of an emulated stick, in real time, and what happens to them and to it."""

import heapq
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from scripts.generate_data.group import Member, members
from scripts.generate_data.radio import Air
from scripts.ingest_foo.emulator.stick import EmulatedStick

STRONGEST_DBM, WEAKEST_DBM = -48, -92


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong, by plan."""

    kind: str
    """A key of `FAULTS`."""
    at_s: float
    """How long after the start."""
    seconds: float
    """For how long, or how much."""

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """Read "kind:at:seconds". Raises `ValueError`."""
        kind, at, seconds = text.split(":")
        if kind not in (*FAULTS, CLOCK_STEP):
            raise ValueError(f"{kind!r} is none of {', '.join((*FAULTS, CLOCK_STEP))}")
        return cls(kind, float(at), float(seconds))


CLOCK_STEP = "clock"
"""The system's clock is set by so many seconds; it is no fault of the stick, so it is played elsewhere."""


def _unplug(stick: EmulatedStick, seconds: float, later: Callable[[float, Callable[[], None]], None]) -> None:
    stick.unplug()
    later(seconds, stick.plug)


def _hang(stick: EmulatedStick, seconds: float, _later: object) -> None:
    stick.hang(seconds)


def _noise(stick: EmulatedStick, seconds: float, _later: object) -> None:
    stick.say_raw(Random(int(seconds)).randbytes(int(seconds) * 100))


def _busy(stick: EmulatedStick, seconds: float, later: Callable[[float, Callable[[], None]], None]) -> None:
    stick.held_by_another = True
    stick.unplug()
    stick.plug()
    later(seconds, lambda: setattr(stick, "held_by_another", False))


FAULTS = {"unplug": _unplug, "hang": _hang, "noise": _noise, "busy": _busy}


class _Sent(NamedTuple):
    at_us: int
    number: int
    payload: bytes
    heard: bool
    rssi_dbm: int


class EmulatedClass:
    """A class of synthetic people whose straps transmit to an emulated stick, on a thread of its own.

    Args:
        stick: Who hears them.
        count: How many people.
        seed: The same seed, the same people and hearts.
        start_us: When it begins, µs since 1970 UTC.
        loss: Share of the packets that the radio loses.
        faults: What goes wrong.
        perfect: No contact slips, nobody out of range.
    """

    def __init__(
        self,
        stick: EmulatedStick,
        count: int,
        *,
        seed: int,
        start_us: int,
        loss: float,
        faults: Iterable[Fault] = (),
        perfect: bool = False,
    ) -> None:
        self._stick = stick
        self._start_us = start_us
        self.members = members(count, seed=seed, start_us=start_us, loss=loss, air=Air(), perfect=perfect)
        self._merged = heapq.merge(*(_sent(member) for member in self.members))
        self._faults = [fault for fault in faults if fault.kind != CLOCK_STEP]
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._play, name="emulated air", daemon=True)]
        self._threads += [
            threading.Thread(target=self._fail, args=(fault,), name=f"fault {fault.kind}", daemon=True)
            for fault in self._faults
        ]
        self._steady = stick.steady_ns

    def start(self) -> None:
        """Begin."""
        self._begin_ns = self._steady()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _play(self) -> None:
        for sent in self._merged:
            due_ns = self._begin_ns + (sent.at_us - self._start_us) * 1000
            wait_ns = due_ns - self._steady()
            if wait_ns > 0 and self._stopping.wait(wait_ns / 1e9):
                return
            if sent.heard:
                self._stick.transmit(sent.number, sent.payload, sent.rssi_dbm, due_ns)
            else:
                self._stick.miss(sent.number)

    def _fail(self, fault: Fault) -> None:
        if not self._stopping.wait(fault.at_s):
            FAULTS[fault.kind](self._stick, fault.seconds, self._later)

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        self._stopping.wait(seconds)
        act()


def _sent(member: Member) -> Iterator[_Sent]:
    number = member.strap.device_number
    chance = Random(number)
    mean_dbm = chance.randint(WEAKEST_DBM + 12, STRONGEST_DBM - 4)
    for at_us, payload in member.transmissions:
        rssi = max(WEAKEST_DBM, min(STRONGEST_DBM, mean_dbm + round(chance.gauss(0, 3))))
        yield _Sent(at_us, number, payload, member.radio.hears(at_us), rssi)
