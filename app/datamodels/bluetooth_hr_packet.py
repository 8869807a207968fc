"""One notification of a Bluetooth heart-rate strap, as a receiver got it."""

from datetime import datetime
from typing import Annotated, Optional

from moose_lib import IngestPipeline, IngestPipelineConfig, LifeCycle, OlapConfig, clickhouse_default
from moose_lib.blocks import ReplacingMergeTreeEngine
from moose_lib.data_models import ClickHouseCodec, ClickHouseMaterialized, ClickhousePrecision
from pydantic import Field

from app.datamodels.integers import Int8, UInt8, UInt64
from app.datamodels.on_cluster import on_cluster
from app.datamodels.stream_record import DATABASE_FILLS_IT, StreamRecord
from app.heartrate.retention import ttl
from app.table_layout import partition_by


class BluetoothHRPacket(StreamRecord):
    """A notification. Equal ones (a retry, a replay) are one row after merges."""

    device_id: Annotated[str, "LowCardinality"] = Field(
        description="The strap's Bluetooth address, in capitals (on macOS: the UUID that it tells instead)"
    )
    packet_count: Annotated[UInt64, ClickHouseCodec("Delta(8), ZSTD(1)")] = Field(
        description="The receiver's running number for this strap"
    )
    hr_measurement: Annotated[str, ClickHouseCodec("ZSTD(3)")] = Field(
        description="Value of characteristic 0x2A37, hexadecimal"
    )
    received_at: Annotated[
        datetime, ClickhousePrecision(precision=6), clickhouse_default("now64(6)"), ClickHouseCodec("Delta(8), ZSTD(1)")
    ] = Field(default=DATABASE_FILLS_IT, description="When the receiver got it, UTC; absent: when the pipeline saw it")
    receiver_id: Annotated[Optional[str], "LowCardinality"] = Field(default=None, description="Which receiver got it")
    rssi_dbm: Optional[Int8] = Field(
        default=None, description="Signal strength when the receiver found the strap, dBm; null: unknown"
    )
    battery_percent: Optional[UInt8] = Field(
        default=None, description="The strap's battery when the receiver connected to it, percent; null: unknown"
    )
    stored_at: Annotated[datetime, ClickHouseMaterialized("now()"), ClickHouseCodec("Delta(4), ZSTD(1)")] = Field(
        default=DATABASE_FILLS_IT,
        description="When the row was stored, UTC; retention counts from here, not from received_at",
    )


bluetooth_hr_packet_pipeline = IngestPipeline[BluetoothHRPacket](
    "bluetooth_hr_packet",
    IngestPipelineConfig(
        ingest_api=True,
        stream=True,
        dead_letter_queue=True,
        table=on_cluster(
            OlapConfig(
                engine=ReplacingMergeTreeEngine(),
                # A strap's notifications in the order heard: what its state is rebuilt from.
                order_by_fields=["device_id", "received_at", "packet_count", "receiver_id", "hr_measurement"],
                partition_by=partition_by("received_at"),
                ttl=ttl("bluetooth_hr_packet", "stored_at"),
                settings={"allow_nullable_key": "1"},
                life_cycle=LifeCycle.DELETION_PROTECTED,
            )
        ),
    ),
)
