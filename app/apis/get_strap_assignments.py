"""GET /api/getStrapAssignments: who wore which strap since when."""

from moose_lib import Api, MooseClient
from pydantic import BaseModel, Field

from app.apis.question import Claims, ask, rfc3339
from app.heartrate.wearers import check_assignment
from app.storage.assignments import ASSIGNMENTS


class AssignmentParams(BaseModel):
    """None."""


class AssignmentEntry(BaseModel):
    """From `since` on, the strap is worn by this person."""

    device_id: str
    user_id: int = Field(description="0: by nobody")
    user_name: str
    since: str = Field(description="RFC 3339, UTC")
    explicit: bool = Field(description="Somebody stated that moment; else it is about when the assignment was told")
    ignored: bool = Field(description="A stranger's strap, not to be shown")


class AssignmentAnswer(BaseModel):
    """All assignments, by strap and moment."""

    entries: list[AssignmentEntry]


def get_strap_assignments(client: MooseClient, _params: AssignmentParams, _claims: Claims = None) -> AssignmentAnswer:
    """Read the assignments."""
    entries = ask(
        client,
        f"""
        SELECT
            device_id, user_id, user_name,
            {rfc3339("assignments.since")} AS since,
            isNotNull(assigned_at) AS explicit,
            ifNull(ignored, false) AS ignored
        FROM {ASSIGNMENTS} AS assignments
        ORDER BY device_id, assignments.since, stored_at
        """,  # noqa: S608 (own names)
        {},
        AssignmentEntry,
    )
    return AssignmentAnswer(entries=[entry for entry in entries if _can_be(entry)])


def _can_be(entry: AssignmentEntry) -> bool:
    try:
        check_assignment(entry.device_id, entry.user_id, entry.user_name)
    except ValueError:
        return False  # it went to the dead letter queue when it came
    return True


get_strap_assignments_api = Api[AssignmentParams, AssignmentAnswer](
    "getStrapAssignments", query_function=get_strap_assignments
)
