"""The numbers of the ANT+ heart-rate profile, each with its source.

Sources: HRM-DP = D00000693 ANT+ Device Profile Heart Rate Monitor (as cited by public code), AMP = D00000652 ANT
Message Protocol and Usage. Gathered in ../shared/ant-hrm.md, whose sections are named as "notes N".
"""

from enum import IntEnum

DEVICE_TYPE = 120
"""ANT+ device type of a heart-rate strap (notes 1)."""

TICKS_PER_SECOND = 1024
"""Heart beat event time counts in 1/1024 s (notes 2)."""

EVENT_TIME_MODULUS = 1 << 16
"""Event time rolls over after 65536 ticks = 64 s (notes 2)."""

BEAT_COUNT_MODULUS = 1 << 8
"""Heart beat count rolls over after 256 beats (notes 2)."""

CHANNEL_PERIOD = 8070
"""A strap transmits every 8070/32768 s = 246.3 ms (notes 1)."""

CHANNEL_PERIOD_HZ = 32768
"""The clock that the channel period counts in, Hz (notes 1)."""

PAYLOAD_BYTES = 8
"""An ANT data payload (AMP)."""

TOGGLE_BIT = 0x80
"""Byte 0, bit 7: page change toggle (notes 2.2)."""

PAGE_MASK = 0x7F
"""Byte 0, bits 0-6: data page number (notes 2)."""

TOGGLE_EVERY_MESSAGES = 4
"""A paged strap flips its toggle bit every fourth message (notes 2.2)."""

OPERATING_TIME_UNIT_S = 2
"""Page 1 counts in 2 s (notes 2.1)."""

VOLTAGE_FRACTIONS = 256
"""Page 7 counts fractions of a volt in 1/256 V (notes 2.1)."""

COARSE_VOLTAGE_INVALID = 0x0F
"""Page 7: no voltage (notes 2.1)."""

UNUSED = 0xFF
"""A byte that a page does not use, or a value it does not know (notes 2.1)."""


class DataPage(IntEnum):
    """Data page numbers (notes 2.1)."""

    DEFAULT = 0
    OPERATING_TIME = 1
    MANUFACTURER = 2
    PRODUCT = 3
    PREVIOUS_BEAT = 4
    SWIM_INTERVAL = 5
    CAPABILITIES = 6
    BATTERY = 7
    DEVICE_INFORMATION = 9
    HR_FEATURE_COMMAND = 32
    REQUEST = 70
    MODE_SETTINGS = 76


FIRST_COMMAND_PAGE, LAST_COMMAND_PAGE = 32, 111
"""Commands and common pages: bytes 4-7 are no beats (notes 2.1)."""

FIRST_MANUFACTURER_PAGE, LAST_MANUFACTURER_PAGE = 112, 127
"""Manufacturer specific pages (notes 2.1)."""


class BatteryStatus(IntEnum):
    """Page 7, byte 3, bits 4-6 (notes 2.1)."""

    UNKNOWN = 0
    NEW = 1
    GOOD = 2
    OK = 3
    LOW = 4
    CRITICAL = 5
    RESERVED = 6
    INVALID = 7


class Feature(IntEnum):
    """Bits of page 6 (notes 2.1); 4 and 5 are reserved."""

    RUNNING = 0
    CYCLING = 1
    SWIMMING = 2
    GYM_MODE = 3
    MANUFACTURER_1 = 6
    MANUFACTURER_2 = 7
