"""Which rows are a person's, table by table: what an erasure removes and an export tells."""

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from moose_lib import OlapTable

from app.datamodels.bluetooth_hr_packet import bluetooth_hr_packet_pipeline
from app.datamodels.latest_heart_rate import latest_heart_rate
from app.datamodels.per_second_heart_rate_aggregate import per_second_heart_rate_aggregate
from app.datamodels.person_profile import person_profile_pipeline
from app.datamodels.processed_ant_hr_packet import processed_ant_hr_packet_pipeline
from app.datamodels.raw_ant_hr_packet import raw_ant_hr_packet_pipeline
from app.datamodels.strap_assignment import strap_assignment_pipeline
from app.datamodels.unified_hr_packet import unified_hr_packet_pipeline
from app.heartrate.wearers import Span

OF_STRAPS = {
    raw_ant_hr_packet_pipeline.get_table().name: "received_at",
    bluetooth_hr_packet_pipeline.get_table().name: "received_at",
    processed_ant_hr_packet_pipeline.get_table().name: "beat_at",
}
"""Tables that name a strap and not its wearer, and the column that says when."""

TABLES: dict[str, OlapTable[Any]] = {
    table.name: table
    for table in (
        raw_ant_hr_packet_pipeline.get_table(),
        bluetooth_hr_packet_pipeline.get_table(),
        processed_ant_hr_packet_pipeline.get_table(),
        unified_hr_packet_pipeline.get_table(),
        per_second_heart_rate_aggregate,
        latest_heart_rate,
        person_profile_pipeline.get_table(),
        strap_assignment_pipeline.get_table(),
    )
}
"""All that hold rows of people. The assignments are the last to be emptied: they tell which packets were whose."""


class Rows(NamedTuple):
    """Rows of a table."""

    condition: str
    """In SQL."""
    parameters: dict[str, Any]


def end_us(span: Span, now_us: int) -> int:
    """Where a span ends. A strap that is worn still is the person's until now."""
    return max(now_us, span.since_us or 0) if span.until_us is None else span.until_us


def rows_of(table: str, user_id: int, spans: Iterable[Span], now_us: int) -> Rows | None:
    """The person's rows of one of `TABLES`; None: they wore no strap. `spans`: when they wore which (`OF_STRAPS`)."""
    if table not in OF_STRAPS:
        return Rows("user_id = {user:Int64}", {"user": user_id})
    moment = OF_STRAPS[table]
    conditions: list[str] = []
    parameters: dict[str, Any] = {}
    by_strap = groupby(sorted(spans, key=attrgetter("device_id")), attrgetter("device_id"))
    for number, (device_id, worn) in enumerate(by_strap):
        parameters[f"device{number}"] = device_id
        times = " OR ".join(_between(moment, span.since_us, end_us(span, now_us)) for span in worn)
        conditions.append(f"device_id = {{device{number}:String}} AND ({times})")
    return Rows(" OR ".join(conditions), parameters) if conditions else None


def _between(moment: str, since_us: int | None, until_us: int) -> str:
    # Not as parameters: those travel in the URL, and somebody who comes every day has a thousand spans.
    until = f"{moment} < fromUnixTimestamp64Micro(toInt64({until_us:d}))"
    if since_us is None:
        return until
    return f"{moment} >= fromUnixTimestamp64Micro(toInt64({since_us:d})) AND {until}"
