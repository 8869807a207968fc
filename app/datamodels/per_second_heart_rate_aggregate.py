"""A person's heart in one second."""

from datetime import datetime
from typing import Annotated, Optional

from moose_lib import LifeCycle, OlapConfig, OlapTable, simple_aggregated
from moose_lib.blocks import AggregatingMergeTreeEngine
from moose_lib.data_models import ClickHouseAlias, ClickHouseCodec, ClickhousePrecision, SimpleAggregateFunction
from pydantic import BaseModel, Field

from app.datamodels.integers import Int64, UInt16
from app.datamodels.on_cluster import on_cluster
from app.heartrate.retention import ttl
from app.table_layout import partition_by

RATES = "mapValues(hr_by_offset_ms)"
"""In SQL: the heart rates of a second's beats."""

MEAN_RATE = f"arrayAvg({RATES})"
"""In SQL: their mean; only where there are any."""

SECOND_OF_BEAT = "toDateTime(ceil(hr_timestamp_seconds), 'UTC')"
"""In SQL: the second that a row of unified_hr_packet counts to."""

STRANGER = "concat('Strap ', device_id)"
"""In SQL: the name of a strap's wearer where nobody is registered."""

OF_THE_SPAN = "rounded_up_time BETWEEN toDateTime({first:Int64}, 'UTC') AND toDateTime({last:Int64}, 'UTC')"
"""In SQL: the seconds between two Unix seconds, parameters of the query, both included."""


class PerSecondHeartRateAggregate(BaseModel):
    """One row a person and second; a second without a beat has no row.

    The beats of the second are kept as a set, by their millisecond within it: a beat that arrives twice changes
    nothing, a late one is added. Read with FINAL: rows of different inserts merge in the background.
    """

    rounded_up_time: Annotated[datetime, ClickHouseCodec("Delta(4), ZSTD(1)")] = Field(
        description="The second, rounded up, UTC: a beat at 10:00:00.2 counts to 10:00:01"
    )
    user_id: Int64 = Field(description="The person; 0: nobody registered")
    user_name: Annotated[str, "LowCardinality"] = Field(description="The person's name as of then")
    processed_timestamp: Annotated[
        datetime,
        ClickhousePrecision(precision=3),
        SimpleAggregateFunction(
            agg_func="max",
            arg_type=Annotated[datetime, ClickhousePrecision(precision=3)],
        ),
        ClickHouseCodec("Delta(8), ZSTD(1)"),
    ] = Field(description="When the newest of these beats was processed, UTC")
    beat_offsets_ms: simple_aggregated("groupUniqArrayArray", list[UInt16]) = Field(  # type: ignore[valid-type]
        description="The beats of this second: their milliseconds within it"
    )
    hr_by_offset_ms: simple_aggregated("maxMap", dict[UInt16, UInt16]) = Field(  # type: ignore[valid-type]
        description="Heart rate, bpm, of those beats that came with one"
    )
    avg_hr_per_second: Annotated[Optional[float], ClickHouseAlias(f"if(empty(hr_by_offset_ms), NULL, {MEAN_RATE})")] = (
        Field(description="Mean heart rate of the second's beats, bpm; null: none came with one")
    )


per_second_heart_rate_aggregate = OlapTable[PerSecondHeartRateAggregate](
    "per_second_heart_rate_aggregate",
    on_cluster(
        OlapConfig(
            engine=AggregatingMergeTreeEngine(),
            # Every question of the APIs names a span of time, and few people share a second.
            order_by_fields=["rounded_up_time", "user_id", "user_name"],
            partition_by=partition_by("rounded_up_time"),
            # FINAL merges whole granules, and the newest seconds of parts overlap: with 8192 rows an answer takes
            # twice as long for 200 people (benchmarks/answers.py).
            settings={"index_granularity": "1024"},
            ttl=ttl("per_second_heart_rate_aggregate", "toDateTime(processed_timestamp)"),
            life_cycle=LifeCycle.DELETION_PROTECTED,
        )
    ),
)
