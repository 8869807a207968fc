"""ANT+ heart-rate payloads: eight bytes to a page (notes 2).

A receiver must not read bytes 0-3 before it has seen the toggle bit both ways from that strap: a legacy strap has no
pages and its byte 0 may be anything (notes 2.2). So the caller says whether the strap is known to be paged.
"""

from dataclasses import dataclass

from app.heartrate.profile import (
    COARSE_VOLTAGE_INVALID,
    FIRST_COMMAND_PAGE,
    FIRST_MANUFACTURER_PAGE,
    LAST_COMMAND_PAGE,
    OPERATING_TIME_UNIT_S,
    PAGE_MASK,
    PAYLOAD_BYTES,
    TOGGLE_BIT,
    UNUSED,
    VOLTAGE_FRACTIONS,
    BatteryStatus,
    DataPage,
    Feature,
)

COMMON_INVALID = b"\xff\xff\xff\xff"
"""Bytes 4-7 of a damaged path: to be refused as a group, 255 bpm is no reading (notes 2)."""


class InvalidPayload(ValueError):  # noqa: N818 (reads as what it is, in a dead letter)
    """A text that is no payload; its text says why."""


def parse_payload(text: str) -> bytes:
    """Eight bytes from 16 hexadecimal digits, either case. Raises `InvalidPayload`."""
    if len(text) == 2 * PAYLOAD_BYTES:
        try:
            payload = bytes.fromhex(text)
        except ValueError:
            payload = b""
        # fromhex skips white space, so a text that holds some comes out short.
        if len(payload) == PAYLOAD_BYTES:
            return payload
    raise InvalidPayload(f"ant_hr_packet: {text[:40]!r} is not 16 hexadecimal digits")


@dataclass(frozen=True, slots=True)
class Page:
    """What every heart-rate page carries. Also the page itself where nothing more may be read."""

    toggle: bool
    number: int | None
    """Page number; None: the strap is not known to be paged."""
    event_time_ticks: int | None
    """Event time of the last beat, 1/1024 s, 0-65535; None: the page carries no beats, or they are invalid."""
    beat_count: int | None
    """Heart beat count, 0-255; None: as above."""
    heart_rate: int | None
    """The strap's own computed heart rate, bpm; None: invalid."""


@dataclass(frozen=True, slots=True)
class OperatingTimePage(Page):
    """Page 1."""

    operating_time_s: int
    """Since the battery was changed; rolls over after 388 days."""


@dataclass(frozen=True, slots=True)
class ManufacturerPage(Page):
    """Page 2."""

    manufacturer_id_lsb: int
    """Only 8 bits: ids above 255 are truncated."""
    serial_upper16: int
    """The full serial number is this, shifted by 16, or the 16-bit device number."""


@dataclass(frozen=True, slots=True)
class ProductPage(Page):
    """Page 3."""

    hardware_version: int
    software_version: int
    model_number: int


@dataclass(frozen=True, slots=True)
class PreviousBeatPage(Page):
    """Page 4."""

    manufacturer_specific: int | None
    """None: unused. Says nothing about the validity of the previous event time (notes 2.1)."""
    previous_event_time_ticks: int
    """Event time of the beat before the last, 1/1024 s, 0-65535."""


@dataclass(frozen=True, slots=True)
class SwimIntervalPage(Page):
    """Page 5; bpm, None: invalid."""

    interval_avg_bpm: int | None
    interval_max_bpm: int | None
    session_avg_bpm: int | None


@dataclass(frozen=True, slots=True)
class CapabilitiesPage(Page):
    """Page 6."""

    supported: frozenset[Feature]
    enabled: frozenset[Feature]


@dataclass(frozen=True, slots=True)
class BatteryPage(Page):
    """Page 7."""

    battery_percent: int | None
    """None: unused."""
    battery_voltage: float | None
    """Volts; None: invalid."""
    battery_status: BatteryStatus


@dataclass(frozen=True, slots=True)
class DeviceInformationPage(Page):
    """Page 9."""

    event_times_computed: bool | None
    """The strap makes its event times up from the heart rate; None: a reserved value."""


@dataclass(frozen=True, slots=True)
class ManufacturerSpecificPage(Page):
    """Pages 112-127."""

    data: bytes
    """Bytes 1-3."""


def decode_page(payload: bytes, *, paged: bool) -> Page:  # noqa: PLR0911 (one arm a page)
    """Read a payload. `paged`: the toggle bit of this strap has been seen both ways."""
    toggle = bool(payload[0] & TOGGLE_BIT)
    number = payload[0] & PAGE_MASK if paged else None
    beats = _beats(payload, number)
    one, two, three = payload[1:4]
    match number:
        case DataPage.OPERATING_TIME:
            return OperatingTimePage(
                toggle, number, *beats, operating_time_s=(one | two << 8 | three << 16) * OPERATING_TIME_UNIT_S
            )
        case DataPage.MANUFACTURER:
            return ManufacturerPage(toggle, number, *beats, manufacturer_id_lsb=one, serial_upper16=two | three << 8)
        case DataPage.PRODUCT:
            return ProductPage(toggle, number, *beats, hardware_version=one, software_version=two, model_number=three)
        case DataPage.PREVIOUS_BEAT:
            return PreviousBeatPage(
                toggle,
                number,
                *beats,
                manufacturer_specific=None if one == UNUSED else one,
                previous_event_time_ticks=two | three << 8,
            )
        case DataPage.SWIM_INTERVAL:
            return SwimIntervalPage(
                toggle,
                number,
                *beats,
                interval_avg_bpm=one or None,
                interval_max_bpm=two or None,
                session_avg_bpm=three or None,
            )
        case DataPage.CAPABILITIES:
            return CapabilitiesPage(toggle, number, *beats, supported=_features(two), enabled=_features(three))
        case DataPage.BATTERY:
            return BatteryPage(
                toggle,
                number,
                *beats,
                battery_percent=None if one == UNUSED else one,
                battery_voltage=_volts(two, three & 0x0F),
                battery_status=BatteryStatus(three >> 4 & 0x07),
            )
        case DataPage.DEVICE_INFORMATION:
            return DeviceInformationPage(toggle, number, *beats, event_times_computed=event_times_computed(one))
        case int() if number >= FIRST_MANUFACTURER_PAGE:
            return ManufacturerSpecificPage(toggle, number, *beats, data=payload[1:4])
        case _:
            return Page(toggle, number, *beats)


def _beats(payload: bytes, number: int | None) -> tuple[int | None, int | None, int | None]:
    if payload[4:] == COMMON_INVALID or (number is not None and FIRST_COMMAND_PAGE <= number <= LAST_COMMAND_PAGE):
        return None, None, None
    return payload[4] | payload[5] << 8, payload[6], payload[7] or None


def event_times_computed(byte: int) -> bool | None:
    """Page 9, byte 1: whether the event times are computed; None: a reserved value."""
    return {0: False, 1: True}.get(byte & 0x03)


def _features(bits: int) -> frozenset[Feature]:
    return frozenset(feature for feature in Feature if bits >> feature & 1)


def _volts(fraction: int, coarse: int) -> float | None:
    return None if coarse == COARSE_VOLTAGE_INVALID else coarse + fraction / VOLTAGE_FRACTIONS
