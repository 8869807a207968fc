"""ANT+ heart-rate payloads: a page to eight bytes, as a strap sends them (notes 2.1). The inverse of pages.py."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.heartrate.profile import (
    COARSE_VOLTAGE_INVALID,
    FIRST_MANUFACTURER_PAGE,
    LAST_MANUFACTURER_PAGE,
    OPERATING_TIME_UNIT_S,
    TOGGLE_BIT,
    UNUSED,
    VOLTAGE_FRACTIONS,
    BatteryStatus,
    DataPage,
    Feature,
)


@dataclass(frozen=True, slots=True)
class CommonFields:
    """Bytes 4-7 of every page. Values beyond their roll-over are taken modulo it."""

    event_time_ticks: int
    """Event time of the last beat, 1/1024 s."""
    beat_count: int
    heart_rate: int | None
    """bpm, 1-255; None: invalid."""

    def encode(self) -> bytes:
        """The four bytes. Raises `ValueError` for a heart rate that does not fit."""
        rate = 0 if self.heart_rate is None else self.heart_rate
        ticks = self.event_time_ticks & 0xFFFF
        return bytes((ticks & 0xFF, ticks >> 8, self.beat_count & 0xFF, rate))


def encode_default(common: CommonFields, *, toggle: bool) -> bytes:
    """Page 0."""
    return _page(DataPage.DEFAULT, UNUSED, UNUSED, UNUSED, common, toggle=toggle)


def encode_operating_time(common: CommonFields, seconds: int, *, toggle: bool) -> bytes:
    """Page 1; seconds since the battery was changed."""
    units = (seconds // OPERATING_TIME_UNIT_S) & 0xFFFFFF
    return _page(DataPage.OPERATING_TIME, units & 0xFF, units >> 8 & 0xFF, units >> 16, common, toggle=toggle)


def encode_manufacturer(common: CommonFields, manufacturer_id: int, serial_upper16: int, *, toggle: bool) -> bytes:
    """Page 2; of the manufacturer id only the low 8 bits travel."""
    low, high = serial_upper16 & 0xFF, serial_upper16 >> 8
    return _page(DataPage.MANUFACTURER, manufacturer_id & 0xFF, low, high, common, toggle=toggle)


def encode_product(common: CommonFields, hardware: int, software: int, model: int, *, toggle: bool) -> bytes:
    """Page 3."""
    return _page(DataPage.PRODUCT, hardware, software, model, common, toggle=toggle)


def encode_previous_beat(
    common: CommonFields, previous_event_time: int, manufacturer_specific: int = UNUSED, *, toggle: bool
) -> bytes:
    """Page 4; previous event time in ticks, taken modulo 65536."""
    low, high = previous_event_time & 0xFF, previous_event_time >> 8 & 0xFF
    return _page(DataPage.PREVIOUS_BEAT, manufacturer_specific, low, high, common, toggle=toggle)


def encode_swim_interval(
    common: CommonFields, interval_avg: int | None, interval_max: int | None, session_avg: int | None, *, toggle: bool
) -> bytes:
    """Page 5; bpm, None: invalid."""
    return _page(DataPage.SWIM_INTERVAL, interval_avg or 0, interval_max or 0, session_avg or 0, common, toggle=toggle)


def encode_capabilities(
    common: CommonFields, supported: Iterable[Feature], enabled: Iterable[Feature], *, toggle: bool
) -> bytes:
    """Page 6."""
    return _page(DataPage.CAPABILITIES, UNUSED, _bits(supported), _bits(enabled), common, toggle=toggle)


def encode_battery(
    common: CommonFields,
    percent: int | None,
    volts: float | None,
    status: BatteryStatus = BatteryStatus.INVALID,
    *,
    toggle: bool,
) -> bytes:
    """Page 7; percent 0-100, volts below 15, None: not known."""
    level = UNUSED if percent is None else percent
    fraction, coarse = (
        (UNUSED, COARSE_VOLTAGE_INVALID)
        if volts is None
        else (int(volts * VOLTAGE_FRACTIONS) % VOLTAGE_FRACTIONS, int(volts))
    )
    return _page(DataPage.BATTERY, level, fraction, status << 4 | coarse, common, toggle=toggle)


def encode_device_information(common: CommonFields, *, event_times_computed: bool, toggle: bool) -> bytes:
    """Page 9."""
    return _page(DataPage.DEVICE_INFORMATION, 0xFC | event_times_computed, UNUSED, UNUSED, common, toggle=toggle)


def encode_manufacturer_page(common: CommonFields, page: int, data: bytes, *, toggle: bool) -> bytes:
    """Pages 112-127; three bytes of data. Raises `ValueError` for another page."""
    if not FIRST_MANUFACTURER_PAGE <= page <= LAST_MANUFACTURER_PAGE:
        raise ValueError(f"page {page} is not manufacturer specific (112-127)")
    one, two, three = data
    return _page(page, one, two, three, common, toggle=toggle)


def encode_legacy(common: CommonFields, first_bytes: bytes) -> bytes:
    """A strap without pages: bytes 0-3 are whatever they are, for ever."""
    return first_bytes + common.encode()


def encode_hr_feature_command(*, apply_gym_mode: bool, gym_mode: bool) -> bytes:
    """Page 32, display to strap. Peers disagree on the bit (notes 10); this is bit 7, never sent by Beatstream."""
    return bytes((DataPage.HR_FEATURE_COMMAND, *[UNUSED] * 5, 0x7F | apply_gym_mode << 7, gym_mode << 7))


def encode_mode_settings(sport: int, sub_sport: int) -> bytes:
    """Page 76, display to strap."""
    return bytes((DataPage.MODE_SETTINGS, *[UNUSED] * 5, sub_sport, sport))


def _page(page: int, one: int, two: int, three: int, common: CommonFields, *, toggle: bool) -> bytes:
    return bytes((page | (TOGGLE_BIT if toggle else 0), one, two, three)) + common.encode()


def _bits(features: Iterable[Feature]) -> int:
    return sum(1 << feature for feature in set(features))
