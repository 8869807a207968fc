"""What is wrong goes to the dead letter queue alone, with a reason; its neighbours are kept."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from harness.beatstream import Beatstream
from tests.integration.packets import beats, packet

pytestmark = pytest.mark.stack

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def dead_letters(beatstream: Beatstream, mark: str) -> list[dict[str, Any]]:
    letters = beatstream.topic("raw_ant_hr_packetDeadLetterQueue")
    return [letter for letter in letters if letter["source"] == "transform" and mark in json.dumps(letter)]


def test_one_wrong_payload_among_500_put_on_the_topic(beatstream: Beatstream) -> None:
    records = beats("760001", START, 500)
    wrong = packet("760001", 9_999, 1, START, ant_hr_packet="zz")
    messages = [json.dumps(record).encode() for record in [*records[:250], wrong, *records[250:]]]
    beatstream.produce("raw_ant_hr_packet", messages)
    beatstream.await_settled()
    ((count, beat_count),) = beatstream.rows(
        "SELECT count(), uniqExact(heart_beat_count) FROM processed_ant_hr_packet FINAL WHERE device_id = '760001'"
    )
    assert (count, beat_count) == (500, 500)
    (letter,) = dead_letters(beatstream, "760001")
    assert letter["originalRecord"]["packet_count"] == 9_999
    assert "zz" in letter["errorMessage"]
    assert "16 hexadecimal digits" in letter["errorMessage"]


WRONG: list[tuple[str, bytes, str]] = [
    ("no JSON", b"wrong-0 {", "not a JSON object"),
    ("a list", b'["wrong-1"]', "not a JSON object"),
    ("a missing field", b'{"device_id": "wrong-2"}', "packet_count: missing"),
    ("a wrong type", b'{"device_id": "wrong-3", "packet_count": "x", "ant_hr_packet": "00"}', "packet_count"),
    ("no device number", json.dumps(packet("wrong-4", 0, 1, START)).encode(), "device_id"),
    ("the wildcard", json.dumps(packet("0", 5, 1, START)).encode(), "device_id"),
    ("21 bits", json.dumps(packet("1048576", 6, 1, START)).encode(), "device_id"),
    ("a bad time", json.dumps(packet("760003", 7, 1, START, received_at="wrong-7")).encode(), "received_at"),
    ("no zone", json.dumps(packet("760003", 8, 1, START, received_at="2026-11-21T12:00:00")).encode(), "no zone"),
    ("not UTF-8", b'\xff\xfe"wrong-9"', "not a JSON object"),
    ("NaN", b'{"device_id": "760003", "packet_count": NaN, "ant_hr_packet": "00"}', "packet_count"),
    ("null", b'{"device_id": null, "packet_count": 1, "ant_hr_packet": "00"}', "device_id"),
    ("a lone surrogate", b'{"device_id": "\\ud800", "packet_count": 1, "ant_hr_packet": "00"}', "not a JSON object"),
    ("a receiver's name", json.dumps(packet("760003", 10, 1, START, receiver_id="r" * 65)).encode(), "receiver_id"),
    ("below the column", json.dumps(packet("760003", -1, 1, START)).encode(), "packet_count"),
    ("beyond the column", json.dumps(packet("760003", 2**64, 1, START)).encode(), "packet_count"),
    ("beyond an optional one", json.dumps(packet("760003", 11, 1, START, rssi_dbm=128)).encode(), "rssi_dbm"),
    (
        "no year of ours",
        json.dumps(packet("760003", 12, 1, START, received_at="0001-01-01T00:00:00Z")).encode(),
        "year 1",
    ),
    ("a megabyte", json.dumps(packet("760003", 9, 1, START, ant_hr_packet="x" * 1_048_000)).encode(), "16 hexadecimal"),
]


def test_each_kind_of_wrong_record_is_told_apart_and_stops_nobody(beatstream: Beatstream) -> None:
    before = len(beatstream.topic("raw_ant_hr_packetDeadLetterQueue"))
    good = [json.dumps(record).encode() for record in beats("760002", START, len(WRONG) + 1)]
    mixed = [good[0]]
    for (_, message, _), neighbour in zip(WRONG, good[1:], strict=True):
        mixed += [message, neighbour]
    beatstream.produce("raw_ant_hr_packet", mixed)
    beatstream.await_settled()
    letters = beatstream.topic("raw_ant_hr_packetDeadLetterQueue")[before:]
    assert len(letters) == len(WRONG)
    for (what, _, reason), letter in zip(WRONG, letters, strict=True):
        assert reason in letter["errorMessage"], what
    ((count,),) = beatstream.rows(
        "SELECT uniqExact(heart_beat_count) FROM processed_ant_hr_packet WHERE device_id = '760002'"
    )
    assert count == len(good)


def test_a_field_that_nobody_knows_is_left_out(beatstream: Beatstream) -> None:
    records = [{**record, "colour": {"of": ["the", "strap"]}} for record in beats("760004", START, 20)]
    before = len(beatstream.topic("raw_ant_hr_packetDeadLetterQueue"))
    assert beatstream.post("raw_ant_hr_packet", records[:10]).is_success
    beatstream.produce("raw_ant_hr_packet", [json.dumps(record).encode() for record in records[10:]])
    beatstream.await_settled()
    for table in ("raw_ant_hr_packet", "processed_ant_hr_packet"):
        assert beatstream.rows(f"SELECT count() FROM {table} FINAL WHERE device_id = '760004'") == [(20,)]
    assert len(beatstream.topic("raw_ant_hr_packetDeadLetterQueue")) == before


def test_an_assignment_that_cannot_be_stops_no_other(beatstream: Beatstream) -> None:
    before = len(beatstream.topic("strap_assignmentDeadLetterQueue"))
    for record in (
        {"device_id": "abc", "user_id": 1, "user_name": "Eve"},
        {"device_id": "760009", "user_id": -1, "user_name": "Eve"},
        {"device_id": "760009", "user_id": 1, "user_name": " "},
        {"device_id": "760009", "user_id": 1, "user_name": "E" * 61},
    ):
        assert beatstream.post("strap_assignment", record).is_success
    # The workers that follow the topic read these too, each in a thread of its own.
    beatstream.produce(
        "strap_assignment",
        [
            b'{"device_id": "760009", "user_id": 1, "user_name": "Eve", "assigned_at": "2026-11-21T12:00:00"}',
            b'{"device_id": "760009", "user_id": 1, "user_name": "\\ud800"}',
            b'{"device_id": "760008", "user_id": 1, "user_name": "Eve", "assigned_at": "2026-11-21T12:00:00Z"}',
        ],
    )
    beatstream.await_lag("flow-strap_assignment", "strap_assignment")
    letters = beatstream.topic("strap_assignmentDeadLetterQueue")[before:]
    reasons = [letter["errorMessage"] for letter in letters]
    assert [reason.split(":")[0] for reason in reasons] == [
        *("device_id", "user_id", "user_name", "user_name", "assigned_at", "not a JSON object"),
    ]
    now = datetime.now(UTC)
    for device_id in ("760008", "760009"):
        assert beatstream.post("raw_ant_hr_packet", packet(device_id, 0, 1, now - timedelta(seconds=1))).is_success
    beatstream.await_settled()
    assert beatstream.rows(
        "SELECT device_id, user_name FROM unified_hr_packet FINAL WHERE device_id IN ('760008', '760009') ORDER BY 1"
    ) == [("760008", "Eve"), ("760009", "Strap 760009")]
