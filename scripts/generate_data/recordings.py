"""Recordings of real hearts: FIT and TCX (heart rate a second), CSV or text (RR intervals, or seconds), JSON lines."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf, nan
from pathlib import Path
from xml.etree.ElementTree import ParseError, iterparse

_TCX = "{http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2}"
_RR_IN_SECONDS_BELOW = 10.0
"""An interval below this is in seconds: none is shorter than 10 ms or longer than 10 s."""

_HIGHEST_RATE = 255
"""What a strap can tell, bpm."""


class RecordingError(Exception):
    """The recording cannot be replayed; the text says why."""


@dataclass(frozen=True, slots=True)
class HeartRateRecording:
    """Heart rate once a second."""

    samples: list[tuple[int, int]]
    """(Unix second, bpm), ascending; seconds without a heart rate are not in it."""


@dataclass(frozen=True, slots=True)
class IntervalRecording:
    """Every RR interval, without a clock."""

    intervals_ms: list[float]


@dataclass(frozen=True, slots=True)
class PacketRecording:
    """Raw records, as sent before."""

    file: Path

    def records(self) -> Iterator[dict[str, object]]:
        """The records in order. Raises `RecordingError` at a line that is none."""
        with self.file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                try:
                    record = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise RecordingError(f"{self.file}, line {number}: {error}") from error
                if not isinstance(record, dict) or not record.keys() & {"ant_hr_packet", "hr_measurement"}:
                    raise RecordingError(f"{self.file}, line {number}: no raw packet")
                yield record


Recording = HeartRateRecording | IntervalRecording | PacketRecording


def read(file: Path) -> Recording:
    """Read a recording, by the ending of its name. Raises `RecordingError`."""
    if not file.is_file():
        raise RecordingError(f"{file}: there is no such file")
    match file.suffix.lower():
        case ".fit":
            return _seconds(file, _fit(file))
        case ".tcx":
            return _seconds(file, _tcx(file))
        case ".jsonl" | ".ndjson":
            return PacketRecording(file)
        case ".csv" | ".txt" | ".rr":
            return _text(file)
        case ending:
            raise RecordingError(f"{file}: {ending or 'no ending'} is not known; fit, tcx, csv, txt or jsonl are")


def _seconds(file: Path, samples: Iterator[tuple[datetime, int | None]]) -> HeartRateRecording:
    by_second = {round(moment.timestamp()): rate for moment, rate in samples if rate}
    if not by_second:
        raise RecordingError(f"{file}: holds no heart rate")
    return HeartRateRecording(sorted(by_second.items()))


def _fit(file: Path) -> Iterator[tuple[datetime, int | None]]:
    import fitdecode  # noqa: PLC0415 (a third of the command's start, and only this needs it)

    try:
        with fitdecode.FitReader(file) as reader:
            for frame in reader:
                if isinstance(frame, fitdecode.FitDataMessage) and frame.name == "record":
                    moment = frame.get_value("timestamp", fallback=None)
                    rate = frame.get_value("heart_rate", fallback=None)
                    if isinstance(moment, datetime):
                        yield moment, rate if isinstance(rate, int) else None
    except Exception as error:  # fitdecode takes much for granted of what it reads
        raise RecordingError(f"{file}: no whole FIT file ({error!r})") from error


def _tcx(file: Path) -> Iterator[tuple[datetime, int | None]]:
    try:
        with file.open("rb") as source:  # of a path, iterparse leaves the file open where it stops at an error
            # Python's expat refuses entity bombs since 2.4.1, and external entities are never fetched.
            for _, element in iterparse(source):  # noqa: S314
                if element.tag == f"{_TCX}Trackpoint":
                    moment, rate = element.findtext(f"{_TCX}Time"), element.findtext(f"{_TCX}HeartRateBpm/{_TCX}Value")
                    if moment:
                        yield _moment(moment), _rate(rate or "")
                    element.clear()
    except (ParseError, LookupError, ValueError, OverflowError) as error:
        raise RecordingError(f"{file}: {error}") from error


def _text(file: Path) -> Recording:
    """A column of RR intervals; or columns with a header that names a timestamp and a heart rate."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines)
            rows = [(reader.line_num, row) for row in reader if row and not row[0].lstrip().startswith("#")]
    except (UnicodeDecodeError, csv.Error) as error:
        raise RecordingError(f"{file}: {error}") from error
    if not rows:
        raise RecordingError(f"{file}: empty")
    first = rows[0][1]
    header = [cell.strip().lower() for cell in first]
    if "timestamp" in header and ("heart_rate" in header or "hr" in header):
        at, rate = header.index("timestamp"), header.index("heart_rate" if "heart_rate" in header else "hr")
        return _seconds(file, _columns(file, rows[1:], at, rate))
    intervals = [_interval(file, number, row[0]) for number, row in (rows if _is_number(first[0]) else rows[1:])]
    if not intervals:
        raise RecordingError(f"{file}: holds no RR interval")
    scale = 1000.0 if max(intervals) < _RR_IN_SECONDS_BELOW else 1.0
    return IntervalRecording([interval * scale for interval in intervals])


def _columns(file: Path, rows: list[tuple[int, list[str]]], at: int, rate: int) -> Iterator[tuple[datetime, int]]:
    for number, row in rows:
        try:
            yield _moment(row[at]), _rate(row[rate])
        except IndexError as error:
            raise RecordingError(f"{file}, line {number}: a timestamp and a heart rate are expected") from error
        except (ValueError, OverflowError) as error:
            raise RecordingError(f"{file}, line {number}: {error}") from error


def _interval(file: Path, number: int, text: str) -> float:
    interval = float(text) if _is_number(text) else nan
    if not 0 < interval < inf:
        raise RecordingError(f"{file}, line {number}: RR intervals are positive numbers, in ms or s, not {text!r}")
    return interval


def _moment(text: str) -> datetime:
    """Raises `ValueError` or `OverflowError`."""
    if _is_number(text):
        return datetime.fromtimestamp(float(text), UTC)
    moment = datetime.fromisoformat(text.strip())
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _rate(text: str) -> int:
    """Beats a minute; 0: none is told. Raises `ValueError`."""
    rate = float(text) if text.strip() else 0.0
    if not 0 <= rate <= _HIGHEST_RATE:
        raise ValueError(f"a heart rate is 0 to {_HIGHEST_RATE}, not {text!r}")
    return int(rate)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
