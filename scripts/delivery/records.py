"""The records that the ingest API takes (design.md, the contract), as JSON text."""

import json
import time
from collections.abc import Iterator
from typing import NamedTuple

from scripts.delivery.sink import BLUETOOTH, RAW


class Record(NamedTuple):
    """One packet, ready to send."""

    at_us: int
    """When it is due: its received_at, µs since 1970 UTC."""
    text: str
    """The JSON object."""

    @property
    def destination(self) -> str:
        """Which of the packets' destinations it is for."""
        return BLUETOOTH if '"hr_measurement"' in self.text else RAW


class Clockface:
    """Writes moments as RFC 3339 with six fractional digits; neighbouring moments share their second's text."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def __call__(self, at_us: int) -> str:
        """The moment, µs since 1970 UTC, as text."""
        second, fraction = divmod(at_us, 1_000_000)
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._text}.{fraction:06d}Z"


def raw_records(
    device_id: str, receiver_id: str, heard: Iterator[tuple[int, bytes]], clockface: Clockface
) -> Iterator[Record]:
    """Packets of one strap as records; `packet_count` counts them from 0 as the receiver hears them."""
    before = f'{{"device_id":{json.dumps(device_id)},"packet_count":'
    after = f'"receiver_id":{json.dumps(receiver_id)}}}'
    for count, (at_us, payload) in enumerate(heard):
        yield Record(
            at_us,
            f'{before}{count},"ant_hr_packet":"{payload.hex()}","received_at":"{clockface(at_us)}",{after}',
        )


def assignment(device_id: str, user_id: int, user_name: str, assigned_at_us: int) -> str:
    """A record for `strap_assignment`."""
    return json.dumps(
        {
            "device_id": device_id,
            "user_id": user_id,
            "user_name": user_name,
            "assigned_at": Clockface()(assigned_at_us),
        }
    )


def profile(
    user_id: int,
    user_name: str,
    updated_at_us: int,
    *,
    birth_year: int | None = None,
    sex: str | None = None,
    weight_kg: float | None = None,
    hr_rest: int | None = None,
    hr_max: int | None = None,
) -> str:
    """A record for `person_profile`; what is None is left out."""
    told = {"birth_year": birth_year, "sex": sex, "weight_kg": weight_kg, "hr_rest": hr_rest, "hr_max": hr_max}
    return json.dumps(
        {
            "user_id": user_id,
            "user_name": user_name,
            **{field: value for field, value in told.items() if value is not None},
            "updated_at": Clockface()(updated_at_us),
        }
    )
