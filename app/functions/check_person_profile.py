"""person_profile: one that cannot be goes to the dead letter queue, with the reason."""

from datetime import UTC, datetime

from app.datamodels.person_profile import PersonProfile, person_profile_pipeline
from app.heartrate.profiles import Profile, check_profile
from app.storage.moments import check_moment


def check_person_profile(record: PersonProfile) -> None:
    """Raise, and so dead-letter the record, if it cannot be used."""
    record.require_valid()
    check_moment("updated_at", record.updated_at)
    check_profile(Profile.of(record.model_dump()), datetime.now(UTC).year)


person_profile_pipeline.get_stream().add_consumer(check_person_profile)
