"""What synthetic and replayed straps send, read back by the domain's own decoder."""

import hashlib
import json
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest

from app.heartrate.beat_tracker import Beat, BeatTracker
from app.heartrate.effort import Sex
from app.heartrate.hr_max import tanaka
from app.heartrate.pages import BatteryPage, PreviousBeatPage, decode_page, parse_payload
from app.heartrate.profiles import Profile, check_profile
from scripts.delivery.records import Clockface, Record
from scripts.generate_data import heart, recordings, replay
from scripts.generate_data.group import synthetic_group
from scripts.generate_data.radio import Air, Radio

START_US = 1_790_000_000_000_000
DATA = Path(__file__).resolve().parents[1] / "data"


def read_back(records: Iterable[Record]) -> dict[str, list[Beat]]:
    trackers: dict[str, BeatTracker] = defaultdict(BeatTracker)
    beats: dict[str, list[Beat]] = defaultdict(list)
    for record in records:
        fields = json.loads(record.text)
        device = fields["device_id"]
        beats[device] += trackers[device].push(parse_payload(fields["ant_hr_packet"]), record.at_us)
    return beats


def group_text(seed: int, straps: int = 12, loss: float = 0.1) -> str:
    group = synthetic_group(straps, seed=seed, start_us=START_US, seconds=120, loss=loss)
    return "\n".join([*group.assignments, *group.profiles, *(record.text for record in group.records)])


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    assert group_text(7) == group_text(7)
    assert group_text(7) != group_text(8)


def test_what_is_known_of_people_changes_no_heart() -> None:
    hearts = [
        [
            (person.name, person.fitness, person.hr_rest, person.hr_max)
            for person in heart.people(12, Random(1), private)
        ]
        for private in (Random(1), Random(2))
    ]
    assert hearts[0] == hearts[1]
    group = synthetic_group(3, seed=7, start_us=START_US, seconds=30, loss=0.1)
    sent = hashlib.sha256("".join(record.text for record in group.records).encode())
    assert sent.hexdigest() == "155bc8ffdaac2cb130437ed578316ff2901f9dc172ced5b67dd6aa8ae3c186a5", (
        "a seed means the same bytes for ever"
    )


def test_people_are_believable_and_tell_more_or_less_of_themselves() -> None:
    people = heart.people(600, Random(1), Random(2))
    for person in people:
        check_profile(Profile(person.user_id, person.name, **profile_fields(person.told)), heart.YEAR)
        age = heart.YEAR - person.birth_year
        assert 18 <= age <= 62
        assert abs(person.hr_max - tanaka(age)) < 30
        assert 45 <= person.weight_kg <= 120
        assert person.told == heart.Told() or (person.told.birth_year, person.told.sex, person.told.weight_kg) == (
            person.birth_year,
            person.sex,
            person.weight_kg,
        )
    assert {person.sex for person in people if person.name.startswith("Ada ")} == {Sex.FEMALE}
    assert {person.sex for person in people if person.name.startswith("Omar ")} == {Sex.MALE}
    assert {person.sex for person in people if person.name.startswith("Quinn ")} == set(Sex)
    mean_kg = {
        sex: statistics.mean(person.weight_kg for person in people if person.sex is sex)
        for sex in (Sex.FEMALE, Sex.MALE)
    }
    assert 60 < mean_kg[Sex.FEMALE] < 72 < mean_kg[Sex.MALE] < 88
    told = [person.told for person in people if person.told != heart.Told()]
    assert len(told) == 500
    assert 0.6 < sum(each.hr_max is not None for each in told) / 500 < 0.73
    assert 0.43 < sum(each.hr_rest is not None for each in told) / 500 < 0.57
    few = heart.people(5, Random(1), Random(2))
    assert all(person.told.birth_year for person in few), "in a small group everybody says something"


def profile_fields(told: heart.Told) -> dict[str, Any]:
    fields = asdict(told)
    return {"hr_max_entered": fields.pop("hr_max"), **fields}


def test_profiles_are_of_the_contract() -> None:
    group = synthetic_group(12, seed=1, start_us=START_US, seconds=1, loss=0)
    profiles = [json.loads(text) for text in group.profiles]
    assert [profile["user_id"] for profile in profiles] == list(range(1, 13))
    always = {"user_id", "user_name", "updated_at"}
    possible = always | {"birth_year", "sex", "weight_kg", "hr_rest", "hr_max"}
    assert all(always <= profile.keys() <= possible for profile in profiles)
    assert None not in [value for profile in profiles for value in profile.values()]
    kinds = {(profile.keys() > always, "hr_max" in profile, "hr_rest" in profile) for profile in profiles}
    assert kinds == {(False, False, False), (True, True, True), (True, True, False), (True, False, False)}
    assert profiles[0]["updated_at"] == json.loads(group.assignments[0])["assigned_at"]


