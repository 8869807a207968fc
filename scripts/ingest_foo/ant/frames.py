"""ANT serial frames: A4, length, message id, content, XOR of all before (notes 5)."""

from collections.abc import Iterator
from functools import reduce
from operator import xor
from typing import NamedTuple

SYNC = 0xA4
LONGEST_CONTENT = 41
"""No message is longer; a larger length byte is no length (notes 5)."""

_OVERHEAD = 4


class Frame(NamedTuple):
    """A message whose checksum was right."""

    message_id: int
    content: bytes


class Framer:
    """Cuts the stream of a stick into frames. Never raises, whatever the bytes."""

    def __init__(self) -> None:
        self.skipped_bytes = 0
        """Bytes that belonged to no frame: line noise, or the remains of a damaged frame."""
        self._buffer = bytearray()

    def push(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete with these bytes, in order. Frames may cross pushes, and share one.

        Where a frame does not hold what it promises, one byte is skipped and the search begins anew, so that a good
        frame behind a damaged one is found.
        """
        buffer = self._buffer
        buffer += data
        at = 0
        try:
            while True:
                start = buffer.find(SYNC, at)
                if start < 0:
                    self.skipped_bytes += len(buffer) - at
                    at = len(buffer)
                    return
                self.skipped_bytes += start - at
                at = start
                if len(buffer) - at < 2:
                    return
                end = at + buffer[at + 1] + _OVERHEAD
                if buffer[at + 1] > LONGEST_CONTENT:
                    self.skipped_bytes += 1
                    at += 1
                    continue
                if end > len(buffer):
                    return
                if reduce(xor, memoryview(buffer)[at:end]):
                    self.skipped_bytes += 1
                    at += 1
                    continue
                frame = Frame(buffer[at + 2], bytes(memoryview(buffer)[at + 3 : end - 1]))
                at = end
                yield frame
        finally:
            del buffer[:at]


def encode_frame(message_id: int, content: bytes) -> bytes:
    """The bytes of a message. Raises `ValueError` if the content is too long."""
    if len(content) > LONGEST_CONTENT:
        raise ValueError(f"{len(content)} bytes of content; at most {LONGEST_CONTENT}")
    head = bytes((SYNC, len(content), message_id)) + content
    return head + bytes((reduce(xor, head),))
