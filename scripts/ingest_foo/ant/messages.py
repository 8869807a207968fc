"""What the frames of a stick say: data with the strap's identity, signal and time; capabilities; codes (notes 5)."""

from enum import IntEnum, IntFlag
from typing import NamedTuple

from app.heartrate.device_number import device_number
from app.heartrate.profile import DEVICE_TYPE, PAYLOAD_BYTES

DEVICE_TYPE_MASK = 0x7F
"""Bit 7 of the device type is the pairing bit (notes 1)."""

STAMP_HZ = 32_768
STAMP_MODULUS = 1 << 16
"""The stick's own receive stamp counts 1/32768 s and rolls over after 2 s (notes 5)."""

RF_FREQUENCY = 57
"""ANT+: 2457 MHz (notes 1)."""


class MessageId(IntEnum):
    """Message ids (notes 5)."""

    VERSION = 0x3E
    RESPONSE = 0x40
    UNASSIGN_CHANNEL = 0x41
    ASSIGN_CHANNEL = 0x42
    CHANNEL_PERIOD = 0x43
    SEARCH_TIMEOUT = 0x44
    RF_FREQUENCY = 0x45
    NETWORK_KEY = 0x46
    RESET = 0x4A
    OPEN_CHANNEL = 0x4B
    CLOSE_CHANNEL = 0x4C
    REQUEST = 0x4D
    BROADCAST = 0x4E
    ACKNOWLEDGED = 0x4F
    BURST = 0x50
    CHANNEL_ID = 0x51
    CHANNEL_STATUS = 0x52
    CAPABILITIES = 0x54
    OPEN_RX_SCAN = 0x5B
    SERIAL_NUMBER = 0x61
    LOW_PRIORITY_SEARCH_TIMEOUT = 0x63
    ENABLE_EXTENDED = 0x66
    LIB_CONFIG = 0x6E
    STARTUP = 0x6F
    SERIAL_ERROR = 0xAE


class Code(IntEnum):
    """Codes of a response, and of a channel event (notes 5)."""

    NO_ERROR = 0x00
    SEARCH_TIMEOUT = 0x01
    RX_FAIL = 0x02
    CHANNEL_CLOSED = 0x07
    RX_FAIL_GO_TO_SEARCH = 0x08
    CHANNEL_COLLISION = 0x09
    WRONG_STATE = 0x15
    NOT_OPENED = 0x16
    ID_NOT_SET = 0x18
    CLOSE_ALL_CHANNELS = 0x19
    INVALID_MESSAGE = 0x28
    INVALID_PARAMETER = 0x33
    SERIAL_QUEUE_OVERFLOW = 0x34
    QUEUE_OVERFLOW = 0x35


CHANNEL_EVENT = 1
"""In the message id of a response: it answers nothing, it tells an event (notes 5)."""


class Extended(IntFlag):
    """What travels behind the payload; also the bits of the library configuration (notes 5)."""

    STAMP = 0x20
    RSSI = 0x40
    CHANNEL_ID = 0x80


_RSSI_DBM, _RSSI_AGC = 0x20, 0x10
_RSSI_BYTES = {_RSSI_DBM: 3, _RSSI_AGC: 4}


class Heard(NamedTuple):
    """A data message of a strap."""

    channel: int
    payload: bytes
    """8 bytes."""
    device_number: int | None
    """20 bits; None: the stick sent no channel id with it."""
    device_type: int | None
    rssi_dbm: int | None
    """Signal strength; None: the stick does not measure it."""
    stamp: int | None
    """The stick's clock when it was received, 1/32768 s, 0-65535; None: the stick has no such clock."""

    @property
    def is_heart_rate(self) -> bool:
        """It comes from a heart-rate strap, and says from which."""
        return self.device_type == DEVICE_TYPE and bool(self.device_number)


def decode_data(content: bytes) -> Heard | None:
    """Read the content of a broadcast or acknowledged message by the flags that it carries; None: it is damaged."""
    if len(content) < 1 + PAYLOAD_BYTES:
        return None
    number = device_type = rssi = stamp = None
    at = 1 + PAYLOAD_BYTES
    flags = content[at] if len(content) > at else 0
    at += 1
    if flags & Extended.CHANNEL_ID:
        if len(content) < at + 4:
            return None
        number = device_number(content[at] | content[at + 1] << 8, content[at + 3])
        device_type = content[at + 2] & DEVICE_TYPE_MASK
        at += 4
    if flags & Extended.RSSI:
        size = _RSSI_BYTES.get(content[at]) if len(content) > at else None
        if size is None or len(content) < at + size:
            return None
        if content[at] == _RSSI_DBM:
            rssi = int.from_bytes(content[at + 1 : at + 2], signed=True)
        at += size
    if flags & Extended.STAMP:
        if len(content) < at + 2:
            return None
        stamp = content[at] | content[at + 1] << 8
    return Heard(content[0], content[1 : 1 + PAYLOAD_BYTES], number, device_type, rssi, stamp)


class Capabilities(NamedTuple):
    """What a stick can do."""

    channels: int
    networks: int
    scan_mode: bool
    """Hears every strap at once."""
    extended: bool
    """Tells which strap a message is from."""


_EXTENDED_BIT, _SCAN_BIT = 1, 2


def decode_capabilities(content: bytes) -> Capabilities:
    """Read a capabilities message of at least four bytes."""
    advanced_2 = content[4] if len(content) > 4 else 0
    return Capabilities(
        channels=content[0],
        networks=content[1],
        scan_mode=bool(advanced_2 >> _SCAN_BIT & 1),
        extended=bool(advanced_2 >> _EXTENDED_BIT & 1),
    )
