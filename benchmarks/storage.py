"""Bytes that a beat and a packet take on disk, column by column, and those of the same rows without our codecs.

The rows are a synthetic class's packets and what the domain makes of them; the tables are made of Moose's own
definitions, in a ClickHouse of the benchmark's own (chDB), and merged into one part before they are measured.
"""

import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import chdb
from moose_lib import OlapTable

from app.datamodels.processed_ant_hr_packet import ProcessedAntHRPacket, processed_ant_hr_packet_pipeline
from app.datamodels.raw_ant_hr_packet import raw_ant_hr_packet_pipeline
from app.datamodels.unified_hr_packet import UnifiedHRPacket, unified_hr_packet_pipeline
from app.functions.raw_to_processed import _rows
from app.heartrate.beat_tracker import BeatTracker
from app.heartrate.moments import from_us, to_us
from app.heartrate.pages import parse_payload
from app.heartrate.strap_tracker import StrapTracker
from scripts.generate_data.group import synthetic_group

STRAPS, LOSS = 20, 0.1
START_US = 1_795_000_000_000_000
PROCESSED_WITHIN_MS = (5, 60)
"""From hearing a packet to its beat's unified row; the milliseconds are noise that no codec takes away."""

TYPES = {"Boolean": "Bool", "DateTime(3)": "DateTime64(3)", "DateTime(6)": "DateTime64(6)"}
"""Moose's names of types, where they are not ClickHouse's."""

Rows = list[dict[str, Any]]


def run() -> dict[str, float]:
    """Bytes a row by table and codecs, and by column with ours."""
    packets, processed, unified = _rows_of_a_class(3600.0)
    tables: tuple[tuple[str, str, OlapTable[Any], Rows], ...] = (
        ("a beat", "unified_hr_packet", unified_hr_packet_pipeline.get_table(), unified),
        ("a packet", "raw_ant_hr_packet", raw_ant_hr_packet_pipeline.get_table(), packets),
        ("a processed beat", "processed_ant_hr_packet", processed_ant_hr_packet_pipeline.get_table(), processed),
    )
    measured: dict[str, float] = {}
    with _clickhouse() as clickhouse:
        for what, name, table, rows in tables:
            plain = sum(clickhouse.bytes_a_row(table, rows, "NONE").values())
            default = sum(clickhouse.bytes_a_row(table, rows, "LZ4").values())
            columns = clickhouse.bytes_a_row(table, rows, None)
            ours = sum(columns.values())
            measured[f"storage: {name}, rows"] = float(len(rows))
            measured[f"storage: {name}, bytes {what}"] = ours
            measured[f"storage: {name} uncompressed (reference), bytes {what}"] = plain
            measured[f"storage: {name} with ClickHouse's default codec (reference), bytes {what}"] = default
            measured[f"storage: {name}, ratio to uncompressed"] = ours / plain
            measured[f"storage: {name}, ratio to the default codec"] = ours / default
            measured |= {f"storage: {name}.{column}, bytes {what}": cost for column, cost in columns.items()}
    return measured


def _rows_of_a_class(seconds: float) -> tuple[Rows, Rows, Rows]:
    """Packets, processed beats, unified beats."""
    group = synthetic_group(STRAPS, seed=1, start_us=START_US, seconds=seconds, loss=LOSS)
    wearers = {(wearer := json.loads(text))["device_id"]: wearer for text in group.assignments}
    straps: dict[str, StrapTracker[BeatTracker]] = {}
    random = Random(1)
    packets: Rows = []
    processed: list[ProcessedAntHRPacket] = []
    unified: list[UnifiedHRPacket] = []
    for record in group.records:
        fields = json.loads(record.text)
        packets.append(fields | {"stored_at": fields["received_at"][:19] + "Z"})
        device, count = fields["device_id"], fields["packet_count"]
        if device not in straps:
            straps[device] = StrapTracker(lambda *_packet, **_first: BeatTracker())
        beats = straps[device].push(parse_payload(fields["ant_hr_packet"]), record.at_us, "usb-1", count)
        if not beats:
            continue
        rows = _rows(device, straps[device].tracker, beats, record.at_us, count)
        processed += rows
        done = from_us(record.at_us) + timedelta(milliseconds=random.randint(*PROCESSED_WITHIN_MS))
        unified += [_unified(row, wearers[device], done) for row in rows]
    stored = [row.model_dump(mode="json") | {"stored_at": f"{row.received_at:%Y-%m-%dT%H:%M:%SZ}"} for row in processed]
    return packets, stored, [row.model_dump(mode="json") for row in unified]


