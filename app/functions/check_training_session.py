"""training_session: one that cannot be goes to the dead letter queue, with the reason."""

from app.datamodels.training_session import TrainingSession, training_session_pipeline
from app.heartrate.moments import to_us
from app.heartrate.sessions import check_session
from app.storage.moments import check_moment


def check_training_session(record: TrainingSession) -> None:
    """Raise, and so dead-letter the record, if it cannot be used."""
    record.require_valid()
    for field in ("started_at", "ended_at", "stop_marked_at"):
        check_moment(field, getattr(record, field))
    check_session(
        record.session_id,
        record.name,
        record.kind,
        to_us(record.started_at),
        None if record.ended_at is None else to_us(record.ended_at),
        None if record.stop_marked_at is None else to_us(record.stop_marked_at),
    )


training_session_pipeline.get_stream().add_consumer(check_training_session)
