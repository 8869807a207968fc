"""One heartbeat on the strap's own clock."""

from datetime import datetime
from typing import Annotated, Literal, Optional

from moose_lib import IngestPipeline, IngestPipelineConfig, Key, LifeCycle, OlapConfig
from moose_lib.blocks import ReplacingMergeTreeEngine
from moose_lib.data_models import ClickHouseCodec, ClickHouseMaterialized, ClickhousePrecision
from pydantic import Field

from app.datamodels.integers import Int64, UInt8, UInt64
from app.datamodels.on_cluster import on_cluster
from app.datamodels.stream_record import DATABASE_FILLS_IT, StreamRecord
from app.heartrate.retention import ttl
from app.table_layout import partition_by


class ProcessedAntHRPacket(StreamRecord):
    """A heartbeat. Its identity is (device_id, epoch, heart_beat_count): each beat once, whatever repeated it."""

    device_id: Key[Annotated[str, "LowCardinality"]] = Field(description="20-bit ANT device number, decimal")
    epoch: Key[Annotated[Int64, ClickHouseCodec("Delta(8), ZSTD(1)")]] = Field(
        description="Which run of the strap's clock: when its first packet was heard, µs since 1970 UTC"
    )
    heart_beat_count: Key[Annotated[Int64, ClickHouseCodec("Delta(8), ZSTD(1)")]] = Field(
        description="The strap's heart beat count, unwrapped"
    )
    previous_beat_time: Annotated[Optional[float], ClickHouseCodec("Delta(8), ZSTD(3)")] = Field(
        default=None, description="Event time of the beat before, seconds of the strap's own clock; null: unknown"
    )
    last_beat_time: Annotated[float, ClickHouseCodec("Delta(8), ZSTD(3)")] = Field(
        description="Event time of this beat, seconds of the strap's own clock, unwrapped"
    )
    calculated_heart_rate: Annotated[Optional[UInt8], ClickHouseCodec("Delta(1), ZSTD(1)")] = Field(
        default=None, description="The strap's own computed heart rate, bpm; null: invalid or not heard"
    )
    rr_interval_ms: Annotated[Optional[float], ClickHouseCodec("Delta(8), ZSTD(3)")] = Field(
        default=None, description="RR interval that ends with this beat, ms; null: unknown"
    )
    rr_method: Literal["delta", "page4", "none"] = Field(
        description="How the interval is known: from two event times, from page 4, or not"
    )
    rr_computed: bool = Field(description="The strap makes its event times up from the heart rate: no use for HRV")
    rr_plausible: bool = Field(description="The interval is within 200 to 3000 ms, or unknown")
    beat_at: Annotated[datetime, ClickhousePrecision(precision=6), ClickHouseCodec("Delta(8), ZSTD(1)")] = Field(
        description="The moment of the beat, UTC"
    )
    revision: UInt8 = Field(
        description="Of two tellings of a beat the higher stands: 64 where the interval is known, 32 where the heart "
        "rate is, and how often it was told before"
    )
    received_at: Annotated[datetime, ClickhousePrecision(precision=6), ClickHouseCodec("Delta(8), ZSTD(1)")] = Field(
        description="When the packet that showed this beat was heard, UTC"
    )
    packet_count: Annotated[UInt64, ClickHouseCodec("Delta(8), ZSTD(1)")] = Field(
        description="That packet's running number"
    )
    tracker_state: Annotated[Optional[str], ClickHouseCodec("ZSTD(3)")] = Field(
        default=None, description="The strap's beat tracker after that packet, on some rows: a restart goes on from it"
    )
    stored_at: Annotated[datetime, ClickHouseMaterialized("now()"), ClickHouseCodec("Delta(4), ZSTD(1)")] = Field(
        default=DATABASE_FILLS_IT, description="When the row was stored, UTC"
    )


processed_ant_hr_packet_pipeline = IngestPipeline[ProcessedAntHRPacket](
    "processed_ant_hr_packet",
    IngestPipelineConfig(
        ingest_api=False,
        stream=True,
        dead_letter_queue=True,
        table=on_cluster(
            OlapConfig(
                engine=ReplacingMergeTreeEngine(ver="revision"),
                order_by_fields=["device_id", "epoch", "heart_beat_count"],
                partition_by=partition_by("beat_at"),
                ttl=ttl("processed_ant_hr_packet", "stored_at"),
                life_cycle=LifeCycle.DELETION_PROTECTED,
            )
        ),
    ),
)
