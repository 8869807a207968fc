"""What the topics tell, as it must be: whoever reaches the broker may have put anything there."""

from datetime import datetime
from typing import Annotated, Any, NotRequired, TypedDict

from pydantic import AwareDatetime, ConfigDict, Field, TypeAdapter, with_config

from app.heartrate.profiles import LARGEST_USER_ID
from app.heartrate.wearers import NOBODY

UserId = Annotated[int, Field(ge=NOBODY, le=LARGEST_USER_ID)]
Dbm = Annotated[int, Field(ge=-128, le=127)]
Percent = Annotated[int, Field(ge=0, le=255)]
Bpm = Annotated[int, Field(ge=0, le=65_535)]
Milliseconds = Annotated[float, Field(ge=0, le=65_535)]
"""Both radios count intervals up to 64 s."""


class _Beat(TypedDict):
    user_id: UserId
    device_id: str
    hr_timestamp_seconds: float
    hr_value: Bpm | None
    rr_interval_ms: Milliseconds | None


class _Packet(TypedDict):
    device_id: str
    ant_hr_packet: str
    received_at: NotRequired[str | None]
    receiver_id: NotRequired[str | None]
    rssi_dbm: NotRequired[Dbm | None]


class _Notification(TypedDict):
    device_id: str
    hr_measurement: str
    received_at: NotRequired[str | None]
    rssi_dbm: NotRequired[Dbm | None]
    battery_percent: NotRequired[Percent | None]


class _Assignment(TypedDict):
    device_id: str
    user_id: UserId
    user_name: str
    assigned_at: NotRequired[str | None]
    ignored: NotRequired[bool | None]


class _Profile(TypedDict):
    user_id: UserId
    user_name: str
    alias: NotRequired[str | None]
    birth_year: NotRequired[int | None]
    sex: NotRequired[str | None]
    weight_kg: NotRequired[float | None]
    hr_max: NotRequired[int | None]
    hr_max_learnt: NotRequired[int | None]
    hr_rest: NotRequired[int | None]
    hidden: NotRequired[bool | None]
    updated_at: NotRequired[str | None]


class _Session(TypedDict):
    session_id: str
    name: str
    kind: str
    started_at: str
    ended_at: NotRequired[str | None]
    stop_marked_at: NotRequired[str | None]


class _Erasure(TypedDict):
    erasure_id: str
    user_id: UserId
    erased_at: str
    removed: dict[str, int]


_MOMENT: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)


def _strictly(fields: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(with_config(ConfigDict(strict=True, allow_inf_nan=False))(fields))


_PACKET = _strictly(_Packet)
_RECORDS = {
    "unified_hr_packet": _strictly(_Beat),
    "bluetooth_hr_packet": _strictly(_Notification),
    "strap_assignment": _strictly(_Assignment),
    "person_profile": _strictly(_Profile),
    "training_session": _strictly(_Session),
    "erasure_report": _strictly(_Erasure),
}


def told(stream: str, record: dict[str, Any]) -> dict[str, Any]:
    """The fields of a stream's record that the wall knows. Raises `ValueError` where one is not what it must be.

    What is no other stream is raw_ant_hr_packet or a shard of it.
    """
    fields: dict[str, Any] = _RECORDS.get(stream, _PACKET).validate_python(record)
    return fields


def moment(rfc3339: str) -> datetime:
    """A record's moment, read as the functions read it. Raises `ValueError` where it is none, or has no zone."""
    return _MOMENT.validate_python(rfc3339)
