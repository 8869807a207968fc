"""Zones, maximum heart rate, effort, recovery, variability: published formulas, bounds, and time instead of rows."""

from collections.abc import Sequence
from itertools import pairwise, starmap
from math import inf, nextafter, sqrt
from operator import sub
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.heartrate.effort import Sex, edwards_points, energy_kcal, keytel_kcal_per_minute
from app.heartrate.hr_max import HRMax, HRMaxSource, hr_max, learn, tanaka
from app.heartrate.hrv import EndedInterval, rmssd
from app.heartrate.profiles import InvalidProfileError, Profile
from app.heartrate.recovery import recovery
from app.heartrate.zones import ZONES, Basis, time_in_zones, zone_scale

T = 1_790_000_000
NN = Path(__file__).parents[1] / "data" / "nn_intervals_long.txt"


def test_zones_of_the_maximum() -> None:
    scale = zone_scale(200)
    assert (scale.basis, scale.lower_bpm) == (Basis.HR_MAX, (100, 120, 140, 160, 180))
    assert [scale.zone(rate) for rate in (40, 99.9, 100, 119.9, 120, 140, 160, 179.9, 180, 200, 230)] == [
        0, 0, 1, 1, 2, 3, 4, 4, 5, 5, 5,
    ]  # fmt: skip
    assert scale.share(150) == 0.75


def test_zones_of_the_reserve() -> None:
    scale = zone_scale(190, 50)
    assert (scale.basis, scale.lower_bpm) == (Basis.HR_RESERVE, (120, 134, 148, 162, 176))
    assert (scale.share(95), scale.share(190)) == (0.5, 1)


@given(st.integers(100, 240), st.one_of(st.none(), st.integers(25, 99)), st.floats(0, 300))
def test_zones_are_half_open_and_in_order(maximum: int, rest: int | None, rate: float) -> None:
    scale = zone_scale(maximum, rest)
    zone = scale.zone(rate)
    assert 0 <= zone <= ZONES
    for number, lower in enumerate(scale.lower_bpm, start=1):
        assert scale.zone(lower) == number
        assert scale.zone(nextafter(lower, -inf)) == number - 1
        assert (rate >= lower) == (zone >= number)


def test_a_rest_above_the_maximum_is_refused() -> None:
    with pytest.raises(ValueError, match="hr_rest"):
        zone_scale(120, 120)


def test_time_in_zones() -> None:
    scale = zone_scale(200)
    assert time_in_zones({130.0: 60, 99.9: 7, 100.0: 2, 180.0: 1, 250.0: 4}, scale) == (7, 2, 60, 0, 0, 5)
    assert time_in_zones({}, scale) == (0,) * 6


@given(st.dictionaries(st.floats(30, 220), st.integers(0, 5000), max_size=100))
def test_no_time_is_lost_among_the_zones(time_at: dict[float, int]) -> None:
    assert sum(time_in_zones(time_at, zone_scale(190))) == sum(time_at.values())


@pytest.mark.parametrize(("age", "bpm"), [(20, 194), (40, 180), (60, 166)])
def test_tanaka(age: int, bpm: int) -> None:
    assert tanaka(age) == bpm


def test_what_the_person_says_stands_first() -> None:
    assert hr_max(185, 190, 1986, 2026) == HRMax(185, HRMaxSource.ENTERED)
    assert hr_max(None, 190, 1986, 2026) == HRMax(190, HRMaxSource.LEARNT)
    assert hr_max(None, None, 1986, 2026) == HRMax(180, HRMaxSource.ESTIMATED)
    assert hr_max(None, None, None, 2026) is None
    assert hr_max(None, None, 2025, 2026) is None


def test_a_maximum_is_learnt_from_what_was_held() -> None:
    held = [(T + s, 190.0 + s % 3) for s in range(40)]
    assert learn(held, 185) == 190
    assert learn(held, 190) is None
    assert learn(held[:29], 185) is None
    assert learn([*held[:15], *[(second + 5, rate) for second, rate in held[15:]]], 185) is None, "a gap"
    assert learn([(second, None if second == T + 20 else rate) for second, rate in held], 185) is None
    assert learn([(T + s, 230.0) for s in range(40)], 185) == 195, "ten at a time"


def test_edwards() -> None:
    assert edwards_points((600, 60, 60, 60, 60, 60)) == 15
    assert edwards_points((0,) * 6) == 0


