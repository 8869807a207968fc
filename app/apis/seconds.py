"""What the APIs share about seconds: what was a stranger's when it came, and is somebody's by now, counts once.

Heartbeats that were sent before their strap was registered, and again after that, replace their rows in the table of
beats. The seconds' table cannot forget: its key holds the wearer, so those of "Strap N" stay beside the person's.
"""

from collections.abc import Callable
from typing import Any

from moose_lib import MooseClient
from pydantic import BaseModel

from app.apis.question import ask
from app.datamodels.per_second_heart_rate_aggregate import (
    OF_THE_SPAN,
    SECOND_OF_BEAT,
    STRANGER,
    per_second_heart_rate_aggregate,
)
from app.datamodels.strap_assignment import strap_assignment_pipeline
from app.datamodels.unified_hr_packet import unified_hr_packet_pipeline
from app.heartrate.wearers import NOBODY

_STRANGE_STRAPS = f"""
    SELECT DISTINCT device_id
    FROM {strap_assignment_pipeline.get_table().name}
    WHERE user_id > 0 AND {STRANGER} IN (
        SELECT user_name FROM {per_second_heart_rate_aggregate.name} WHERE {OF_THE_SPAN} AND user_id = 0
    )
"""  # noqa: S608 (own names)
"""Straps that have strangers' seconds in the span, and were somebody's at some time."""

_SOMEBODYS = f"""
    SELECT {STRANGER} AS stranger, {SECOND_OF_BEAT} AS second
    FROM {unified_hr_packet_pipeline.get_table().name} FINAL
    WHERE device_id IN {{straps:Array(String)}}
      AND hr_timestamp_seconds > {{first:Int64}} - 1 AND hr_timestamp_seconds <= {{last:Int64}}
    GROUP BY stranger, second
    HAVING min(user_id) > 0
"""  # noqa: S608 (own names)
"""Their seconds that are a stranger's no more."""

_STILL_NOBODYS = f"(user_id != 0 OR (user_name, rounded_up_time) NOT IN ({_SOMEBODYS}))"


class _Strap(BaseModel):
    device_id: str


class _Somebodys(BaseModel):
    stranger: str


def ask_seconds[Row: BaseModel](
    client: MooseClient,
    sql: str,
    parameters: dict[str, Any],
    row_type: type[Row],
    lowest_user_id: Callable[[Row], int],
) -> list[Row]:
    """Run a query on the seconds `OF_THE_SPAN`.

    Where no stranger is in the answer, that is all. Where one is, smaller questions tell whether to ask once more.
    """
    rows = ask(client, sql, parameters, row_type)
    if all(lowest_user_id(row) != NOBODY for row in rows):
        return rows
    span = {name: parameters[name] for name in ("first", "last")}
    straps = [strap.device_id for strap in ask(client, _STRANGE_STRAPS, span, _Strap)]
    if not straps or not ask(client, f"{_SOMEBODYS} LIMIT 1", {**span, "straps": straps}, _Somebodys):
        return rows
    without_them = sql.replace(OF_THE_SPAN, f"{OF_THE_SPAN} AND {_STILL_NOBODYS}")
    return ask(client, without_them, {**parameters, "straps": straps}, row_type)
