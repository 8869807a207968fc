"""A recording becomes a strap that transmits it."""

import json
from collections.abc import Iterator
from datetime import datetime
from random import Random

from app.heartrate.moments import to_us
from app.heartrate.profile import TICKS_PER_SECOND
from scripts.delivery.records import Clockface, Record, raw_records
from scripts.generate_data.radio import Air, Radio
from scripts.generate_data.recordings import HeartRateRecording, IntervalRecording, PacketRecording, RecordingError
from scripts.generate_data.strap import Beat, Strap, transmissions

RECEIVER_ID = "replay-1"
SECOND_US = 1_000_000

EDGE_US = 4_000
"""How far a beat made from a heart rate per second stays from whole seconds, so that it clearly belongs to one."""

SMOOTHED_BEATS = 8
"""Over how many intervals a strap smooths the heart rate that it computes."""


def span_s(recording: HeartRateRecording | IntervalRecording) -> float:
    """How long the recording lasts, seconds."""
    if isinstance(recording, HeartRateRecording):
        return float(recording.samples[-1][0] - recording.samples[0][0])
    return sum(recording.intervals_ms) / 1000


def beats_of_seconds(recording: HeartRateRecording, shift_s: int) -> Iterator[Beat]:
    """Beats whose seconds, rounded up, have the recorded heart rates.

    A heart rate per second tells no moments, so the beats are spread evenly, in phase from second to second. A sample
    at second s stands for the second that ends there. Where the recording pauses the strap is silent.
    """
    phase = 0.0
    before: tuple[int, int] | None = None
    for second, rate in recording.samples:
        paused_s = 0 if before is None else second - before[0] - 1
        per_second = rate / 60
        first, silent = True, paused_s > 0
        begin_us = (second - 1 + shift_s) * SECOND_US
        while (until := (1.0 - phase) / per_second) <= 1.0 + 1e-9 or (silent and first and per_second >= 1):
            offset_us = min(max(round(until * SECOND_US), EDGE_US), SECOND_US - EDGE_US)
            missed = round(paused_s * before[1] / 60) if silent and before is not None else 0
            yield Beat(begin_us + offset_us, rate, 1 + missed, silent_before=silent)
            phase -= 1.0
            first, silent = False, False
        phase += per_second
        before = (second, rate)


def beats_of_intervals(recording: IntervalRecording, start_us: int) -> Iterator[Beat]:
    """The recorded beats; each moment is rounded to a tick of the strap's clock, so no rounding adds up."""
    at_ms = 0.0
    recent: list[float] = []
    yield Beat(start_us, round(60_000 / recording.intervals_ms[0]))
    for interval in recording.intervals_ms:
        at_ms += interval
        recent = [*recent[1 - SMOOTHED_BEATS :], interval]
        ticks = round(at_ms * TICKS_PER_SECOND / 1000)
        # Rounded up: a moment of µs that falls into that very tick.
        at_us = start_us - -ticks * SECOND_US // TICKS_PER_SECOND
        yield Beat(at_us, max(1, min(255, round(60_000 * len(recent) / sum(recent)))))


def replayed_strap(
    device_number: int, beats: Iterator[Beat], *, air: Air, seed: int, loss: float, bursts: bool, drift_ppm: float
) -> Iterator[Record]:
    """Records of a strap whose first message goes out on its first beat, so that its clock is known at once."""
    strap = Strap(device_number, drift_ppm=drift_ppm, first_ticks=seed * 7919 % 65_536, first_count=seed % 256)
    radio = Radio(loss, Random(seed), air, bursts=bursts)
    heard = (sent for sent in transmissions(strap, beats) if radio.hears(sent.at_us))
    return raw_records(str(device_number), RECEIVER_ID, heard, Clockface())


def replayed_packets(recording: PacketRecording, start_us: int | None) -> Iterator[Record]:
    """Raw records as they are; with `start_us` their times are shifted so that the first is heard then.

    One that does not tell when it was heard is due with the one before it.
    """
    clockface = Clockface()
    moments = (_heard_us(recording, record) for record in recording.records())
    first_us = next((at_us for at_us in moments if at_us is not None), 0)
    shift_us = 0 if start_us is None else start_us - first_us
    due_us = first_us + shift_us
    for record in recording.records():
        heard_us = _heard_us(recording, record)
        if heard_us is not None:
            due_us = heard_us + shift_us
            if shift_us:
                record["received_at"] = clockface(due_us)
        yield Record(due_us, json.dumps(record))


def _heard_us(recording: PacketRecording, record: dict[str, object]) -> int | None:
    heard = record.get("received_at")
    if not isinstance(heard, str):
        return None
    try:
        return to_us(datetime.fromisoformat(heard))
    except (ValueError, TypeError) as error:
        raise RecordingError(f"{recording.file}: received_at {heard!r} is no RFC 3339 with a zone") from error
