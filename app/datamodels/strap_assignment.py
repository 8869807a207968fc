"""Who wears a strap, from a moment on."""

from datetime import datetime
from typing import Annotated, Optional

from moose_lib import IngestPipeline, IngestPipelineConfig, LifeCycle, OlapConfig
from moose_lib.blocks import ReplacingMergeTreeEngine
from moose_lib.data_models import ClickhousePrecision
from pydantic import Field

from app.datamodels.integers import Int64
from app.datamodels.on_cluster import on_cluster
from app.datamodels.stream_record import DATABASE_FILLS_IT, WHEN_STORED, StreamRecord


class StrapAssignment(StreamRecord):
    """From `assigned_at` on, `device_id` is worn by this person; the newest assignment wins. `user_id` 0: by nobody."""

    device_id: Annotated[str, "LowCardinality"] = Field(description="20-bit ANT device number, or Bluetooth address")
    user_id: Int64 = Field(description="The person, from 1; 0 hands the strap back")
    user_name: str = Field(description="The name to show")
    assigned_at: Annotated[Optional[datetime], ClickhousePrecision(precision=6)] = Field(
        default=None, description="From when on, UTC; absent: from when the pipeline saw it"
    )
    ignored: Optional[bool] = Field(
        default=None, description="A stranger's strap, not to be shown; only with user_id 0"
    )
    stored_at: Annotated[datetime, ClickhousePrecision(precision=6), WHEN_STORED] = Field(
        default=DATABASE_FILLS_IT, description="When the row was stored, UTC"
    )


strap_assignment_pipeline = IngestPipeline[StrapAssignment](
    "strap_assignment",
    IngestPipelineConfig(
        ingest_api=True,
        stream=True,
        dead_letter_queue=True,
        table=on_cluster(
            OlapConfig(
                engine=ReplacingMergeTreeEngine(),
                order_by_fields=["device_id", "stored_at", "user_id"],
                life_cycle=LifeCycle.DELETION_PROTECTED,
            )
        ),
    ),
)
