"""Sticks on the USB: which there are, who holds one, and the rule that lets users have them."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import usb.core
import usb.util
from usb.backend import IBackend

from scripts.ingest_foo.stick.errors import StickError, Trouble

VENDOR = 0x0FCF
"""Dynastream."""

PRODUCTS = {0x1008: "ANTUSB2", 0x1009: "ANTUSB-m"}
"""Sticks with bulk endpoints, which speak ANT over USB itself (notes 5)."""

UNSUPPORTED_PRODUCTS = {0x1004: "ANTUSB1, a serial bridge without scan mode"}

_USB_NODES = Path("/dev/bus/usb")
UDEV_RULE_FILE = Path("/etc/udev/rules.d/42-ant-usb-sticks.rules")
UDEV_RULE = "".join(
    f'SUBSYSTEM=="usb", ATTR{{idVendor}}=="{VENDOR:04x}", ATTR{{idProduct}}=="{product:04x}", '
    'MODE="0660", GROUP="plugdev", TAG+="uaccess"\n'
    for product in PRODUCTS
)
"""Lets whoever sits at the machine, and the group plugdev (services), use the sticks."""


@dataclass(frozen=True, slots=True)
class UsbStick:
    """A stick that is plugged in."""

    device: usb.core.Device
    serial: str | None
    """USB serial number; None: it has none, or this user may not ask."""

    @property
    def key(self) -> tuple[int, int]:
        """Bus and address: another one after each plugging in."""
        return self.device.bus or 0, self.device.address or 0

    @property
    def port(self) -> str:
        """Where it is plugged in, as "1-2.3"; stays the same over plugging out and in."""
        return "-".join((str(self.device.bus or 0), ".".join(map(str, self.device.port_numbers or (0,)))))

    @property
    def name(self) -> str:
        """As people can tell it from others."""
        product = PRODUCTS.get(self.device.idProduct, f"{self.device.idProduct:04x}")
        return f"{product} stick {self.serial}" if self.serial else f"{product} stick on USB port {self.port}"


def default_backend() -> IBackend:
    """libusb: the system's, else the one that a package brings. Raises `StickError` if there is none."""
    from usb.backend import libusb1  # noqa: PLC0415 (looks for the library when imported)

    backend = libusb1.get_backend()
    if backend is None:
        try:
            from libusb_package import get_libusb1_backend  # noqa: PLC0415 (not on every platform)
        except ImportError:
            pass
        else:
            backend = get_libusb1_backend()
    if backend is None:
        raise StickError(Trouble.NO_LIBUSB, "libusb is missing; Debian, Ubuntu: sudo apt-get install libusb-1.0-0")
    return backend


def sticks(backend: IBackend, serials: Iterable[str] = ()) -> list[UsbStick]:
    """The sticks that are plugged in, those with the given serial numbers if any are given."""
    wanted = set(serials)
    found = [UsbStick(device, _serial(device)) for device in _devices(backend, PRODUCTS)]
    return [stick for stick in found if not wanted or stick.serial in wanted]


def unsupported(backend: IBackend) -> list[str]:
    """Sticks that are plugged in and cannot be used."""
    return [UNSUPPORTED_PRODUCTS[device.idProduct] for device in _devices(backend, UNSUPPORTED_PRODUCTS)]


def _devices(backend: IBackend, products: Iterable[int]) -> Iterator[usb.core.Device]:
    wanted = set(products)
    return iter(
        usb.core.find(
            find_all=True,
            backend=backend,
            custom_match=lambda device: device.idVendor == VENDOR and device.idProduct in wanted,
        )
    )


def _serial(device: usb.core.Device) -> str | None:
    # Linux tells everybody; the device itself only tells who may open it.
    ports = ".".join(map(str, device.port_numbers or ()))
    try:
        return Path(f"/sys/bus/usb/devices/{device.bus}-{ports}/serial").read_text().strip() or None
    except OSError:
        pass
    try:
        return (device.serial_number or "").strip("\0 ") or None
    except (usb.core.USBError, ValueError, NotImplementedError):
        return None
    finally:
        usb.util.dispose_resources(device)


def holder(stick: UsbStick) -> str | None:
    """Which other program has the stick open; None where the system does not tell."""
    bus, address = stick.key
    node = str(_USB_NODES / f"{bus:03d}" / f"{address:03d}")
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        try:
            if any(str(handle.readlink()) == node for handle in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
        except OSError:
            continue
    return None
