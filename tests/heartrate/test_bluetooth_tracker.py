"""Notifications to beats: no RR lost or made up, moments close to the truth, the same again after a restart."""

import itertools
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.heartrate.ble import InvalidMeasurement, encode_measurement
from app.heartrate.bluetooth_tracker import WITHOUT_INTERVALS, BluetoothBeat, BluetoothTracker
from app.heartrate.device_number import InvalidDeviceId
from app.heartrate.sensor_clock import ticks_to_us
from app.heartrate.strap_id import check_strap_id

START_US = 1_790_000_000_000_000
SECOND_US = 1_000_000


def notifications(intervals: list[int], delays_us: list[int]) -> tuple[list[int], list[tuple[int, bytes]]]:
    """The moments of the beats that end the intervals, and what a strap notifies of them each second."""
    moments, at_us = [], START_US
    for ticks in intervals:
        at_us += ticks_to_us(ticks)
        moments.append(at_us)
    sent: list[tuple[int, bytes]] = []
    told, second = 0, START_US
    while told < len(moments):
        second += SECOND_US
        new = [i for i in range(told, min(told + 9, len(moments))) if moments[i] <= second]
        told += len(new)
        arrival = second + delays_us[len(sent) % len(delays_us)]
        sent.append((arrival, encode_measurement(75, tuple(intervals[i] for i in new), contact=True)))
    return moments, sent


def told(tracker: BluetoothTracker, sent: list[tuple[int, bytes]]) -> list[BluetoothBeat]:
    return [beat for arrival, value in sent for beat in tracker.push(value, arrival)]


rr = st.integers(300, 1800)
delays = st.lists(st.integers(10_000, 90_000), min_size=1, max_size=30)


@given(st.lists(rr, min_size=1, max_size=120), delays)
def test_every_interval_comes_out_once_and_in_order(intervals: list[int], delays_us: list[int]) -> None:
    _, sent = notifications(intervals, delays_us)
    beats = told(BluetoothTracker(), sent)
    assert [beat.rr_ticks for beat in beats] == intervals
    times = [beat.time_us for beat in beats]
    assert all(before < after for before, after in itertools.pairwise(times))
    assert {(beat.heart_rate, beat.contact) for beat in beats} == {(75, True)}


@given(st.lists(st.integers(500, 1000), min_size=90, max_size=120), delays)
def test_moments_settle_close_to_the_truth(intervals: list[int], delays_us: list[int]) -> None:
    moments, sent = notifications(intervals, delays_us)
    beats = told(BluetoothTracker(), sent)
    late = [beat.time_us - moment for beat, moment in zip(beats, moments, strict=True)][-20:]
    # As late as the quickest notification of the last minute, and never before its beat.
    assert all(-1000 <= error <= 450_000 for error in late)
    assert max(late) - min(late) < 250_000


