"""raw_ant_hr_packet -> processed_ant_hr_packet: radio packets become heartbeats, each one once."""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from moose_lib import Stream

from app.datamodels.processed_ant_hr_packet import ProcessedAntHRPacket, processed_ant_hr_packet_pipeline
from app.datamodels.raw_ant_hr_packet import RawAntHRPacket, raw_ant_hr_packet_shards
from app.heartrate.beat_tracker import Beat, BeatTracker
from app.heartrate.device_number import parse_device_id
from app.heartrate.moments import from_us
from app.heartrate.pages import parse_payload
from app.heartrate.profile import TICKS_PER_SECOND
from app.heartrate.strap_id import check_receiver_id
from app.heartrate.strap_tracker import StrapTracker
from app.heartrate.told_moments import ToldMoments
from app.storage.moments import received_us
from app.storage.strap_history import StoredPacket, StrapHistory

STATE_EVERY_BEATS = 32
"""How often a row carries the tracker's state: a restart reads at most so many beats' packets again."""


class _Strap(NamedTuple):
    packets: StrapTracker[BeatTracker]
    moments: ToldMoments


class HeartbeatStage:
    """The trackers of a stream's straps. Moose runs one process a stream, and it sees every packet of those straps."""

    def __init__(self, source: Stream[RawAntHRPacket]) -> None:
        self._straps: dict[str, _Strap] = {}
        self._history = StrapHistory(source)
        self._rebuilt: list[ProcessedAntHRPacket] = []
        self._timed = True

    def process(self, record: RawAntHRPacket) -> list[ProcessedAntHRPacket]:
        """The heartbeats that a packet shows for the first time. Raises `ValueError` with the reason if it is wrong."""
        record.require_valid()
        payload = parse_payload(record.ant_hr_packet)
        at_us, count, receiver_id = received_us(record.received_at), record.packet_count, record.receiver_id or ""
        check_receiver_id(receiver_id)
        strap = self._straps.get(record.device_id)
        if strap is None:
            parse_device_id(record.device_id)
            for other in self._straps.values():
                if other.packets.rest(at_us):
                    other.moments.forget()
            strap = self._straps[record.device_id] = self._new_strap(record.device_id)
        self._timed = record.received_at is not None
        beats = strap.packets.push(payload, at_us, receiver_id, count)
        if not beats and not self._rebuilt:
            return []
        rows = _rows(record.device_id, strap.packets.tracker, strap.moments.of(beats), at_us, count)
        if self._rebuilt:
            rows = self._rebuilt + rows
            self._rebuilt = []
        return rows

    def _new_strap(self, device_id: str) -> _Strap:
        moments = ToldMoments()

        def recover(received_at_us: int, receiver_id: str, packet_count: int, *, is_first: bool) -> BeatTracker:
            packet = StoredPacket("", received_at_us, receiver_id, packet_count)
            if is_first:
                past = self._history.at_first(device_id, packet)
            else:
                # A packet that came without its time is stored with another one, so waiting for it would be in vain.
                past = self._history.as_of(device_id, packet, await_packet=self._timed)
            moments.learn(past.moments_us)
            for beats, old in past.told_again:
                # A packet that was heard out of order may not have been processed yet.
                self._rebuilt += _rows(device_id, past.tracker, moments.of(beats), old.received_at_us, old.packet_count)
            return past.tracker

        return _Strap(StrapTracker(recover), moments)


def _rows(
    device_id: str, tracker: BeatTracker, beats: tuple[Beat, ...], received_at_us: int, packet_count: int
) -> list[ProcessedAntHRPacket]:
    received_at = from_us(received_at_us)
    rows = [
        ProcessedAntHRPacket(
            device_id=device_id,
            epoch=beat.epoch,
            heart_beat_count=beat.beat_count,
            previous_beat_time=None if beat.previous_ticks is None else beat.previous_ticks / TICKS_PER_SECOND,
            last_beat_time=beat.ticks / TICKS_PER_SECOND,
            calculated_heart_rate=beat.heart_rate,
            rr_interval_ms=None if beat.rr_ticks is None else beat.rr_ticks * 1000 / TICKS_PER_SECOND,
            rr_method=beat.rr_method,
            rr_computed=beat.rr_computed,
            rr_plausible=beat.rr_plausible,
            beat_at=from_us(beat.time_us),
            revision=beat.version,
            received_at=received_at,
            packet_count=packet_count,
        )
        for beat in beats
    ]
    if beats and beats[-1].beat_count % STATE_EVERY_BEATS == 0:
        rows[-1].tracker_state = tracker.snapshot()
    return rows


def _function(source: Stream[RawAntHRPacket]) -> Callable[[RawAntHRPacket], list[ProcessedAntHRPacket]]:
    @cache
    def stage() -> HeartbeatStage:
        return HeartbeatStage(source)

    def raw_to_processed(record: RawAntHRPacket) -> list[ProcessedAntHRPacket]:
        """Turn a radio packet into the heartbeats it shows for the first time: none, one or more."""
        return stage().process(record)

    return raw_to_processed


for _source in raw_ant_hr_packet_shards:
    _source.add_transform(processed_ant_hr_packet_pipeline.get_stream(), _function(_source))
