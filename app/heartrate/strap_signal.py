"""What one receiver hears of a strap besides beats: how well, how loud, and the battery."""

from typing import NamedTuple

from app.heartrate.pages import COMMON_INVALID, BatteryPage, decode_page
from app.heartrate.profile import (
    FIRST_COMMAND_PAGE,
    LAST_COMMAND_PAGE,
    PAGE_MASK,
    TOGGLE_BIT,
    BatteryStatus,
    DataPage,
)
from app.heartrate.reception import Reception

RSSI_SMOOTHING = 8
"""A packet moves the shown signal strength by one part in so many."""

LOW_BATTERY_PERCENT = 15

_SAYS_NOTHING = (BatteryStatus.UNKNOWN, BatteryStatus.RESERVED, BatteryStatus.INVALID)


class Battery(NamedTuple):
    """A strap's battery, for people."""

    text: str
    """As the strap says."""
    low: bool


class StrapSignal:
    """One ANT+ strap at one receiver. Feed it every packet, in order."""

    __slots__ = ("_rssi", "_toggles", "battery", "heart_rate", "reception")

    def __init__(self) -> None:
        self.reception = Reception()
        self.battery: Battery | None = None
        """None: it has not said."""
        self.heart_rate: int | None = None
        """What the newest packet says, bpm; None: invalid."""
        self._rssi: float | None = None
        self._toggles = 0

    @property
    def rssi_dbm(self) -> int | None:
        """Signal strength, smoothed; None: the receiver does not tell."""
        return None if self._rssi is None else round(self._rssi)

    def hear(self, payload: bytes, at_us: int, rssi_dbm: int | None) -> None:
        """A packet was received at `at_us` (µs since 1970 UTC)."""
        self.reception.hear(at_us)
        if rssi_dbm is not None:
            self._rssi = rssi_dbm if self._rssi is None else self._rssi + (rssi_dbm - self._rssi) / RSSI_SMOOTHING
        # A strap has pages once its toggle bit was seen both ways (notes 2.2).
        self._toggles |= 2 if payload[0] & TOGGLE_BIT else 1
        number = payload[0] & PAGE_MASK if self._toggles == 3 else DataPage.DEFAULT
        if FIRST_COMMAND_PAGE <= number <= LAST_COMMAND_PAGE or payload[4:] == COMMON_INVALID:
            return  # bytes 4-7 are no beats
        self.heart_rate = payload[7] or None
        if number == DataPage.BATTERY:
            page = decode_page(payload, paged=True)
            if isinstance(page, BatteryPage):
                self.battery = _battery(page)


def _battery(page: BatteryPage) -> Battery | None:
    low = page.battery_status in (BatteryStatus.LOW, BatteryStatus.CRITICAL)
    if page.battery_percent is not None:
        return Battery(f"{page.battery_percent} %", low or page.battery_percent < LOW_BATTERY_PERCENT)
    if page.battery_status not in _SAYS_NOTHING:
        return Battery(page.battery_status.name.lower(), low)
    return None if page.battery_voltage is None else Battery(f"{page.battery_voltage:.1f} V", low)
