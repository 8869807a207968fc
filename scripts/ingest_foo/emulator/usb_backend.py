"""A USB with emulated sticks on it, as pyusb sees the real one (usb.backend.IBackend)."""

from array import array
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

from usb.backend import IBackend
from usb.core import USBError, USBTimeoutError

from scripts.ingest_foo.emulator.stick import EmulatedStick
from scripts.ingest_foo.stick.errors import EACCES, EBUSY, ENODEV
from scripts.ingest_foo.stick.usb_stick import VENDOR

BUS = 250
"""No real bus has so high a number."""

IN_ENDPOINT, OUT_ENDPOINT = 0x81, 0x01
_BULK = 0x02
_GET_DESCRIPTOR, _STRING = 0x06, 0x03
_ENGLISH = b"\x09\x04"


class _Handle(NamedTuple):
    """An opened stick; of no use any more when it was pulled out since."""

    stick: EmulatedStick
    address: int


class EmulatedUsb(IBackend):  # type: ignore[misc] # pyusb has no type information
    """The backend: hand it to pyusb, plug sticks in and out."""

    def __init__(self, *sticks: EmulatedStick) -> None:
        super().__init__()
        self._ports = list(sticks)

    def enumerate_devices(self) -> Iterator[EmulatedStick]:
        return iter([stick for stick in self._ports if stick.plugged])

    def get_parent(self, _dev: EmulatedStick) -> None:
        return None

    def get_device_descriptor(self, dev: EmulatedStick) -> SimpleNamespace:
        return SimpleNamespace(
            bLength=18, bDescriptorType=1, bcdUSB=0x0200, bDeviceClass=0, bDeviceSubClass=0, bDeviceProtocol=0,
            bMaxPacketSize0=64, idVendor=VENDOR, idProduct=dev.product, bcdDevice=0x0100, iManufacturer=1, iProduct=2,
            iSerialNumber=3, bNumConfigurations=1, address=dev.address, bus=BUS,
            port_number=self._ports.index(dev) + 1, port_numbers=(self._ports.index(dev) + 1,), speed=2,
        )  # fmt: skip

    def get_configuration_descriptor(self, _dev: EmulatedStick, config: int) -> SimpleNamespace:
        _only_first(config)
        return SimpleNamespace(
            bLength=9, bDescriptorType=2, wTotalLength=32, bNumInterfaces=1, bConfigurationValue=1, iConfiguration=0,
            bmAttributes=0x80, bMaxPower=50, extra_descriptors=(),
        )  # fmt: skip

    def get_interface_descriptor(self, _dev: EmulatedStick, intf: int, alt: int, config: int) -> SimpleNamespace:
        _only_first(intf, alt, config)
        return SimpleNamespace(
            bLength=9, bDescriptorType=4, bInterfaceNumber=0, bAlternateSetting=0, bNumEndpoints=2,
            bInterfaceClass=0xFF, bInterfaceSubClass=0, bInterfaceProtocol=0, iInterface=0, extra_descriptors=(),
        )  # fmt: skip

    def get_endpoint_descriptor(
        self, _dev: EmulatedStick, ep: int, _intf: int, _alt: int, _config: int
    ) -> SimpleNamespace:
        if ep > 1:
            raise IndexError(ep)
        return SimpleNamespace(
            bLength=7, bDescriptorType=5, bEndpointAddress=(IN_ENDPOINT, OUT_ENDPOINT)[ep], bmAttributes=_BULK,
            wMaxPacketSize=64, bInterval=1, bRefresh=0, bSynchAddress=0, extra_descriptors=(),
        )  # fmt: skip

    def open_device(self, dev: EmulatedStick) -> _Handle:
        if not dev.plugged:
            raise _error("No such device", ENODEV)
        if not dev.permitted:
            raise _error("Access denied (insufficient permissions)", EACCES)
        return _Handle(dev, dev.address)

    def close_device(self, _dev_handle: _Handle) -> None:
        """Nothing is held by an open device."""

    def set_configuration(self, dev_handle: _Handle, _config_value: int) -> None:
        stick = _usable(dev_handle)
        if stick.held_by_another:
            raise _error("Resource busy", EBUSY)

    def get_configuration(self, dev_handle: _Handle) -> int:
        _usable(dev_handle)
        return 1

    def set_interface_altsetting(self, dev_handle: _Handle, _intf: int, _altsetting: int) -> None:
        _usable(dev_handle)

    def claim_interface(self, dev_handle: _Handle, _intf: int) -> None:
        stick = _usable(dev_handle)
        if stick.held_by_another:
            raise _error("Resource busy", EBUSY)

    def release_interface(self, dev_handle: _Handle, _intf: int) -> None:
        _usable(dev_handle)

    def is_kernel_driver_active(self, dev_handle: _Handle, _intf: int) -> bool:
        _usable(dev_handle)
        return False

    def clear_halt(self, dev_handle: _Handle, _ep: int) -> None:
        _usable(dev_handle)

    def reset_device(self, dev_handle: _Handle) -> None:
        _usable(dev_handle).usb_reset()

    def bulk_write(self, dev_handle: _Handle, _ep: int, _intf: int, data: "array[int]", _timeout: int) -> int:
        if not _usable(dev_handle).take(data.tobytes()):
            raise _timed_out()
        return len(data)

    def bulk_read(self, dev_handle: _Handle, _ep: int, _intf: int, buff: "array[int]", timeout: int) -> int:
        data = _usable(dev_handle).give(len(buff), timeout / 1000)
        if data is None:
            _usable(dev_handle)
            raise _timed_out()
        buff[: len(data)] = array("B", data)
        return len(data)

    def ctrl_transfer(
        self,
        dev_handle: _Handle,
        _request_type: int,
        request: int,
        value: int,
        _index: int,
        data: "array[int]",
        _timeout: int,
    ) -> int:
        stick = _usable(dev_handle)
        if request != _GET_DESCRIPTOR or value >> 8 != _STRING:
            raise NotImplementedError(f"control request {request:#x}")
        index = value & 0xFF
        texts = {1: "Dynastream Innovations", 2: "ANT USB-m Stick", 3: stick.serial}
        body = _ENGLISH if index == 0 else texts[index].encode("utf-16-le")
        answer = (bytes((len(body) + 2, _STRING)) + body)[: len(data)]
        data[: len(answer)] = array("B", answer)
        return len(answer)


def _usable(handle: _Handle) -> EmulatedStick:
    if not handle.stick.plugged or handle.stick.address != handle.address:
        raise _error("No such device (it may have been disconnected)", ENODEV)
    return handle.stick


def _only_first(*indexes: int) -> None:
    if any(indexes):
        raise IndexError(indexes)


def _error(text: str, number: int) -> Any:
    return USBError(text, None, number)


def _timed_out() -> Any:
    return USBTimeoutError("Operation timed out", None, 110)
