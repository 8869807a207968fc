"""Every kind of recording is read; what is none is refused with a line that helps."""

from pathlib import Path

import pytest

from scripts.generate_data.recordings import (
    HeartRateRecording,
    IntervalRecording,
    PacketRecording,
    RecordingError,
    read,
)
from tests.generate_data.fit import fit_file

TCX = """<?xml version="1.0"?>
<TrainingCenterDatabase xmlns="http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2"><Activities><Activity>
<Lap><Track>
<Trackpoint><Time>2026-11-23T10:00:01Z</Time><HeartRateBpm><Value>100</Value></HeartRateBpm></Trackpoint>
<Trackpoint><Time>2026-11-23T10:00:02.000Z</Time></Trackpoint>
<Trackpoint><Time>2026-11-23T10:00:03Z</Time><HeartRateBpm><Value>102</Value></HeartRateBpm></Trackpoint>
</Track></Lap></Activity></Activities></TrainingCenterDatabase>"""


def write(folder: Path, name: str, content: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def test_fit(tmp_path: Path) -> None:
    file = write(tmp_path, "ride.FIT", fit_file([(1_700_000_000, 90), (1_700_000_001, None), (1_700_000_002, 91)]))
    assert read(file) == HeartRateRecording([(1_700_000_000, 90), (1_700_000_002, 91)])


def test_tcx(tmp_path: Path) -> None:
    recording = read(write(tmp_path, "run.tcx", TCX))
    assert recording == HeartRateRecording([(1_795_428_001, 100), (1_795_428_003, 102)])


@pytest.mark.parametrize(
    ("content", "intervals"),
    [
        ("800\n810.5\n", [800, 810.5]),
        ("# at rest\nrr_ms\n800\n", [800]),
        ("0.8\n0.81\n", [800, 810]),
        ("rr,artefact\n800,0\n790,1\n", [800, 790]),
    ],
)
def test_intervals(tmp_path: Path, content: str, intervals: list[float]) -> None:
    assert read(write(tmp_path, "rr.txt", content)) == IntervalRecording(intervals)


def test_seconds_as_csv(tmp_path: Path) -> None:
    file = write(tmp_path, "hr.csv", "timestamp,heart_rate\n2026-11-23T10:00:01Z,100\n1795428002,\n1795428003,102\n")
    assert read(file) == HeartRateRecording([(1_795_428_001, 100), (1_795_428_003, 102)])


def test_packets(tmp_path: Path) -> None:
    recording = read(write(tmp_path, "p.jsonl", '{"ant_hr_packet": "00"}\n\n'))
    assert isinstance(recording, PacketRecording)
    assert list(recording.records()) == [{"ant_hr_packet": "00"}]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.gpx", "", "not known"),
        ("a", "", "no ending"),
        ("a.fit", b"no fit at all", "a.fit"),
        ("b.fit", fit_file([(1_700_000_000, None)]), "no heart rate"),
        ("a.tcx", "<x>", "a.tcx"),
        ("a.csv", "", "empty"),
        ("b.csv", "1\nx\n", "RR intervals"),
        ("c.csv", "5\n-1\n", "positive"),
    ],
)
def test_what_is_no_recording(tmp_path: Path, name: str, content: str | bytes, reason: str) -> None:
    with pytest.raises(RecordingError, match=reason):
        read(write(tmp_path, name, content))
    with pytest.raises(RecordingError, match="no such file"):
        read(tmp_path / "missing.fit")
