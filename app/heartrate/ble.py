"""Bluetooth Heart Rate Measurement, characteristic 0x2A37 of service 0x180D (notes 6)."""

from dataclasses import dataclass

SERVICE = 0x180D
MEASUREMENT = 0x2A37

LONGEST_VALUE = 512
"""Bytes of an attribute's value at most (Bluetooth Core, Vol 3 Part F 3.2.9)."""

_RATE_IS_UINT16, _CONTACT_DETECTED, _CONTACT_SUPPORTED, _HAS_ENERGY, _HAS_RR = (1 << bit for bit in range(5))


class InvalidMeasurement(ValueError):  # noqa: N818 (reads as what it is, in a dead letter)
    """Bytes that are no measurement; the text says why."""


@dataclass(frozen=True, slots=True)
class HeartRateMeasurement:
    """One notification."""

    flags: int
    heart_rate: int | None
    """bpm; None: no reading (0)."""
    contact: bool | None
    """Skin contact; None: the strap cannot tell."""
    energy_kj: int | None
    """Kilojoules since the last reset, saturates at 65535; None: not sent."""
    rr_ticks: tuple[int, ...]
    """RR intervals, 1/1024 s, oldest first."""
    trailing_bytes: int
    """Bytes after the last whole interval; ignored."""


def decode_measurement(value: bytes) -> HeartRateMeasurement:
    """Read a notification. Raises `InvalidMeasurement` if it is none, or ends before what its flags announce."""
    if not value:
        raise InvalidMeasurement("empty notification")
    if len(value) > LONGEST_VALUE:
        raise InvalidMeasurement(f"{len(value)} bytes; a Bluetooth attribute has {LONGEST_VALUE} at most")
    flags = value[0]
    rate_bytes = 2 if flags & _RATE_IS_UINT16 else 1
    at = 1 + rate_bytes + (2 if flags & _HAS_ENERGY else 0)
    if len(value) < at:
        raise InvalidMeasurement(f"{value.hex()} ends before what its flags announce ({at} bytes)")
    rest = value[at:] if flags & _HAS_RR else b""
    return HeartRateMeasurement(
        flags=flags,
        heart_rate=int.from_bytes(value[1 : 1 + rate_bytes], "little") or None,
        contact=bool(flags & _CONTACT_DETECTED) if flags & _CONTACT_SUPPORTED else None,
        energy_kj=int.from_bytes(value[at - 2 : at], "little") if flags & _HAS_ENERGY else None,
        rr_ticks=tuple(int.from_bytes(rest[i : i + 2], "little") for i in range(0, len(rest) - 1, 2)),
        trailing_bytes=len(rest) % 2 if flags & _HAS_RR else len(value) - at,
    )


def encode_measurement(
    heart_rate: int | None, rr_ticks: tuple[int, ...] = (), *, contact: bool | None = None, energy_kj: int | None = None
) -> bytes:
    """Write a notification, the heart rate in 16 bits only where 8 do not hold it."""
    rate = heart_rate or 0
    wide = rate > 0xFF
    flags = (
        (_RATE_IS_UINT16 if wide else 0)
        | (0 if contact is None else _CONTACT_SUPPORTED | (_CONTACT_DETECTED if contact else 0))
        | (0 if energy_kj is None else _HAS_ENERGY)
        | (_HAS_RR if rr_ticks else 0)
    )
    value = bytes((flags,)) + rate.to_bytes(2 if wide else 1, "little")
    if energy_kj is not None:
        value += min(energy_kj, 0xFFFF).to_bytes(2, "little")
    return value + b"".join(ticks.to_bytes(2, "little") for ticks in rr_ticks)
