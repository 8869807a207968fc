"""Bluetooth straps through bleak, on backends of our own, down to real 0x2A37 bytes."""

import threading
from collections.abc import Iterator

import pytest
from bleak.exc import BleakBluetoothNotAvailableError, BleakBluetoothNotAvailableReason

from harness.waiting import wait_for
from scripts.ingest_foo.bluetooth import BluetoothSource, Notification
from scripts.ingest_foo.clock import ReceiverClock
from scripts.ingest_foo.emulator import bluetooth as emulated
from scripts.ingest_foo.emulator.bluetooth import EmulatedScanner, backends, emulated_straps


class Air:
    """Two straps, and what is heard of them."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.heard: list[Notification] = []
        self.lines: list[str] = []
        self.straps = emulated_straps(2, 1, lambda address, value: self.sent.append((address, value)))
        self.ada, self.bram = (strap.address for strap in self.straps)
        self.ignored: set[str] = set()
        self.source: BluetoothSource | None = None

    def listen(self, scanner: type[EmulatedScanner] | None = None) -> None:
        scanning, client = backends(self.straps)
        self.source = BluetoothSource(
            ReceiverClock(),
            self.heard.append,
            self.lines.append,
            lambda address: address not in self.ignored,
            receiver_id="ble-test",
            scanner=scanner or scanning,
            client=client,
        )
        self.source.start()

    def of(self, address: str) -> list[bytes]:
        return [notification.value for notification in self.heard if notification.address == address]


@pytest.fixture
def air(monkeypatch: pytest.MonkeyPatch) -> Iterator[Air]:
    monkeypatch.setattr(emulated, "NOTIFY_EVERY_S", 0.05)
    monkeypatch.setattr(emulated, "ADVERTISE_EVERY_S", 0.02)
    monkeypatch.setattr("scripts.ingest_foo.bluetooth.RETRY_S", 0.05)
    monkeypatch.setattr("scripts.ingest_foo.bluetooth.ADAPTER_RETRY_S", 0.05)
    monkeypatch.setattr("scripts.ingest_foo.bluetooth.SILENT_AFTER_S", 1.0)
    air = Air()
    yield air
    if air.source is not None:
        air.source.stop()
    assert "bluetooth" not in [thread.name for thread in threading.enumerate()]


def test_all_straps_are_connected_and_heard(air: Air) -> None:
    air.listen()
    wait_for(lambda: len(air.of(air.ada)) >= 10 and len(air.of(air.bram)) >= 10, "both straps", 10)
    for address in (air.ada, air.bram):
        heard = air.of(address)
        assert heard == [value for sender, value in air.sent if sender == address][: len(heard)]
    first = air.heard[0]
    assert (first.receiver_id, first.name, first.battery_percent, first.rssi_dbm) == (
        "ble-test",
        "Emulated HRM",
        87,
        -64,
    )
    times = [notification.received_us for notification in air.heard]
    assert times == sorted(times)
    assert f"Bluetooth strap {air.ada} (Emulated HRM) is connected" in air.lines


def test_a_strap_that_leaves_is_connected_when_it_is_back(air: Air) -> None:
    air.listen()
    wait_for(lambda: air.of(air.ada), "the strap", 10)
    assert air.source is not None
    air.source._loop.call_soon_threadsafe(air.straps[0].leave)
    gone = f"Bluetooth strap {air.ada} (Emulated HRM) is disconnected; waiting for it to come back"
    wait_for(lambda: gone in air.lines, "its going", 10)
    before, others = len(air.of(air.ada)), len(air.of(air.bram))
    air.straps[0].present = True
    wait_for(lambda: len(air.of(air.ada)) > before, "its return", 10)
    assert air.lines.count(f"Bluetooth strap {air.ada} (Emulated HRM) is connected") == 2
    wait_for(lambda: len(air.of(air.bram)) > others, "the other strap to go on", 10)


def test_a_strap_that_falls_silent_is_connected_anew(air: Air) -> None:
    air.listen()
    wait_for(lambda: air.of(air.ada), "the strap", 10)
    client = air.straps[0].client
    assert client is not None
    client.notify = None
    connected = f"Bluetooth strap {air.ada} (Emulated HRM) is connected"
    wait_for(lambda: air.lines.count(connected) == 2, "the second connection", 10)


def test_ignored_straps_stay_free(air: Air) -> None:
    air.ignored.add(air.bram)
    air.listen()
    wait_for(lambda: len(air.of(air.ada)) >= 5, "the other strap", 10)
    assert air.of(air.bram) == []
    assert air.straps[1].client is None


def test_bluetooth_that_is_off_is_waited_for(air: Air) -> None:
    scanning, _ = backends(air.straps)
    tries = []

    class Off(scanning):  # type: ignore[valid-type, misc]
        async def start(self) -> None:
            tries.append(1)
            if len(tries) < 3:
                reason = BleakBluetoothNotAvailableReason.POWERED_OFF
                raise BleakBluetoothNotAvailableError("off", reason)
            await super().start()

    air.listen(Off)
    wait_for(lambda: air.heard, "the strap", 10)
    assert air.lines[:2] == [
        "Bluetooth: Bluetooth is switched off; switch it on: bluetoothctl power on",
        "Bluetooth: looking for straps",
    ]


def test_a_scan_is_begun_anew(air: Air, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.ingest_foo.bluetooth.RESCAN_S", 0.2)
    scanning, _ = backends(air.straps)
    starts = []

    class Counting(scanning):  # type: ignore[valid-type, misc]
        async def start(self) -> None:
            starts.append(1)
            await super().start()

    air.listen(Counting)
    wait_for(lambda: len(starts) >= 3 and len(air.of(air.ada)) > 10, "further scans", 10)
    assert air.lines.count("Bluetooth: looking for straps") == 1
    assert air.lines.count(f"Bluetooth strap {air.ada} (Emulated HRM) is connected") == 1, "connections stay"


def test_what_d_bus_raises_ends_nothing(air: Air) -> None:
    scanning, _ = backends(air.straps)
    tries = []

    class Broken(scanning):  # type: ignore[valid-type, misc]
        async def start(self) -> None:
            tries.append(1)
            if len(tries) == 1:
                raise EOFError
            await super().start()

    air.listen(Broken)
    wait_for(lambda: air.heard, "the strap", 10)
    assert air.lines[0] == "Bluetooth cannot be used: EOFError; is bluetoothd running?"


def test_no_bluetooth_on_this_machine_is_one_line(air: Air) -> None:
    """The real backend of this system: where there is no D-Bus or no adapter, one line says so, and nothing breaks."""
    air.source = BluetoothSource(ReceiverClock(), air.heard.append, air.lines.append, lambda _: True)
    air.source.start()
    wait_for(lambda: air.lines, "a line", 15)
    assert air.lines[0].startswith("Bluetooth")
