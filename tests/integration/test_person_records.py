"""All that is held of a person, page by page: each row once, whatever comes meanwhile, and nobody else's."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.heartrate.ble import encode_measurement
from app.storage.person_rows import TABLES
from harness.beatstream import Beatstream
from harness.waiting import wait_for
from tests.integration.packets import packet, rfc3339

START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
ANA, BEN, CLEO = 9401, 9402, 9403
ANT, BLUETOOTH, POOL = "794101", "C0:11:22:79:41:01", "794103"
RECEIVERS = (None, "", "hall", "a\t'\\\"\u00e9")
"""Each hears every packet."""


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def wears(device_id: str, user_id: int, second: float) -> dict[str, Any]:
    name = "" if user_id == 0 else "Ana, \"'A'\"" if user_id == ANA else f"Person {user_id}"
    return {"device_id": device_id, "user_id": user_id, "user_name": name, "assigned_at": rfc3339(at(second))}


def anas(second: float) -> bool:
    return second < 20 or second >= 40


@pytest.fixture(scope="module")
def heard(beatstream: Beatstream) -> Beatstream:
    """Ana wears two straps for a minute; in its middle third Ben does."""
    assigned = [wears(strap, *since) for strap in (ANT, BLUETOOTH) for since in ((ANA, 0), (BEN, 20), (ANA, 40))]
    assert beatstream.post("strap_assignment", assigned).is_success
    for user_id in (ANA, BEN):
        assert beatstream.post("person_profile", {"user_id": user_id, "user_name": "x", "hr_max": 190}).is_success
    beatstream.await_lag("clickhouse_sync", "strap_assignment")
    ant = [
        packet(ANT, second, second, at(second), 60, 1000, receiver_id=receiver)
        for second in range(60)
        for receiver in RECEIVERS
    ]
    bluetooth = [notification(second, receiver) for second in range(60) for receiver in RECEIVERS]
    for _ in range(2):  # a retry
        assert beatstream.post("raw_ant_hr_packet", ant).is_success
        assert beatstream.post("bluetooth_hr_packet", bluetooth).is_success
        beatstream.await_settled()
    wait_for(lambda: len(beatstream.api("getPeople")) >= 2, "the profiles", 10)
    return beatstream


def notification(second: float, receiver: str | None) -> dict[str, Any]:
    value = encode_measurement(60, (1024,)).hex()
    return {
        "device_id": BLUETOOTH,
        "packet_count": int(second),
        "hr_measurement": value,
        "received_at": rfc3339(at(second)),
        "receiver_id": receiver,
    }


def records(beatstream: Beatstream, user_id: int, table: str, limit: int, after: str | None = None) -> list[Any]:
    """From a place on, all entries."""
    found: list[Any] = []
    while True:
        asked = {"user_id": user_id, "table": table, "limit": limit} | ({} if after is None else {"after": after})
        page = beatstream.api("getPersonRecords", **asked)
        assert len(page) <= limit
        found += page
        if len(page) < limit:
            return found
        after = page[-1]["key"]


def test_whose_rows_and_how_many(heard: Beatstream) -> None:
    found = {table: [each["record"] for each in records(heard, ANA, table, 10_000)] for table in TABLES}
    for table in ("raw_ant_hr_packet", "bluetooth_hr_packet"):
        told = [(row["received_at"], row["receiver_id"]) for row in found[table]]
        sent = [(rfc3339(at(second)), receiver) for second in range(60) if anas(second) for receiver in RECEIVERS]
        assert sorted(told, key=str) == sorted(sent, key=str)
    beats = found["unified_hr_packet"]
    assert {row["device_id"] for row in beats} == {ANT, BLUETOOTH}
    assert all(anas(row["hr_timestamp_seconds"] - START.timestamp()) for row in beats)
    for table, condition in (
        *((table, f"user_id = {ANA}") for table in TABLES if "user_id" in TABLES[table].model_type.model_fields),
        ("processed_ant_hr_packet", f"device_id = '{ANT}' AND (toSecond(beat_at) < 20 OR toSecond(beat_at) >= 40)"),
    ):
        ((stored,),) = heard.rows(f"SELECT count() FROM {table} FINAL WHERE {condition}")
        assert (table, len(found[table])) == (table, stored)
        assert found[table]
    for table, rows in found.items():
        assert all(list(row) == list(TABLES[table].model_type.model_fields) for row in rows)


def test_columns_as_they_are_stored(heard: Beatstream) -> None:
    first = records(heard, ANA, "raw_ant_hr_packet", 10_000)[0]["record"]
    assert (first["device_id"], first["packet_count"], first["received_at"]) == (ANT, 0, rfc3339(START))
    assert (first["rssi_dbm"], first["stored_at"][-1]) == (None, "Z")
    second = records(heard, ANA, "per_second_heart_rate_aggregate", 10_000)[3]["record"]
    assert second["rounded_up_time"].endswith("Z")
    assert set(second["hr_by_offset_ms"].values()) == {60}
    assert second["avg_hr_per_second"] == 60
    assert {each["record"]["user_name"] for each in records(heard, ANA, "strap_assignment", 9)} == {"Ana, \"'A'\""}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("limit", [1, 7])
def test_pages_of_any_size_tell_the_same(heard: Beatstream, table: str, limit: int) -> None:
    whole = records(heard, ANA, table, 10_000)
    assert records(heard, ANA, table, limit) == whole
    assert len({each["key"] for each in whole}) == len(whole)


def test_what_comes_meanwhile_moves_no_page(heard: Beatstream) -> None:
    for table, late in (
        ("raw_ant_hr_packet", packet(ANT, 0, 0, at(0.5), 60, 1000, receiver_id="late")),
        ("bluetooth_hr_packet", notification(0.5, "late")),
    ):
        whole = records(heard, ANA, table, 10_000)
        first = whole[:50]
        assert heard.post(table, late).is_success
        heard.await_settled()
        assert records(heard, ANA, table, 50, first[-1]["key"]) == whole[50:]
        assert len(records(heard, ANA, table, 50)) == len(whole) + 1


def test_what_a_beat_of_hers_was_before_it_was_another_s_is_still_hers(heard: Beatstream) -> None:
    """An erasure counts and removes it, so it is told, too."""
    columns = "user_id, user_name, device_id, hr_timestamp_seconds, rr_computed, revision, processed_timestamp"
    with heard.clickhouse() as client:
        for user_id, revision in ((ANA, 1), (BEN, 2)):
            values = f"({user_id}, 'x', '{ANT}', 1790000000.25, false, {revision}, now64(3))"
            client.command(f"INSERT INTO unified_hr_packet ({columns}) VALUES {values}")
    for user_id in (ANA, BEN):
        first = records(heard, user_id, "unified_hr_packet", 10_000)[0]["record"]
        assert (first["user_id"], first["hr_timestamp_seconds"]) == (user_id, 1790000000.25)


def test_who_wore_a_strap_a_thousand_times(heard: Beatstream) -> None:
    turns = [wears(POOL, CLEO if turn % 2 else 0, turn) for turn in range(2000)]
    assert heard.post("strap_assignment", turns).is_success
    sent = [packet(POOL, turn, turn % 60, at(turn + 0.5), 60, 1000) for turn in range(0, 2000, 7)]
    assert heard.post("raw_ant_hr_packet", sent).is_success
    heard.await_settled()
    heard.await_lag("clickhouse_sync", "strap_assignment")
    assert len(records(heard, CLEO, "strap_assignment", 400)) == 1000
    hers = [turn for turn in range(0, 2000, 7) if turn % 2]
    told = [each["record"]["packet_count"] for each in records(heard, CLEO, "raw_ant_hr_packet", 100)]
    assert told == hers


@pytest.mark.parametrize("text", ["\x00", "'\\\t\n", "{key0:String}", "\U0001f493" * 1000])
def test_a_place_may_be_anywhere(heard: Beatstream, text: str) -> None:
    places = {
        "raw_ant_hr_packet": [[text, -(2**51), 0, None, text], [ANT, 2**53, 2**64 - 1, text, text]],
        "unified_hr_packet": [[text, -1e308], [text, 1e-320]],
        "per_second_heart_rate_aggregate": [[0, -(2**63), text], [2**32 - 1, 2**63 - 1, text]],
    }
    for table, keys in places.items():
        for key in keys:
            asked: dict[str, Any] = {"user_id": ANA, "table": table, "after": json.dumps(key)}
            answer = heard.http.get("/api/getPersonRecords", params=asked)
            assert answer.status_code == 200, (key, answer.text)


def test_who_is_nobody_has_no_records(heard: Beatstream) -> None:
    assert [records(heard, 9499, table, 10) for table in TABLES] == [[]] * len(TABLES)
