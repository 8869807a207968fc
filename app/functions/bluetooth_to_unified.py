"""bluetooth_hr_packet -> unified_hr_packet: a Bluetooth strap's notifications become a person's heartbeats."""

from datetime import UTC, datetime
from functools import cache

from app.datamodels.bluetooth_hr_packet import BluetoothHRPacket, bluetooth_hr_packet_pipeline
from app.datamodels.stream_record import RejectedRecordError
from app.datamodels.unified_hr_packet import UnifiedHRPacket, unified_hr_packet_pipeline
from app.heartrate.ble import InvalidMeasurement, decode_measurement
from app.heartrate.bluetooth_tracker import BluetoothBeat, BluetoothTracker
from app.heartrate.profile import TICKS_PER_SECOND
from app.heartrate.strap_id import check_bluetooth_address, check_receiver_id
from app.heartrate.strap_tracker import StrapTracker
from app.storage.moments import received_us
from app.storage.strap_history import BluetoothHistory, StoredPacket
from app.storage.wearer_directory import WearerDirectory


class BluetoothStage:
    """All Bluetooth straps' trackers. One per process, as `HeartbeatStage`."""

    def __init__(self) -> None:
        self._straps: dict[str, StrapTracker[BluetoothTracker]] = {}
        self._history = BluetoothHistory()
        self._wearers = WearerDirectory()
        self._timed = True

    def process(self, record: BluetoothHRPacket) -> list[UnifiedHRPacket]:
        """The heartbeats that a notification tells. Raises `ValueError` with the reason if it is wrong."""
        record.require_valid()
        value = _value(record.hr_measurement)
        heard_us, receiver_id = received_us(record.received_at), record.receiver_id or ""
        check_receiver_id(receiver_id)
        strap = self._straps.get(record.device_id)
        if strap is None:
            check_bluetooth_address(record.device_id)
            for other in self._straps.values():
                other.rest(heard_us)
            strap = self._straps[record.device_id] = self._new_strap(record.device_id)
        self._timed = record.received_at is not None
        beats: tuple[BluetoothBeat, ...] = strap.push(value, heard_us, receiver_id, record.packet_count)
        return [self._row(record.device_id, beat) for beat in beats]

    def _new_strap(self, device_id: str) -> StrapTracker[BluetoothTracker]:
        def recover(received_at_us: int, receiver_id: str, packet_count: int, *, is_first: bool) -> BluetoothTracker:
            packet = StoredPacket("", received_at_us, receiver_id, packet_count)
            if is_first:
                return self._history.at_first(device_id, packet)
            return self._history.as_of(device_id, packet, await_packet=self._timed)

        return StrapTracker(recover)

    def _row(self, device_id: str, beat: BluetoothBeat) -> UnifiedHRPacket:
        wearer = self._wearers.wearer(device_id, beat.time_us)
        return UnifiedHRPacket(
            user_id=wearer.user_id,
            user_name=wearer.user_name,
            device_id=device_id,
            hr_timestamp_seconds=beat.time_us / 1_000_000,
            hr_value=beat.heart_rate,
            rr_interval_ms=None if beat.rr_ticks is None else beat.rr_ticks * 1000 / TICKS_PER_SECOND,
            rr_computed=False,
            skin_contact=beat.contact,
            revision=0,
            processed_timestamp=datetime.now(UTC),
        )


def _value(text: str) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError as error:
        raise RejectedRecordError(f"hr_measurement: {text[:60]!r} is not hexadecimal") from error
    try:
        decode_measurement(value)
    except InvalidMeasurement as error:
        raise RejectedRecordError(f"hr_measurement: {error}") from error
    return value


@cache
def _stage() -> BluetoothStage:
    return BluetoothStage()


def bluetooth_to_unified(record: BluetoothHRPacket) -> list[UnifiedHRPacket]:
    """Turn a notification into the heartbeats it tells: none, one or more."""
    return _stage().process(record)


bluetooth_hr_packet_pipeline.get_stream().add_transform(unified_hr_packet_pipeline.get_stream(), bluetooth_to_unified)
