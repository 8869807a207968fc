"""Somebody wants their data removed."""

from datetime import datetime
from typing import Annotated, Optional

from moose_lib import IngestPipeline, IngestPipelineConfig
from moose_lib.data_models import ClickhousePrecision
from pydantic import Field

from app.datamodels.integers import Int64
from app.datamodels.stream_record import StreamRecord


class ErasureRequest(StreamRecord):
    """All rows of `user_id` are to be removed from every table."""

    erasure_id: str = Field(description="What names the request; the report carries it")
    user_id: Int64 = Field(description="The person, from 1")
    requested_at: Annotated[Optional[datetime], ClickhousePrecision(precision=6)] = Field(
        default=None, description="When it was asked for, UTC: straps are handed back as of then; absent: now"
    )


erasure_request_pipeline = IngestPipeline[ErasureRequest](
    "erasure_request",
    # No HTTP: any page in a browser on this machine could ask for it.
    IngestPipelineConfig(ingest_api=False, stream=True, dead_letter_queue=True, table=False),
)
