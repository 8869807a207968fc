"""strap_assignment: one that names no strap or no person goes to the dead letter queue, with the reason."""

from app.datamodels.strap_assignment import StrapAssignment, strap_assignment_pipeline
from app.heartrate.wearers import check_assignment
from app.storage.moments import check_moment


def check_strap_assignment(assignment: StrapAssignment) -> None:
    """Raise, and so dead-letter the record, if it cannot be used."""
    assignment.require_valid()
    check_moment("assigned_at", assignment.assigned_at)
    check_assignment(assignment.device_id, assignment.user_id, assignment.user_name)


strap_assignment_pipeline.get_stream().add_consumer(check_strap_assignment)
