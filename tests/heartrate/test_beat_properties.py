"""What holds for every beat series and every way its packets may reach us."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from app.heartrate import strap_tracker
from app.heartrate.beat_tracker import SECOND_US, SLACK_US, Beat, BeatTracker
from app.heartrate.encoder import CommonFields, encode_default, encode_previous_beat
from app.heartrate.sensor_clock import ticks_to_us
from app.heartrate.strap_tracker import LANE_REACH_US, StrapTracker
from tests.heartrate.straps import SLOT_US, START_US, Sent, Series, disturb, series, transmit

COMMON = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])

truths = st.builds(
    series,
    st.lists(st.integers(min_value=260, max_value=2200), min_size=1, max_size=120),
    st.integers(min_value=0, max_value=200_000),
    st.integers(min_value=0, max_value=1000),
)
kinds = st.sampled_from(["page4", "page0", "legacy"])
phases = st.integers(min_value=0, max_value=SLOT_US)
seeds = st.integers(min_value=0, max_value=2**32)


def push_all(packets: list[Sent], tracker: BeatTracker | None = None) -> list[Beat]:
    tracker = tracker or BeatTracker()
    return [beat for packet in packets for beat in tracker.push(packet.payload, packet.at_us)]


def collapse(beats: list[Beat]) -> list[Beat]:
    """As the tables do: of each beat its last revision."""
    newest: dict[tuple[int, int], Beat] = {}
    for beat in beats:
        kept = newest.get((beat.epoch, beat.beat_count))
        if kept is None or beat.revision > kept.revision:
            newest[beat.epoch, beat.beat_count] = beat
    return sorted(newest.values(), key=lambda beat: (beat.epoch, beat.beat_count))


def index_of(beat: Beat, truth: Series) -> int:
    """Which beat of the truth this is: its counters, rolled up, name it."""
    index: int = (beat.beat_count - truth.first_count) % 256
    while index < len(truth.ticks) and (truth.ticks[index] - beat.ticks) % 65_536 != 0:
        index += 256
    assert index < len(truth.ticks), "a beat that never was"
    return index


@COMMON
@given(truths, kinds, phases, seeds, st.floats(0, 0.9), st.floats(0, 0.5), st.integers(0, 1_000_000))
def test_intervals_are_exact_or_unknown_and_no_beat_comes_twice(
    truth: Series, kind: str, phase: int, seed: int, loss: float, twice: float, late_us: int
) -> None:
    beats = push_all(disturb(transmit(truth, kind, phase), seed, loss, twice, late_us))
    assert max(Counter((beat.epoch, beat.beat_count, beat.revision) for beat in beats).values(), default=0) <= 1
    collapsed = collapse(beats)
    indices = [index_of(beat, truth) for beat in collapsed]
    assert len(set(indices)) == len(indices)
    for beat, index in zip(collapsed, indices, strict=True):
        if beat.rr_ticks is not None:
            assert index > 0
            assert beat.rr_ticks == truth.ticks[index] - truth.ticks[index - 1]
            assert beat.previous_ticks == beat.ticks - beat.rr_ticks
        assert beat.heart_rate in (None, truth.rates()[index])


@COMMON
@given(truths, kinds, phases, seeds, st.floats(0, 0.5), st.integers(0, 1_000_000))
def test_without_loss_no_beat_is_missed(
    truth: Series, kind: str, phase: int, seed: int, twice: float, late_us: int
) -> None:
    sent = transmit(truth, kind, phase)
    shown = {packet.index for packet in sent}
    beats = collapse(push_all(disturb(sent, seed, 0.0, twice, late_us)))
    assert shown <= {index_of(beat, truth) for beat in beats}
    assert all(beat.rr_ticks is not None for beat in beats if index_of(beat, truth) - 1 in shown)


@COMMON
@given(truths, kinds, phases, seeds, st.floats(0, 0.9), st.integers(0, 1_000_000))
def test_moments_are_near_the_truth_and_in_order(
    truth: Series, kind: str, phase: int, seed: int, loss: float, late_us: int
) -> None:
    beats = collapse(push_all(disturb(transmit(truth, kind, phase), seed, loss, 0.0, late_us)))
    moments = [beat.time_us for beat in beats]
    assert all(earlier < later for earlier, later in pairwise(moments))
    for beat in beats:
        true_us = START_US + ticks_to_us(truth.ticks[index_of(beat, truth)] - truth.ticks[0])
        # Never early; late by the radio slots that were lost at worst.
        assert true_us - 2 <= beat.time_us


@COMMON
@given(truths, kinds, phases, seeds, st.floats(0, 0.5), st.integers(0, 1_000_000), st.data())
def test_a_snapshot_goes_on_exactly_alike(
    truth: Series, kind: str, phase: int, seed: int, loss: float, late_us: int, data: st.DataObject
) -> None:
    packets = disturb(transmit(truth, kind, phase), seed, loss, 0.2, late_us)
    cut = data.draw(st.integers(0, len(packets)))
    original = BeatTracker()
    before = push_all(packets[:cut], original)
    restored = BeatTracker.restore(original.snapshot())
    assert before + push_all(packets[cut:], restored) == push_all(packets)
    push_all(packets[cut:], original)
    assert restored.snapshot() == original.snapshot()


@COMMON
@given(truths, kinds, phases, seeds, st.floats(0, 0.5), st.data())
def test_beats_stand_in_for_packets_that_are_lost(
    truth: Series, kind: str, phase: int, seed: int, loss: float, data: st.DataObject
) -> None:
    packets = disturb(transmit(truth, kind, phase), seed, loss, 0.2, 0)
    first, second = sorted((data.draw(st.integers(0, len(packets))), data.draw(st.integers(0, len(packets)))))
    original = BeatTracker()
    before = push_all(packets[:first], original)
    recalled = BeatTracker.restore(original.snapshot())
    pages_known = recalled.paged or kind != "page4"
    for packet in packets[first:second]:
        for beat in original.push(packet.payload, packet.at_us):
            before.append(beat)
            recalled.recall(beat, packet.at_us)
    undisturbed = collapse(before + push_all(packets[second:], original))
    beats = collapse(before + push_all(packets[second:], recalled))
    if pages_known:
        assert beats == undisturbed
    # Else what the first packets tell on page 4 is not known; nothing else differs.
    moments = {(beat.epoch, beat.beat_count): (beat.ticks, beat.time_us) for beat in undisturbed}
    assert all(moments[beat.epoch, beat.beat_count] == (beat.ticks, beat.time_us) for beat in beats)


@COMMON
@given(truths, kinds, phases, seeds, st.integers(1, 60))
def test_a_recording_sent_twice_gives_the_very_same_beats(
    truth: Series, kind: str, phase: int, seed: int, array: int
) -> None:
    monkeypatch = pytest.MonkeyPatch()
    packets = disturb(transmit(truth, kind, phase), seed, 0.1, 0.0, 0)

    def beats(sequence: list[Sent], remembered: int = 1024) -> list[Beat]:
        monkeypatch.setattr(strap_tracker, "REMEMBERED_PACKETS", remembered)
        strap = StrapTracker(lambda *_packet, **_first: BeatTracker())
        return [beat for p in sequence for beat in strap.push(p.payload, p.at_us, "usb-1", p.number)]

    once = beats(packets)
    arrays = [packets[i : i + array] for i in range(0, len(packets), array)]
    each_twice = beats([packet for part in arrays for packet in part + part])
    # Of a long recording more packets than are remembered: the second time is a lane of its own.
    whole_twice = beats(packets + packets, remembered=64)
    assert each_twice == once
    assert set(whole_twice) == set(once)
    monkeypatch.undo()


def test_a_silent_strap_keeps_no_packets_and_gives_the_same_beats() -> None:
    packets = transmit(series([800] * 40, 0, 0), "page4", 0)
    strap = StrapTracker(lambda *_packet, **_first: BeatTracker())

    def push() -> set[Beat]:
        return {beat for p in packets for beat in strap.push(p.payload, p.at_us, "usb-1", p.number)}

    once, last_us = push(), packets[-1].at_us
    assert len(once) > 40
    strap.rest(last_us + LANE_REACH_US)
    assert push() == set()
    strap.rest(last_us + LANE_REACH_US + 1)
    assert not strap._packets
    assert not strap._order
    again = push()
    assert again
    assert again <= once


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.binary(min_size=8, max_size=8), st.integers(-(10**9), 10**12)), max_size=60))
def test_any_bytes_at_any_time_are_survived(packets: list[tuple[bytes, int]]) -> None:
    strap = StrapTracker(lambda *_packet, **_first: BeatTracker())
    beats = [
        beat
        for number, (payload, at_us) in enumerate(packets)
        for beat in strap.push(payload, START_US + at_us, "usb-1", number)
    ]
    assert all(beat.rr_ticks is None or beat.rr_ticks > 0 for beat in beats)
    for payload, _ in packets:
        BeatTracker.restore(BeatTracker().snapshot()).push(payload, 0)


def test_a_late_packet_puts_no_two_beats_in_one_moment() -> None:
    """Found by `make fuzz`: a count that was lower by one, at the very tick of a known beat."""
    tracker = BeatTracker()
    heard = [("04ff0a1400000064", 246), ("04ff0a14fc000164", 492), ("04ff0a14f8010264", 738), ("000000000000ff0a", 984)]
    beats = [beat for text, ms in heard for beat in tracker.push(bytes.fromhex(text), START_US + ms * 1000)]
    assert [beat.rr_ticks for beat in beats] == [None, 252, 252, None]
    assert len({(beat.epoch, beat.ticks) for beat in beats}) == 4


@COMMON
@given(truths, kinds, phases, seeds, st.floats(0, 0.6), st.floats(0, 0.6))
def test_two_receivers_hear_at_least_what_each_hears(
    truth: Series, kind: str, phase: int, seed: int, loss_one: float, loss_two: float
) -> None:
    sent = transmit(truth, kind, phase)
    one, two = disturb(sent, seed, loss_one, 0, 0), disturb(sent, seed + 1, loss_two, 0, 0)
    both = collapse(push_all(sorted(one + two, key=lambda packet: packet.at_us)))
    heard = {packet.index for packet in one} | {packet.index for packet in two}
    assert heard <= {index_of(beat, truth) for beat in both}


@pytest.mark.parametrize("text", ["", "[]", '[99, 1, ""]', "null", "{}"])
def test_a_foreign_snapshot_is_refused(text: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        BeatTracker.restore(text)


@COMMON
@given(repeating_s=st.integers(0, 140), silent_s=st.integers(0, 59), pages=st.sampled_from([0, 4]))
def test_a_strap_off_the_skin_repeats_its_last_beat_and_none_after_it_is_too_early(
    repeating_s: int, silent_s: int, pages: int
) -> None:
    """The event time rolls over every 64 s, whether the strap is silent meanwhile or repeats itself."""
    tracker = BeatTracker()
    moments = [START_US + round(0.8 * SECOND_US * n) for n in range(20)]
    back_us = moments[-1] + (repeating_s + silent_s) * SECOND_US
    moments += [back_us + round(0.8 * SECOND_US * n) for n in range(1, 100)]
    told: dict[int, Beat] = {}
    messages = 0
    for number, at_us in enumerate(moments):
        until_us = at_us + repeating_s * SECOND_US if number == 19 else at_us + round(0.7 * SECOND_US)
        for heard_us in range(at_us + 50_000, until_us + 50_001, 250_000):
            common = CommonFields(ticks_of(at_us), number + 1, 75)
            toggle = bool(messages // 4 & 1)
            before = ticks_of(moments[number - 1])
            payload = (
                encode_previous_beat(common, before, toggle=toggle)
                if pages == 4 and number
                else encode_default(common, toggle=toggle)
            )
            messages += 1
            for beat in tracker.push(payload, heard_us):
                told[number] = beat
                assert abs(beat.time_us - at_us) < SECOND_US
                if beat.rr_ticks is not None:
                    assert beat.rr_ticks == ticks_of(at_us) - before
    assert len(told) == len(moments)


@COMMON
@given(st.integers(1, 58))
def test_packets_that_come_late_at_once_are_not_taken_for_another_clock(away_s: int) -> None:
    """Without `received_at`, or from a gateway that stamps as it sends, those of a pause are all heard after it."""
    tracker = BeatTracker()
    told: list[Beat] = []
    paused_us = START_US + 40 * SECOND_US
    for number in range(150):
        at_us = START_US + round(0.8 * SECOND_US * number)
        waited = paused_us < at_us < paused_us + away_s * SECOND_US
        heard_us = paused_us + away_s * SECOND_US + number if waited else at_us + 50_000
        common = CommonFields(ticks_of(at_us), number + 1, 75)
        told += tracker.push(encode_default(common, toggle=bool(number // 4 & 1)), heard_us)
    assert len(told) == 150
    assert len({beat.epoch for beat in told}) == 1
    assert [beat.rr_ticks for beat in told[1:]] == [after.ticks - before.ticks for before, after in pairwise(told)]


@COMMON
@given(kinds, phases, seeds, st.integers(5, 190), st.floats(0, 0.3), st.integers(400_000, 1_000_000))
def test_no_repeat_of_a_strap_off_the_skin_tells_a_beat_that_comes_after_it(
    kind: str, phase: int, seed: int, off_s: int, loss: float, late_us: int
) -> None:
    """Two receivers hear it, and what they heard is delivered out of order."""
    truth = series([800] * 20 + [off_s * 1024] + [850] * 20, 5_000, 250)
    beats = collapse(push_all(disturb(transmit(truth, kind, phase), seed, loss, 1.0, late_us)))
    indices = [index_of(beat, truth) for beat in beats]
    assert len(set(indices)) == len(indices)
    for beat, index in zip(beats, indices, strict=True):
        true_us = START_US + ticks_to_us(truth.ticks[index] - truth.ticks[0])
        assert true_us - 2 <= beat.time_us < true_us + 30 * SECOND_US
        assert beat.rr_ticks in (None, truth.ticks[index] - truth.ticks[index - 1])


@COMMON
@given(kinds, st.integers(5, 59), st.integers(0, 65_535), st.integers(0, 255))
def test_a_restart_in_a_silence_puts_no_beat_far_from_its_moment(
    kind: str, silent_s: int, first_ticks: int, first_count: int
) -> None:
    before, after = series([800] * 30, 5_000, 250), series([850] * 30, first_ticks, first_count)
    ticks_on = (first_ticks - before.ticks[-1]) % 65_536
    # As the beats that came next, delivered late, might go on.
    assume(ticks_to_us(ticks_on) > SLACK_US or (first_count - before.first_count - 30) % 256 > 20)
    tracker = BeatTracker()
    first = transmit(before, kind, 0)
    push_all(first, tracker)
    restarted_us = first[-1].at_us - START_US + silent_s * SECOND_US
    beats = push_all([replace(sent, at_us=sent.at_us + restarted_us) for sent in transmit(after, kind, 0)], tracker)
    for beat in collapse(beats):
        true_us = START_US + restarted_us + ticks_to_us(after.ticks[index_of(beat, after)] - first_ticks)
        # Each is heard within a slot of its moment.
        assert abs(beat.time_us - true_us) < SLACK_US + SECOND_US


def ticks_of(at_us: int) -> int:
    """A strap's event time."""
    return round((at_us - START_US) * 1024 / SECOND_US) + 5_000