def test_guests_are_further_people_without_a_name() -> None:
    def group(guests: int) -> tuple[list[str], list[str], set[str]]:
        made = synthetic_group(4, seed=1, start_us=START_US, seconds=5, loss=0, guests=guests)
        return made.assignments, made.profiles, {json.loads(record.text)["device_id"] for record in made.records}

    assignments, profiles, heard = group(3)
    assert (len(assignments), len(profiles), len(heard)) == (4, 4, 7)
    assert {json.loads(text)["device_id"] for text in assignments} < heard
    assert profiles == group(0)[1]


def test_records_come_by_time_and_are_of_the_contract() -> None:
    group = synthetic_group(12, seed=1, start_us=START_US, seconds=30, loss=0.1)
    records = list(group.records)
    assert [record.at_us for record in records] == sorted(record.at_us for record in records)
    counts: dict[str, int] = defaultdict(int)
    for record in records:
        fields = json.loads(record.text)
        assert fields.keys() == {"device_id", "packet_count", "ant_hr_packet", "received_at", "receiver_id"}
        assert fields["packet_count"] == counts[fields["device_id"]]
        counts[fields["device_id"]] += 1
    people = [json.loads(text) for text in group.assignments]
    assert len({person["user_name"] for person in people}) == len(counts) == 12
    assert {person["device_id"] for person in people} == counts.keys()


def test_some_straps_share_their_low_16_bits() -> None:
    group = synthetic_group(40, seed=3, start_us=START_US, seconds=1, loss=0)
    numbers = [int(json.loads(text)["device_id"]) for text in group.assignments]
    assert len(set(numbers)) == 40
    assert len({number & 0xFFFF for number in numbers}) < 40


def test_synthetic_hearts_are_believable_and_decode_without_a_gap() -> None:
    group = synthetic_group(10, seed=5, start_us=START_US, seconds=900, loss=0, perfect=True)
    for beats in read_back(group.records).values():
        assert all(beat.rr_ticks is not None for beat in beats[2:] if beat.revision == 0)
        counts = [beat.beat_count for beat in beats if beat.revision == 0]
        assert all(after == before + 1 for before, after in pairwise(counts))
        rates = [beat.heart_rate for beat in beats if beat.heart_rate is not None]
        assert 35 < min(rates) < 120
        assert 110 < max(rates) < 215
        assert all(beat.rr_plausible for beat in beats)


def test_straps_lose_contact_and_range_in_the_long_run() -> None:
    group = synthetic_group(8, seed=2, start_us=START_US, seconds=3600, loss=0.05)
    beats = [beat for strap in read_back(group.records).values() for beat in strap if beat.revision == 0]
    unknown = sum(beat.rr_ticks is None for beat in beats)
    assert 8 < unknown < 0.02 * len(beats)


def test_a_paged_strap_weaves_background_pages_in_and_a_legacy_one_has_none() -> None:
    group = synthetic_group(10, seed=1, start_us=START_US, seconds=400, loss=0, perfect=True)
    payloads: dict[str, list[bytes]] = defaultdict(list)
    for record in group.records:
        fields = json.loads(record.text)
        payloads[fields["device_id"]].append(bytes.fromhex(fields["ant_hr_packet"]))
    kinds = {len({payload[0] & 0x80 for payload in sent}) for sent in payloads.values()}
    assert kinds == {1, 2}
    for sent in payloads.values():
        paged = len({payload[0] & 0x80 for payload in sent}) == 2
        pages = [decode_page(payload, paged=paged) for payload in sent]
        assert any(isinstance(page, BatteryPage) for page in pages) == paged
    assert any(isinstance(decode_page(p, paged=True), PreviousBeatPage) for p in payloads[next(iter(payloads))])


@pytest.mark.parametrize("loss", [0.0, 0.1, 0.3, 0.6])
@pytest.mark.parametrize("bursts", [True, False])
def test_the_radio_loses_as_much_as_said(loss: float, *, bursts: bool) -> None:
    radio = Radio(loss, Random(4), Air(), bursts=bursts)
    heard = [radio.hears(number * 246_000) for number in range(60_000)]
    assert heard.count(False) / len(heard) == pytest.approx(loss, abs=0.02)