def test_a_lost_notification_costs_its_intervals_and_nothing_else() -> None:
    random = Random(1)
    intervals = [random.randrange(700, 1100) for _ in range(300)]
    moments, sent = notifications(intervals, [30_000])
    kept = [notification for number, notification in enumerate(sent) if number % 40 != 39]
    beats = told(BluetoothTracker(), kept)
    lost = len(intervals) - len(beats)
    assert 0 < lost <= 2 * (len(sent) - len(kept))
    truth = {ticks: moment for ticks, moment in zip(intervals, moments, strict=True) if intervals.count(ticks) == 1}
    errors = [abs(beat.time_us - truth[beat.rr_ticks]) for beat in beats if beat.rr_ticks in truth]
    assert len(errors) > 100
    assert max(errors) < 2 * SECOND_US
    assert sorted(errors)[len(errors) // 2] < SECOND_US


def test_a_tracker_rebuilt_from_the_last_minutes_goes_on_alike() -> None:
    random = Random(2)
    intervals = [random.randrange(500, 1000) for _ in range(2000)]
    _, sent = notifications(intervals, [random.randrange(10_000, 200_000) for _ in range(50)])
    whole = BluetoothTracker()
    told(whole, sent[:1000])
    rebuilt = BluetoothTracker()
    told(rebuilt, sent[1000 - 600 : 1000])
    assert told(rebuilt, sent[1000:]) == told(whole, sent[1000:])


def test_a_silence_begins_anew() -> None:
    tracker = BluetoothTracker()
    _, sent = notifications([800] * 20, [30_000])
    told(tracker, sent)
    (beat,) = tracker.push(encode_measurement(70, (900,)), sent[-1][0] + 600 * SECOND_US)
    assert beat.rr_ticks == 900
    assert beat.time_us == sent[-1][0] + 600 * SECOND_US


def test_no_beat_no_row() -> None:
    tracker = BluetoothTracker()
    _, sent = notifications([1024 * 3 // 2] * 20, [30_000])
    assert any(len(value) == 2 for _, value in sent), "some second has no beat"
    assert len(told(tracker, sent)) == 20


def test_intervals_that_are_no_heartbeats_are_left_out() -> None:
    # A dual strap of Garmin's adds such beside the true ones (notes 6).
    (beat,) = BluetoothTracker().push(encode_measurement(70, (870, 53)), START_US)
    assert (beat.rr_ticks, beat.time_us) == (870, START_US)


def test_a_strap_that_sends_no_intervals_gives_readings() -> None:
    tracker = BluetoothTracker()
    rows = [
        tracker.push(encode_measurement(rate, contact=False), START_US + second * SECOND_US)
        for second, rate in enumerate([70] * (WITHOUT_INTERVALS + 3))
    ]
    assert [len(row) for row in rows] == [0] * WITHOUT_INTERVALS + [1] * 3
    assert rows[-1][0] == BluetoothBeat(START_US + (WITHOUT_INTERVALS + 2) * SECOND_US, 70, None, contact=False)
    assert tracker.push(encode_measurement(None), START_US + 20 * SECOND_US) == (), "no reading is no row"


def test_a_cut_off_value_is_refused() -> None:
    with pytest.raises(InvalidMeasurement):
        BluetoothTracker().push(b"\x01\x50", START_US)


@given(st.lists(st.tuples(st.binary(max_size=24), st.integers(0, 5 * SECOND_US)), max_size=30))
def test_any_bytes_give_ordered_beats(values: list[tuple[bytes, int]]) -> None:
    tracker = BluetoothTracker()
    arrived, before = START_US, 0
    for value, gap in values:
        arrived += gap
        try:
            beats = tracker.push(value, arrived)
        except InvalidMeasurement:
            continue
        for beat in beats:
            assert beat.time_us > before
            before = beat.time_us


@pytest.mark.parametrize("text", ["863436", "C0:11:22:33:44:55", "0A1B2C3D-0000-1111-2222-333344445555"])
def test_names_of_straps(text: str) -> None:
    check_strap_id(text)


@pytest.mark.parametrize(
    "text", ["", "0", "c0:11:22:33:44:55", "C0:11:22:33:44", "C0:11:22:33:44:55:66", "C0-11-22-33-44-55", "strap"]
)
def test_what_names_no_strap(text: str) -> None:
    with pytest.raises(InvalidDeviceId, match="device_id"):
        check_strap_id(text)


def test_what_was_told_before_adds_nothing() -> None:
    _, sent = notifications([800] * 50, [30_000])
    tracker = BluetoothTracker()
    told(tracker, sent)
    assert told(tracker, sent[-5:]) == []


def test_one_receiver_at_a_time() -> None:
    _, sent = notifications([800] * 50, [30_000])
    tracker = BluetoothTracker()
    beats = [
        beat
        for arrival, value in sent
        for receiver_id, delay in (("ble-a", 0), ("ble-b", 20_000))
        for beat in tracker.push(value, arrival + delay, receiver_id)
    ]
    assert len(beats) == 50
    silence = sent[-1][0] + 10 * SECOND_US
    assert len(tracker.push(encode_measurement(75, (800,)), silence, "ble-b")) == 1, "the other one takes over"
