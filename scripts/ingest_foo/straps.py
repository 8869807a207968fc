"""What is heard of each strap, for people to look at."""

import contextlib
import json
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.heartrate.beat_tracker import BeatTracker
from app.heartrate.ble import InvalidMeasurement, decode_measurement
from app.heartrate.bluetooth_tracker import BluetoothTracker
from app.heartrate.contact import LINK_LOST_AFTER_US, Contact, contact
from app.heartrate.profile import TICKS_PER_SECOND
from app.heartrate.reception import Total
from app.heartrate.strap_signal import LOW_BATTERY_PERCENT, StrapSignal
from scripts.delivery.records import Clockface
from scripts.delivery.sink import BLUETOOTH, RAW
from scripts.ingest_foo.stick.receiver import Packet

if TYPE_CHECKING:
    from scripts.ingest_foo.bluetooth import Notification

Keep = Callable[[str, str], None]
"""Takes a record for a destination."""

_WEAKEST_DBM, _STRONGEST_DBM = -126, 20
"""What Bluetooth can measure; beyond is how systems say that they do not know (-127, or 127)."""


@dataclass(frozen=True, slots=True)
class StrapView:
    """A row of the table."""

    device_id: str
    heart_rate: int | None
    """bpm; None: none, or none that is fresh."""
    rr_ms: float | None
    rssi_dbm: int | None
    loss: float | None
    """Share of the packets of the last minute that was not heard; None: not to be told."""
    battery: str | None
    """As the strap says; None: it has not said."""
    battery_low: bool
    age_s: float
    """Since it was last heard."""
    total: Total


class Strap:
    """One ANT+ strap at one receiver."""

    def __init__(self) -> None:
        self._tracker = BeatTracker()
        self._signal = StrapSignal()
        self._rr_ticks: int | None = None
        self._beat_us: int | None = None
        self.packets = 0

    def hear(self, packet: Packet) -> None:
        """Take a packet."""
        self.packets += 1
        self._signal.hear(packet.payload, packet.received_us, packet.rssi_dbm)
        for beat in self._tracker.push(packet.payload, packet.received_us):
            self._rr_ticks, self._beat_us = beat.rr_ticks, beat.time_us

    def view(self, device_id: str, now_us: int) -> StrapView:
        """As it is now."""
        reception, battery = self._signal.reception, self._signal.battery
        last_us = reception.last_us or now_us
        rr_us = None if self._rr_ticks is None else self._rr_ticks * 1_000_000 // TICKS_PER_SECOND
        live = contact(now_us, last_us, self._beat_us, rr_us, self._signal.heart_rate) is Contact.LIVE
        return StrapView(
            device_id=device_id,
            heart_rate=self._signal.heart_rate if live else None,
            rr_ms=rr_us / 1000 if live and rr_us is not None else None,
            rssi_dbm=self._signal.rssi_dbm,
            loss=reception.loss(now_us),
            battery=None if battery is None else battery.text,
            battery_low=battery is not None and battery.low,
            age_s=max(0.0, (now_us - last_us) / 1_000_000),
            total=reception.total,
        )


class BluetoothStrap:
    """One Bluetooth strap. What it notifies is acknowledged on the radio, so nothing is told of loss."""

    def __init__(self) -> None:
        self._tracker = BluetoothTracker()
        self._last: Notification | None = None
        self._heart_rate: int | None = None
        self._rr_ticks: int | None = None
        self._longest_gap_us = 0
        self.packets = 0

    def hear(self, notification: "Notification") -> None:
        """Take a notification."""
        if self._last is not None:
            self._longest_gap_us = max(self._longest_gap_us, notification.received_us - self._last.received_us)
        self.packets += 1
        self._last = notification
        self._heart_rate = self._rr_ticks = None
        with contextlib.suppress(InvalidMeasurement):  # the pipeline says what is wrong with it
            for beat in self._tracker.push(notification.value, notification.received_us):
                self._rr_ticks = beat.rr_ticks
            self._heart_rate = decode_measurement(notification.value).heart_rate

    def view(self, device_id: str, now_us: int) -> StrapView:
        """As it is now."""
        last = self._last
        age_us = 0 if last is None else max(0, now_us - last.received_us)
        live = age_us < LINK_LOST_AFTER_US
        battery = None if last is None else last.battery_percent
        return StrapView(
            device_id=device_id,
            heart_rate=self._heart_rate if live else None,
            rr_ms=self._rr_ticks * 1000 / TICKS_PER_SECOND if live and self._rr_ticks is not None else None,
            rssi_dbm=None if last is None else _measured(last.rssi_dbm),
            loss=None,
            battery=None if battery is None else f"{battery} %",
            battery_low=battery is not None and battery < LOW_BATTERY_PERCENT,
            age_s=age_us / 1_000_000,
            total=Total(self.packets, 0, self._longest_gap_us),
        )


