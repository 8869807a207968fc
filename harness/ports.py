"""Ports that nobody holds."""

import random
import socket
from contextlib import suppress

LOWEST, HIGHEST = 10_000, 32_000
"""Below those that the system gives to connections: it may give many away before a server listens."""


def free_ports(*names: str) -> dict[str, int]:
    """One of loopback for each name; free until somebody takes it."""
    candidates = iter(random.SystemRandom().sample(range(LOWEST, HIGHEST), HIGHEST - LOWEST))
    return {name: next(filter(_free, candidates)) for name in names}


def free_port() -> int:
    """One."""
    return free_ports("one")["one"]


def _free(port: int) -> bool:
    with suppress(OSError), socket.socket() as probe:
        probe.bind(("127.0.0.1", port))
        return True
    return False
