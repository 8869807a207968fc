"""Removes a person from every table."""

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error as ClickHouseError
from confluent_kafka import KafkaException
from moose_lib import Stream
from urllib3.exceptions import HTTPError

from app.datamodels.bluetooth_hr_packet import bluetooth_hr_packet_pipeline
from app.datamodels.per_second_heart_rate_aggregate import (
    SECOND_OF_BEAT,
    STRANGER,
    per_second_heart_rate_aggregate,
)
from app.datamodels.person_profile import person_profile_pipeline
from app.datamodels.processed_ant_hr_packet import processed_ant_hr_packet_pipeline
from app.datamodels.raw_ant_hr_packet import raw_ant_hr_packet_shards
from app.datamodels.strap_assignment import StrapAssignment, strap_assignment_pipeline
from app.datamodels.unified_hr_packet import unified_hr_packet_pipeline
from app.heartrate.moments import to_us
from app.heartrate.wearers import NOBODY, Span
from app.storage import kafka
from app.storage.assignments import ASSIGNMENTS
from app.storage.clickhouse import connect
from app.storage.person_rows import TABLES, Rows, end_us, rows_of
from app.storage.wearer_directory import stored_assignments

_OF_THE_PERSON = f"""
    FROM {unified_hr_packet_pipeline.get_table().name} FINAL
    WHERE user_id = {{user:Int64}} AND device_id IN (
        SELECT device_id FROM {strap_assignment_pipeline.get_table().name} WHERE user_id = {{user:Int64}}
    )
"""  # noqa: S608 (own names)

_AS_STRANGERS = {
    per_second_heart_rate_aggregate.name: f"""user_id = {NOBODY} AND (user_name, rounded_up_time) IN (
        SELECT {STRANGER}, {SECOND_OF_BEAT} {_OF_THE_PERSON}
    )""",
    unified_hr_packet_pipeline.get_table().name: f"""user_id = {NOBODY} AND (device_id, hr_timestamp_seconds) IN (
        SELECT device_id, hr_timestamp_seconds {_OF_THE_PERSON}
    )""",
}
"""What was stored before the strap was the person's, and was sent again since: hidden as long as the newer rows are
there, so it goes first."""

_BLUETOOTH = bluetooth_hr_packet_pipeline.get_stream()
_PROCESSED = processed_ant_hr_packet_pipeline.get_stream()
_UNIFIED = unified_hr_packet_pipeline.get_stream()
_STREAMS = (
    *raw_ant_hr_packet_shards,
    _BLUETOOTH,
    _PROCESSED,
    _UNIFIED,
    person_profile_pipeline.get_stream(),
    strap_assignment_pipeline.get_stream(),
)
"""By which rows come into those tables."""

_FUNCTIONS: tuple[tuple[Stream[Any], Stream[Any]], ...] = (
    *((shard, _PROCESSED) for shard in raw_ant_hr_packet_shards),
    (_BLUETOOTH, _UNIFIED),
    (_PROCESSED, _UNIFIED),
)
"""What makes heartbeats of packets, in the order of the way."""

FLUSH_S = 1.5
"""Moose writes what is on a topic once a second, and functions make more of it: look again after so long."""

STORED_WITHIN_S = 120.0
"""How long all rounds together may wait for tables that are behind their topics; Kafka allows 300 s for a batch."""

MOST_ROUNDS = 10

PATIENCE_S = 240.0
MUTATION_TIMEOUT_S = 40.0
"""Both together stay below the 300 s that Kafka allows for a batch. A mutation that takes longer goes on in ClickHouse,
and the next attempt waits for it."""

_RETRY_S = 0.5
_AWAY = (ClickHouseError, HTTPError, OSError)


class UnfinishedErasureError(RuntimeError):
    """Rows of the person kept coming."""


