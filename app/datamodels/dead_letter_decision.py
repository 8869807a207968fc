"""What an operator decided about a dead letter (scripts/operate)."""

from datetime import datetime
from typing import Annotated

from moose_lib import IngestPipeline, IngestPipelineConfig, LifeCycle, OlapConfig
from moose_lib.blocks import ReplacingMergeTreeEngine
from moose_lib.data_models import ClickhousePrecision
from pydantic import Field

from app.datamodels.on_cluster import on_cluster
from app.datamodels.stream_record import StreamRecord


class DeadLetterDecision(StreamRecord):
    """A decision. The topic, on the letters' own broker and kept longer than they, counts; the table is for history."""

    letter_id: str = Field(description="Which letter: a digest of its place, its time and its text")
    queue: Annotated[str, "LowCardinality"] = Field(description="The dead letter queue it lies on")
    letter_partition: int = Field(description="Where it lies")
    letter_offset: int = Field(description="Where it lies; a broker that forgot everything counts anew")
    letter_at: Annotated[datetime, ClickhousePrecision(precision=3)] = Field(description="When it was put there, UTC")
    decision: Annotated[str, "LowCardinality"] = Field(description="claimed, released, retried or dropped")
    reason: str = Field(description="Why it was dropped, or what ingest said")
    decided_at: Annotated[datetime, ClickhousePrecision(precision=6)] = Field(description="When, UTC")
    decided_by: str = Field(description="The operator's user name and machine")
    run_id: str = Field(description="Which run of the command")


dead_letter_decision_pipeline = IngestPipeline[DeadLetterDecision](
    "dead_letter_decision",
    # No HTTP, and nothing that reads it but the command: what is no decision is passed over.
    IngestPipelineConfig(
        ingest_api=False,
        stream=True,
        dead_letter_queue=False,
        table=on_cluster(
            OlapConfig(
                engine=ReplacingMergeTreeEngine(),
                order_by_fields=["queue", "letter_id", "decided_at", "decision", "run_id"],
                life_cycle=LifeCycle.DELETION_PROTECTED,
            )
        ),
    ),
)
