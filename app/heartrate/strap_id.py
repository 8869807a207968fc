"""What names a strap in a record, an ANT device number or a Bluetooth address; and what names its receiver."""

import re

from app.heartrate.device_number import InvalidDeviceId, parse_device_id

_ADDRESS = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}|[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}")

LONGEST_RECEIVER_ID = 64
"""As long as a machine's name may be."""


class InvalidReceiverId(ValueError):  # noqa: N818 (reads as what it is, in a dead letter)
    """A text that names no receiver; its text says why."""


def check_receiver_id(text: str) -> None:
    """Raise `InvalidReceiverId` for a name that is too long."""
    if len(text) > LONGEST_RECEIVER_ID:
        raise InvalidReceiverId(f"receiver_id: {len(text)} characters; {LONGEST_RECEIVER_ID} at most")


def check_bluetooth_address(text: str) -> None:
    """Raise `InvalidDeviceId` unless this is a Bluetooth address in capitals.

    Six bytes with colons; or a UUID, which is all that macOS tells of a strap. One strap has one name, so small letters
    are refused.
    """
    if not _ADDRESS.fullmatch(text):
        raise InvalidDeviceId(
            f"device_id: {text[:40]!r} is not a Bluetooth address in capitals, such as 'C0:11:22:33:44:55'"
        )


def check_strap_id(text: str) -> None:
    """Raise `InvalidDeviceId` unless this names a strap of either radio."""
    if ":" in text or "-" in text:
        check_bluetooth_address(text)
    else:
        parse_device_id(text)
