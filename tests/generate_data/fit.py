"""Writes small FIT files: a header, one definition, record messages, a checksum (FIT SDK, file format)."""

import struct

FIT_EPOCH = 631_065_600
_CRC = (0x0000, 0xCC01, 0xD801, 0x1400, 0xF001, 0x3C00, 0x2800, 0xE401, 0xA001, 0x6C00, 0x7800, 0xB401, 0x5000, 0x9C01,
        0x8801, 0x4400)  # fmt: skip


def fit_file(samples: list[tuple[int, int | None]]) -> bytes:
    """A file of record messages with timestamp (Unix seconds) and heart rate; None: the invalid value 255."""
    definition = bytes((0x40, 0, 0)) + struct.pack("<H", 20) + bytes((2, 253, 4, 0x86, 3, 1, 0x02))
    data = definition + b"".join(
        b"\x00" + struct.pack("<IB", second - FIT_EPOCH, 255 if rate is None else rate) for second, rate in samples
    )
    header = struct.pack("<BBHI4s", 14, 0x10, 2132, len(data), b".FIT")
    header += struct.pack("<H", _crc(header))
    return header + data + struct.pack("<H", _crc(header + data))


def _crc(data: bytes) -> int:
    crc = 0
    for byte in data:
        for nibble in (byte & 0xF, byte >> 4):
            crc = (crc >> 4) & 0x0FFF ^ _CRC[crc & 0xF] ^ _CRC[nibble]
    return crc
