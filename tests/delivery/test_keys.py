"""Keys: taken from the environment, sent with every request, and shown nowhere."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from harness.waiting import wait_for
from scripts.delivery.http import HttpSink
from scripts.delivery.keys import API, INGEST, KeyFormatError, key, without_password
from scripts.delivery.sink import RAW, SinkError
from tests.ingest_server import Ingest

TOKEN, API_TOKEN = "5f0ca7be.77aa12", "90ab12cd.11ee22"
BASIC = "Basic " + base64.b64encode(b"usb-1:heard").decode()
GENERATE = ["scripts.generate_data", "run", "--straps", "2", "--seconds", "1", "--speed", "max"]


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name not in (INGEST, API)} | environment
    return subprocess.run(
        [sys.executable, "-m", *command], env=env, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize(("given", "sent"), [(TOKEN, f"Bearer {TOKEN}"), ("usb-1:heard", BASIC)])
def test_a_key_goes_with_every_request(ingest: Ingest, given: str, sent: str) -> None:
    ingest.keys = {"POST": sent}
    sink = HttpSink(ingest.url, lambda _record, _why: None, auth=key(INGEST, {INGEST: f" {given}\n"}))
    for number in range(3):
        sink.send(RAW, [json.dumps({"n": number})])
    sink.close()
    assert [packet["n"] for packet in ingest.packets()] == [0, 1, 2]
    assert ingest.unauthorized == 0


def test_a_key_counts_more_than_a_password_in_the_address(ingest: Ingest) -> None:
    ingest.keys = {"POST": f"Bearer {TOKEN}"}
    url = ingest.url.replace("//", "//usb-1:heard@")
    sink = HttpSink(url, lambda _record, _why: None, auth=key(INGEST, {INGEST: TOKEN}))
    sink.send(RAW, ["{}"])
    sink.close()
    assert ingest.packets() == [{}]


@pytest.mark.parametrize("environment", [{}, {INGEST: ""}, {INGEST: " "}])
def test_without_a_key_none_is_sent(environment: dict[str, str]) -> None:
    assert key(INGEST, environment) is None


def test_a_key_that_cannot_be_sent_is_named_and_not_shown() -> None:
    with pytest.raises(KeyFormatError) as raised:
        key(INGEST, {INGEST: "clé secrète"})
    assert str(raised.value) == "BEATSTREAM_INGEST_TOKEN: has characters that no key has"


def test_whose_key_is_wrong_is_told_so_and_sends_nothing(ingest: Ingest) -> None:
    ingest.keys = {"POST": f"Bearer {TOKEN}"}
    url = ingest.url.replace("//", "//usb-1:heard@")
    sink = HttpSink(url, lambda _record, _why: None)
    with pytest.raises(SinkError) as raised:
        sink.send(RAW, ["{}"])
    assert str(raised.value) == f"{ingest.url} wants another key, or one at all: HTTP 401 (see {INGEST})"
    sink.close()
    assert ingest.taken == []


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://usb-1:heard@wall.example", "https://wall.example"),
        ("http://localhost:4000", "http://localhost:4000"),
        ("http://usb-1:heard@wall.example:port", "http://wall.example:port"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_generate_data_sends_its_key(ingest: Ingest) -> None:
    ingest.keys = {"POST": f"Bearer {TOKEN}"}
    done = run(*GENERATE, "--url", ingest.url, **{INGEST: TOKEN})
    assert (done.returncode, len(ingest.packets()) > 0, ingest.unauthorized) == (0, True, 0)
    assert TOKEN not in done.stdout + done.stderr
    done = run(*GENERATE, "--url", ingest.url, **{INGEST: "usb-1:heard"})
    assert done.returncode == 3
    assert "wants another key" in done.stderr
    assert "heard" not in done.stdout + done.stderr


def test_ingest_foo_sends_its_keys_and_keeps_what_it_hears_where_they_are_wrong(ingest: Ingest, tmp_path: Path) -> None:
    ingest.keys = {"POST": f"Bearer {TOKEN}", "GET": f"Bearer {API_TOKEN}"}
    command = ["scripts.ingest_foo", "--emulate", "2", "--url", ingest.url, "--spool", str(tmp_path / "spool")]
    said = run(*command, "--seconds", "1", **{INGEST: "not.this"})
    assert said.returncode == 7
    assert f"not delivered, kept on disk until it is: {ingest.url} wants another key" in said.stderr
    assert "not.this" not in said.stderr
    assert ingest.taken == []

    ingest.unauthorized = 0
    ingest.connections.clear()
    env = {**os.environ, INGEST: TOKEN, API: API_TOKEN}
    process = subprocess.Popen(
        [sys.executable, "-m", *command], env=env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_for(lambda: len(ingest.packets()) > 10, "packets", 20)
        wait_for(lambda: "GET" in dict(ingest.connections), "the question who wears the straps", 20)
        options = Path(f"/proc/{process.pid}/cmdline").read_text()
        assert TOKEN not in options
    finally:
        process.terminate()
        _, told = process.communicate(timeout=30)
    assert process.returncode == 0
    assert ingest.unauthorized == 0
    assert TOKEN not in told
    assert API_TOKEN not in told


@pytest.mark.parametrize("command", [GENERATE, ["scripts.ingest_foo", "--emulate", "1"], ["scripts.operate", "status"]])
def test_every_command_names_a_key_that_cannot_be_sent(command: list[str], tmp_path: Path) -> None:
    options = ["--spool", str(tmp_path)] if command[0] == "scripts.ingest_foo" else []
    done = run(*command, *options, **{INGEST: "two words"})
    assert done.returncode == 2
    assert "BEATSTREAM_INGEST_TOKEN: has characters that no key has" in done.stderr
    assert "two words" not in done.stderr


def test_beatstream_asks_with_its_key(ingest: Ingest) -> None:
    ingest.keys = {"GET": f"Bearer {API_TOKEN}"}
    nowhere = "http://127.0.0.1:9"
    options = ["--url", ingest.url, "--clickhouse", nowhere, "--wall", nowhere, "--broker", "127.0.0.1:9", "--json"]
    done = run("scripts.operate", "status", *options, **{API: API_TOKEN})
    verdicts = {each["part"]: each["verdict"] for each in json.loads(done.stdout)["findings"]}
    assert verdicts["APIs"] == "good"
    assert API_TOKEN not in done.stdout + done.stderr


def test_the_address_is_no_reason_to_send_a_key_elsewhere() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.url.host, request.headers.get("Authorization")))
        return httpx.Response(307, headers={"Location": "http://other.example/"})

    seen: list[tuple[str, str | None]] = []
    auth = key(INGEST, {INGEST: TOKEN})
    with httpx.Client(base_url="http://moose.example", auth=auth, transport=httpx.MockTransport(answer)) as client:
        client.post("/ingest/x")
    assert seen == [("moose.example", f"Bearer {TOKEN}")]
