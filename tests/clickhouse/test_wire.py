"""The parsers of what comes in: whatever the bytes are, they are read or refused."""

import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stack.clickhouse import statement, wire
from tests.clickhouse.encodings import FRAMES

BOMB_BYTES = 64 << 20


@given(st.binary(max_size=5000))
def test_blocks_round_trip(data: bytes) -> None:
    assert b"".join(wire.decompress_blocks([wire.compress_blocks(data)])) == data


def _cut(data: bytes, cuts: list[float]) -> list[bytes]:
    ends = [0, *sorted(int(cut * len(data)) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(ends)]


@given(st.lists(st.binary(max_size=100), max_size=4), st.lists(st.floats(0, 1), max_size=6))
def test_blocks_may_come_cut_anywhere(data: list[bytes], cuts: list[float]) -> None:
    blocks = b"".join(map(wire.compress_blocks, data))
    assert b"".join(wire.decompress_blocks(_cut(blocks, cuts))) == b"".join(data)


@given(st.binary(max_size=200), st.data())
def test_a_damaged_block_is_refused(data: bytes, draw: st.DataObject) -> None:
    blocks = bytearray(wire.compress_blocks(b"x" + data))
    at = draw.draw(st.integers(0, len(blocks) - 1))
    blocks[at] ^= draw.draw(st.integers(1, 255))
    with pytest.raises(wire.WireError):
        list(wire.decompress_blocks([bytes(blocks)]))


@settings(max_examples=500)
@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "zstd", "lz4", "xz", "bz2", "identity"]))
def test_any_body_is_read_or_refused(data: bytes, encoding: str) -> None:
    with suppress(wire.WireError):
        list(wire.decompress_blocks([data]))
    with suppress(wire.WireError):
        list(wire.decode([data], encoding))


frames_of = st.lists(st.binary(max_size=300), min_size=1, max_size=4)


@settings(max_examples=500)
@given(st.sampled_from(sorted(FRAMES)), frames_of, st.lists(st.floats(0, 1), max_size=6))
def test_a_body_of_several_frames_is_all_of_them(encoding: str, frames: list[bytes], cuts: list[float]) -> None:
    body = b"".join(map(FRAMES[encoding], frames))
    assert b"".join(wire.decode(_cut(body, cuts), encoding)) == b"".join(frames)


@given(st.sampled_from(sorted(FRAMES)), frames_of, st.data())
def test_a_last_frame_that_is_cut_off_is_refused(encoding: str, frames: list[bytes], draw: st.DataObject) -> None:
    *whole, last = map(FRAMES[encoding], frames)
    body = b"".join(whole) + last[: draw.draw(st.integers(1, len(last) - 1))]
    with pytest.raises(wire.WireError):
        list(wire.decode([body], encoding))


@given(st.sampled_from(sorted(FRAMES)), frames_of, st.binary(min_size=1, max_size=40))
@example("xz", [b"x"], bytes(18))
def test_what_is_no_frame_behind_one_is_refused(encoding: str, frames: list[bytes], garbage: bytes) -> None:
    body = b"".join(map(FRAMES[encoding], frames))
    for chunks in ([body + garbage], [body, garbage]):
        with pytest.raises(wire.WireError):
            list(wire.decode(chunks, encoding))


@pytest.mark.parametrize("encoding", FRAMES)
def test_what_a_body_unpacks_to_comes_in_pieces(encoding: str) -> None:
    bomb = FRAMES[encoding](bytes(BOMB_BYTES))
    assert len(bomb) < BOMB_BYTES // 200
    tracemalloc.start()
    try:
        pieces = list(map(len, wire.decode([bomb, bomb], encoding)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(pieces) == 2 * BOMB_BYTES
    assert max(pieces) <= wire.PIECE_BYTES
    assert peak < 8 * wire.PIECE_BYTES < BOMB_BYTES


@pytest.mark.parametrize("encoding", FRAMES)
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_no_byte_is_lost_where_a_piece_is_full(encoding: str, more: int) -> None:
    data = bytes(wire.PIECE_BYTES + more)
    assert b"".join(wire.decode([FRAMES[encoding](data)], encoding)) == data


@pytest.mark.parametrize(
    ("packed_size", "size"), [(wire.LARGEST_BLOCK_BYTES + 1, 1), (100, wire.LARGEST_BLOCK_BYTES + 1), (8, 1)]
)
def test_a_block_that_claims_too_much_is_refused_before_it_is_there(packed_size: int, size: int) -> None:
    sizes = packed_size.to_bytes(4, "little") + size.to_bytes(4, "little")
    with pytest.raises(wire.WireError, match="impossible size"):
        list(wire.decompress_blocks([bytes(16) + b"\x82" + sizes]))


def test_a_block_is_unpacked_before_the_next_one_comes() -> None:
    def chunks() -> Iterator[bytes]:
        yield wire.compress_blocks(b"first")
        pytest.fail("all is wanted at once")

    assert next(wire.decompress_blocks(chunks())) == b"first"


def test_a_block_whose_frame_claims_more_than_it_is_refused_before_anything_is_allocated() -> None:
    # A frame's header with eight bytes of size, and an empty last block.
    frame = b"\x28\xb5\x2f\xfd\xe0" + (1 << 50).to_bytes(8, "little") + b"\x01\x00\x00"
    body = wire._header(wire._Method.ZSTD, len(frame), 1) + frame
    with pytest.raises(wire.WireError, match="differ in size"):
        list(wire.decompress_blocks([wire._hash(body) + body]))


def test_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(wire.WireError, match="br"):
        list(wire.decode([], "br"))


@settings(max_examples=500)
@given(st.text(max_size=200))
def test_any_statement_is_looked_through(sql: str) -> None:
    statement.read(sql)


@given(st.text(alphabet="ab'\\\" `\n-/*;()", max_size=60))
def test_what_stands_in_a_literal_is_no_function(text: str) -> None:
    literal = text.replace("\\", "\\\\").replace("'", "\\'")
    assert statement.read(f"SELECT '{literal} file(1) system.zookeeper'").refused is None


@pytest.mark.parametrize(
    ("sql", "form"),
    [
        ("INSERT INTO t VALUES", "Values"),
        ("insert into t (a, b) values  ", "Values"),
        ("INSERT INTO t FORMAT JSONEachRow", "JSONEachRow"),
        ("INSERT INTO t SETTINGS x = 1 FORMAT Native\n", "Native"),
        ("INSERT INTO t VALUES (1)", None),
        ("INSERT INTO t SELECT 1", None),
        ("SELECT 1 FORMAT JSON", None),
    ],
)
def test_which_inserts_wait_for_data(sql: str, form: str | None) -> None:
    assert statement.read(sql).insert_format == form


@pytest.mark.parametrize(
    ("sql", "reads", "leaves"),
    [
        ("SELECT 1", True, False),
        ("(SELECT 1);", True, False),
        ("FROM t SELECT set, use", True, False),
        ("", False, False),
        ("SELECT 1; DROP TABLE t", False, False),
        ("WITH 1 AS x INSERT INTO t SELECT x", False, False),
        ("INSERT INTO t VALUES", False, False),
        ("ALTER TABLE t UPDATE a = 1 WHERE 1", False, False),
        ("-- so\nset max_threads = 1", False, True),
        ("SELECT 1; USE system", False, True),
        ("CREATE OR REPLACE TEMPORARY TABLE t (x Int8)", False, True),
    ],
)
def test_what_a_statement_does(sql: str, reads: bool, leaves: bool) -> None:  # noqa: FBT001
    read = statement.read(sql)
    assert (read.reads_only, read.leaves_something) == (reads, leaves)
