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
LARGEST_BLOCK_BYTES = 64 << 20
"""A block that claims more, packed or not, is refused before anything is allocated; clients make them of some 1 MiB."""

PIECE_BYTES = 4 << 20
"""As much as comes out of a body at once, however small it was packed."""

_SLICE_BYTES = 64 << 10
_ZSTD_RATIO = 1 << 15
"""A block of four bytes may stand for 128 KiB (RFC 8878, 3.1.1.2)."""

_ZSTD_WINDOW_BYTES = 8 << 20
"""As large as RFC 9659 lets a window in a Content-Encoding be."""

_XZ_MEMORY_BYTES = 96 << 20
"""`xz -9` takes 65 MiB, and so does who reads it."""


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


def decompress_blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The data of consecutive blocks, block by block. Raises `WireError`."""
    waiting = bytearray()
    for chunk in chunks:
        waiting += chunk
        while (end := _end_of_block(waiting)) <= len(waiting):
            block = bytes(memoryview(waiting)[:end])
            del waiting[:end]
            yield _unpack(block)
    if waiting:
        raise WireError("compressed block: cut off")


def _block(data: memoryview) -> bytes:
    packed: bytes = lz4.block.compress(data, store_size=False)
    body = _header(_Method.LZ4, len(packed), len(data)) + packed
    return _hash(body) + body


def _end_of_block(data: bytearray) -> int:
    """Where the first block ends: beyond the data, where its header is not there yet."""
    header = data[_HASH_BYTES : _HASH_BYTES + _HEADER_BYTES]
    if len(header) < _HEADER_BYTES:
        return _HASH_BYTES + _HEADER_BYTES
    packed_size, size = int.from_bytes(header[1:5], "little"), int.from_bytes(header[5:9], "little")
    if not _HEADER_BYTES <= packed_size <= LARGEST_BLOCK_BYTES or size > LARGEST_BLOCK_BYTES:
        raise WireError("compressed block: impossible size")
    return _HASH_BYTES + packed_size


def _unpack(block: bytes) -> bytes:
    body = block[_HASH_BYTES:]
    if _hash(body) != block[:_HASH_BYTES]:
        raise WireError("compressed block: checksum does not match")
    method, size, packed = body[0], int.from_bytes(body[5:9], "little"), memoryview(body)[_HEADER_BYTES:]
    try:
        match method:
            case _Method.LZ4:
                data: bytes = lz4.block.decompress(packed, uncompressed_size=size)
            case _Method.ZSTD:
                # A size that the frame tells itself would count, not the limit.
                if zstandard.frame_content_size(packed) not in (-1, size):
                    raise WireError("compressed block: its frame and it differ in size")
                data = zstandard.ZstdDecompressor().decompress(packed, max_output_size=size)
            case _Method.NONE:
                data = bytes(packed)
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

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Zlib:
    """zlib's decompressor, which leaves it to others to keep what it has not come to."""

    def __init__(self, wbits: int) -> None:
        self._zlib = zlib.decompressobj(wbits)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)


class _Zstd:
    """zstandard's decompressor, which takes no limit: to be fed so little that no more than a piece can come of it."""

    def __init__(self) -> None:
        self._zstd = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES).decompressobj()

    @property
    def eof(self) -> bool:
        return self._zstd.eof

    @property
    def unused_data(self) -> bytes | None:
        return self._zstd.unused_data

    def decompress(self, data: bytes, _max_length: int, /) -> bytes:
        return self._zstd.decompress(data)


_DECOMPRESSORS: dict[str, Callable[[], _Decompressor]] = {
    "gzip": lambda: _Zlib(31),
    "x-gzip": lambda: _Zlib(31),
    "deflate": lambda: _Zlib(zlib.MAX_WBITS),
    "zstd": _Zstd,
    "lz4": lz4.frame.LZ4FrameDecompressor,
    # Its own guess takes zeros behind a frame for an empty one of an older kind.
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES),
    "bz2": bz2.BZ2Decompressor,
}
_DECOMPRESSION_ERRORS = (zlib.error, zstandard.ZstdError, lzma.LZMAError, RuntimeError, OSError, EOFError)


def decode(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The plain bytes of a body in a Content-Encoding: of one frame or of several, one behind the other.

    In pieces of at most `PIECE_BYTES`; a body without an encoding as it comes. Raises `WireError` if the encoding is
    unknown, or the body damaged or cut off.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        yield from chunks
        return
    if name not in _DECOMPRESSORS:
        raise WireError(f"Content-Encoding {name!r} is not known here")
    decompressor = _DECOMPRESSORS[name]()
    try:
        for part in _slices(chunks, PIECE_BYTES // _ZSTD_RATIO if name == "zstd" else _SLICE_BYTES):
            rest = part
            while rest:
                if decompressor.eof:
                    decompressor = _DECOMPRESSORS[name]()
                piece = decompressor.decompress(rest, PIECE_BYTES)
                yield piece
                while len(piece) == PIECE_BYTES and not decompressor.eof:
                    piece = decompressor.decompress(b"", PIECE_BYTES)
                    yield piece
                rest = decompressor.unused_data or b""
    except _DECOMPRESSION_ERRORS as error:
        raise WireError(f"body: {error}") from error
    if not decompressor.eof:
        raise WireError(f"body: the {name} data is cut off")


def _slices(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    for chunk in chunks:
        for at in range(0, len(chunk), size):
            yield chunk[at : at + size]


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
