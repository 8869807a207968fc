"""The wall's log as JSON: every event a line, and nobody's name in it."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx

from harness.ports import free_port
from harness.waiting import wait_for

BROKEN = """
import sys
from starlette.applications import Starlette
from starlette.routing import Route
from live import __main__ as wall

async def broken(request):
    try:
        raise KeyError("Quorra")
    except KeyError as error:
        raise ExceptionGroup("Quorra", [ValueError("Quorra")]) from error

wall.create = lambda settings: Starlette(routes=[Route("/", broken)])
wall.typer.run(wall.main)
"""
"""A wall in which something goes wrong that names somebody."""


def test_every_event_is_a_line_that_names_nobody(tmp_path: Path) -> None:
    port = free_port()
    log = tmp_path / "log"
    with log.open("w") as written:
        wall = subprocess.Popen(
            [sys.executable, "-c", BROKEN, "--port", str(port)],
            env={**os.environ, "BEATSTREAM_LOG_FORMAT": "json"},
            stdout=written,
            stderr=written,
        )
    try:
        wait_for(lambda: answers(port), "the wall", 20)
        with socket.create_connection(("127.0.0.1", port)) as odd:
            odd.sendall(b"no HTTP\r\n\r\n")
            assert odd.recv(100).startswith(b"HTTP/1.1 400")
    finally:
        wall.send_signal(signal.SIGINT)
        assert wall.wait(20) == 0
    assert "Quorra" not in log.read_text()
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert {"Invalid HTTP request received.", "Exception in ASGI application"} <= {each["message"] for each in events}
    assert all(each["at"] and each["level"] in ("WARNING", "ERROR") and each["logger"] for each in events)
    went_wrong = next(each["errors"] for each in events if "errors" in each)
    assert [each["type"] for each in went_wrong] == ["ExceptionGroup", "ValueError", "KeyError"]
    assert went_wrong[0]["trace"][-1] == "<string>:11 broken"


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).status_code == 500
    except httpx.TransportError:
        return False


def test_what_ends_it_is_a_line_too() -> None:
    ending = """
import threading
from live.json_log import write_json

def end(): raise ValueError("Quorra")
write_json()
thread = threading.Thread(target=end)
thread.start()
thread.join()
end()
"""
    ended = subprocess.run([sys.executable, "-c", ending], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    told = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [(each["level"], each["errors"][0]["type"]) for each in told] == [
        ("ERROR", "ValueError"),
        ("CRITICAL", "ValueError"),
    ]
    assert "Quorra" not in ended.stderr