def test_bursts_are_longer_than_chance() -> None:
    def runs(*, bursts: bool) -> int:
        radio = Radio(0.2, Random(4), Air(), bursts=bursts)
        heard = [radio.hears(number * 246_000) for number in range(20_000)]
        return sum(before and not after for before, after in pairwise(heard))

    assert runs(bursts=True) < 0.6 * runs(bursts=False)


def replayed(file: Path, loss: float = 0.0) -> list[Beat]:
    recording = recordings.read(file)
    if isinstance(recording, recordings.HeartRateRecording):
        source = replay.beats_of_seconds(recording, 0)
    else:
        assert isinstance(recording, recordings.IntervalRecording)
        source = replay.beats_of_intervals(recording, START_US)
    records = replay.replayed_strap(863_436, source, air=Air(), seed=1, loss=loss, bursts=False, drift_ppm=0)
    (beats,) = read_back(records).values()
    return beats


def test_every_second_of_a_ride_is_replayed() -> None:
    recording = recordings.read(DATA / "ride_4078723797.csv")
    assert isinstance(recording, recordings.HeartRateRecording)
    seconds: dict[int, list[int]] = defaultdict(list)
    for beat in replayed(DATA / "ride_4078723797.csv"):
        assert beat.heart_rate is not None
        seconds[math.ceil(beat.time_us / 1_000_000)].append(beat.heart_rate)
    assert seconds.keys() == {second for second, _ in recording.samples}
    assert all(abs(sum(seconds[at]) / len(seconds[at]) - rate) <= 1 for at, rate in recording.samples)


def test_every_interval_is_replayed_within_a_millisecond() -> None:
    recording = recordings.read(DATA / "nn_intervals_long.txt")
    assert isinstance(recording, recordings.IntervalRecording)
    beats = [beat for beat in replayed(DATA / "nn_intervals_long.txt") if beat.revision == 0]
    intervals = [beat.rr_ticks * 1000 / 1024 for beat in beats if beat.rr_ticks is not None]
    assert len(intervals) == len(recording.intervals_ms) == len(beats) - 1
    assert max(abs(a - b) for a, b in zip(intervals, recording.intervals_ms, strict=True)) < 1


def test_a_pause_in_the_recording_is_silence(tmp_path: Path) -> None:
    file = tmp_path / "paused.csv"
    seconds = [*range(1000, 1030), *range(1060, 1090)]
    file.write_text("timestamp,heart_rate\n" + "".join(f"{second},120\n" for second in seconds))
    recording = recordings.read(file)
    assert isinstance(recording, recordings.HeartRateRecording)
    source = replay.beats_of_seconds(recording, 0)
    records = list(replay.replayed_strap(5, source, air=Air(), seed=1, loss=0, bursts=False, drift_ppm=0))
    assert not any(1_031_500_000 < record.at_us < 1_059_000_000 for record in records)
    beats = read_back(records)["5"]
    assert {math.ceil(beat.time_us / 1_000_000) for beat in beats} == set(seconds)
    across = [beat for beat in beats if beat.rr_ticks is None]
    assert len(across) == 2  # the very first, and the first after the pause: nobody knows how long that one took


@pytest.mark.parametrize(("start_us", "shift_us"), [(None, 0), (START_US + 5_000_000, 5_000_000)])
def test_a_packet_without_a_moment_is_due_with_the_one_before_it(
    tmp_path: Path, start_us: int | None, shift_us: int
) -> None:
    file = tmp_path / "packets.jsonl"
    heard = [None, START_US, None, START_US + 1_000_000]
    packets = [{"ant_hr_packet": "00"} | ({"received_at": Clockface()(at_us)} if at_us else {}) for at_us in heard]
    file.write_text("".join(f"{json.dumps(packet)}\n" for packet in packets))
    records = list(replay.replayed_packets(recordings.PacketRecording(file), start_us))
    assert [record.at_us - START_US - shift_us for record in records] == [0, 0, 0, 1_000_000]
    told = [json.loads(record.text).get("received_at") for record in records]
    assert told == [Clockface()(at_us + shift_us) if at_us else None for at_us in heard]
    file.write_text('{"ant_hr_packet": "00"}\n' * 2)
    assert len({record.at_us for record in replay.replayed_packets(recordings.PacketRecording(file), start_us)}) == 1
