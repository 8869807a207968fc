"""An ANT stick's firmware in software: answers what openant asks, hears straps, and fails in every known way.

Behaviour: notes 5 and 7; capabilities of a real ANTUSB-m (vector hw-capabilities-usbm).
"""

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from openant.devices import ANTPLUS_NETWORK_KEY

from app.heartrate.device_number import split
from app.heartrate.profile import DEVICE_TYPE
from scripts.ingest_foo.ant.frames import Frame, Framer, encode_frame
from scripts.ingest_foo.ant.messages import (
    CHANNEL_EVENT,
    STAMP_HZ,
    STAMP_MODULUS,
    Code,
    Extended,
    MessageId,
)
from scripts.ingest_foo.clock import steady_ns

ANTUSB_M, ANTUSB2 = 0x1009, 0x1008
CAPABILITIES = {
    True: bytes.fromhex("080800ba3600df79"),
    False: bytes.fromhex("080800ba3200"),
}
"""With and without scan mode."""

PACKET_BYTES = 64
"""A USB packet of a full-speed bulk endpoint."""

FIFO_BYTES = 1 << 16
"""What the stick keeps for a host that does not read; more is lost."""

MISSED_TO_SEARCH = 8
"""Missed slots until a channel searches again (notes 1)."""

_RSSI_DBM_BLOCK = 0x20
_INDEPENDENT = 0x01
_addresses = itertools.count(1)


class _Underway(NamedTuple):
    """A broadcast that waits for the host: where it ends in all that is said to the host since power-on."""

    ends_at: int
    device_number: int
    payload: bytes
    at_ns: int


@dataclass(slots=True)
class _Channel:
    number: int = 0
    device_type: int = 0
    transmission_type: int = 0
    id_set: bool = False
    open: bool = False
    tracked: int | None = None
    missed: int = 0

    @property
    def status(self) -> int:
        return 1 if not self.open else 2 if self.tracked is None else 3


