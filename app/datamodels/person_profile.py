"""What is known of a person; all of it optional, the newest wins."""

from datetime import datetime
from typing import Annotated, Optional

from moose_lib import IngestPipeline, IngestPipelineConfig, LifeCycle, OlapConfig
from moose_lib.blocks import ReplacingMergeTreeEngine
from moose_lib.data_models import ClickhousePrecision
from pydantic import Field

from app.datamodels.integers import Int64
from app.datamodels.on_cluster import on_cluster
from app.datamodels.stream_record import DATABASE_FILLS_IT, WHEN_STORED, StreamRecord


class PersonProfile(StreamRecord):
    """A person from `updated_at` on. Each record is whole: what it does not say is unknown."""

    user_id: Int64 = Field(description="The person, from 1")
    user_name: str = Field(description="Their name")
    alias: Optional[str] = Field(default=None, description="What to show instead of the name")
    birth_year: Optional[Int64] = Field(default=None, description="For the estimates that need an age")
    sex: Optional[str] = Field(default=None, description="female or male, as the energy formula knows it")
    weight_kg: Optional[float] = Field(default=None, description="Kilograms")
    hr_max: Optional[Int64] = Field(default=None, description="Maximum heart rate as the person says, bpm")
    hr_max_learnt: Optional[Int64] = Field(default=None, description="Maximum heart rate as recordings show, bpm")
    hr_rest: Optional[Int64] = Field(
        default=None, description="Resting heart rate, bpm; known: zones are of the reserve"
    )
    hidden: Optional[bool] = Field(default=None, description="Not to be shown on the board")
    updated_at: Annotated[Optional[datetime], ClickhousePrecision(precision=6)] = Field(
        default=None, description="Since when, UTC; absent: since the pipeline saw it"
    )
    stored_at: Annotated[datetime, ClickhousePrecision(precision=6), WHEN_STORED] = Field(
        default=DATABASE_FILLS_IT, description="When the row was stored, UTC"
    )


person_profile_pipeline = IngestPipeline[PersonProfile](
    "person_profile",
    IngestPipelineConfig(
        ingest_api=True,
        stream=True,
        dead_letter_queue=True,
        table=on_cluster(
            OlapConfig(
                engine=ReplacingMergeTreeEngine(),
                order_by_fields=["user_id", "stored_at"],
                life_cycle=LifeCycle.DELETION_PROTECTED,
            )
        ),
    ),
)
