"""erasure_request -> erasure_report: a person's rows are removed from every table."""

from datetime import UTC, datetime

from app.datamodels.erasure_report import ErasureReport, erasure_report_pipeline
from app.datamodels.erasure_request import ErasureRequest, erasure_request_pipeline
from app.datamodels.stream_record import RejectedRecordError
from app.heartrate.wearers import NOBODY
from app.storage.erasure import erase
from app.storage.moments import check_moment


def erase_person(request: ErasureRequest) -> ErasureReport:
    """Remove all rows of the person, and tell how many of which table."""
    request.require_valid()
    if request.user_id <= NOBODY:
        raise RejectedRecordError(f"user_id: {request.user_id}; people count from 1")
    check_moment("requested_at", request.requested_at)
    removed = erase(request.user_id, request.requested_at or datetime.now(UTC))
    return ErasureReport(
        erasure_id=request.erasure_id, user_id=request.user_id, erased_at=datetime.now(UTC), removed=removed
    )


erasure_request_pipeline.get_stream().add_transform(erasure_report_pipeline.get_stream(), erase_person)