def _unified(beat: ProcessedAntHRPacket, wearer: dict[str, Any], done: datetime) -> UnifiedHRPacket:
    return UnifiedHRPacket(
        user_id=wearer["user_id"],
        user_name=wearer["user_name"],
        device_id=beat.device_id,
        hr_timestamp_seconds=to_us(beat.beat_at) / 1_000_000,
        hr_value=beat.calculated_heart_rate,
        rr_interval_ms=beat.rr_interval_ms,
        rr_computed=beat.rr_computed,
        revision=beat.revision,
        processed_timestamp=done,
    )


class _ClickHouse:
    """A database in a folder."""

    def __init__(self, folder: Path) -> None:
        connect: Any = chdb.connect  # untyped
        self._folder = folder
        self._chdb = connect(str(folder / "database"))

    def close(self) -> None:
        self._chdb.close()

    def bytes_a_row(self, table: OlapTable[Any], rows: Rows, codec: str | None) -> dict[str, float]:
        """What each column takes when all is merged. `codec`: instead of the declared ones."""
        self._chdb.query("DROP TABLE IF EXISTS measured SYNC")
        self._chdb.query(
            f"CREATE TABLE measured ({', '.join(_columns(table, codec))}) ENGINE = MergeTree"
            f" ORDER BY ({', '.join(_order(table))})"
            # As in a part of a real size.
            " SETTINGS min_bytes_for_wide_part = 0, allow_nullable_key = 1"
        )
        for batch in _batches(rows):
            file = self._folder / "rows.jsonl"
            file.write_text("\n".join(map(json.dumps, batch)))
            self._chdb.query(
                f"INSERT INTO measured SELECT * FROM file('{file}', JSONEachRow, '{', '.join(_shapes(table))}')"  # noqa: S608
                " SETTINGS date_time_input_format = 'best_effort'"
            )
        self._chdb.query("OPTIMIZE TABLE measured FINAL")
        result = self._chdb.query(
            "SELECT column, sum(column_data_compressed_bytes) / sum(rows) FROM system.parts_columns"
            " WHERE table = 'measured' AND active GROUP BY column ORDER BY min(column_position)",
            "JSONCompact",
        )
        return {column: float(cost) for column, cost in json.loads(result.bytes())["data"]}


@contextmanager
def _clickhouse() -> Iterator[_ClickHouse]:
    with tempfile.TemporaryDirectory(prefix="beatstream-bench-", ignore_cleanup_errors=True) as folder:
        clickhouse = _ClickHouse(Path(folder))
        try:
            yield clickhouse
        finally:
            clickhouse.close()


def _batches(rows: Rows) -> Iterable[Rows]:
    """Some parts to merge."""
    size = -(-len(rows) // 8)
    return (rows[at : at + size] for at in range(0, len(rows), size))


def _shapes(table: OlapTable[Any]) -> Iterator[str]:
    for column in table._column_list:  # noqa: SLF001 (nothing public tells them)
        kind = TYPES.get(str(column.data_type), str(column.data_type))
        kind = kind if column.required else f"Nullable({kind})"
        yield f"{column.name} {f'LowCardinality({kind})' if ('LowCardinality', True) in column.annotations else kind}"


def _columns(table: OlapTable[Any], codec: str | None) -> Iterator[str]:
    for shape, column in zip(_shapes(table), table._column_list, strict=True):  # noqa: SLF001 (as above)
        chosen = codec or column.codec
        yield f"{shape} CODEC({chosen})" if chosen else shape


def _order(table: OlapTable[Any]) -> list[str]:
    order: list[str] = table.config.order_by_fields
    assert order, table.name
    return order
