"""person_profile: one that cannot be goes to the dead letter queue, with the reason."""

from datetime import UTC, datetime

from app.datamodels.person_profile import PersonProfile, person_profile_pipeline
from app.heartrate.effort import Sex
from app.heartrate.profiles import InvalidProfileError, Profile, check_profile


def check_person_profile(record: PersonProfile) -> None:
    """Raise, and so dead-letter the record, if it cannot be used."""
    record.require_valid()
    if record.sex is not None and record.sex not in list(Sex):
        raise InvalidProfileError(f"sex: {record.sex[:40]!r} is neither of {', '.join(Sex)}")
    profile = Profile(
        user_id=record.user_id,
        user_name=record.user_name,
        alias=record.alias,
        birth_year=record.birth_year,
        weight_kg=record.weight_kg,
        hr_max_entered=record.hr_max,
        hr_max_learnt=record.hr_max_learnt,
        hr_rest=record.hr_rest,
    )
    check_profile(profile, datetime.now(UTC).year)


person_profile_pipeline.get_stream().add_consumer(check_person_profile)
