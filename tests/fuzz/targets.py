"""What is fuzzed: functions of bytes. One that raises anything but what its reader documents has a defect."""

import json
from collections.abc import Callable
from contextlib import suppress
from unittest.mock import patch

from app.heartrate.beat_tracker import BeatTracker
from app.heartrate.ble import InvalidMeasurement, decode_measurement
from app.heartrate.bluetooth_tracker import BluetoothTracker
from app.heartrate.device_number import InvalidDeviceId
from app.heartrate.pages import InvalidPayload, parse_payload
from app.heartrate.profile import PAYLOAD_BYTES
from app.heartrate.strap_id import check_strap_id
from app.heartrate.strap_tracker import StrapTracker
from stack.clickhouse import server, statement, wire
from stack.clickhouse.engine import EngineError
from tests.clickhouse.encodings import FRAMES

START_US = 1_764_000_000_000_000
RECORD_BYTES = PAYLOAD_BYTES + 4
PIECE_BYTES = 1 << 17
"""So small that bombs of some pieces take a millisecond."""

BOMBS = {name: pack(bytes(3 * PIECE_BYTES)) for name, pack in FRAMES.items()}


def packets(data: bytes) -> None:
    """A strap's packets: a time step in ms, a packet count, the payload."""
    strap = StrapTracker(lambda *_packet, **_first: BeatTracker())
    at_us = START_US
    for at in range(0, len(data) - RECORD_BYTES + 1, RECORD_BYTES):
        step, count = int.from_bytes(data[at : at + 3], "little", signed=True), data[at + 3]
        at_us += step * 1000
        payload = parse_payload(data[at + 4 : at + RECORD_BYTES].hex())
        for beat in strap.push(payload, at_us, "usb-1", count):
            assert beat.rr_ticks is None or beat.rr_ticks > 0
            assert beat.heart_rate is None or 0 < beat.heart_rate < 256


def texts(data: bytes) -> None:
    """Payloads and straps as texts, and what is kept of a tracker."""
    text = data.decode("utf-8", "surrogateescape")
    with suppress(InvalidPayload):
        assert len(parse_payload(text)) == PAYLOAD_BYTES
    with suppress(InvalidDeviceId):
        check_strap_id(text)
    with suppress(ValueError, TypeError):
        BeatTracker.restore(text).push(bytes(PAYLOAD_BYTES), START_US)
    with suppress(ValueError, TypeError):
        BeatTracker.restore(json.loads(text)).push(bytes(PAYLOAD_BYTES), START_US)


def bluetooth(data: bytes) -> None:
    """Notifications: a length, then so many bytes."""
    tracker, at, at_us = BluetoothTracker(), 0, START_US
    while at < len(data):
        value = data[at + 1 : at + 1 + data[at] % 32]
        at, at_us = at + 1 + len(value), at_us + 1_000_000
        with suppress(InvalidMeasurement):
            assert decode_measurement(value).heart_rate != 0
            tracker.push(value, at_us)


def statements(data: bytes) -> None:
    """SQL, as the ClickHouse front looks through it before the engine may see it."""
    read = statement.read(data.decode("utf-8", "replace"))
    assert statement.read(read.sql).refused is None or read.refused is not None


def bodies(data: bytes) -> None:
    """Bodies of requests, compressed in every way there is."""
    halves = data[: len(data) // 2], data[len(data) // 2 :]
    with suppress(wire.WireError):
        assert all(len(block) <= wire.LARGEST_BLOCK_BYTES for block in wire.decompress_blocks(halves))
    for encoding in (*FRAMES, data[:8].decode("latin-1")):
        _unpack(halves, encoding)


def bombs(data: bytes) -> None:
    """Bodies of almost nothing that unpack to much, some bytes of them changed: encoding, copies, cut, then changes."""
    if len(data) < 3:
        return
    encoding = sorted(BOMBS)[data[0] % len(BOMBS)]
    body = bytearray(BOMBS[encoding] * (1 + data[1] % 3))
    for at in range(3, len(data) - 2, 3):
        body[int.from_bytes(data[at : at + 2], "little") % len(body)] ^= data[at + 2]
    cut = len(body) * data[2] // 256
    _unpack((bytes(body[:cut]), bytes(body[cut:])), encoding)


def _unpack(chunks: tuple[bytes, ...], encoding: str) -> None:
    with suppress(wire.WireError), patch.object(wire, "PIECE_BYTES", PIECE_BYTES):
        for piece in wire.decode(chunks, encoding):
            assert len(piece) <= PIECE_BYTES


def requests(data: bytes) -> None:
    """Headers and statements with data behind them."""
    text = data.decode("latin-1")
    server._host(text)
    for headers in ({"authorization": text}, {"authorization": f"Basic {text}"}, {"x-clickhouse-user": text}):
        server._credentials(server._Request("POST", {}, headers))
    for content_type in (text[:60], "multipart/form-data; boundary=x"):
        with suppress(EngineError):
            server._form(content_type, data)
    with suppress(EngineError):
        server._split("", data)
    with suppress(EngineError):
        server._split(text, data)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (packets, texts, bluetooth, statements, bodies, bombs, requests)
}

SEEDS: dict[str, list[bytes]] = {
    "packets": [
        b"".join(
            (246).to_bytes(3, "little")
            + bytes((at,))
            + bytes.fromhex("04ff0a14")
            + (at * 252).to_bytes(2, "little")
            + bytes((at & 255, 100))
            for at in range(20)
        )
    ],
    "texts": [b"04ff0a14ce180764", b"863436", b"c0:ff:ee:00:11:22", json.dumps(BeatTracker().snapshot()).encode()],
    "bluetooth": [b"\x06\x16\x48\x00\x04\x00\x04\x04\x10\x40\xff\xff"],
    "statements": [
        b"SELECT 1 FROM `system`.\"zookeeper\" WHERE x = 'it''s' -- y",
        b"INSERT INTO t (a) FORMAT JSONEachRow",
        b"SELECT * FROM url /* x */ ('http://h/')",
    ],
    "bodies": [wire.compress_blocks(b"abc" * 100), *(wire.encode(b"abc", name)[0] for name in ("gzip", "zstd", "lz4"))],
    "bombs": [bytes((number, 1, 128)) for number in range(len(BOMBS))],
    "requests": [
        b"INSERT INTO t FORMAT TSV\n1\t2\n",
        b"dXNlcjpwYXNz",
        b"[::1]:80",
        b'--x\r\nContent-Disposition: form-data; name="param_a"\r\n\r\nb\r\n--x--\r\n',
    ],
}
