"""The newest beat of each person."""

from typing import Annotated, Optional

from moose_lib import LifeCycle, OlapConfig, OlapTable
from moose_lib.blocks import ReplacingMergeTreeEngine
from pydantic import BaseModel, Field

from app.datamodels.integers import Int64, UInt16, UInt64
from app.datamodels.on_cluster import on_cluster
from app.heartrate.retention import ttl


class LatestHeartRate(BaseModel):
    """One row a person (of an unregistered strap: a strap) after merges; read with FINAL."""

    user_id: Int64 = Field(description="The person; 0: nobody registered")
    guest_device_id: Annotated[str, "LowCardinality"] = Field(
        description="What tells unregistered straps apart: device_id where user_id is 0, else empty"
    )
    user_name: Annotated[str, "LowCardinality"] = Field(description="The person's newest name")
    device_id: Annotated[str, "LowCardinality"] = Field(description="The strap of the newest beat")
    hr_timestamp_seconds: float = Field(description="The moment of the newest beat, seconds since 1970 UTC")
    hr_value: Optional[UInt16] = Field(description="Its heart rate, bpm; null: unknown")
    rr_interval_ms: Optional[float] = Field(description="Its RR interval, ms; null: unknown")
    version: UInt64 = Field(description="Order of beats: its moment in µs, doubled, plus its revision")


latest_heart_rate = OlapTable[LatestHeartRate](
    "latest_heart_rate",
    on_cluster(
        OlapConfig(
            engine=ReplacingMergeTreeEngine(ver="version"),
            order_by_fields=["user_id", "guest_device_id"],
            ttl=ttl("latest_heart_rate", "toDateTime(hr_timestamp_seconds)"),
            life_cycle=LifeCycle.DELETION_PROTECTED,
        )
    ),
)
