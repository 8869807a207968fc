"""What can be wrong with a stick, and what a person can do about it.

StickError
.trouble  which of the causes below
str()     one line that says what to do
"""

from enum import StrEnum

from usb.core import USBError


class Trouble(StrEnum):
    """Why a stick cannot be used."""

    MISSING = "missing"
    BUSY = "busy"
    NO_PERMISSION = "no permission"
    UNPLUGGED = "unplugged"
    SILENT = "silent"
    """It does not answer."""
    REFUSED = "refused"
    """It answers a command with an error."""
    NO_LIBUSB = "no libusb"
    USB = "USB error"


class StickError(Exception):
    """A stick cannot be used, or not any more; the text is one line that says what to do."""

    def __init__(self, trouble: Trouble, text: str) -> None:
        super().__init__(text)
        self.trouble = trouble


EACCES, EBUSY, ENODEV, ENOENT, EIO, EPIPE, ESHUTDOWN, EPROTO = 13, 16, 19, 2, 5, 32, 108, 71
UNPLUGGED = frozenset((ENODEV, ENOENT, ESHUTDOWN))
"""What Linux says of a device that is gone."""

DISTURBED = frozenset((EIO, EPIPE, EPROTO))
"""What comes of a device that is just going, or of a bad cable."""


def trouble_of(error: USBError) -> Trouble:
    """The cause of a USB error."""
    if error.errno == EACCES:
        return Trouble.NO_PERMISSION
    if error.errno == EBUSY:
        return Trouble.BUSY
    if error.errno in UNPLUGGED:
        return Trouble.UNPLUGGED
    return Trouble.USB
