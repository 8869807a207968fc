"""The serial protocol: hardware's frames, damaged streams, extended data."""

import json
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scripts.ingest_foo.ant.frames import LONGEST_CONTENT, Frame, Framer, encode_frame
from scripts.ingest_foo.ant.messages import CHANNEL_EVENT, MessageId, decode_capabilities, decode_data

VECTORS = json.loads((Path(__file__).parents[1] / "heartrate" / "vectors" / "ant-vectors.json").read_text())["vectors"]

frames = st.builds(Frame, st.integers(0, 255), st.binary(max_size=LONGEST_CONTENT))


def of_format(name: str) -> list[Any]:
    return [pytest.param(vector, id=vector["id"]) for vector in VECTORS if vector["format"] == name]


@pytest.mark.parametrize("vector", of_format("frame"))
def test_frames_of_real_sticks(vector: dict[str, Any]) -> None:
    data, expected = bytes.fromhex(vector["input"][0]["hex"]), vector["expected"][0]
    (frame,) = Framer().push(data)
    assert frame.message_id == expected["message_id"]
    assert len(frame.content) == expected["length"]
    assert encode_frame(*frame) == data
    if frame.message_id == MessageId.BROADCAST:
        heard = decode_data(frame.content)
        assert heard is not None
        assert (heard.channel, heard.payload.hex()) == (expected["channel"], expected["payload"])
        assert heard.device_number == expected.get("device_number_20")
        assert heard.device_type == expected.get("device_type")
        assert heard.is_heart_rate == (expected.get("device_type") == 120)
    if "max_channels" in expected:
        capabilities = decode_capabilities(frame.content)
        assert capabilities.channels == expected["max_channels"]
        assert capabilities.networks == expected["max_networks"]
        assert capabilities.scan_mode is bool(expected["advanced_options_2"] & 4)
        assert capabilities.extended is bool(expected["advanced_options_2"] & 2)
    if "channel_event" in expected:
        assert tuple(frame.content) == (expected["channel"], CHANNEL_EVENT, expected["channel_event"])


@pytest.mark.parametrize("vector", of_format("extended-data"))
def test_extended_data(vector: dict[str, Any]) -> None:
    expected = vector["expected"][0]
    heard = decode_data(bytes(9) + bytes.fromhex(vector["input"][0]["hex"]))
    assert heard is not None
    assert heard.device_number == expected.get("device_number_20")
    assert heard.device_type == expected.get("device_type")
    assert heard.rssi_dbm == expected.get("rssi_dbm"), "a gain register is no signal strength"
    assert heard.stamp == expected.get("rx_timestamp_32768")


@given(st.binary(max_size=30))
def test_cut_off_extended_data_is_damaged_and_never_raises(content: bytes) -> None:
    heard = decode_data(content)
    assert heard is None or len(heard.payload) == 8


@given(st.lists(frames, max_size=20), st.data())
def test_frames_may_be_cut_anywhere(sent: list[Frame], data: st.DataObject) -> None:
    stream = b"".join(encode_frame(*frame) for frame in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    framer = Framer()
    got = [frame for begin, end in pairwise([0, *cuts, len(stream)]) for frame in framer.push(stream[begin:end])]
    assert got == sent
    assert framer.skipped_bytes == 0


@given(frames, st.binary(min_size=1, max_size=20).filter(lambda content: 0xA4 not in content), st.integers(1, 255))
def test_a_good_frame_behind_a_damaged_one_is_found(good: Frame, content: bytes, damage: int) -> None:
    # What the damaged frame holds must not look like a frame itself, so it holds no sync byte.
    damaged = bytearray(encode_frame(MessageId.BROADCAST, content))
    damaged[-1] ^= damage
    assume(damaged[-1] != 0xA4)
    framer = Framer()
    assert list(framer.push(bytes(damaged) + encode_frame(*good))) == [good]
    assert framer.skipped_bytes == len(damaged)


def test_a_million_random_bytes_give_no_packet_and_hide_none() -> None:
    random = Random(7)
    framer = Framer()
    sent, got, wrong = [], [], 0
    fed = 0
    while fed < 1_000_000:
        noise = random.randbytes(random.randrange(1, 400))
        payload = random.randbytes(8)
        content = b"\x00" + payload + b"\x80" + random.randbytes(2) + b"\x78\x11"
        sent.append(Frame(MessageId.BROADCAST, content))
        for frame in framer.push(noise + encode_frame(MessageId.BROADCAST, content)):
            heard = decode_data(frame.content) if frame.message_id == MessageId.BROADCAST else None
            if frame in sent[-2:]:
                got.append(frame)
            elif heard is not None and heard.is_heart_rate:
                wrong += 1
        fed += len(noise) + len(content) + 4
    list(framer.push(bytes(64)))
    assert wrong == 0
    assert len(got) >= len(sent) - 1
    assert got == sent[: len(got)]
    assert framer.skipped_bytes > 800_000


def test_content_has_a_limit() -> None:
    with pytest.raises(ValueError, match="at most"):
        encode_frame(1, bytes(LONGEST_CONTENT + 1))
