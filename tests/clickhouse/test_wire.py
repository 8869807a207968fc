"""The parsers of what comes in: whatever the bytes are, they are read or refused."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack.clickhouse import statement, wire


@given(st.binary(max_size=5000))
def test_blocks_round_trip(data: bytes) -> None:
    assert wire.decompress_blocks(wire.compress_blocks(data)) == data


@given(st.binary(max_size=200), st.data())
def test_a_damaged_block_is_refused(data: bytes, draw: st.DataObject) -> None:
    blocks = bytearray(wire.compress_blocks(b"x" + data))
    at = draw.draw(st.integers(0, len(blocks) - 1))
    blocks[at] ^= draw.draw(st.integers(1, 255))
    with pytest.raises(wire.WireError):
        wire.decompress_blocks(bytes(blocks))


@settings(max_examples=500)
@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "zstd", "lz4", "xz", "bz2", "identity"]))
def test_any_body_is_read_or_refused(data: bytes, encoding: str) -> None:
    with suppress(wire.WireError):
        wire.decompress_blocks(data)
    with suppress(wire.WireError):
        list(wire.decode([data], encoding))


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
