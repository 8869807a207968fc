"""Bluetooth straps: found by their service, connected, and connected again whenever they are back (notes 6)."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from bleak import BleakAdapter, BleakClient, BleakScanner
from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakCharacteristicNotFoundError,
    BleakError,
)
from bleak.uuids import normalize_uuid_16

from app.heartrate.ble import MEASUREMENT, SERVICE
from scripts.ingest_foo.clock import ReceiverClock

SERVICE_UUID, MEASUREMENT_UUID = normalize_uuid_16(SERVICE), normalize_uuid_16(MEASUREMENT)
BATTERY_SERVICE_UUID, BATTERY_LEVEL_UUID = normalize_uuid_16(0x180F), normalize_uuid_16(0x2A19)

CONNECT_TIMEOUT_S = 20.0
SILENT_AFTER_S = 10.0
"""A strap that is connected tells something every second; one that does not is disconnected and connected again."""

RETRY_S = 2.0
ADAPTER_RETRY_S = 5.0
RESCAN_S = 60.0
DISCONNECT_TIMEOUT_S = 3.0
_FULL_PERCENT = 100

_REASONS = {
    BleakBluetoothNotAvailableReason.NO_BLUETOOTH: "this machine has no Bluetooth adapter",
    BleakBluetoothNotAvailableReason.POWERED_OFF: "Bluetooth is switched off; switch it on: bluetoothctl power on",
    BleakBluetoothNotAvailableReason.DENIED_BY_USER: "Bluetooth was denied to this program; allow it in the settings",
    BleakBluetoothNotAvailableReason.DENIED_BY_SYSTEM: "the system's policy denies Bluetooth to this program",
}


class Notification(NamedTuple):
    """What a strap has told."""

    address: str
    """In capitals."""
    name: str | None
    value: bytes
    """Of characteristic 0x2A37."""
    received_us: int
    """UTC, µs since 1970."""
    battery_percent: int | None
    rssi_dbm: int | None
    """When it was found."""
    receiver_id: str


class BluetoothSource(threading.Thread):
    """Listens to all Bluetooth straps in reach, on a thread of its own, until `stop`.

    Args:
        clock: Where times come from.
        on_notification: Takes each notification.
        say: Takes one line a change, for people.
        takes: Whether a strap is wanted, by address.
        receiver_id: What notifications name as their receiver; None: "ble-" and the machine's name.
        scanner, client: bleak's backends; None: those of this system.
    """

    def __init__(
        self,
        clock: ReceiverClock,
        on_notification: Callable[[Notification], None],
        say: Callable[[str], None],
        takes: Callable[[str], bool],
        *,
        receiver_id: str | None = None,
        scanner: type[BaseBleakScanner] | None = None,
        client: type[BaseBleakClient] | None = None,
    ) -> None:
        super().__init__(name="bluetooth", daemon=True)
        self._clock = clock
        self._on_notification = on_notification
        self._say = say
        self._takes = takes
        self._receiver_id = receiver_id or f"ble-{socket.gethostname()}"
        self._scanner = scanner
        self._client = client
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._links: dict[str, asyncio.Task[None]] = {}
        self._said: str | None = None

    def run(self) -> None:
        """As `threading.Thread.run`."""
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._listen())

    def stop(self) -> None:
        """End, and let go of all straps."""
        with contextlib.suppress(RuntimeError):  # its loop has ended already
            self._loop.call_soon_threadsafe(self._stopping.set)
        self.join()

    async def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                async with BleakScanner(self._found, [SERVICE_UUID], backend=self._scanner):
                    self._tell("Bluetooth: looking for straps")
                    await self._adopt_connected()
                    # A scan that dies with its adapter says nothing, so it is begun anew now and then.
                    await self._wait(RESCAN_S)
                    continue
            except BleakBluetoothNotAvailableError as error:
                self._tell(f"Bluetooth: {_REASONS.get(error.reason, error.args[0])}")
            except Exception as error:  # noqa: BLE001 (bleak lets through what D-Bus raises; it is tried again)
                self._tell(f"Bluetooth cannot be used: {_text(error)}; is bluetoothd running?")
            await self._wait(ADAPTER_RETRY_S)
        if self._links:
            _, slow = await asyncio.wait(self._links.values(), timeout=DISCONNECT_TIMEOUT_S)
            for link in slow:
                link.cancel()
            await asyncio.gather(*slow, return_exceptions=True)

    async def _adopt_connected(self) -> None:
        """Straps that an earlier run left connected do not advertise: take them over."""
        if self._scanner is None:
            adapter = await BleakAdapter.get()
            for device in await adapter.get_connected_devices([SERVICE_UUID]):
                self._link(device, None)

    def _found(self, device: BLEDevice, advertisement: AdvertisementData) -> None:
        """A strap advertises, so it is not connected: connect it."""
        self._link(device, advertisement.rssi)

    def _link(self, device: BLEDevice, rssi_dbm: int | None) -> None:
        if device.address not in self._links and self._takes(device.address.upper()):
            link = asyncio.create_task(self._keep(device, rssi_dbm))
            self._links[device.address] = link
            link.add_done_callback(lambda _: self._links.pop(device.address, None))

    async def _keep(self, device: BLEDevice, rssi_dbm: int | None) -> None:
        """One connection, from its beginning to its end; the strap's next advertisement begins another one."""
        gone = asyncio.Event()
        who = f"Bluetooth strap {device.address.upper()}" + (f" ({device.name})" if device.name else "")
        connected = False
        try:
            async with BleakClient(
                device,
                lambda _: gone.set(),
                [SERVICE_UUID, BATTERY_SERVICE_UUID],
                timeout=CONNECT_TIMEOUT_S,
                backend=self._client,
            ) as client:
                connected = True
                battery = await _battery(client)
                heard = asyncio.Event()

                def notified(_: Any, value: bytearray) -> None:
                    heard.set()
                    received_us = self._clock.utc_us(self._clock.steady_ns())
                    self._on_notification(
                        Notification(
                            device.address.upper(),
                            device.name,
                            bytes(value),
                            received_us,
                            battery,
                            rssi_dbm,
                            self._receiver_id,
                        )
                    )

                await client.start_notify(MEASUREMENT_UUID, notified)
                self._say(f"{who} is connected")
                await self._until_silent(heard, gone)
        except Exception as error:  # noqa: BLE001 (as above; the strap's next advertisement begins another try)
            if connected:
                self._say(f"{who}: {_text(error)}")
        if connected and not self._stopping.is_set():
            self._say(f"{who} is disconnected; waiting for it to come back")
        await self._wait(RETRY_S)

    async def _until_silent(self, heard: asyncio.Event, gone: asyncio.Event) -> None:
        while not gone.is_set() and not self._stopping.is_set():
            heard.clear()
            events = [asyncio.create_task(event.wait()) for event in (heard, gone, self._stopping)]
            done, waiting = await asyncio.wait(events, timeout=SILENT_AFTER_S, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()
            if not done:
                return

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    def _tell(self, line: str) -> None:
        if line != self._said:
            self._said = line
            self._say(line)


async def _battery(client: BleakClient) -> int | None:
    try:
        value = await client.read_gatt_char(BATTERY_LEVEL_UUID)
    except (BleakCharacteristicNotFoundError, BleakError):
        return None
    return value[0] if value and value[0] <= _FULL_PERCENT else None


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__