def erase(user_id: int, requested_at: datetime) -> dict[str, int]:
    """Remove all rows of a person; return how many of which table.

    Straps that the person wears are handed back as of `requested_at`: who takes one later keeps it. What is on its way
    through the functions and to the tables is waited for: it ends with a round that finds nothing, and raises
    `UnfinishedErasureError` where ten find something.

    Where ClickHouse is away, or takes long, it is asked again for `PATIENCE_S`; then its error is raised. Rows whose
    removal was answered to nobody are gone and not counted. Raises `TypeError` for a moment without a zone.
    """
    deadline, stored_by = time.monotonic() + PATIENCE_S, time.monotonic() + STORED_WITHIN_S
    requested_us = to_us(requested_at)
    removed = dict.fromkeys(TABLES, 0)
    ends: dict[tuple[str, int | None], int] = {}
    spans = _patiently(lambda: list(stored_assignments().spans(user_id)), deadline)
    worn = [span.device_id for span in spans if span.until_us is None]
    strap_assignment_pipeline.get_stream().send([_handed_back(device_id, requested_at) for device_id in worn])
    for _ in range(MOST_ROUNDS):
        time.sleep(FLUSH_S)
        _await_stored(stored_by)
        if not _patiently(lambda: _round(user_id, requested_us, ends, removed), deadline):
            return removed
    raise UnfinishedErasureError(f"after {MOST_ROUNDS} rounds there were still rows; ask again")


def _patiently[T](attempt: Callable[[], T], deadline: float) -> T:
    while True:
        try:
            return attempt()
        except _AWAY:
            if time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_S)


def _round(user_id: int, requested_us: int, ends: dict[tuple[str, int | None], int], removed: dict[str, int]) -> bool:
    """Remove what is in the tables; whether that was anything."""
    for span in stored_assignments().spans(user_id):
        # Rows that are gone tell nothing any more, so what was known of a span's end stays. Where nothing is known of
        # it, it is on its way: the strap was handed back.
        known = ends.get((span.device_id, span.since_us), end_us(span, requested_us))
        ends[span.device_id, span.since_us] = known if span.until_us is None else span.until_us
    spans = [Span(device_id, since_us, until_us) for (device_id, since_us), until_us in ends.items()]
    before = sum(removed.values())
    client = connect(MUTATION_TIMEOUT_S)
    try:
        for table, rows in _parts(user_id, spans, requested_us):
            removed[table] += _remove(client, table, rows)
    finally:
        client.close()
    return sum(removed.values()) > before


def _await_stored(deadline: float) -> None:
    """Wait until what is on the topics now is in the tables, and what the functions make of it.

    Until `deadline` (`time.monotonic`) at most.
    """
    sync = kafka.consumer(kafka.full_name(kafka.SYNC_GROUP))
    # No broker, nothing on its way that could be waited for.
    with contextlib.closing(sync), contextlib.suppress(KafkaException):
        for source, target in _FUNCTIONS:
            with contextlib.closing(kafka.consumer(kafka.flow_group(source, target))) as flow:
                kafka.await_caught_up(flow, kafka.full_name(source.name), deadline)
        topics = [kafka.full_name(stream.name) for stream in _STREAMS]
        on_topics = {
            topic: kafka.ends(sync, topic, kafka.partitions(sync, topic, kafka.BROKER_TIMEOUT_S)) for topic in topics
        }
        for topic, offsets in on_topics.items():
            kafka.await_committed(sync, topic, offsets, deadline)


def _handed_back(device_id: str, at: datetime) -> StrapAssignment:
    return StrapAssignment(device_id=device_id, user_id=NOBODY, user_name="", assigned_at=at)


def _parts(user_id: int, spans: list[Span], requested_us: int) -> Iterator[tuple[str, Rows]]:
    for table, condition in _AS_STRANGERS.items():
        yield table, Rows(condition, {"user": user_id})
    for table in TABLES:
        rows = rows_of(table, user_id, spans, requested_us)
        if rows is not None:
            yield table, rows


def _remove(client: Client, table: str, rows: Rows) -> int:
    condition, parameters = rows
    ((count,),) = client.query(f"SELECT count() FROM {table} WHERE {condition}", parameters).result_rows  # noqa: S608 (own names)
    if count and table == strap_assignment_pipeline.get_table().name:
        # Nobody wore those straps then: without a row, the wearer before would seem to have gone on.
        client.command(
            f"INSERT INTO {table} (device_id, user_id, user_name, assigned_at, stored_at) "  # noqa: S608 (own names)
            f"SELECT device_id, {NOBODY}, '', since, stored_at FROM {ASSIGNMENTS} WHERE {condition}",
            parameters,
            # It stays before those of the same moment that came later.
            settings={"insert_allow_materialized_columns": 1},
        )
    if count:
        # A mutation, unlike a lightweight delete, leaves no trace in the parts; it is awaited. Replicas refuse one that
        # asks another table unless told: none is changed before this one is done.
        settings = {"mutations_sync": 2, "allow_nondeterministic_mutations": 1}
        client.command(f"ALTER TABLE {table} DELETE WHERE {condition}", parameters, settings=settings)
    return int(count)
