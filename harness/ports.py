"""Ports that nobody holds."""

import socket


def free_ports(*names: str) -> dict[str, int]:
    """One of loopback for each name; free until somebody takes it."""
    probes = {name: socket.socket() for name in names}
    try:
        for probe in probes.values():
            probe.bind(("127.0.0.1", 0))
        return {name: int(probe.getsockname()[1]) for name, probe in probes.items()}
    finally:
        for probe in probes.values():
            probe.close()


def free_port() -> int:
    """One."""
    return free_ports("one")["one"]
