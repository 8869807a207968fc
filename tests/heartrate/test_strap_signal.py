"""Signal and battery as a receiver hears them."""

import pytest

from app.heartrate.strap_signal import Battery, StrapSignal

T, SLOT_US = 1_790_000_000_000_000, 246_277
BEATS = "00040a96"


def heard(*payloads: str, rssi_dbm: int | None = None) -> StrapSignal:
    signal = StrapSignal()
    for slot, payload in enumerate(payloads):
        signal.hear(bytes.fromhex(payload), T + slot * SLOT_US, rssi_dbm)
    return signal


@pytest.mark.parametrize(
    ("page", "battery"),
    [
        ("0764ff9f", Battery("100 %", low=False)),
        ("070eff9f", Battery("14 %", low=True)),
        ("070fff9f", Battery("15 %", low=False)),
        ("0750ff4f", Battery("80 %", low=True)),
        ("07ffff2f", Battery("good", low=False)),
        ("07ffff4f", Battery("low", low=True)),
        ("07ffff5f", Battery("critical", low=True)),
        ("07ff8002", Battery("2.5 V", low=False)),
        ("07ffff0f", None),
        ("07ffff7f", None),
    ],
)
def test_what_page_7_says(page: str, battery: Battery | None) -> None:
    assert heard("80ffffff" + BEATS, page + BEATS).battery == battery


def test_no_battery_is_read_from_a_strap_without_pages() -> None:
    assert heard(*("0764ff9f" + BEATS,) * 20).battery is None


def test_a_legacy_strap_after_a_paged_packet_of_the_other_kind() -> None:
    signal = heard("8764ff9f" + BEATS)
    assert signal.battery is None
    signal.hear(bytes.fromhex("0764ff9f" + BEATS), T + SLOT_US, None)
    assert signal.battery == Battery("100 %", low=False)


def test_heart_rate_0_is_none() -> None:
    assert heard("00ffffff00040a96").heart_rate == 150
    assert heard("00ffffff00040a96", "00ffffff00040a00").heart_rate is None


def test_strength_is_smoothed() -> None:
    signal = heard(*("00ffffff" + BEATS,) * 30, rssi_dbm=-60)
    assert signal.rssi_dbm == -60
    signal.hear(bytes.fromhex("00ffffff" + BEATS), T + 30 * SLOT_US, -100)
    assert signal.rssi_dbm == -65
    assert heard("00ffffff" + BEATS).rssi_dbm is None


def test_pages_without_beats_say_nothing_of_the_heart() -> None:
    assert heard("80ffffff" + BEATS, "00ffffff" + BEATS, "50ffffff01020300").heart_rate == 150
    assert heard("00ffffff" + BEATS, "00ffffffffffffff").heart_rate == 150
