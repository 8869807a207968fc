"""What a process tells again of what its predecessor told."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from app.datamodels.processed_ant_hr_packet import ProcessedAntHRPacket
from app.datamodels.raw_ant_hr_packet import RawAntHRPacket, raw_ant_hr_packet_pipeline
from app.functions.raw_to_processed import HeartbeatStage
from app.heartrate.moments import to_us
from app.heartrate.profile import TICKS_PER_SECOND
from app.storage.strap_history import PacketHistory
from tests.integration.packets import packet

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
BEATS, KILLED_AFTER = 60, 90
"""Packets are twice as many as beats."""


@dataclass
class Tables:
    """What was stored, asked with the parameters of the true questions."""

    raw: list[RawAntHRPacket] = field(default_factory=list)
    processed: list[ProcessedAntHRPacket] = field(default_factory=list)

    def query(self, sql: str, asked: dict[str, Any]) -> list[tuple[Any, ...]]:
        if "max(revision)" in sql:
            told: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
            for row in self.processed:
                if asked["from_us"] <= to_us(row.received_at) <= asked["before_us"]:
                    beat = row.revision, to_us(row.beat_at), round(row.last_beat_time * TICKS_PER_SECOND)
                    told.setdefault((row.epoch, row.heart_beat_count), []).append(beat)
            return [(*beat, *map(max, zip(*known, strict=True))) for beat, known in told.items()]

        def between(row: RawAntHRPacket | ProcessedAntHRPacket) -> bool:
            place = (to_us(row.received_at), row.packet_count)
            from_, before = ((asked[f"{bound}_us"], asked[f"{bound}_count"]) for bound in ("from", "before"))
            return from_ < place < before

        if "tracker_state" in sql:
            states = [
                (row.tracker_state, to_us(row.received_at), row.packet_count)
                for row in self.processed
                if row.tracker_state is not None and between(row)
            ]
            return sorted(states, key=lambda state: state[1:])[-1:]
        packets = [
            (row.ant_hr_packet, to_us(row.received_at), row.receiver_id, row.packet_count)
            for row in self.raw
            if between(row)
        ]
        return sorted(packets, key=lambda row: (row[1], row[3]))


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Tables:
    made = Tables()
    monkeypatch.setattr(PacketHistory, "may_have", lambda *_: bool(made.raw))
    monkeypatch.setattr(PacketHistory, "query", lambda _self, sql, asked: made.query(sql, asked))
    monkeypatch.setattr(PacketHistory, "await_stored", lambda *_: None)
    return made


def heard_twice(later_ms: int = 40) -> list[RawAntHRPacket]:
    """A strap in the air of two receivers; what the later one heard comes first."""
    return [
        RawAntHRPacket.model_validate(
            packet("7", at, at, START + timedelta(milliseconds=500 * at + late), receiver_id=f"late-{late}")
        )
        for at in range(BEATS)
        for late in (later_ms, 0)
    ]


def process(tables: Tables, packets: list[RawAntHRPacket]) -> list[ProcessedAntHRPacket]:
    """By a process of their own; a table has its rows afterwards."""
    stage = HeartbeatStage(raw_ant_hr_packet_pipeline.get_stream())
    rows = [row for each in packets for row in stage.process(each)]
    tables.raw += packets
    tables.processed += rows
    return rows


def process_as_they_come(tables: Tables, packets: Iterable[RawAntHRPacket]) -> None:
    """By one process; the tables have each packet, and its rows, before the next one comes."""
    stage = HeartbeatStage(raw_ant_hr_packet_pipeline.get_stream())
    for each in packets:
        tables.processed += stage.process(each)
        tables.raw.append(each)


def test_of_two_receivers_no_beat_gets_a_second_moment(tables: Tables) -> None:
    packets = heard_twice()
    process(tables, packets[:KILLED_AFTER])
    process(tables, packets[KILLED_AFTER:])
    moments = {(row.epoch, row.heart_beat_count, row.beat_at) for row in tables.processed}
    assert len(moments) == len({moment[:2] for moment in moments}) == BEATS


def test_nor_one_that_was_told_by_a_packet_heard_after_the_one_in_hand(tables: Tables) -> None:
    packets = heard_twice(later_ms=600)
    before = {row.heart_beat_count: row.beat_at for row in process(tables, packets[: KILLED_AFTER + 1])}
    *again, own = process(tables, packets[KILLED_AFTER + 1 : KILLED_AFTER + 2])
    assert own.heart_beat_count == 256 + KILLED_AFTER // 2
    assert [(row.revision, row.beat_at) for row in again] == [(97, before[row.heart_beat_count]) for row in again]
    assert again, "a beat whose interval was not known before"


def test_what_is_not_stored_is_told_again(tables: Tables) -> None:
    packets = heard_twice()
    process(tables, packets[:KILLED_AFTER])
    lost = tables.processed.pop(40).heart_beat_count
    again = process(tables, packets[KILLED_AFTER:])
    assert [row.heart_beat_count for row in again] == [lost, *range(again[1].heart_beat_count, 256 + BEATS)]
    assert len({row.heart_beat_count for row in tables.processed}) == BEATS


def test_a_receiver_with_a_name_that_was_refused_tells_nothing(tables: Tables) -> None:
    packets = heard_twice()
    process(tables, packets[:KILLED_AFTER])
    stranger = {"receiver_id": "r" * 65, "received_at": START + timedelta(seconds=18.25), "ant_hr_packet": "00" * 8}
    tables.raw.append(packets[0].model_copy(update=stranger))
    process(tables, packets[KILLED_AFTER:])
    assert len({(row.epoch, row.heart_beat_count) for row in tables.processed}) == BEATS


def heard_by(receivers: dict[str, float], seed: int) -> list[RawAntHRPacket]:
    """A strap in the air of receivers that lose so much of it each and deliver late, in any order."""
    random = Random(seed)
    arrivals = []
    for at in range(BEATS):
        for receiver, loss in receivers.items():
            if random.random() >= loss:
                heard_ms = 500 * at + random.randint(0, 200)
                record = packet("7", at, at, START + timedelta(milliseconds=heard_ms), receiver_id=receiver)
                arrivals.append((heard_ms + random.randint(0, 600), RawAntHRPacket.model_validate(record)))
    return [record for _, record in sorted(arrivals, key=lambda arrival: arrival[0])]


def twice(rows: Iterable[ProcessedAntHRPacket]) -> list[float]:
    """The beats, by the strap's clock, that have several moments and so stand twice in people's table."""
    known: dict[float, set[datetime]] = {}
    for row in rows:
        known.setdefault(row.last_beat_time % 64, set()).add(row.beat_at)
    return [beat for beat, moments in known.items() if len(moments) > 1]


@pytest.mark.parametrize("again", [10, 40])
@pytest.mark.parametrize("seed", range(10))
def test_what_is_read_again_keeps_its_moment(tables: Tables, seed: int, again: int) -> None:
    """A worker that was killed had told of packets, and not committed them."""
    packets = heard_by({"A": 0.3, "B": 0.3}, seed)
    killed = len(packets) * 2 // 3
    process(tables, packets[:killed])
    process(tables, packets[killed - again :])
    assert twice(tables.processed) == []


@pytest.mark.parametrize("seed", range(10))
def test_what_receivers_send_again_after_a_restart_keeps_its_moment(tables: Tables, seed: int) -> None:
    packets = heard_by({"A": 0.1, "B": 0.1}, seed)
    killed = len(packets) * 2 // 3
    process(tables, packets[:killed])
    each_again = [each for name in "AB" for each in packets[:killed] if each.receiver_id == name]
    process(tables, each_again + packets[killed:])
    assert twice(tables.processed) == []


@pytest.mark.parametrize("seed", range(10))
def test_a_receiver_whose_clock_differs_gives_no_beat_a_second_moment(tables: Tables, seed: int) -> None:
    ahead = [
        each.model_copy(update={"received_at": each.received_at + timedelta(seconds=20)})
        if each.receiver_id == "B" and each.received_at is not None
        else each
        for each in heard_by({"A": 0.1, "B": 0.1}, seed)
    ]
    process_as_they_come(tables, ahead)
    assert twice(tables.processed) == []


@pytest.mark.parametrize("first", ["A", "B"])
@pytest.mark.parametrize("silent", [False, True])
def test_a_receiver_that_is_always_late_gives_no_beat_a_second_moment(
    tables: Tables, first: str, *, silent: bool
) -> None:
    """Also where it heard the strap first, or finds a silence by itself: it is of another epoch then."""
    late = "A" if first == "B" else "B"
    records = [each for each in heard_by({"A": 0.1, "B": 0.1}, 7) if each.packet_count > 2 or each.receiver_id == late]
    if silent:
        records = [
            each.model_copy(update={"received_at": each.received_at + timedelta(seconds=70)})
            if each.packet_count > BEATS // 2 and each.received_at is not None
            else each
            for each in records
        ]
    on_time = [each for each in records if each.receiver_id == first]
    process_as_they_come(tables, [*on_time, *(each for each in records if each.receiver_id == late)])
    assert len({row.epoch for row in tables.processed}) > 1
    assert twice(tables.processed) == []


@pytest.mark.parametrize("seed", range(10))
def test_a_receiver_that_is_late_takes_nothing_away(tables: Tables, seed: int) -> None:
    packets = heard_by({"A": 0.0, "B": 0.5}, seed)
    known = [each for each in packets if each.receiver_id == "A"]
    late = [each for each in packets if each.receiver_id == "B" and each.packet_count > 0]
    process_as_they_come(tables, [*known, *late])
    newest: dict[tuple[int, int], ProcessedAntHRPacket] = {}
    for row in tables.processed:
        beat = (row.epoch, row.heart_beat_count)
        # As the table keeps them.
        if beat not in newest or row.revision >= newest[beat].revision:
            newest[beat] = row
    assert len(newest) == BEATS
    unknown = [count for (_, count), row in newest.items() if row.rr_interval_ms is None]
    assert unknown == [min(count for _, count in newest)], "only the first beat has none before it"
    assert all(row.calculated_heart_rate is not None for row in newest.values())
