"""A session of the group: a class, a test, a measurement at rest."""

from datetime import datetime
from typing import Annotated, Optional

from moose_lib import IngestPipeline, IngestPipelineConfig, LifeCycle, OlapConfig
from moose_lib.blocks import ReplacingMergeTreeEngine
from moose_lib.data_models import ClickhousePrecision
from pydantic import Field

from app.datamodels.on_cluster import on_cluster
from app.datamodels.stream_record import DATABASE_FILLS_IT, WHEN_STORED, StreamRecord
from app.heartrate.retention import ttl


class TrainingSession(StreamRecord):
    """A session as known from then on. Each record is whole, and the newest wins."""

    session_id: str = Field(description="What names the session")
    name: str = Field(description="The name to show")
    kind: Annotated[str, "LowCardinality"] = Field(description="class, training, test or rest")
    started_at: Annotated[datetime, ClickhousePrecision(precision=6)] = Field(description="Its start, UTC")
    ended_at: Annotated[Optional[datetime], ClickhousePrecision(precision=6)] = Field(
        default=None, description="Its end, UTC; null: it is running"
    )
    stop_marked_at: Annotated[Optional[datetime], ClickhousePrecision(precision=6)] = Field(
        default=None, description="When everybody stopped, UTC: heart-rate recovery counts from here; null: not marked"
    )
    stored_at: Annotated[datetime, ClickhousePrecision(precision=6), WHEN_STORED] = Field(
        default=DATABASE_FILLS_IT, description="When the row was stored, UTC"
    )


training_session_pipeline = IngestPipeline[TrainingSession](
    "training_session",
    IngestPipelineConfig(
        ingest_api=True,
        stream=True,
        dead_letter_queue=True,
        table=on_cluster(
            OlapConfig(
                engine=ReplacingMergeTreeEngine(),
                order_by_fields=["session_id", "stored_at"],
                ttl=ttl("training_session", "toDateTime(stored_at)"),
                life_cycle=LifeCycle.DELETION_PROTECTED,
            )
        ),
    ),
)
