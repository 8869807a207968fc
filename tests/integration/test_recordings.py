"""Real recorded hearts through the real Moose runtime: what comes back is what was recorded."""

import csv
import math
import subprocess
import sys
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from harness.beatstream import REPOSITORY, Beatstream

pytestmark = pytest.mark.stack

DATA = Path(__file__).resolve().parents[1] / "data"
RIDE = DATA / "ride_4078723797.csv"
INTERVALS = DATA / "nn_intervals_long.txt"
START = "2026-11-20T06:00:00Z"


def replay(beatstream: Beatstream, file: Path, *options: str) -> None:
    command = [sys.executable, "-m", "scripts.generate_data", "replay", str(file), "--url", beatstream.url]
    done = subprocess.run(
        [*command, "--speed", "max", *options], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    beatstream.await_settled(300)


def answers(beatstream: Beatstream, name: str, first: int, last: int) -> dict[str, Any]:
    """What every API says of a person, but for the passing of time."""
    span = {"start": moment(first), "end": moment(last)}
    (latest,) = beatstream.api("getLatestUserHeartRates", users=name)
    latest.pop("age_seconds")
    stats = beatstream.api("getUserHeartRateStats", user_name=name, **span)
    for entry in stats:
        # ClickHouse adds seconds up in the order of its threads, which shows in the last digit of a sum of floats.
        entry["avg_heart_rate"] = round(entry["avg_heart_rate"], 9)
    return {
        "latest": latest,
        "stats": stats,
        "group": beatstream.api("get_group_hr_by_second", users=name, **span),
        "hr": [
            entry
            for entry in beatstream.api("getHR", timestamp=moment(first), window_seconds=last - first + 1)
            if entry["user_name"] == name
        ],
    }


def moment(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_ride_comes_back_second_for_second(beatstream: Beatstream) -> None:
    with RIDE.open() as lines:
        rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    recorded = {int(row["timestamp"]): int(row["heart_rate"]) for row in rows}
    first, last = min(recorded), max(recorded)
    options = ("--at", "original", "--device", "800001", "--user-id", "801", "--name", "Rider")
    replay(beatstream, RIDE, *options)
    once = answers(beatstream, "Rider", first, last)

    by_second = {entry["second"]: entry["avg_heart_rate"] for entry in once["hr"]}
    assert len(recorded) == 8357
    assert by_second.keys() == {moment(second) for second in recorded}
    for second, rate in recorded.items():
        assert by_second[moment(second)] == pytest.approx(rate, abs=1)
    (stats,) = once["stats"]
    assert stats["min_heart_rate"] == min(recorded.values()) == 94
    assert stats["max_heart_rate"] == max(recorded.values()) == 190
    assert stats["avg_heart_rate"] == pytest.approx(sum(recorded.values()) / len(recorded), abs=0.05)

    # The same ride once more: nothing changes.
    replay(beatstream, RIDE, *options)
    assert answers(beatstream, "Rider", first, last) == once


def intervals_of(beatstream: Beatstream, device: str) -> list[tuple[float, float | None]]:
    return [
        (at, interval)
        for at, interval in beatstream.rows(
            "SELECT hr_timestamp_seconds, rr_interval_ms FROM unified_hr_packet FINAL "
            "WHERE device_id = {device:String} ORDER BY hr_timestamp_seconds",
            device=device,
        )
    ]


def test_every_recorded_interval_comes_back(beatstream: Beatstream) -> None:
    recorded = recorded_intervals()
    options = ("--start", START, "--device", "800002", "--user-id", "802", "--name", "Sleeper")
    replay(beatstream, INTERVALS, *options)
    got = intervals_of(beatstream, "800002")
    assert len(got) == len(recorded) + 1 == 4685
    assert got[0][1] is None
    intervals = [interval for _, interval in got[1:] if interval is not None]
    assert len(intervals) == len(recorded)
    assert max(abs(a - b) for a, b in zip(intervals, recorded, strict=True)) < 1
    assert rmssd(intervals) == pytest.approx(rmssd(recorded), abs=0.05)
    assert rmssd(intervals) == pytest.approx(60.5, abs=0.05)

    # The moments are the recorded ones, too.
    begin = datetime.fromisoformat(START).timestamp()
    assert got[-1][0] == pytest.approx(begin + sum(recorded) / 1000, abs=0.25)

    first, last = math.floor(begin), math.ceil(begin + sum(recorded) / 1000)
    once = answers(beatstream, "Sleeper", first, last)
    replay(beatstream, INTERVALS, *options)
    assert answers(beatstream, "Sleeper", first, last) == once


def test_with_packet_loss_an_interval_is_exact_or_unknown(beatstream: Beatstream) -> None:
    recorded = recorded_intervals()
    replay(beatstream, INTERVALS, "--start", START, "--device", "800003", "--loss", "0.3", "--seed", "5")
    ends = [sum(recorded[:count]) / 1000 for count in range(len(recorded) + 1)]
    begin = datetime.fromisoformat(START).timestamp()
    index, known = 0, 0
    for at, interval in intervals_of(beatstream, "800003"):
        while abs(begin + ends[index] - at) > 0.28:
            index += 1
        if interval is not None:
            known += 1
            assert interval == pytest.approx(recorded[index - 1], abs=1)
        index += 1
    # 30 % of single packets lost leave nearly every beat, as each is sent three times and more.
    assert known > 0.98 * len(recorded)


def test_each_array_sent_twice_changes_nothing(beatstream: Beatstream, tmp_path: Path) -> None:
    packets = tmp_path / "packets.jsonl"
    command = [sys.executable, "-m", "scripts.generate_data", "replay", str(INTERVALS), "--start", START]
    subprocess.run(
        [*command, "--speed", "max", "--device", "800004", "--to", "jsonl", "--output", str(packets), "-q"],
        cwd=REPOSITORY,
        check=True,
    )
    records = packets.read_text().splitlines()[:6000]
    for at in range(0, len(records), 500):
        array = f"[{','.join(records[at : at + 500])}]"
        for _ in range(2):
            assert beatstream.http.post("/ingest/raw_ant_hr_packet", content=array).is_success
    beatstream.await_settled()
    twice = intervals_of(beatstream, "800004")
    once = [row for row in intervals_of(beatstream, "800002") if row[0] <= twice[-1][0]]
    assert twice == once
    first = math.floor(datetime.fromisoformat(START).timestamp())
    (stats,) = beatstream.api(
        "getUserHeartRateStats", user_name="Strap 800004", start=moment(first), end=moment(first + 7200)
    )
    assert stats["beat_count"] == len(once)


def recorded_intervals() -> list[float]:
    return [float(line) for line in INTERVALS.read_text().splitlines() if not line.startswith("#")]


def rmssd(intervals: list[float]) -> float:
    return math.sqrt(sum((b - a) ** 2 for a, b in pairwise(intervals)) / (len(intervals) - 1))
