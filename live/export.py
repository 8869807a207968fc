"""A person's session as a file: CSV for spreadsheets, FIT for training diaries."""

import csv
import io
import warnings
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from math import ceil
from typing import NamedTuple

from fit_tool import FitFileBuilder
from fit_tool.profile.messages.activity_message import ActivityMessage
from fit_tool.profile.messages.event_message import EventMessage
from fit_tool.profile.messages.file_id_message import FileIdMessage
from fit_tool.profile.messages.hrv_message import HrvMessage
from fit_tool.profile.messages.lap_message import LapMessage
from fit_tool.profile.messages.record_message import RecordMessage
from fit_tool.profile.messages.session_message import SessionMessage
from fit_tool.profile.profile_type import Event, EventType, FileType, Manufacturer, Sport

from app.heartrate.zones import ZoneScale

FIT_HIGHEST_BPM = 254
"""A byte, and 255 says nothing."""


class Heard(NamedTuple):
    """A person over a span of time."""

    seconds: Sequence[tuple[int, float]]
    """Unix second (rounded up) and mean heart rate, ascending."""
    intervals: Sequence[tuple[float, float]]
    """Moment of a beat (Unix seconds) and the RR interval that ends with it (ms), ascending."""


def to_csv(heard: Heard, scale: ZoneScale | None) -> str:
    """A row a second: its time (UTC), heart rate and zone (empty: unknown), and the RR intervals that ended in it."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["time", "heart_rate_bpm", "zone", "rr_intervals_ms"])
    by_second: dict[int, list[str]] = {}
    for at, interval in heard.intervals:
        by_second.setdefault(ceil(at), []).append(f"{interval:.1f}")
    rates = dict(heard.seconds)
    for second in sorted(rates.keys() | by_second.keys()):
        rate = rates.get(second)
        zone = "" if scale is None or rate is None else scale.zone(rate)
        bpm = "" if rate is None else f"{rate:.1f}"
        rows.writerow([_rfc3339(second), bpm, zone, " ".join(by_second.get(second, []))])
    return text.getvalue()


def to_fit(heard: Heard) -> bytes:
    """An activity: a record a second, and every RR interval (FIT hrv messages). Needs at least one second."""
    first, last = heard.seconds[0][0], heard.seconds[-1][0]
    builder = FitFileBuilder(auto_define=True)
    created = FileIdMessage()
    created.type = FileType.ACTIVITY
    created.manufacturer = Manufacturer.DEVELOPMENT.value
    created.product = 0
    created.serial_number = first & 0xFFFFFFFF
    created.time_created = first * 1000
    builder.add(created)
    builder.add(_event(EventType.START, first))
    intervals = deque(heard.intervals)
    for second, rate in heard.seconds:
        record = RecordMessage()
        record.timestamp = second * 1000
        if rate <= FIT_HIGHEST_BPM:
            record.heart_rate = round(rate)
        builder.add(record)
        while intervals and intervals[0][0] <= second:
            builder.add(_interval(intervals.popleft()[1]))
    for _, interval in intervals:
        builder.add(_interval(interval))
    builder.add(_event(EventType.STOP_ALL, last))
    for summary in (LapMessage(), SessionMessage()):
        summary.timestamp = last * 1000
        summary.start_time = first * 1000
        summary.total_elapsed_time = float(last - first)
        summary.total_timer_time = float(last - first)
        mean = sum(rate for _, rate in heard.seconds) / len(heard.seconds)
        summary.avg_heart_rate = min(FIT_HIGHEST_BPM, round(mean))
        summary.max_heart_rate = min(FIT_HIGHEST_BPM, round(max(rate for _, rate in heard.seconds)))
        summary.sport = Sport.TRAINING
        builder.add(summary)
    activity = ActivityMessage()
    activity.timestamp = last * 1000
    activity.total_timer_time = float(last - first)
    activity.num_sessions = 1
    builder.add(activity)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bytes(builder.build().to_bytes())


def _interval(ms: float) -> HrvMessage:
    # One interval a message: all messages of a kind share the size that the first one defines.
    hrv = HrvMessage()
    hrv.time = [ms / 1000]
    return hrv


def _event(kind: EventType, second: int) -> EventMessage:
    event = EventMessage()
    event.event = Event.TIMER
    event.event_type = kind
    event.timestamp = second * 1000
    return event


def _rfc3339(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
