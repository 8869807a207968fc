"""Files of a session."""

import io

import fitdecode
import pytest

from app.heartrate.zones import zone_scale
from live.export import Heard, to_csv, to_fit

T = 1_790_000_000
HEARD = Heard([(T, 100.4), (T + 1, 121.0), (T + 5, 180.0)], [(T - 0.3, 600.0), (T + 0.2, 500.5), (T + 0.7, 499.5)])


def test_a_table_row_a_second() -> None:
    assert to_csv(HEARD, zone_scale(200)).splitlines() == [
        "time,heart_rate_bpm,zone,rr_intervals_ms",
        "2026-09-21T14:13:20Z,100.4,1,600.0",
        "2026-09-21T14:13:21Z,121.0,2,500.5 499.5",
        "2026-09-21T14:13:25Z,180.0,5,",
    ]


def test_without_a_maximum_the_zone_is_empty() -> None:
    assert to_csv(HEARD, None).splitlines()[1] == "2026-09-21T14:13:20Z,100.4,,600.0"


def test_a_second_with_an_interval_and_no_heart_rate_has_a_row() -> None:
    heard = Heard([(T, 100.0), (T + 2, 101.0)], [(T + 0.6, 600.0), (T + 1.2, 600.0), (T + 2.5, 610.0)])
    assert to_csv(heard, zone_scale(200)).splitlines()[1:] == [
        "2026-09-21T14:13:20Z,100.0,1,",
        "2026-09-21T14:13:21Z,,,600.0",
        "2026-09-21T14:13:22Z,101.0,1,600.0",
        "2026-09-21T14:13:23Z,,,610.0",
    ]


@pytest.mark.parametrize("beats_a_second", [1, 3, 7])
def test_every_interval_is_in_the_fit_file(beats_a_second: int) -> None:
    seconds = [(T + s, 100.0) for s in range(1, 30)]
    interval = 1000 / beats_a_second
    intervals = [(T + (i + 1) / beats_a_second, interval) for i in range(29 * beats_a_second)]
    # Beats that only later packets tell of have no heart rate: of the last one there is no record.
    intervals.append((T + 29 + interval / 1000, interval))
    told = []
    with fitdecode.FitReader(
        io.BytesIO(to_fit(Heard(seconds, intervals))), check_crc=fitdecode.CrcCheck.RAISE
    ) as reader:
        for frame in reader:
            if frame.frame_type == fitdecode.FIT_FRAME_DATA and frame.name == "hrv":
                time = frame.get_value("time")
                told += [each for each in (time if isinstance(time, tuple) else [time]) if each is not None]
    assert told == pytest.approx([interval / 1000] * len(intervals), abs=0.0006)
