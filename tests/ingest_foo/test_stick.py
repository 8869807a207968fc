"""Sticks' lives, on an emulated stick below pyusb: openant's own driver, node and threads talk the real protocol."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import openant.easy.node
import pytest
import usb.core
from openant.devices import ANTPLUS_NETWORK_KEY

from app.heartrate.profile import CHANNEL_PERIOD, DEVICE_TYPE
from harness.waiting import wait_for
from scripts.ingest_foo.ant.frames import encode_frame
from scripts.ingest_foo.ant.messages import RF_FREQUENCY, Code, Extended, MessageId
from scripts.ingest_foo.clock import ReceiverClock
from scripts.ingest_foo.emulator.stick import ANTUSB2, EmulatedStick
from scripts.ingest_foo.emulator.usb_backend import EmulatedUsb
from scripts.ingest_foo.stick.channels import TrackingChannels
from scripts.ingest_foo.stick.errors import StickError, Trouble
from scripts.ingest_foo.stick.openant_link import StickNode, usb_trouble
from scripts.ingest_foo.stick.receiver import Packet
from scripts.ingest_foo.stick.supervisor import StickState, Supervisor
from scripts.ingest_foo.stick.usb_stick import holder, sticks

ADA, BRAM = 863_436, 13 << 16 | 11_468
TWIN = 5 << 16 | 11_468
"""Shares its low 16 bits with Ada's and Bram's."""


class Room:
    """Sticks in a room, and what is heard of them."""

    def __init__(self, *plugged: EmulatedStick, **options: object) -> None:
        self.usb = EmulatedUsb(*plugged)
        self.heard: list[Packet] = []
        self.lines: list[str] = []
        self.supervisor = Supervisor(self.usb, ReceiverClock(), self.heard.append, self.lines.append, **options)  # type: ignore[arg-type]
        self.supervisor.start()

    def listens(self, count: int = 1) -> bool:
        return sum(state.listening for state in self.supervisor.states) == count

    def states(self) -> list[tuple[tuple[int, int], StickState]]:
        return list(self.supervisor._states.items())

    def await_listening(self, count: int = 1) -> None:
        wait_for(lambda: self.listens(count), f"{count} sticks to listen; said: {self.lines}", 15, every_s=0.01)

    def await_heard(self, count: int) -> list[Packet]:
        wait_for(lambda: len(self.heard) >= count, f"{count} packets", 10, every_s=0.01)
        return self.heard


@pytest.fixture
def room() -> Iterator[Callable[..., Room]]:
    rooms: list[Room] = []

    def furnish(*plugged: EmulatedStick, **options: object) -> Room:
        rooms.append(Room(*plugged, **options))
        return rooms[-1]

    yield furnish
    for each in rooms:
        each.supervisor.stop()
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("openant")] == []


def payloads(count: int, seed: int = 1) -> list[bytes]:
    random = Random(seed)
    return [random.randbytes(8) for _ in range(count)]


def test_scan_mode_hears_every_strap(room: Callable[..., Room]) -> None:
    stick = EmulatedStick("77")
    it = room(stick)
    it.await_listening()
    numbers = [ADA, TWIN, *range(100_000, 100_098)]
    sent = [(number, payload) for payload in payloads(20) for number in numbers]
    for number, payload in sent:
        assert stick.transmit(number, payload, rssi_dbm=-71)
    heard = it.await_heard(len(sent))
    assert [(packet.device_number, packet.payload) for packet in heard] == sent
    assert {(packet.rssi_dbm, packet.receiver_id) for packet in heard} == {(-71, "usb-77")}
    times = [packet.received_us for packet in heard]
    assert times == sorted(times)
    assert it.lines == ["ANTUSB-m stick 77 listens in scan mode: every strap at once"]


@pytest.mark.parametrize("extended", [Extended.CHANNEL_ID, Extended.CHANNEL_ID | Extended.RSSI | Extended.STAMP])
def test_equal_payloads_of_two_straps_are_all_heard(room: Callable[..., Room], extended: Extended) -> None:
    stick = EmulatedStick(extended=extended)
    it = room(stick)
    it.await_listening()
    same = bytes.fromhex("04ff0a14ce180764")
    for _ in range(200):
        stick.transmit(ADA, same, at_ns=0)
        stick.transmit(ADA, same, at_ns=0)
        stick.transmit(TWIN, same, at_ns=0)
    heard = it.await_heard(600)
    assert sum(packet.device_number == ADA for packet in heard) == 400
    assert sum(packet.device_number == TWIN for packet in heard) == 200


def test_openant_alone_loses_equal_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Why messages leave before openant sees them: the same traffic through openant's own node loses most."""
    stick = EmulatedStick(extended=Extended.CHANNEL_ID)
    backend = EmulatedUsb(stick)
    find = usb.core.find
    monkeypatch.setattr(usb.core, "find", lambda **wanted: find(backend=backend, **wanted))
    node = openant.easy.node.Node()
    runner = threading.Thread(target=node.start)
    runner.start()
    try:
        node.set_network_key(0, ANTPLUS_NETWORK_KEY)
        channel = node.new_channel(0x00)
        received: list[object] = []
        channel.on_broadcast_data = received.append
        channel.set_id(0, DEVICE_TYPE, 0)
        channel.set_period(CHANNEL_PERIOD)
        channel.set_rf_freq(RF_FREQUENCY)
        channel.open_rx_scan_mode()
        for _ in range(50):
            stick.transmit(ADA, bytes(8))
        stick.transmit(ADA, b"the last")
        wait_for(lambda: received and bytes(received[-1]) == b"the last", "the last message", 10)  # type: ignore[call-overload]
        assert len(received) == 2
    finally:
        node.stop()
        runner.join()


