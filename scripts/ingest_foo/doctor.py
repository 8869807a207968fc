"""Looks at the machine and says what to do: `ingest-foo doctor`."""

import grp
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import httpx
import usb.core
from usb.backend import IBackend

from scripts.delivery.keys import without_password
from scripts.ingest_foo.clock import ReceiverClock, kernel_synchronised
from scripts.ingest_foo.stick.errors import StickError, Trouble
from scripts.ingest_foo.stick.receiver import Receiver
from scripts.ingest_foo.stick.usb_stick import UDEV_RULE_FILE, UsbStick, default_backend, sticks, unsupported

_LITTLE_DISK_BYTES = 2_000_000_000


class Verdict(StrEnum):
    """How a finding is."""

    GOOD = "ok"
    WARNING = "note"
    BAD = "BAD"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    verdict: Verdict
    what: str
    advice: str = ""


def examine(url: str, spool: Path, backend: IBackend | None = None) -> Iterator[Finding]:
    """Look at everything that ingest-foo needs, one after the other."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding(Verdict.GOOD, f"Python {version} on {os.uname().sysname} {os.uname().machine}")
    yield from _usb(backend)
    yield from _udev()
    yield from _bluetooth()
    yield from _server(url)
    yield from _disk(spool)
    yield (
        Finding(Verdict.GOOD, "the system's clock is synchronised")
        if kernel_synchronised()
        else Finding(
            Verdict.WARNING,
            "the system's clock is not synchronised",
            "packets carry its time; let the machine reach a time server (timedatectl set-ntp true)",
        )
    )


def _usb(backend: IBackend | None) -> Iterator[Finding]:
    try:
        backend = backend or default_backend()
        found = sticks(backend)
        for name in unsupported(backend):
            yield Finding(Verdict.BAD, f"{name} is plugged in", "it cannot be used; get an ANTUSB-m or ANTUSB2 stick")
    except StickError as error:
        yield Finding(Verdict.BAD, "libusb is missing", str(error))
        return
    except usb.core.USBError as error:
        yield Finding(Verdict.BAD, f"the USB cannot be looked at: {error}", "in a container, pass the USB devices in")
        return
    if not found:
        yield Finding(
            Verdict.BAD, "no ANT+ stick is plugged in", "plug in an ANTUSB-m (0fcf:1009) or ANTUSB2 (0fcf:1008)"
        )
    for stick in found:
        yield _try(stick)


def _try(stick: UsbStick) -> Finding:
    where = f"{stick.name} (USB port {stick.port})"
    try:
        receiver = Receiver(stick, "doctor", ReceiverClock(), lambda _packet: None)
    except StickError as error:
        advice = str(error)
        if error.trouble is Trouble.SILENT:
            advice = "it does not answer: unplug it and plug it in again"
        return Finding(Verdict.BAD, f"{where}: {error.trouble}", advice)
    try:
        return Finding(Verdict.GOOD, f"{where} listens {receiver.how}")
    finally:
        receiver.close()


def _udev() -> Iterator[Finding]:
    if sys.platform != "linux" or os.geteuid() == 0:
        return
    if not UDEV_RULE_FILE.exists():
        yield Finding(
            Verdict.WARNING,
            f"{UDEV_RULE_FILE} is not there",
            "without it only root may use sticks: sudo ingest-foo udev --install",
        )
        return
    try:
        members = grp.getgrnam("plugdev").gr_gid in os.getgroups()
    except KeyError:
        members = False
    yield Finding(
        Verdict.GOOD, f"{UDEV_RULE_FILE} is there" + ("" if members else "; you are not in the group plugdev")
    )


def _bluetooth() -> Iterator[Finding]:
    adapters = (
        sorted(path.name for path in Path("/sys/class/bluetooth").glob("hci*")) if sys.platform == "linux" else []
    )
    if adapters and Path("/run/dbus/system_bus_socket").exists():
        yield Finding(Verdict.GOOD, f"Bluetooth adapter {', '.join(adapters)} (for --ble)")
    else:
        yield Finding(Verdict.WARNING, "no Bluetooth adapter, or no system D-Bus", "only --ble needs it")


def _server(url: str) -> Iterator[Finding]:
    shown = without_password(url)
    try:
        answer = httpx.get(f"{url}/ready", timeout=3.0)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        yield Finding(
            Verdict.BAD,
            f"{shown} does not answer: {error}",
            "start Beatstream (make dev), or name its address with --url; what is heard is kept on disk meanwhile",
        )
        return
    if answer.status_code == httpx.codes.OK:
        yield Finding(Verdict.GOOD, f"{shown} is ready")
    else:
        yield Finding(
            Verdict.BAD,
            f"{shown}/ready answers HTTP {answer.status_code}",
            "is that Beatstream's port?",
        )


def _disk(spool: Path) -> Iterator[Finding]:
    folder = spool
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        yield Finding(Verdict.BAD, f"{spool} cannot be written", "name another folder with --spool")
        return
    free = shutil.disk_usage(folder).free
    yield Finding(
        Verdict.GOOD if free > _LITTLE_DISK_BYTES else Verdict.WARNING,
        f"{free / 1e9:.1f} GB free for the spool in {spool}",
    )


def say(findings: Iterator[Finding], show: Callable[[Finding], None]) -> bool:
    """Show the findings as they come; True: nothing is bad."""
    good = True
    for finding in findings:
        show(finding)
        good = good and finding.verdict is not Verdict.BAD
    return good
