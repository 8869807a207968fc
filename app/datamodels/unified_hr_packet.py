"""One heartbeat of a person at a moment in time."""

from datetime import datetime
from typing import Annotated, Optional

from moose_lib import IngestPipeline, IngestPipelineConfig, LifeCycle, OlapConfig
from moose_lib.blocks import ReplacingMergeTreeEngine
from moose_lib.data_models import ClickHouseCodec, ClickhousePrecision
from pydantic import Field

from app.datamodels.integers import Int64, UInt8, UInt16
from app.datamodels.on_cluster import on_cluster
from app.datamodels.stream_record import StreamRecord
from app.heartrate.retention import ttl
from app.table_layout import partition_by


class UnifiedHRPacket(StreamRecord):
    """A person's heartbeat, whatever strap and radio it came by. Identity: (device_id, hr_timestamp_seconds)."""

    user_id: Annotated[Int64, ClickHouseCodec("Delta(8), ZSTD(1)")] = Field(
        description="The wearer; 0: nobody registered"
    )
    user_name: Annotated[str, "LowCardinality"] = Field(description='The wearer\'s name, or "Strap <device_id>"')
    device_id: Annotated[str, "LowCardinality"] = Field(description="Which strap")
    hr_timestamp_seconds: Annotated[float, ClickHouseCodec("FPC(12), ZSTD(1)")] = Field(
        description="The moment of the beat, seconds since 1970 UTC"
    )
    hr_value: Annotated[Optional[UInt16], ClickHouseCodec("Delta(2), ZSTD(1)")] = Field(
        default=None, description="Heart rate as the strap computes it, bpm; null: unknown"
    )
    rr_interval_ms: Annotated[Optional[float], ClickHouseCodec("Delta(8), ZSTD(3)")] = Field(
        default=None, description="RR interval that ends with this beat, ms; null: unknown"
    )
    rr_computed: bool = Field(description="The interval is made up from the heart rate: no use for HRV")
    skin_contact: Optional[bool] = Field(
        default=None, description="The strap feels skin; null: it cannot tell (ANT+ straps never can)"
    )
    revision: UInt8 = Field(
        description="Of two tellings of a beat the higher stands: 64 where the interval is known, 32 where the heart "
        "rate is, and how often it was told before"
    )
    processed_timestamp: Annotated[datetime, ClickhousePrecision(precision=3), ClickHouseCodec("Delta(8), ZSTD(1)")] = (
        Field(description="When the pipeline made this row, UTC")
    )


unified_hr_packet_pipeline = IngestPipeline[UnifiedHRPacket](
    "unified_hr_packet",
    IngestPipelineConfig(
        ingest_api=False,
        stream=True,
        dead_letter_queue=True,
        table=on_cluster(
            OlapConfig(
                engine=ReplacingMergeTreeEngine(ver="revision"),
                order_by_fields=["device_id", "hr_timestamp_seconds"],
                partition_by=partition_by("toDateTime(hr_timestamp_seconds, 'UTC')"),
                ttl=ttl("unified_hr_packet", "toDateTime(processed_timestamp)"),
                life_cycle=LifeCycle.DELETION_PROTECTED,
            )
        ),
    ),
)
