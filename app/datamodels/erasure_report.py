"""What was removed of a person."""

from datetime import datetime
from typing import Annotated

from moose_lib import IngestPipeline, IngestPipelineConfig, LifeCycle, OlapConfig
from moose_lib.blocks import ReplacingMergeTreeEngine
from moose_lib.data_models import ClickhousePrecision
from pydantic import Field

from app.datamodels.integers import Int64
from app.datamodels.on_cluster import on_cluster
from app.datamodels.stream_record import StreamRecord


class ErasureReport(StreamRecord):
    """An erasure that was carried out. It names nobody: the number alone says nothing once the profile is gone."""

    erasure_id: str = Field(description="The request's")
    user_id: Int64 = Field(description="Who it was")
    erased_at: Annotated[datetime, ClickhousePrecision(precision=6)] = Field(description="When it was done, UTC")
    removed: dict[str, Int64] = Field(description="Rows removed, by table")


erasure_report_pipeline = IngestPipeline[ErasureReport](
    "erasure_report",
    IngestPipelineConfig(
        ingest_api=False,
        stream=True,
        dead_letter_queue=True,
        table=on_cluster(
            OlapConfig(
                engine=ReplacingMergeTreeEngine(),
                order_by_fields=["erasure_id"],
                life_cycle=LifeCycle.DELETION_PROTECTED,
            )
        ),
    ),
)
