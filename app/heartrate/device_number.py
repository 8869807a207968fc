"""The 20-bit ANT device number: 16 bits of the channel id, 4 of the transmission type.

Source: thisisant.com, technical bulletin 2013-02-01 on extended device numbers (notes 1). Two straps in one gym may
share the low 16 bits, so nothing is ever keyed on those alone.
"""

LARGEST = (1 << 20) - 1


class InvalidDeviceId(ValueError):  # noqa: N818 (reads as what it is, in a dead letter)
    """A text that names no strap; its text says why."""


def device_number(low16: int, transmission_type: int) -> int:
    """The 20-bit number of a channel id's 16-bit number and transmission type."""
    return (transmission_type >> 4) << 16 | low16


def split(number: int) -> tuple[int, int]:
    """The low 16 bits, and the high nibble of the transmission type."""
    return number & 0xFFFF, number >> 16


def parse_device_id(text: str) -> int:
    """The device number a `device_id` writes. Raises `InvalidDeviceId` unless it is decimal, 1 to 1048575.

    0 is the wildcard of a search and never a strap (AMP). Leading zeros are refused: one strap has one name.
    """
    if not (text.isascii() and text.isdigit()):
        raise InvalidDeviceId(f"device_id: {text[:40]!r} is not a decimal device number")
    if text[0] == "0" or len(text) > len(str(LARGEST)) or int(text) > LARGEST:
        raise InvalidDeviceId(f"device_id: {text[:40]!r} is not a device number from 1 to {LARGEST}")
    return int(text)