def test_keytel() -> None:
    # The paper's formulas by hand: (-55.0969 + 0.6309*150 + 0.1988*80 + 0.2017*40) / 4.184, and the women's.
    assert keytel_kcal_per_minute(150, Sex.MALE, 40, 80) == pytest.approx(15.1787, abs=1e-3)
    assert keytel_kcal_per_minute(150, Sex.FEMALE, 40, 60) == pytest.approx(10.0525, abs=1e-3)
    assert keytel_kcal_per_minute(40, Sex.MALE, 20, 50) == 0


def test_energy_counts_time_above_half_of_the_maximum() -> None:
    scale = zone_scale(180)
    expected = keytel_kcal_per_minute(150, Sex.MALE, 40, 80)
    assert energy_kcal({150.0: 60}, scale, Sex.MALE, 40, 80) == pytest.approx(expected)
    assert energy_kcal({89.9: 60}, scale, Sex.MALE, 40, 80) == 0
    assert energy_kcal({150.0: 1, 60.0: 1000}, scale, Sex.MALE, 40, 80) == pytest.approx(expected / 60)
    # Reserve moves the zones, not the formula's lower end.
    assert energy_kcal({100.0: 60}, zone_scale(180, 80), Sex.MALE, 40, 80) > 0


def test_recovery_after_a_stop() -> None:
    seconds = {T + s: 170.0 for s in range(-20, 1)} | {T + s: 170.0 - s / 2 for s in range(1, 90)}
    found = recovery(seconds, T)
    assert found is not None
    assert (found.at_stop, found.after, found.fall) == (170, 140, 30)
    assert recovery({second: rate for second, rate in seconds.items() if second < T + 50}, T) is None
    assert recovery(seconds, T, after_s=30) is not None


def test_rmssd_of_a_recording() -> None:
    intervals = [float(line) for line in NN.read_text().splitlines() if line and not line.startswith("#")]
    differences = list(starmap(sub, pairwise(intervals)))
    assert sqrt(sum(d * d for d in differences) / len(differences)) == pytest.approx(60.5, abs=0.05)
    # The recording holds ectopic beats; by Malik's rule they do not count as variability.
    normal = [a - b for z, a, b in zip(intervals, intervals[1:], intervals[2:], strict=False)
              if abs(a - z) <= z / 5 and abs(b - a) <= a / 5]  # fmt: skip
    assert rmssd(ended(intervals)) == pytest.approx(sqrt(sum(d * d for d in normal) / len(normal)), abs=0.05)


def ended(intervals: Sequence[float | None]) -> list[EndedInterval]:
    """Beats laid end to end; one whose interval is unknown comes 800 ms after the one before."""
    at_ms, beats = 0.0, []
    for interval in intervals:
        at_ms += 800.0 if interval is None else interval
        beats.append(EndedInterval(at_ms / 1000, interval))
    return beats


def test_rmssd_is_refused_where_much_is_missing() -> None:
    good: list[float | None] = [800.0 + 10 * (i % 2) for i in range(100)]
    assert rmssd(ended(good)) == pytest.approx(10)
    assert rmssd(ended([None, *good])) == pytest.approx(10)
    assert rmssd(ended([None if i in (10, 50) else each for i, each in enumerate(good)])) == pytest.approx(10)
    assert rmssd(ended([None if i % 10 == 5 else each for i, each in enumerate(good)])) is None
    assert rmssd(ended([5000.0 if i % 10 == 0 else each for i, each in enumerate(good)])) is None
    assert rmssd(ended(good[:20])) is None
    assert rmssd([]) is None


def test_a_long_silence_is_many_missing_beats() -> None:
    good = ended([800.0 + 10 * (i % 2) for i in range(200)])
    pause_s = 60.0
    late = [EndedInterval(beat.at_s + pause_s, beat.interval_ms) for beat in good[100:]]
    assert rmssd([*good[:100], EndedInterval(late[0].at_s, None), *late[1:]]) is None


def test_a_profile_is_its_record() -> None:
    record = {
        "user_id": 7, "user_name": "Ada King", "alias": "Ada", "birth_year": 1986, "sex": "female", "weight_kg": 60.0,
        "hr_max": 185, "hr_max_learnt": 188, "hr_rest": 55, "hidden": True,
    }  # fmt: skip
    assert Profile.of(record).fields() == record
    assert Profile.of({"user_id": 7, "user_name": "Ada"}) == Profile(7, "Ada")
    with pytest.raises(InvalidProfileError, match=r"^sex:"):
        Profile.of({**record, "sex": "other"})
