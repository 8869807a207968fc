"""All that is emulated in one run: a stick with its class, Bluetooth straps, and the faults by plan."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from bleak.backends.client import BaseBleakClient
from bleak.backends.scanner import BaseBleakScanner

from scripts.generate_data.heart import Person
from scripts.ingest_foo.clock import offset_ns, steady_ns
from scripts.ingest_foo.emulator.air import CLOCK_STEP, EmulatedClass, Fault
from scripts.ingest_foo.emulator.bluetooth import EmulatedBluetoothStrap, backends, emulated_straps
from scripts.ingest_foo.emulator.stick import EmulatedStick
from scripts.ingest_foo.emulator.usb_backend import EmulatedUsb

_REGISTERED_BEFORE_US = 60_000_000


class World:
    """What `ingest-foo --emulate` hears. Raises `ValueError` for a fault that is none.

    Args:
        people: How many wear ANT+ straps.
        bluetooth_people: How many wear Bluetooth straps.
        loss: Share of the packets that the radio loses.
        faults: Texts, "kind:at:seconds".
        log: Where to write what the stick has given to the host, and the Bluetooth straps to bleak.
        seed: Which people.
    """

    def __init__(
        self, people: int, bluetooth_people: int, *, loss: float, faults: list[str], log: Path | None, seed: int
    ) -> None:
        planned = [Fault.parse(text) for text in faults]
        self._log: IO[str] | None = None if log is None else log.open("a", buffering=1)
        self._began_ns = steady_ns()
        self._utc_ahead_ns = offset_ns(time.time_ns, steady_ns)
        self._steps = [fault for fault in planned if fault.kind == CLOCK_STEP]
        self._bluetooth: list[EmulatedBluetoothStrap] = emulated_straps(
            bluetooth_people, seed, self._note_value, after=people
        )
        self.bluetooth: tuple[type[BaseBleakScanner] | None, type[BaseBleakClient] | None] = backends(self._bluetooth)
        """bleak's backends."""
        self.usb: EmulatedUsb | None = None
        """The USB, where somebody wears an ANT+ strap."""
        self._class: EmulatedClass | None = None
        if people:
            stick = EmulatedStick(on_sent=self._note_sent)
            self.usb = EmulatedUsb(stick)
            self._class = EmulatedClass(
                stick, people, seed=seed, start_us=time.time_ns() // 1000, loss=loss, faults=planned
            )

    @property
    def has_bluetooth(self) -> bool:
        """Somebody wears a Bluetooth strap."""
        return bool(self._bluetooth)

    def wall_ns(self) -> int:
        """The system's clock, with the steps that are planned for it."""
        elapsed_s = (steady_ns() - self._began_ns) / 1e9
        return time.time_ns() + sum(round(step.seconds * 1e9) for step in self._steps if elapsed_s >= step.at_s)

    def synchronised(self) -> bool:
        """Whether the system's clock is known to be right: in this world it is, until a step is played."""
        return True

    @property
    def registered_from_us(self) -> int:
        """From when on its people wear their straps: before the first heartbeat. UTC, µs since 1970."""
        return self._utc_us(self._began_ns) - _REGISTERED_BEFORE_US

    def wearers(self) -> Iterator[tuple[str, Person]]:
        """Who wears which strap."""
        if self._class is not None:
            for member in self._class.members:
                yield str(member.strap.device_number), member.person
        for strap in self._bluetooth:
            yield strap.address, strap.person

    def start(self) -> None:
        """Begin."""
        if self._class is not None:
            self._class.start()

    def stop(self) -> None:
        """End."""
        if self._class is not None:
            self._class.stop()
        if self._log is not None:
            self._log.flush()

    def _note_sent(self, device_number: int, payload: bytes, at_ns: int) -> None:
        if self._log is not None:
            self._log.write(
                json.dumps({"device_id": str(device_number), "payload": payload.hex(), "at_us": self._utc_us(at_ns)})
                + "\n"
            )

    def _note_value(self, address: str, value: bytes) -> None:
        if self._log is not None:
            self._log.write(
                json.dumps({"device_id": address, "payload": value.hex(), "at_us": self._utc_us(steady_ns())}) + "\n"
            )

    def _utc_us(self, at_ns: int) -> int:
        """True time, whatever the system's clock was set to."""
        return (at_ns + self._utc_ahead_ns) // 1000
