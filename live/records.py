"""Records for Moose's ingest (design.md, the contract)."""

from datetime import UTC, datetime
from typing import Any

from app.heartrate.profiles import Profile


def now_rfc3339() -> str:
    """This moment."""
    return rfc3339(datetime.now(UTC))


def rfc3339(moment: datetime) -> str:
    """A moment as records write it, UTC."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def profile_record(profile: Profile, updated_at: datetime) -> dict[str, Any]:
    """A profile from a moment on, UTC."""
    return {**profile.fields(), "updated_at": rfc3339(updated_at)}


def assignment_record(device_id: str, user_id: int, user_name: str, *, ignored: bool = False) -> dict[str, Any]:
    """Who wears a strap from now on; user_id 0: nobody."""
    return {
        "device_id": device_id,
        "user_id": user_id,
        "user_name": user_name,
        "assigned_at": now_rfc3339(),
        "ignored": ignored,
    }
