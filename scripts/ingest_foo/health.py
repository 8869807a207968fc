"""Health for whoever watches the service: a JSON file, and systemd's watchdog where it is set."""

import contextlib
import json
import os
import socket
from pathlib import Path
from typing import Any

WRITE_EVERY_S = 2.0


def write(file: Path, state: dict[str, Any]) -> None:
    """Replace the file at once; a disk that takes nothing is no reason to end."""
    draft = file.with_suffix(".new")
    with contextlib.suppress(OSError):
        draft.write_text(json.dumps(state, indent=1) + "\n")
        draft.replace(file)


def tell_systemd(message: str) -> None:
    """sd_notify(3): "READY=1", "WATCHDOG=1", "STATUS=…"; nothing outside of systemd."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.connect(f"\0{address[1:]}" if address.startswith("@") else address)
        notify.sendall(message.encode())
