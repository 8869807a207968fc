"""Bluetooth straps in software, as bleak's own backends: they advertise, connect, notify real 0x2A37 bytes, and go."""

import asyncio
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from bleak.args import SizedBuffer
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient, NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakDeviceNotFoundError, BleakError

from app.heartrate.ble import encode_measurement
from scripts.generate_data import heart
from scripts.ingest_foo.bluetooth import BATTERY_LEVEL_UUID, BATTERY_SERVICE_UUID, MEASUREMENT_UUID, SERVICE_UUID

ADVERTISE_EVERY_S = 0.2
NOTIFY_EVERY_S = 1.0
_MOST_INTERVALS = 9
_DEFAULT_MTU = 23
_TICKS = 1024


class EmulatedBluetoothStrap:
    """A strap on a person.

    Args:
        address: Its address.
        person: Whose heart it feels.
        random: Where chance comes from.
        on_sent: Told each value that it notifies.
    """

    def __init__(
        self, address: str, person: heart.Person, random: Random, on_sent: Callable[[bytes], None] | None = None
    ) -> None:
        self.address = address
        self.person = person
        self.present = True
        """In reach, and worn."""
        self.client: EmulatedClient | None = None
        self._on_sent = on_sent
        self._beats = heart.beats(person, random)
        self._now_s = 0.0
        self._next_s = next(self._beats)
        self._before_ticks = round(self._next_s * _TICKS)

    def second(self) -> bytes:
        """The value for the next second of its heart."""
        self._now_s += NOTIFY_EVERY_S
        intervals = []
        while self._next_s <= self._now_s:
            ticks = round(self._next_s * _TICKS)
            if ticks > self._before_ticks:
                intervals.append(ticks - self._before_ticks)
            self._before_ticks = ticks
            self._next_s = next(self._beats)
        rate = round(60 * _TICKS * len(intervals) / sum(intervals)) if intervals else 60
        return encode_measurement(rate, tuple(intervals[:_MOST_INTERVALS]), contact=True)

    async def wear(self) -> None:
        """Let the heart beat, in real time, and notify whoever is connected."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += NOTIFY_EVERY_S
            await asyncio.sleep(due - loop.time())
            value = self.second()
            if self.client is not None and self.client.notify is not None:
                if self._on_sent is not None:
                    self._on_sent(value)
                self.client.notify(bytearray(value))

    def leave(self) -> None:
        """Go out of reach: the connection breaks."""
        self.present = False
        if self.client is not None:
            self.client.lose()


def emulated_straps(
    count: int, seed: int, on_sent: Callable[[str, bytes], None] | None = None, *, after: int = 0
) -> list[EmulatedBluetoothStrap]:
    """So many straps on synthetic people, who come after the seed's first ones: those wear other straps."""
    straps = []
    people = heart.people(after + count, Random(seed), Random(f"{seed}/private"))[after:]
    for place, person in enumerate(people, start=1):
        address = "C0:FF:EE:{:02X}:{:02X}:{:02X}".format(*place.to_bytes(3))
        sent = None if on_sent is None else _with_address(on_sent, address)
        straps.append(EmulatedBluetoothStrap(address, person, Random(f"{seed}/ble/{place}"), sent))
    return straps


def _with_address(on_sent: Callable[[str, bytes], None], address: str) -> Callable[[bytes], None]:
    return lambda value: on_sent(address, value)


def backends(straps: list[EmulatedBluetoothStrap]) -> tuple[type[BaseBleakScanner], type[BaseBleakClient]]:
    """Bleak's backends for a world with these straps."""
    world = {strap.address: strap for strap in straps}

    class Scanner(EmulatedScanner):
        straps = world

    class Client(EmulatedClient):
        straps = world

    return Scanner, Client


class EmulatedScanner(BaseBleakScanner):
    """Sees what advertises: the straps that are there and not connected."""

    straps: dict[str, EmulatedBluetoothStrap]

    def __init__(self, callback: Any, service_uuids: list[str] | None, _mode: str, **_: Any) -> None:
        super().__init__(callback, service_uuids)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(strap.wear()) for strap in self.straps.values()]
        self._tasks.append(asyncio.create_task(self._advertise()))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _advertise(self) -> None:
        while True:
            for strap in self.straps.values():
                if strap.present and strap.client is None:
                    data = AdvertisementData("Emulated HRM", {}, {}, [SERVICE_UUID], None, -64, ())
                    device = self.create_or_update_device(strap.address, strap.address, "Emulated HRM", None, data)
                    self.call_detection_callbacks(device, data)
            await asyncio.sleep(ADVERTISE_EVERY_S)


class EmulatedClient(BaseBleakClient):
    """A connection to one strap."""

    straps: dict[str, EmulatedBluetoothStrap]

    def __init__(self, device: BLEDevice | str, **kwargs: Any) -> None:
        super().__init__(
            device, disconnected_callback=kwargs["disconnected_callback"], timeout=float(kwargs["timeout"])
        )
        self.notify: NotifyCallback | None = None
        self._connected = False

    @property
    def name(self) -> str:
        return "Emulated HRM"

    @property
    def mtu_size(self) -> int:
        return _DEFAULT_MTU

    @property
    def is_connected(self) -> bool:
        return self._connected

    async def connect(self, pair: bool, **_: Any) -> None:  # noqa: FBT001 (bleak's interface)
        strap = self.straps[self.address]
        if not strap.present or pair:
            raise BleakDeviceNotFoundError(self.address)
        strap.client, self._connected = self, True
        self.services = _services()

    async def disconnect(self) -> None:
        self.lose()

    def lose(self) -> None:
        """The connection ends, whoever ends it."""
        if self._connected:
            self._connected, self.notify = False, None
            self.straps[self.address].client = None
            if self._disconnected_callback is not None:
                self._disconnected_callback()

    async def read_gatt_char(self, characteristic: BleakGATTCharacteristic, **_: Any) -> bytearray:
        if characteristic.uuid != BATTERY_LEVEL_UUID:
            raise BleakError(f"{characteristic.uuid} cannot be read")
        return bytearray((87,))

    async def start_notify(self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **_: Any) -> None:
        if characteristic.uuid != MEASUREMENT_UUID:
            raise BleakError(f"{characteristic.uuid} does not notify")
        self.notify = callback

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:  # noqa: ARG002 (bleak's interface)
        self.notify = None

    async def pair(self, *_args: Any, **_: Any) -> None:
        raise NotImplementedError

    async def unpair(self) -> None:
        raise NotImplementedError

    async def read_gatt_descriptor(self, descriptor: BleakGATTDescriptor, **_: Any) -> bytearray:
        raise NotImplementedError

    async def write_gatt_char(
        self,
        characteristic: BleakGATTCharacteristic,
        data: SizedBuffer,
        response: bool,  # noqa: FBT001 (bleak's interface)
    ) -> None:
        raise NotImplementedError

    async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: SizedBuffer) -> None:
        raise NotImplementedError


def _services() -> BleakGATTServiceCollection:
    services = BleakGATTServiceCollection()
    for handle, (service_uuid, uuid, properties) in enumerate(_characteristics(), start=1):
        service = BleakGATTService(None, handle * 16, service_uuid)
        services.add_service(service)
        services.add_characteristic(
            BleakGATTCharacteristic(None, handle * 16 + 1, uuid, properties, lambda: _DEFAULT_MTU - 3, service)
        )
    return services


def _characteristics() -> Iterator[tuple[str, str, list[Any]]]:
    yield SERVICE_UUID, MEASUREMENT_UUID, ["notify"]
    yield BATTERY_SERVICE_UUID, BATTERY_LEVEL_UUID, ["read"]