class Straps:
    """All straps, and their packets on the way to the spool.

    Args:
        keep: Takes each record.
        only: If not empty, only these device numbers are taken.
        ignore: These are not.
    """

    def __init__(self, keep: Keep, only: Collection[str] = (), ignore: Collection[str] = ()) -> None:
        self._keep = keep
        self._only = frozenset(only)
        self._ignore = frozenset(ignore)
        self._straps: dict[tuple[str, str], Strap] = {}
        self._bluetooth: dict[tuple[str, str], BluetoothStrap] = {}
        self._lock = threading.Lock()
        self._clockface = Clockface()
        self.packets = 0
        """Taken."""
        self.ignored = 0

    def hear(self, packet: Packet) -> None:
        """Take a packet of a stick."""
        device_id = str(packet.device_number)
        with self._lock:
            if not self.takes(device_id):
                self.ignored += 1
                return
            key = (device_id, packet.receiver_id)
            strap = self._straps.get(key)
            if strap is None:
                strap = self._straps[key] = Strap()
            self._keep(
                RAW,
                f'{{"device_id":"{device_id}","packet_count":{strap.packets},'
                f'"ant_hr_packet":"{packet.payload.hex()}","received_at":"{self._clockface(packet.received_us)}",'
                f'"receiver_id":{json.dumps(packet.receiver_id)}{_known("rssi_dbm", packet.rssi_dbm)}}}',
            )
            self.packets += 1
            strap.hear(packet)

    def hear_bluetooth(self, notification: "Notification") -> None:
        """Take a notification of a Bluetooth strap."""
        with self._lock:
            strap = self._bluetooth.setdefault((notification.address, notification.receiver_id), BluetoothStrap())
            self._keep(
                BLUETOOTH,
                f'{{"device_id":"{notification.address}","packet_count":{strap.packets},'
                f'"hr_measurement":"{notification.value.hex()}",'
                f'"received_at":"{self._clockface(notification.received_us)}",'
                f'"receiver_id":{json.dumps(notification.receiver_id)}'
                f"{_known('rssi_dbm', _measured(notification.rssi_dbm))}"
                f"{_known('battery_percent', notification.battery_percent)}}}",
            )
            self.packets += 1
            strap.hear(notification)

    def takes(self, device_id: str) -> bool:
        """Whether a strap is wanted."""
        return device_id not in self._ignore and (not self._only or device_id in self._only)

    def views(self, now_us: int) -> list[StrapView]:
        """Each strap at the receiver that hears it best, by number."""
        with self._lock:
            views = [strap.view(device_id, now_us) for (device_id, _), strap in self._straps.items()]
            views += [strap.view(device_id, now_us) for (device_id, _), strap in self._bluetooth.items()]
        best: dict[str, StrapView] = {}
        for view in sorted(views, key=lambda view: (round(view.age_s), view.loss or 0)):
            best.setdefault(view.device_id, view)
        return sorted(best.values(), key=lambda view: (len(view.device_id), view.device_id))


def _known(field: str, value: int | None) -> str:
    """A record's optional field, which is left out where it is unknown."""
    return "" if value is None else f',"{field}":{value}'


def _measured(rssi_dbm: int | None) -> int | None:
    return rssi_dbm if rssi_dbm is not None and _WEAKEST_DBM <= rssi_dbm <= _STRONGEST_DBM else None
