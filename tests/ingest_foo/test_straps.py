"""Records of what is heard: the contract's fields, and the optional ones only where they are known."""

import json
from typing import Any

import pytest

from scripts.ingest_foo.bluetooth import Notification
from scripts.ingest_foo.stick.receiver import Packet
from scripts.ingest_foo.straps import Straps

AT_US = 1_790_000_000_250_000
ADA = "C0:11:22:33:44:55"


@pytest.fixture
def kept() -> list[tuple[str, dict[str, Any]]]:
    return []


@pytest.fixture
def straps(kept: list[tuple[str, dict[str, Any]]]) -> Straps:
    return Straps(lambda destination, text: kept.append((destination, json.loads(text))))


def test_a_packet_carries_its_signal_strength(straps: Straps, kept: list[tuple[str, dict[str, Any]]]) -> None:
    payload = bytes.fromhex("04ff0a14ce180764")
    straps.hear(Packet(863_436, payload, AT_US, -61, "usb-1"))
    straps.hear(Packet(863_436, payload, AT_US, None, "usb-1"))
    record = {
        "device_id": "863436",
        "packet_count": 0,
        "ant_hr_packet": "04ff0a14ce180764",
        "received_at": "2026-09-21T14:13:20.250000Z",
        "receiver_id": "usb-1",
    }
    assert kept == [
        ("raw_ant_hr_packet", {**record, "rssi_dbm": -61}),
        ("raw_ant_hr_packet", {**record, "packet_count": 1}),
    ]


@pytest.mark.parametrize(
    ("rssi_dbm", "battery_percent", "fields"),
    [
        (-64, 87, {"rssi_dbm": -64, "battery_percent": 87}),
        (0, 0, {"rssi_dbm": 0, "battery_percent": 0}),
        (-127, None, {}),
        (127, None, {}),
        (None, None, {}),
    ],
)
def test_a_notification_carries_what_is_known_of_its_strap(
    straps: Straps,
    kept: list[tuple[str, dict[str, Any]]],
    rssi_dbm: int | None,
    battery_percent: int | None,
    fields: dict[str, int],
) -> None:
    straps.hear_bluetooth(Notification(ADA, None, b"\x00\x48", AT_US, battery_percent, rssi_dbm, "ble-1"))
    ((destination, record),) = kept
    assert destination == "bluetooth_hr_packet"
    assert record == {
        "device_id": ADA,
        "packet_count": 0,
        "hr_measurement": "0048",
        "received_at": "2026-09-21T14:13:20.250000Z",
        "receiver_id": "ble-1",
        **fields,
    }
    (view,) = straps.views(AT_US)
    assert view.rssi_dbm == fields.get("rssi_dbm")
