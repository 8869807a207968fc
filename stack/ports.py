"""Port conflicts, named before anything starts."""

import socket
from collections.abc import Iterable

import psutil

from stack.settings import Port


def taken(ports: Iterable[Port]) -> list[str]:
    """One line for each port that somebody listens on: which part wants it, who holds it, how to move it."""
    return [_line(port) for port in ports if not _free(port.number)]


def _free(number: int) -> bool:
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                # As servers do: what lingers in TIME_WAIT does not count as taken.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, number))
        except OSError as error:
            if family is socket.AF_INET6 and not isinstance(error, PermissionError) and not _has_ipv6():
                continue
            return False
    return True


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _line(port: Port) -> str:
    move = f"; {port.variable} moves it" if port.variable else ""
    return f"port {port.number} ({port.part}) is taken{_holder(port.number)}{move}"


def _holder(number: int) -> str:
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return ""
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.pid and tuple(connection.laddr)[1] == number:
            try:
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
            except psutil.NoSuchProcess:
                return ""
    return ""
