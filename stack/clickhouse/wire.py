"""Bytes on the wire: ClickHouse's compressed blocks, and HTTP content encodings.

A compressed block is 16 bytes of CityHash128 over what follows, then a method byte (0x82 LZ4, 0x90 ZSTD, 0x02 none),
the size of the block from the method byte on and the size of the data (u32 LE each), and the data. Source: ClickHouse,
src/Compression/CompressedReadBufferBase.cpp; the two halves of the hash stand swapped.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum
from typing import Protocol

import lz4.block
import lz4.frame
import zstandard
from clickhouse_cityhash.cityhash import CityHash128

_HASH_BYTES, _HEADER_BYTES = 16, 9
BLOCK_BYTES = 1 << 20
LARGEST_BLOCK_BYTES = 1 << 30
"""A block that claims more is refused before anything is allocated."""


class _Method(IntEnum):
    LZ4 = 0x82
    ZSTD = 0x90
    NONE = 0x02


class WireError(ValueError):
    """Bytes that cannot be read; the text says why."""


def compress_blocks(data: bytes) -> bytes:
    """The data as LZ4 blocks of at most `BLOCK_BYTES` each; no data gives no block."""
    view = memoryview(data)
    return b"".join(_block(view[at : at + BLOCK_BYTES]) for at in range(0, len(data), BLOCK_BYTES))


def decompress_blocks(data: bytes) -> bytes:
    """The data of consecutive blocks. Raises `WireError`."""
    return b"".join(_blocks(memoryview(data)))


def _block(data: memoryview) -> bytes:
    packed: bytes = lz4.block.compress(data, store_size=False)
    body = _header(_Method.LZ4, len(packed), len(data)) + packed
    return _hash(body) + body


def _blocks(data: memoryview) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        start = at + _HASH_BYTES
        if len(data) - start < _HEADER_BYTES:
            raise WireError("compressed block: cut off in its header")
        method = data[start]
        packed_size = int.from_bytes(data[start + 1 : start + 5], "little")
        size = int.from_bytes(data[start + 5 : start + 9], "little")
        end = start + packed_size
        if packed_size < _HEADER_BYTES or size > LARGEST_BLOCK_BYTES:
            raise WireError("compressed block: impossible size")
        if end > len(data):
            raise WireError("compressed block: cut off")
        body = bytes(data[start:end])
        if _hash(body) != bytes(data[at:start]):
            raise WireError("compressed block: checksum does not match")
        yield _unpack(method, body[_HEADER_BYTES:], size)
        at = end


def _unpack(method: int, packed: bytes, size: int) -> bytes:
    try:
        match method:
            case _Method.LZ4:
                data: bytes = lz4.block.decompress(packed, uncompressed_size=size)
            case _Method.ZSTD:
                data = zstandard.ZstdDecompressor().decompress(packed, max_output_size=size)
            case _Method.NONE:
                data = packed
            case _:
                raise WireError(f"compressed block: unknown method {method:#04x}")
    except (lz4.block.LZ4BlockError, zstandard.ZstdError) as error:
        raise WireError(f"compressed block: {error}") from error
    if len(data) != size:
        raise WireError("compressed block: holds less than it says")
    return data


def _header(method: int, packed: int, size: int) -> bytes:
    return bytes((method,)) + (packed + _HEADER_BYTES).to_bytes(4, "little") + size.to_bytes(4, "little")


def _hash(body: bytes) -> bytes:
    value: int = CityHash128(body)
    return (value >> 64).to_bytes(8, "little") + (value & (1 << 64) - 1).to_bytes(8, "little")


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...

    def decompress(self, data: bytes, /) -> bytes: ...


_DECOMPRESSORS: dict[str, Callable[[], _Decompressor]] = {
    "gzip": lambda: zlib.decompressobj(wbits=31),
    "x-gzip": lambda: zlib.decompressobj(wbits=31),
    "deflate": lambda: zlib.decompressobj(),  # noqa: PLW0108 (its own signature takes more)
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj(),
    "lz4": lz4.frame.LZ4FrameDecompressor,
    # Its own guess takes zeros behind a frame for an empty one of an older kind.
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ),
    "bz2": bz2.BZ2Decompressor,
}
_DECOMPRESSION_ERRORS = (zlib.error, zstandard.ZstdError, lzma.LZMAError, RuntimeError, OSError, EOFError)


def decode(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The plain bytes of a body in a Content-Encoding: of one frame or of several, one behind the other.

    Raises `WireError` if the encoding is unknown, or the body damaged or cut off.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        yield from chunks
        return
    if name not in _DECOMPRESSORS:
        raise WireError(f"Content-Encoding {name!r} is not known here")
    decompressor = _DECOMPRESSORS[name]()
    try:
        for chunk in chunks:
            rest = chunk
            while rest:
                if decompressor.eof:
                    decompressor = _DECOMPRESSORS[name]()
                yield decompressor.decompress(rest)
                rest = decompressor.unused_data or b""
    except _DECOMPRESSION_ERRORS as error:
        raise WireError(f"body: {error}") from error
    if not decompressor.eof:
        raise WireError(f"body: the {name} data is cut off")


def encode(data: bytes, accepted: str) -> tuple[bytes, str | None]:
    """The data in the first encoding of an Accept-Encoding header that is known here, and that encoding's name."""
    for name in (part.split(";")[0].strip().lower() for part in accepted.split(",")):
        match name:
            case "gzip":
                packer = zlib.compressobj(1, wbits=31)
                return packer.compress(data) + packer.flush(), name
            case "deflate":
                return zlib.compress(data, 1), name
            case "zstd":
                return zstandard.ZstdCompressor(level=1).compress(data), name
            case "lz4":
                packed: bytes = lz4.frame.compress(data)
                return packed, name
    return data, None