def test_our_constructors_set_what_openants_do(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = EmulatedUsb(EmulatedStick())
    find = usb.core.find
    monkeypatch.setattr(usb.core, "find", lambda **wanted: find(backend=backend, **wanted))
    theirs = openant.easy.node.Node()
    theirs.stop()
    monkeypatch.undo()
    (stick,) = sticks(EmulatedUsb(EmulatedStick()))
    ours = StickNode(stick, lambda *_: None, lambda *_: None, lambda _: None, lambda: 0)
    ours.stop()
    assert vars(theirs).keys() <= vars(ours).keys()
    assert vars(theirs.ant).keys() <= vars(ours.ant).keys()


def test_unplugged_and_plugged_in_again(room: Callable[..., Room]) -> None:
    stick = EmulatedStick("5")
    it = room(stick)
    it.await_listening()
    stick.transmit(ADA, bytes(8))
    it.await_heard(1)
    stick.unplug()
    wait_for(lambda: not it.supervisor.states, "the stick to be gone", 5)
    stick.plug()
    it.await_listening()
    stick.transmit(ADA, bytes(8))
    it.await_heard(2)
    assert it.lines == [
        "ANTUSB-m stick 5 listens in scan mode: every strap at once",
        "ANTUSB-m stick 5 is unplugged; waiting for it to come back",
        "ANTUSB-m stick 5 listens in scan mode: every strap at once",
    ]


def test_a_hung_stick_is_reset(room: Callable[..., Room]) -> None:
    stick = EmulatedStick("5")
    it = room(stick)
    it.await_listening()
    stick.hang(0.5)
    wait_for(lambda: len(it.lines) > 1, "the hang to be noticed", 10)
    it.await_listening()
    stick.transmit(ADA, bytes(8))
    it.await_heard(1)
    assert it.lines[1:] == [
        "ANTUSB-m stick 5 takes no commands",
        "ANTUSB-m stick 5 listens in scan mode: every strap at once",
    ]


@pytest.mark.parametrize("scan_mode", [True, False])
def test_a_stick_that_restarted_by_itself_is_opened_anew(room: Callable[..., Room], *, scan_mode: bool) -> None:
    """It answers all that it is asked, and hears nothing."""
    stick = EmulatedStick("5", scan_mode=scan_mode)
    it = room(stick)
    it.await_listening()
    stick.forget()
    wait_for(lambda: len(it.lines) > 1, "the restart to be noticed", 10)
    it.await_listening()
    stick.transmit(ADA, bytes(8))
    it.await_heard(1)
    assert it.lines[1:] == ["ANTUSB-m stick 5 has restarted by itself", it.lines[0]]


def test_a_stick_that_was_left_in_scan_mode(room: Callable[..., Room]) -> None:
    stick = EmulatedStick()
    stick.deaf_writes = 3
    it = room(stick)
    it.await_listening()
    assert len(it.lines) == 1


def test_busy_and_then_free(room: Callable[..., Room]) -> None:
    stick = EmulatedStick("5")
    stick.held_by_another = True
    it = room(stick)
    wait_for(lambda: it.lines, "a line", 5)
    assert it.lines == ["ANTUSB-m stick 5 is in use by another program; close that program"]
    stick.held_by_another = False
    it.await_listening()


def test_the_program_that_holds_a_stick_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.ingest_foo.stick.usb_stick._USB_NODES", tmp_path)
    (stick,) = sticks(EmulatedUsb(EmulatedStick()))
    node = tmp_path / f"{stick.key[0]:03d}" / f"{stick.key[1]:03d}"
    node.parent.mkdir()
    node.touch()
    assert holder(stick) is None
    with node.open() as held, subprocess.Popen(["sleep", "60"], stdin=held) as program:
        wait_for(lambda: holder(stick) == f"sleep (pid {program.pid})", "the program to be found", 5)
        error = usb_trouble(stick, usb.core.USBError("Resource busy", None, 16))
        program.kill()
    assert str(error) == f"ANTUSB-m stick 1001 is in use by sleep (pid {program.pid}); close that program"


def test_no_permission_says_what_to_do(room: Callable[..., Room]) -> None:
    stick = EmulatedStick()
    stick.permitted = False
    it = room(stick, patient=False)
    wait_for(lambda: it.supervisor.failed_at_start, "the failure", 5)
    error = it.supervisor.failed_at_start
    assert error is not None
    assert error.trouble is Trouble.NO_PERMISSION
    assert "sudo ingest-foo udev --install" in str(error)
    assert "on USB port 250-1" in str(error), "its serial number may not be asked for"
    assert it.lines == []
    stick.permitted = True
    it.await_listening()
    assert it.supervisor.failed_at_start is None


def test_no_stick(room: Callable[..., Room]) -> None:
    it = room(serials=["12", "13"])
    wait_for(lambda: it.lines, "a line", 5)
    assert it.lines == ["no ANT+ stick with serial number 12 or 13 found; plug one in"]
    assert it.supervisor.failed_at_start is not None
    assert it.supervisor.failed_at_start.trouble is Trouble.MISSING


def test_a_usb_that_cannot_be_looked_at_is_looked_at_again(
    room: Callable[..., Room], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, looks = EmulatedUsb.enumerate_devices, []

    def enumerate_devices(usb: EmulatedUsb) -> object:
        looks.append(1)
        if len(looks) < 5:
            raise usb_core_error()
        return real(usb)

    monkeypatch.setattr(EmulatedUsb, "enumerate_devices", enumerate_devices)
    it = room(EmulatedStick("5"))
    it.await_listening()
    assert it.lines == [
        "no ANT+ stick found; plug one in",
        "ANTUSB-m stick 5 listens in scan mode: every strap at once",
    ]


def usb_core_error() -> Exception:
    error: Exception = usb.core.USBError("Input/Output Error", None, 5)
    return error


def test_one_stick_that_works_is_enough(room: Callable[..., Room]) -> None:
    """A stick that is busy says so at once; another one takes its time, and then there is no reason to end."""
    busy, slow = EmulatedStick("1"), EmulatedStick("2")
    busy.held_by_another = True
    slow.deaf_writes = 3
    it = room(busy, slow, patient=False)
    errors = []

    def listens() -> bool:
        errors.append(it.supervisor.failed_at_start)
        return it.listens()

    wait_for(listens, "the second stick to listen", 10, every_s=0.005)
    assert [error for error in errors if error is not None] == []
    line = "ANTUSB-m stick 1 is in use by another program; close that program"
    wait_for(lambda: line in it.lines, "the other one's trouble to be said", 10)


def test_disturbed_reads_now_and_then_are_no_reason_to_reopen(
    room: Callable[..., Room], monkeypatch: pytest.MonkeyPatch
) -> None:
    stick = EmulatedStick("5")
    it = room(stick)
    it.await_listening()
    real, disturb = EmulatedUsb.bulk_read, threading.Event()

    def bulk_read(*arguments: object) -> object:
        if disturb.is_set():
            disturb.clear()
            raise usb_core_error()
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(EmulatedUsb, "bulk_read", bulk_read)
    sent = payloads(20)
    for number, payload in enumerate(sent, start=1):
        disturb.set()
        wait_for(lambda: not disturb.is_set(), "the disturbance", 5, every_s=0.001)
        stick.transmit(ADA, payload)
        it.await_heard(number)
    assert [packet.payload for packet in it.heard] == sent
    assert len(it.lines) == 1


def test_a_stick_that_cannot_be_used_is_named(room: Callable[..., Room]) -> None:
    it = room(EmulatedStick(product=0x1004))
    wait_for(lambda: it.lines, "a line", 5)
    assert "ANTUSB1, a serial bridge without scan mode" in it.lines[0]


def test_sticks_by_serial(room: Callable[..., Room]) -> None:
    one, two, three = EmulatedStick("1"), EmulatedStick("2", product=ANTUSB2), EmulatedStick("3")
    it = room(one, two, three, serials=["1", "2"])
    it.await_listening(2)
    for stick in (one, two, three):
        stick.transmit(ADA, bytes(8))
    it.await_heard(2)
    assert {packet.receiver_id for packet in it.heard} == {"usb-1", "usb-2"}
    assert three.sent == 0


def test_sticks_of_one_serial_are_told_apart(room: Callable[..., Room]) -> None:
    it = room(EmulatedStick("1"), EmulatedStick("1"))
    it.await_listening(2)
    assert {state.receiver_id for state in it.supervisor.states} == {"usb-1", "usb-1-250-2"}


@pytest.mark.parametrize("receiver_id", [None, "hall"])
def test_a_stick_that_comes_back_at_once_keeps_its_name(room: Callable[..., Room], receiver_id: str | None) -> None:
    stick = EmulatedStick("5")
    it = room(stick, receiver_id=receiver_id)
    it.await_listening()
    for number in range(1, 4):
        stick.unplug()
        stick.plug()

        def listens() -> bool:
            return any(state.listening for key, state in it.states() if key[1] == stick.address)

        wait_for(listens, "the stick under its new address", 15, every_s=0.01)
        stick.transmit(ADA, bytes(8))
        it.await_heard(number)
    assert {packet.receiver_id for packet in it.heard} == {receiver_id or "usb-5"}


def test_noise_and_damaged_frames(room: Callable[..., Room]) -> None:
    stick = EmulatedStick()
    it = room(stick)
    it.await_listening()
    good = payloads(50)
    random = Random(3)
    for number, payload in enumerate(good):
        frame = encode_frame(MessageId.BROADCAST, b"\0" + bytes(8) + b"\x80\x01\x02\x78\x11")
        match number % 5:
            case 0:
                stick.say_raw(frame[: random.randrange(1, len(frame))] + bytes(64))
            case 1:
                stick.say_raw(frame[:-1] + bytes((frame[-1] ^ 0x55,)))
            case 2:
                stick.say_raw(random.randbytes(200).replace(b"\xa4", b"") + bytes(64))
            case 3:
                stick.say_raw(encode_frame(MessageId.SERIAL_ERROR, b"\x02"))
                stick.say_raw(encode_frame(MessageId.RESPONSE, bytes((0, 1, Code.QUEUE_OVERFLOW))))
            case _:
                stick.say_raw(encode_frame(MessageId.RESPONSE, b"\x01"))  # too short to be one
                stick.say_raw(encode_frame(MessageId.CAPABILITIES, b"\x08"))
                stick.say_raw(encode_frame(0xEE, b"\x01"))
        stick.transmit(ADA, payload)
    it.await_heard(50)
    assert [packet.payload for packet in it.heard] == good
    assert len(it.lines) == 1, "none of it is a reason to reopen the stick"


def test_a_million_fuzzed_usb_bytes(room: Callable[..., Room]) -> None:
    stick = EmulatedStick()
    it = room(stick)
    it.await_listening()
    random = Random(11)
    good = payloads(100, seed=12)
    for payload in good:
        stick.say_raw(random.randbytes(10_000))
        stick.say_raw(bytes(64))  # ends whatever the noise has promised
        stick.transmit(ADA, payload)
        wait_for(lambda: not stick._out, "the host to have read it", 10, every_s=0.001)
    it.await_heard(99)
    assert [packet.payload for packet in it.heard] == good, "no packet lost, none made up"
    assert it.listens()


def test_without_scan_mode_eight_straps_are_heard(room: Callable[..., Room]) -> None:
    stick = EmulatedStick(product=ANTUSB2, scan_mode=False)
    stick.doubled_straps = 5
    it = room(stick)
    it.await_listening()
    assert it.lines == ["ANTUSB2 stick 1001 listens on 8 channels: no scan mode, so at most 8 straps"]
    numbers = list(range(70_000, 70_010))

    def heard() -> set[int]:
        for number in numbers:
            stick.transmit(number, bytes(8))
        return {packet.device_number for packet in it.heard}

    wait_for(lambda: len(heard()) == 8, "eight straps", 30, every_s=0.05)
    assert stick.doubled_straps == 0, "two channels had found the same strap"
    sent = [(number, payload) for payload in payloads(30) for number in numbers if stick.transmit(number, payload)]
    wait_for(lambda: it.heard[-1].payload == sent[-1][1] and not stick._out, "their packets", 10)
    heard_of_them = [(packet.device_number, packet.payload) for packet in it.heard if packet.payload != bytes(8)]
    assert len(sent) == 240
    assert heard_of_them == sent, "each once"


def test_a_channel_whose_strap_is_gone_finds_another_one(
    room: Callable[..., Room], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.ingest_foo.stick.channels.LOST_AFTER_S", 0.2)
    monkeypatch.setattr(TrackingChannels, "count", property(lambda _: 1, lambda *_: None), raising=False)
    stick = EmulatedStick(scan_mode=False)
    it = room(stick)
    it.await_listening()
    stick.transmit(ADA, bytes(8))
    it.await_heard(1)
    for _ in range(8):
        stick.miss(ADA)

    def bram_is_heard() -> bool:
        stick.transmit(BRAM + 1, bytes(8))
        return any(packet.device_number == BRAM + 1 for packet in it.heard)

    wait_for(bram_is_heard, "the channel to search anew", 10)


def test_a_stick_that_refuses_says_which_command(room: Callable[..., Room], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EmulatedStick, "_command", lambda *_: Code.INVALID_MESSAGE)
    it = room(EmulatedStick("9"), patient=False)
    wait_for(lambda: it.supervisor.failed_at_start, "the failure", 5)
    assert str(it.supervisor.failed_at_start) == "ANTUSB-m stick 9 answers command 0x46 with error 0x28"


def test_a_silent_stick_at_the_start() -> None:
    stick = EmulatedStick()
    (plugged,) = sticks(EmulatedUsb(stick))
    stick.deaf_writes = 1000
    with pytest.raises(StickError, match="does not answer") as caught:
        StickNode(plugged, lambda *_: None, lambda *_: None, lambda _: None, lambda: 0)
    assert caught.value.trouble is Trouble.SILENT
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("openant")]
