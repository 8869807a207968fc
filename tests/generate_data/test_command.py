"""generate-data as a person uses it, against a real HTTP server that takes, refuses and fails."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from scripts.generate_data.sinks import RAW, HttpSink, SinkError

COMMAND = [sys.executable, "-m", "scripts.generate_data"]


class Ingest:
    """A server that answers like Moose's ingest API: an array is taken whole or refused."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, dict[str, Any]]] = []
        self.failures: list[int] = []
        self.refuse: Callable[[dict[str, Any]], bool] = lambda _record: False
        self.connections: set[Any] = set()
        ingest = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                ingest.connections.add(self.client_address)
                records = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if ingest.failures:
                    self.answer(ingest.failures.pop(0), "Error")
                elif any(map(ingest.refuse, records)):
                    self.answer(400, "Invalid JSON: packet_count")
                else:
                    ingest.taken += [(self.path, record) for record in records]
                    self.answer(200, "SUCCESS")

            def answer(self, status: int, text: str) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def packets(self) -> list[dict[str, Any]]:
        return [record for path, record in self.taken if path == "/ingest/raw_ant_hr_packet"]


@pytest.fixture
def ingest() -> Iterator[Ingest]:
    ingest = Ingest()
    yield ingest
    ingest.server.shutdown()
    ingest.thread.join()
    ingest.server.server_close()


def call(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *options], capture_output=True, text=True, check=False, timeout=60)


def test_people_are_registered_before_their_packets(ingest: Ingest) -> None:
    done = call("run", "--straps", "3", "--seconds", "20", "--speed", "max", "--url", ingest.url, "--batch", "50")
    assert done.returncode == 0, done.stderr
    assert [path for path, _ in ingest.taken[:3]] == ["/ingest/strap_assignment"] * 3
    assert len(ingest.packets()) > 150
    assert f"sent {len(ingest.packets())} packets of 20 s" in done.stderr.replace("\n", " ")
    assert len(ingest.connections) == 1


def test_in_real_time_packets_are_sent_when_they_are_due(ingest: Ingest) -> None:
    done = call("run", "--straps", "2", "--seconds", "20", "--speed", "10", "--url", ingest.url, "--no-register", "-q")
    assert (done.returncode, done.stderr) == (0, "")
    assert [path for path, _ in ingest.taken if path != "/ingest/raw_ant_hr_packet"] == []
    assert len(ingest.packets()) > 100


def test_a_failing_server_is_tried_again_and_order_is_kept(ingest: Ingest) -> None:
    ingest.failures = [503, 500, 429]
    sink = HttpSink(ingest.url)
    for number in range(3):
        sink.send(RAW, [json.dumps({"n": number * 2}), json.dumps({"n": number * 2 + 1})])
    sink.close()
    assert sink.retries == 3
    assert [record["n"] for record in ingest.packets()] == list(range(6))


def test_a_refused_record_is_isolated(ingest: Ingest) -> None:
    ingest.refuse = lambda record: record["n"] in (5, 17)
    sink = HttpSink(ingest.url)
    sink.send(RAW, [json.dumps({"n": number}) for number in range(40)])
    sink.close()
    assert [record["n"] for record in ingest.packets()] == [n for n in range(40) if n not in (5, 17)]
    assert sink.rejected == ["Invalid JSON: packet_count"] * 2


def test_a_server_that_stays_away_is_given_up() -> None:
    sink = HttpSink("http://127.0.0.1:9", give_up_after_s=0.5)
    with pytest.raises(SinkError, match=r"127\.0\.0\.1:9"):
        sink.send(RAW, ["{}"])
    sink.close()


def test_lines_replay_as_they_were(tmp_path: Path, ingest: Ingest) -> None:
    lines = tmp_path / "packets.jsonl"
    options = ["--straps", "3", "--seconds", "10", "--speed", "max", "--start", "2026-11-23T10:00:00Z"]
    assert call("run", *options, "--to", "jsonl", "--output", str(lines)).returncode == 0
    assert len((tmp_path / "packets.people.jsonl").read_text().splitlines()) == 3
    printed = call("run", *options, "--to", "-", "-q").stdout
    assert printed == lines.read_text()
    replay = ["replay", str(lines), "--speed", "max", "--url", ingest.url, "-q"]
    assert call(*replay, "--at", "original").returncode == 0
    sent = [json.loads(line) for line in printed.splitlines()]
    assert ingest.packets() == sent
    ingest.taken.clear()
    assert call(*replay, "--at", "now").returncode == 0
    moved = ingest.packets()
    assert [record["ant_hr_packet"] for record in moved] == [record["ant_hr_packet"] for record in sent]
    assert moved[0]["received_at"] > sent[0]["received_at"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["replay", "missing.fit"], "no such file"),
        (["replay", __file__], "not known"),
        (["run", "--speed", "fast"], "--speed"),
        (["run", "--seconds", "-1"], "--seconds"),
        (["run", "--start", "2026-11-23T10:00:00"], "no zone"),
        (["run", "--start", "noon"], "RFC 3339"),
        (["run", "--straps", "0"], "--straps"),
    ],
)
def test_bad_input_gives_one_clear_line(options: list[str], reason: str) -> None:
    done = call(*options)
    assert done.returncode == 2
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_a_device_number_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "rr.txt"
    file.write_text("800\n")
    done = call("replay", str(file), "--device", "0")
    assert (done.returncode, "device number" in done.stderr) == (2, True)


def test_help_shows_examples() -> None:
    for command in ("run", "replay"):
        assert "Examples" in call(command, "--help").stdout


def test_ctrl_c_gives_the_summary(ingest: Ingest) -> None:
    process = subprocess.Popen(
        [*COMMAND, "run", "--straps", "5", "--url", ingest.url], stderr=subprocess.PIPE, text=True
    )
    for _ in range(600):
        if ingest.packets():
            break
        threading.Event().wait(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "sent" in errors
