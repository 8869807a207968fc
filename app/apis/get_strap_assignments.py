"""GET /api/getStrapAssignments: who wore which strap since when."""

from moose_lib import Api, MooseClient
from pydantic import BaseModel, Field

from app.apis.question import ask
from app.datamodels.strap_assignment import strap_assignment_pipeline


class AssignmentParams(BaseModel):
    """None."""


class AssignmentEntry(BaseModel):
    """From `since` on, the strap is worn by this person."""

    device_id: str
    user_id: int = Field(description="0: by nobody")
    user_name: str
    since: str = Field(description="RFC 3339, UTC")
    explicit: bool = Field(description="Somebody stated that moment; else it is when the assignment was seen")
    ignored: bool = Field(description="A stranger's strap, not to be shown")


class AssignmentAnswer(BaseModel):
    """All assignments, by strap and moment."""

    entries: list[AssignmentEntry]


def get_strap_assignments(client: MooseClient, _params: AssignmentParams) -> AssignmentAnswer:
    """Read the assignments."""
    entries = ask(
        client,
        f"""
        SELECT
            device_id, user_id, user_name,
            formatDateTime(coalesce(assigned_at, stored_at), '%FT%T.%fZ', 'UTC') AS since,
            isNotNull(assigned_at) AS explicit,
            ifNull(ignored, false) AS ignored
        FROM {strap_assignment_pipeline.get_table().name} FINAL
        ORDER BY device_id, coalesce(assigned_at, stored_at)
        """,  # noqa: S608 (own names)
        {},
        AssignmentEntry,
    )
    return AssignmentAnswer(entries=entries)


get_strap_assignments_api = Api[AssignmentParams, AssignmentAnswer](
    "getStrapAssignments", query_function=get_strap_assignments
)
