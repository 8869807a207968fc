"""Every kind of recording is read; what is none is refused with a line that helps."""

from pathlib import Path

import psutil
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


COLUMNS = "timestamp,heart_rate\n1795428001,100\n"


def write(folder: Path, name: str, content: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def test_fit(tmp_path: Path) -> None:
    file = write(tmp_path, "ride.FIT", fit_file([(1_700_000_000, 90), (1_700_000_001, None), (1_700_000_002, 91)]))
    assert read(file) == HeartRateRecording([(1_700_000_000, 90), (1_700_000_002, 91)])


@pytest.mark.filterwarnings("ignore:.*:UserWarning")  # fitdecode's own
def test_a_damaged_fit_file(tmp_path: Path) -> None:
    whole = fit_file([(1_700_000_000, 90)])
    refused = 0
    for place in range(len(whole)):
        for value in (0, 2, 14, 255):
            try:
                read(write(tmp_path, "a.fit", whole[:place] + bytes([value]) + whole[place + 1 :]))
            except RecordingError:
                refused += 1
    assert refused > len(whole)


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
        ("\ufeff812\n805\n", [812, 805]),
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


@pytest.mark.parametrize("line", [b"{", b'"\xff"', b"[" * 100_000, b"{}"], ids=["JSON", "UTF-8", "depth", "packet"])
def test_a_line_that_is_no_packet(tmp_path: Path, line: bytes) -> None:
    recording = read(write(tmp_path, "p.jsonl", b'{"ant_hr_packet": "00"}\n' + line))
    assert isinstance(recording, PacketRecording)
    with pytest.raises(RecordingError, match=r"p\.jsonl, line 2: "):
        list(recording.records())


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
        ("c.csv", "5\n-1\n", "c.csv, line 2: RR intervals are positive"),
        ("d.txt", "800\nnan\n", "d.txt, line 2: RR intervals"),
        ("e.txt", "# at rest\n800\ninf\n", "e.txt, line 3: RR intervals"),
        ("f.txt", "rr_ms\n", "no RR interval"),
        ("g.txt", b"800\n\xff\n", "g.txt: 'utf-8'"),
        ("h.txt", "8" * 200_000, "h.txt: field larger"),
        ("a.csv", COLUMNS + "1795428002,n/a\n", "a.csv, line 3: .*'n/a'"),
        ("b.csv", COLUMNS + "1795428002\n", "b.csv, line 3: a timestamp and a heart rate"),
        ("c.csv", COLUMNS + "9999999999999,70\n", "c.csv, line 3: year 318857 is out of range"),
        ("d.csv", COLUMNS + "1e300,70\n", "d.csv, line 3"),
        ("e.csv", COLUMNS + "noon,70\n", "e.csv, line 3: .*'noon'"),
        ("f.csv", COLUMNS + "1795428002,-70\n", "f.csv, line 3: a heart rate is 0 to 255"),
        ("g.csv", COLUMNS + "1795428002,inf\n", "g.csv, line 3: a heart rate is 0 to 255"),
        ("b.tcx", TCX.replace("102", "n/a"), "b.tcx: .*'n/a'"),
        ("c.tcx", TCX.replace("102", "inf"), "c.tcx: a heart rate is 0 to 255"),
        ("d.tcx", TCX.replace('"?>', '" encoding="none"?>', 1), "d.tcx: "),
    ],
)
def test_what_is_no_recording(tmp_path: Path, name: str, content: str | bytes, reason: str) -> None:
    file = write(tmp_path, name, content)
    with pytest.raises(RecordingError, match=reason) as _refused:  # the error kept: what it holds cannot close itself
        read(file)
    assert str(file) not in [opened.path for opened in psutil.Process().open_files()]
    with pytest.raises(RecordingError, match="no such file"):
        read(tmp_path / "missing.fit")
