"""One radio packet of an ANT+ heart-rate strap, as a receiver heard it."""

import os
from datetime import datetime
from typing import Annotated, Optional

from moose_lib import (
    IngestApi,
    IngestConfigWithDestination,
    IngestPipeline,
    IngestPipelineConfig,
    LifeCycle,
    OlapConfig,
    Stream,
    StreamConfig,
    clickhouse_default,
)
from moose_lib.blocks import ReplacingMergeTreeEngine
from moose_lib.data_models import ClickHouseCodec, ClickHouseMaterialized, ClickhousePrecision
from pydantic import Field

from app.datamodels.integers import Int8, UInt64
from app.datamodels.on_cluster import on_cluster
from app.datamodels.stream_record import DATABASE_FILLS_IT, StreamRecord
from app.heartrate.retention import ttl
from app.heartrate.sharding import parse_shards, stream_of_shard
from app.table_layout import partition_by


class RawAntHRPacket(StreamRecord):
    """A radio packet. Equal packets (a retry, a replay) are one row after merges."""

    device_id: Annotated[str, "LowCardinality"] = Field(
        description="20-bit ANT device number, decimal (D00000652: device number and transmission type)"
    )
    packet_count: Annotated[UInt64, ClickHouseCodec("Delta(8), ZSTD(1)")] = Field(
        description="The receiver's running number for this strap"
    )
    ant_hr_packet: Annotated[str, ClickHouseCodec("ZSTD(3)")] = Field(
        description="The 8 payload bytes, 16 hexadecimal digits"
    )
    received_at: Annotated[
        datetime, ClickhousePrecision(precision=6), clickhouse_default("now64(6)"), ClickHouseCodec("Delta(8), ZSTD(1)")
    ] = Field(
        default=DATABASE_FILLS_IT, description="When the receiver heard it, UTC; absent: when the pipeline saw it"
    )
    receiver_id: Annotated[Optional[str], "LowCardinality"] = Field(default=None, description="Which receiver heard it")
    rssi_dbm: Optional[Int8] = Field(default=None, description="Signal strength at the receiver, dBm; null: unknown")
    stored_at: Annotated[datetime, ClickHouseMaterialized("now()"), ClickHouseCodec("Delta(4), ZSTD(1)")] = Field(
        default=DATABASE_FILLS_IT,
        description="When the row was stored, UTC; retention counts from here, not from received_at",
    )


raw_ant_hr_packet_pipeline = IngestPipeline[RawAntHRPacket](
    "raw_ant_hr_packet",
    IngestPipelineConfig(
        ingest_api=True,
        stream=True,
        dead_letter_queue=True,
        table=on_cluster(
            OlapConfig(
                engine=ReplacingMergeTreeEngine(),
                # A strap's packets in the order heard: what its state is rebuilt from.
                order_by_fields=["device_id", "received_at", "packet_count", "receiver_id", "ant_hr_packet"],
                partition_by=partition_by("received_at"),
                ttl=ttl("raw_ant_hr_packet", "stored_at"),
                settings={"allow_nullable_key": "1"},
                life_cycle=LifeCycle.DELETION_PROTECTED,
            )
        ),
    ),
)


def _shard(number: int) -> Stream[RawAntHRPacket]:
    if number == 0:
        return raw_ant_hr_packet_pipeline.get_stream()
    dead_letters = raw_ant_hr_packet_pipeline.get_dead_letter_queue()
    stream = Stream[RawAntHRPacket](
        stream_of_shard(number),
        StreamConfig(destination=raw_ant_hr_packet_pipeline.get_table(), default_dead_letter_queue=dead_letters),
    )
    IngestApi[RawAntHRPacket](
        stream.name, IngestConfigWithDestination(destination=stream, dead_letter_queue=dead_letters)
    )
    return stream


raw_ant_hr_packet_shards = [_shard(number) for number in range(parse_shards(os.environ.get("BEATSTREAM_SHARDS")))]
"""One stream a worker, into one table."""
