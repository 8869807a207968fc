"""The framework's own floor: Beatstream's three topics and tables, and functions that copy one message to one message.

`benchmarks.pipeline` lays this out as `app/main.py` beside Beatstream's data models.
"""

from app.datamodels.processed_ant_hr_packet import ProcessedAntHRPacket, processed_ant_hr_packet_pipeline
from app.datamodels.raw_ant_hr_packet import RawAntHRPacket, raw_ant_hr_packet_pipeline
from app.datamodels.unified_hr_packet import UnifiedHRPacket, unified_hr_packet_pipeline


def raw_to_processed(record: RawAntHRPacket) -> ProcessedAntHRPacket:
    """Copy."""
    return ProcessedAntHRPacket(
        device_id=record.device_id,
        epoch=0,
        heart_beat_count=record.packet_count,
        last_beat_time=0.0,
        calculated_heart_rate=60,
        rr_method="none",
        rr_computed=False,
        rr_plausible=True,
        beat_at=record.received_at,
        revision=0,
        received_at=record.received_at,
        packet_count=record.packet_count,
    )


def processed_to_unified(beat: ProcessedAntHRPacket) -> UnifiedHRPacket:
    """Copy."""
    return UnifiedHRPacket(
        user_id=0,
        user_name="Nobody",
        device_id=beat.device_id,
        hr_timestamp_seconds=beat.beat_at.timestamp(),
        hr_value=beat.calculated_heart_rate,
        rr_computed=False,
        revision=0,
        processed_timestamp=beat.received_at,
    )


raw_ant_hr_packet_pipeline.get_stream().add_transform(processed_ant_hr_packet_pipeline.get_stream(), raw_to_processed)
processed_ant_hr_packet_pipeline.get_stream().add_transform(
    unified_hr_packet_pipeline.get_stream(), processed_to_unified
)
