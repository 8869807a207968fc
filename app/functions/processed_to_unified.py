"""processed_ant_hr_packet -> unified_hr_packet: a strap's beat becomes a person's."""

from datetime import UTC, datetime
from functools import cache

from app.datamodels.processed_ant_hr_packet import ProcessedAntHRPacket, processed_ant_hr_packet_pipeline
from app.datamodels.unified_hr_packet import UnifiedHRPacket, unified_hr_packet_pipeline
from app.heartrate.moments import to_us
from app.storage.wearer_directory import WearerDirectory


@cache
def _directory() -> WearerDirectory:
    return WearerDirectory()


def processed_to_unified(beat: ProcessedAntHRPacket) -> UnifiedHRPacket:
    """Attach the person who wore the strap at the moment of the beat."""
    beat.require_valid()
    beat_us = to_us(beat.beat_at)
    wearer = _directory().wearer(beat.device_id, beat_us)
    return UnifiedHRPacket(
        user_id=wearer.user_id,
        user_name=wearer.user_name,
        device_id=beat.device_id,
        hr_timestamp_seconds=beat_us / 1_000_000,
        hr_value=beat.calculated_heart_rate,
        rr_interval_ms=beat.rr_interval_ms,
        rr_computed=beat.rr_computed,
        revision=beat.revision,
        processed_timestamp=datetime.now(UTC),
    )


processed_ant_hr_packet_pipeline.get_stream().add_transform(
    unified_hr_packet_pipeline.get_stream(), processed_to_unified
)
