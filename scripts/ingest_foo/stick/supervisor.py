"""Keeps every stick listening: those that are plugged in, plugged in later, and those that fail and come back."""

import contextlib
import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import usb.core
from usb.backend import IBackend

from scripts.ingest_foo.clock import ReceiverClock
from scripts.ingest_foo.stick.errors import StickError, Trouble
from scripts.ingest_foo.stick.receiver import Packet, Receiver
from scripts.ingest_foo.stick.usb_stick import UsbStick, sticks, unsupported

LOOK_EVERY_S = 0.5
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 3.0
_LOOKING_FAILS = (usb.core.USBError, NotImplementedError, ValueError)


@dataclass(slots=True)
class StickState:
    """How a stick is, for people and for the health file."""

    name: str
    receiver_id: str
    listening: bool = False
    line: str = ""
    skipped_bytes: int = 0
    reopened: int = 0


class Supervisor:
    """Looks for sticks and listens to each on a thread of its own, until `stop`.

    Args:
        backend: The USB.
        clock: Where the packets' times come from.
        on_packet: Takes each packet.
        say: Takes one line a change, for people.
        serials: Only sticks with these serial numbers; none: all.
        receiver_id: What packets name as their receiver; None: "usb-" and the stick's serial number.
        patient: A stick may come later; else what is wrong at first is left to `failed_at_start`.
    """

    def __init__(
        self,
        backend: IBackend,
        clock: ReceiverClock,
        on_packet: Callable[[Packet], None],
        say: Callable[[str], None],
        *,
        serials: Iterable[str] = (),
        receiver_id: str | None = None,
        patient: bool = True,
    ) -> None:
        self._backend = backend
        self._clock = clock
        self._on_packet = on_packet
        self._say = say
        self._serials = tuple(serials)
        self._receiver_id = receiver_id
        self._patient = patient
        self._stopping = threading.Event()
        self._workers: dict[tuple[int, int], threading.Thread] = {}
        self._states: dict[tuple[int, int], StickState] = {}
        self._thread = threading.Thread(target=self._run, name="sticks", daemon=True)
        self._first_error: StickError | None = None
        self._ever_listened = False
        self._undecided: set[tuple[int, int]] = set()
        """Sticks whose first try has not ended yet."""

    @property
    def failed_at_start(self) -> StickError | None:
        """Why no stick could be used at first; None: one could, or it is not known yet."""
        return None if self._ever_listened or self._undecided else self._first_error

    @property
    def states(self) -> list[StickState]:
        """The sticks that are plugged in."""
        return list(self._states.values())

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and let go of all sticks."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        missing = False
        while not self._stopping.is_set():
            for key in [key for key, worker in self._workers.items() if not worker.is_alive()]:
                del self._workers[key], self._states[key]
            present = self._look()
            if not present and not self._workers and not missing:
                self._note_missing()
            missing = not present
            new = [stick for stick in present if stick.key not in self._workers]
            self._undecided |= {stick.key for stick in new}
            for stick in new:
                self._states[stick.key] = StickState(stick.name, self._id_for(stick, present))
                worker = threading.Thread(target=self._keep, args=(stick,), name=stick.name, daemon=True)
                self._workers[stick.key] = worker
                worker.start()
            self._stopping.wait(LOOK_EVERY_S)
        for worker in self._workers.values():
            worker.join()

    def _look(self) -> list[UsbStick]:
        try:
            return sticks(self._backend, self._serials)
        except _LOOKING_FAILS:
            return []  # plugged out while it was looked at: the next look tells

    def _note_missing(self) -> None:
        which = f" with serial number {' or '.join(self._serials)}" if self._serials else ""
        hint = ""
        with contextlib.suppress(*_LOOKING_FAILS):
            hint = "".join(f" ({name} is plugged in, and cannot be used)" for name in unsupported(self._backend))
        error = StickError(Trouble.MISSING, f"no ANT+ stick{which} found{hint}; plug one in")
        self._fail_first(error)
        if self._patient or self._ever_listened:
            self._say(str(error))

    def _id_for(self, stick: UsbStick, present: list[UsbStick]) -> str:
        chosen = f"usb-{stick.serial or stick.port}" if self._receiver_id is None else self._receiver_id
        # A stick that came back under another address is the same one, though its worker may not have ended yet.
        others = [self._states[other.key] for other in present if other.key in self._states]
        return f"{chosen}-{stick.port}" if any(state.receiver_id == chosen for state in others) else chosen

    def _keep(self, stick: UsbStick) -> None:
        """Listen to a stick until it is unplugged; reopen it whenever it fails."""
        state = self._states[stick.key]
        pause_s = 0.0
        while not self._stopping.is_set():
            try:
                receiver = Receiver(stick, state.receiver_id, self._clock, self._on_packet)
                try:
                    self._ever_listened = state.listening = True
                    self._undecided.discard(stick.key)
                    self._tell(state, f"{stick.name} listens {receiver.how}")
                    pause_s = 0.0
                    receiver.listen(self._stopping)
                finally:
                    state.listening = False
                    state.skipped_bytes += receiver.skipped_bytes
                    receiver.close()
            except Exception as caught:  # noqa: BLE001 (whatever goes wrong, the stick is opened again)
                error = _as_stick_error(stick, caught)
                self._fail_first(error)
                self._undecided.discard(stick.key)
                self._tell(state, str(error))
                if error.trouble is Trouble.UNPLUGGED:
                    return
                state.reopened += 1
                self._stopping.wait(pause_s * random.uniform(0.7, 1.0))  # noqa: S311 (spreads retries)
                pause_s = min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, pause_s * 2))
                if error.trouble is Trouble.SILENT:
                    self._reset(stick)

    def _reset(self, stick: UsbStick) -> None:
        """A stick that does not answer is reset over USB. It may come back under another address."""
        try:
            stick.device.reset()
        except (usb.core.USBError, NotImplementedError):
            return  # the next try to open it tells

    def _fail_first(self, error: StickError) -> None:
        if self._first_error is None:
            self._first_error = error

    def _tell(self, state: StickState, line: str) -> None:
        # Until it is decided whether there is any stick to use, what is wrong is left to `failed_at_start`.
        if line != state.line and (self._patient or self._ever_listened):
            state.line = line
            self._say(line)


def _as_stick_error(stick: UsbStick, error: Exception) -> StickError:
    if isinstance(error, StickError):
        return error
    return StickError(Trouble.USB, f"{stick.name}: {type(error).__name__}: {error}")