class EmulatedStick:
    """A stick. Its methods may be called from several threads.

    Args:
        serial: USB serial number.
        product: USB product id.
        scan_mode: It has continuous scan mode.
        extended: What it can send behind a payload.
        on_sent: Told each broadcast once the host has read it: device number, payload, when it was on the air (ns of
            the steady clock).
        steady: The clock of the air.
    """

    def __init__(
        self,
        serial: str = "1001",
        *,
        product: int = ANTUSB_M,
        scan_mode: bool = True,
        extended: Extended = Extended.CHANNEL_ID | Extended.RSSI | Extended.STAMP,
        on_sent: Callable[[int, bytes, int], None] | None = None,
        steady: Callable[[], int] = steady_ns,
    ) -> None:
        self.serial = serial
        self.product = product
        self.address = next(_addresses)
        self.plugged = True
        self.permitted = True
        self.held_by_another = False
        self.deaf_writes = 0
        """So many writes are ignored: as a stick does that was left in scan mode."""
        self.doubled_straps = 0
        """So often a searching channel takes a strap that another one has."""
        self.sent = 0
        """Broadcasts that the host has read."""
        self._scan_mode = scan_mode
        self._can_extend = extended
        self._on_sent = on_sent
        self.steady_ns = steady
        self._changed = threading.Condition()
        self._hung_until: float | None = None
        self._power_on()

    # --- the host's side

    def take(self, data: bytes) -> bool:
        """Bytes from the host; False: they are not taken."""
        with self._changed:
            if self._hung_until is not None:
                return False
            if self.deaf_writes:
                self.deaf_writes -= 1
                return True
            for frame in self._framer.push(data):
                self._obey(frame)
            self._changed.notify_all()
            return True

    def give(self, size: int, timeout_s: float) -> bytes | None:
        """Bytes for the host: what is there, at most one USB packet; None: nothing came in that time."""
        with self._changed:
            address = self.address
            self._changed.wait_for(
                lambda: not self.plugged or self.address != address or (self._out and self._hung_until is None),
                timeout_s,
            )
            if not self.plugged or self.address != address or not self._out or self._hung_until is not None:
                return None
            data = bytes(self._out[: min(size, PACKET_BYTES)])
            del self._out[: len(data)]
            self._given += len(data)
            while self._underway and self._underway[0].ends_at <= self._given:
                _, device_number, payload, at_ns = self._underway.popleft()
                self.sent += 1
                if self._on_sent is not None:
                    self._on_sent(device_number, payload, at_ns)
            return data

    def usb_reset(self) -> None:
        """A USB reset: the firmware starts anew, unless it hangs for longer."""
        with self._changed:
            if self._hung_until is None or time.monotonic() >= self._hung_until:
                self._hung_until = None
                self.forget()

    # --- the air's side

    def transmit(self, device_number: int, payload: bytes, rssi_dbm: int = -60, at_ns: int | None = None) -> bool:
        """A strap sends a packet; True: the stick has heard it, and has it ready for the host."""
        at_ns = self.steady_ns() if at_ns is None else at_ns
        with self._changed:
            channels = self._listening_for(device_number)
            if not channels or not self.plugged or self._hung_until is not None:
                return False
            if len(self._out) > FIFO_BYTES:
                self._say(MessageId.RESPONSE, bytes((0, CHANNEL_EVENT, Code.QUEUE_OVERFLOW)))
                return False
            for number in channels:
                tail = self._extension(device_number, rssi_dbm, at_ns)
                self._say(MessageId.BROADCAST, bytes((number,)) + payload + tail)
            self._underway.append(_Underway(self._given + len(self._out), device_number, payload, at_ns))
            return True

    def miss(self, device_number: int) -> None:
        """A strap's packet is lost on the air: a channel that tracks it notices."""
        with self._changed:
            for number, channel in self._channels.items():
                if channel.tracked == device_number and not self._scanning:
                    channel.missed += 1
                    self._event(number, Code.RX_FAIL)
                    if channel.missed >= MISSED_TO_SEARCH:
                        channel.tracked = None
                        channel.number, _ = split(device_number)
                        channel.transmission_type = device_number >> 16 << 4 | _INDEPENDENT
                        self._event(number, Code.RX_FAIL_GO_TO_SEARCH)

    # --- what goes wrong

    def unplug(self) -> None:
        """Pull it out."""
        with self._changed:
            self.plugged = False
            self._changed.notify_all()

    def plug(self) -> None:
        """Push it in: it has another address, and knows nothing."""
        with self._changed:
            self.address = next(_addresses)
            self._hung_until = None
            self._power_on()
            self.plugged = True

    def hang(self, seconds: float) -> None:
        """Neither answer nor hear, until it is reset after so long."""
        with self._changed:
            self._hung_until = time.monotonic() + seconds

    def forget(self) -> None:
        """Start anew, as after a dip of its power: it says so, and hears nothing before it is told to."""
        with self._changed:
            self._power_on()
            self._say(MessageId.STARTUP, b"\x00")

    def say_raw(self, data: bytes) -> None:
        """Send bytes to the host as they are: noise, damaged frames."""
        with self._changed:
            self._out += data
            self._changed.notify_all()

    # --- firmware

    def _power_on(self) -> None:
        self._framer = Framer()
        self._out = bytearray()
        self._given = 0
        self._underway: deque[_Underway] = deque()
        self._channels: dict[int, _Channel] = {}
        self._scanning = False
        self._key_known = False
        self._extend = Extended(0)

    def _say(self, message_id: int, content: bytes) -> None:
        self._out += encode_frame(message_id, content)
        self._changed.notify_all()

    def _event(self, channel: int, code: Code) -> None:
        self._say(MessageId.RESPONSE, bytes((channel, CHANNEL_EVENT, code)))

    def _obey(self, frame: Frame) -> None:
        message_id, content = frame
        if message_id == MessageId.RESET:
            self._power_on()
            self._say(MessageId.STARTUP, b"\x20")
        elif message_id == MessageId.REQUEST:
            self._tell(content[0], content[1])
        else:
            code = self._command(message_id, content)
            self._say(MessageId.RESPONSE, bytes((content[0], message_id, code)))
            if message_id == MessageId.CLOSE_CHANNEL and code == Code.NO_ERROR:
                self._event(content[0], Code.CHANNEL_CLOSED)

    def _tell(self, number: int, wanted: int) -> None:
        channel = self._channels.get(number, _Channel())
        match wanted:
            case MessageId.CAPABILITIES:
                self._say(wanted, CAPABILITIES[self._scan_mode])
            case MessageId.SERIAL_NUMBER:
                self._say(wanted, int(self.serial).to_bytes(4, "little"))
            case MessageId.VERSION:
                self._say(wanted, b"AJK1.04RAJ\0")
            case MessageId.CHANNEL_STATUS:
                self._say(wanted, bytes((number, channel.status if number in self._channels else 0)))
            case MessageId.CHANNEL_ID:
                identity = (channel.number & 0xFF, channel.number >> 8, channel.device_type, channel.transmission_type)
                self._say(wanted, bytes((number, *identity)))
            case _:
                self._say(MessageId.RESPONSE, bytes((number, MessageId.REQUEST, Code.INVALID_MESSAGE)))

    def _command(self, message_id: int, content: bytes) -> Code:  # noqa: PLR0911, PLR0912 (one arm a command)
        channel = self._channels.get(content[0])
        match message_id:
            case MessageId.NETWORK_KEY:
                self._key_known = content[1:] == bytes(ANTPLUS_NETWORK_KEY)
            case MessageId.LIB_CONFIG:
                if Extended(content[1]) & ~self._can_extend:
                    return Code.INVALID_PARAMETER
                self._extend = Extended(content[1])
            case MessageId.ENABLE_EXTENDED:
                self._extend = Extended.CHANNEL_ID if content[1] else Extended(0)
            case MessageId.ASSIGN_CHANNEL:
                if channel is not None:
                    return Code.WRONG_STATE
                self._channels[content[0]] = _Channel()
            case _ if channel is None:
                return Code.WRONG_STATE
            case MessageId.CHANNEL_ID:
                if channel.open:
                    return Code.WRONG_STATE
                channel.number = content[1] | content[2] << 8
                channel.device_type, channel.transmission_type = content[3], content[4]
                channel.id_set = True
            case (
                MessageId.CHANNEL_PERIOD
                | MessageId.RF_FREQUENCY
                | MessageId.SEARCH_TIMEOUT
                | MessageId.LOW_PRIORITY_SEARCH_TIMEOUT
            ):
                pass
            case MessageId.OPEN_RX_SCAN:
                if not self._scan_mode:
                    return Code.INVALID_MESSAGE
                if any(other.open for other in self._channels.values()):
                    return Code.CLOSE_ALL_CHANNELS
                if not channel.id_set:
                    return Code.ID_NOT_SET
                channel.open = self._scanning = True
            case MessageId.OPEN_CHANNEL:
                if channel.open or self._scanning:
                    return Code.WRONG_STATE
                if not channel.id_set:
                    return Code.ID_NOT_SET
                channel.open, channel.tracked, channel.missed = True, None, 0
            case MessageId.CLOSE_CHANNEL:
                if not channel.open:
                    return Code.WRONG_STATE
                channel.open, channel.tracked = False, None
                self._scanning = False
            case MessageId.UNASSIGN_CHANNEL:
                if channel.open:
                    return Code.WRONG_STATE
                del self._channels[content[0]]
            case _:
                return Code.INVALID_MESSAGE
        return Code.NO_ERROR

    def _listening_for(self, device_number: int) -> list[int]:
        """The channels on which a strap's packet comes."""
        if not self._key_known:
            return []
        if self._scanning:
            return [number for number, channel in self._channels.items() if channel.open]
        tracking = [number for number, channel in self._channels.items() if channel.tracked == device_number]
        if not tracking or self.doubled_straps:
            for number, channel in self._channels.items():
                if channel.open and channel.tracked is None and self._matches(channel, device_number):
                    self.doubled_straps -= bool(tracking)
                    channel.tracked = device_number
                    tracking.append(number)
                    break
        for number in tracking:
            self._channels[number].missed = 0
        return tracking

    def _matches(self, channel: _Channel, device_number: int) -> bool:
        low16, nibble = split(device_number)
        return channel.number in (0, low16) and channel.transmission_type >> 4 in (0, nibble)

    def _extension(self, device_number: int, rssi_dbm: int, at_ns: int) -> bytes:
        tail = b""
        if self._extend & Extended.CHANNEL_ID:
            low16, nibble = split(device_number)
            tail += bytes((low16 & 0xFF, low16 >> 8, DEVICE_TYPE, nibble << 4 | _INDEPENDENT))
        if self._extend & Extended.RSSI:
            tail += bytes((_RSSI_DBM_BLOCK, rssi_dbm & 0xFF, 0x80))
        if self._extend & Extended.STAMP:
            stamp = at_ns * STAMP_HZ // 1_000_000_000 % STAMP_MODULUS
            tail += stamp.to_bytes(2, "little")
        return bytes((self._extend,)) + tail if self._extend else b""
