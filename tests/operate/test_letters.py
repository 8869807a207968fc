import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.operate.letters import ID_DIGITS, Letter, parse, printable, same_record
from scripts.operate.pipeline import origin, queue_of, shards, streams

QUEUE = "raw_ant_hr_packetDeadLetterQueue"
BY_A_FUNCTION = (
    b'{"originalRecord":{"device_id":"770003","packet_count":0,"ant_hr_packet":"zz"},'
    b'"errorMessage":"ant_hr_packet: \'zz\' is not 16 hexadecimal digits","errorType":"InvalidPayload",'
    b'"failedAt":"2026-11-25T03:21:52.251084Z","source":"transform"}'
)
AT_THE_DOOR = (
    b'{"originalRecord":{"device_id":"770003","note":"op-3"},'
    b'"errorMessage":"Missing fields: ant_hr_packet, packet_count at line 1 column 36","errorType":"ValidationError",'
    b'"failedAt":"2026-11-25T03:21:51.290358114+00:00","source":"api",'
    b'"requestBody":"{\\"device_id\\":\\"770003\\",\\"note\\":\\"op-3\\"}","topic":"shard_1_raw_ant_hr_packet"}'
)


def letter(value: bytes, offset: int = 0, at_ms: int = 1_795_576_912_251) -> Letter:
    return parse(QUEUE, 0, offset, at_ms, value)


def of(record: object) -> Letter:
    return letter(json.dumps({"originalRecord": record, "errorMessage": "why"}).encode())


def test_what_moose_writes_is_read() -> None:
    one, other = letter(BY_A_FUNCTION), letter(AT_THE_DOOR)
    assert (one.why, one.error, one.source) == (
        "ant_hr_packet: 'zz' is not 16 hexadecimal digits",
        "InvalidPayload",
        "transform",
    )
    assert one.record == {"device_id": "770003", "packet_count": 0, "ant_hr_packet": "zz"}
    assert (other.source, other.record) == ("api", {"device_id": "770003", "note": "op-3"})
    assert one.at.isoformat(timespec="milliseconds") == "2026-11-25T03:21:52.251+00:00"
    assert (one.hopeless, other.hopeless) == (None, None)


def test_an_id_is_of_place_time_and_text() -> None:
    ids = {
        letter(BY_A_FUNCTION).id,
        letter(BY_A_FUNCTION, offset=1).id,
        letter(BY_A_FUNCTION, at_ms=1).id,
        letter(AT_THE_DOOR).id,
    }
    assert len(ids) == 4
    assert {len(letter_id) for letter_id in ids} == {ID_DIGITS}
    assert letter(BY_A_FUNCTION).id == letter(BY_A_FUNCTION).id


@pytest.mark.parametrize("value", [b"", b"\xff", b"[]", b"7", b'{"a": 1}', b"null"])
def test_what_is_no_letter_is_told_as_one(value: bytes) -> None:
    assert letter(value).hopeless
    assert "somebody put it here" in letter(value).why


def test_what_cannot_be_retried_says_so() -> None:
    assert "shortened" in (of({"shortened": '{"device_id": "1'}).hopeless or "")
    for record in ("wrong {", ["wrong"], None, 7):
        assert "no JSON object" in (of(record).hopeless or "")
    assert "does not fit" in (of({"device_id": "1", "ant_hr_packet": "x" * 1_000_000}).hopeless or "")
    assert of({"shortened": "x", "device_id": "1"}).hopeless is None


def test_letters_are_found_by_reason_and_record() -> None:
    found = letter(BY_A_FUNCTION)
    assert found.matches("770003")
    assert found.matches("HEXADECIMAL")
    assert not found.matches("770004")


def test_a_record_that_came_back_is_known() -> None:
    old = {"device_id": "1", "packet_count": 7, "unknown": True}
    assert same_record(old, old)
    assert same_record(old, {"device_id": "1", "packet_count": 7})
    assert not same_record(old, {"device_id": "1", "packet_count": 8})
    assert not same_record(old, {})
    assert not same_record(["a"], ["a"])


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_a_strangers_text_commands_no_terminal(text: str) -> None:
    assert printable(text).isprintable()
    assert of({"device_id": text}).text().isprintable()
    assert of(text).text(10).isprintable()
    assert len(of(text).text(10)) <= 10


def test_a_record_goes_back_to_its_straps_shard() -> None:
    two = ["raw_ant_hr_packet", "shard_1_raw_ant_hr_packet", "strap_assignment"]
    assert origin(QUEUE, {"device_id": "770003"}, two) == "shard_1_raw_ant_hr_packet"
    assert origin(QUEUE, {"device_id": "770002"}, two) == "raw_ant_hr_packet"
    assert origin(QUEUE, {"device_id": "770003"}, two[:1]) == "raw_ant_hr_packet"
    for wrong in ("abc", "0", None, 7.5):
        assert origin(QUEUE, {"device_id": wrong}, two) == "raw_ant_hr_packet"
    assert origin("strap_assignmentDeadLetterQueue", {"device_id": "770003"}, two) == "strap_assignment"


def test_shards_are_streams_like_the_whole() -> None:
    known = ["raw_ant_hr_packet", "shard_1_raw_ant_hr_packet", "shard_2_raw_ant_hr_packet", "shard_x_other"]
    assert shards(known) == 3
    by_name = {stream.name: stream for stream in streams(known)}
    shard = by_name["shard_2_raw_ant_hr_packet"]
    assert (shard.ingest, shard.table) == (True, "raw_ant_hr_packet")
    assert shard.group() == "flow-shard_2_raw_ant_hr_packet-processed_ant_hr_packet"
    assert by_name["strap_assignment"].group("gym") == "flow-gym.strap_assignment"
    assert by_name["unified_hr_packet"].group() is None
    assert queue_of("raw_ant_hr_packet") == queue_of(QUEUE) == QUEUE
