"""generate-data as a person uses it, against a real HTTP server that takes, refuses and fails."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.waiting import wait_for
from tests.ingest_server import Ingest

COMMAND = [sys.executable, "-m", "scripts.generate_data"]


def call(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *options], capture_output=True, text=True, check=False, timeout=60)


def test_people_are_registered_before_their_packets(ingest: Ingest) -> None:
    done = call("run", "--straps", "3", "--seconds", "20", "--speed", "max", "--url", ingest.url, "--batch", "50")
    assert done.returncode == 0, done.stderr
    assert [path for path, _ in ingest.taken[:3]] == ["/ingest/strap_assignment"] * 3
    assert [path for path, _ in ingest.taken[3:6]] == ["/ingest/person_profile"] * 3
    assigned, profiles = ([record for _, record in ingest.taken[at : at + 3]] for at in (0, 3))
    assert [person["user_name"] for person in profiles] == [person["user_name"] for person in assigned]
    assert len(ingest.packets()) > 150
    assert f"sent {len(ingest.packets())} packets of 20 s" in done.stderr.replace("\n", " ")
    assert len(ingest.connections) == 1


def test_in_real_time_packets_are_sent_when_they_are_due(ingest: Ingest) -> None:
    done = call("run", "--straps", "2", "--seconds", "20", "--speed", "10", "--url", ingest.url, "--no-register", "-q")
    assert (done.returncode, done.stderr) == (0, "")
    assert [path for path, _ in ingest.taken if path != "/ingest/raw_ant_hr_packet"] == []
    assert len(ingest.packets()) > 100


def test_guests_are_heard_and_nobody_knows_them(ingest: Ingest) -> None:
    options = ["--straps", "2", "--guests", "3", "--seconds", "10", "--speed", "max", "--url", ingest.url, "-q"]
    assert call("run", *options).returncode == 0
    told = [record for path, record in ingest.taken if path != "/ingest/raw_ant_hr_packet"]
    assert [record["user_id"] for record in told] == [1, 2, 1, 2]
    assigned = {record["device_id"] for record in told if "device_id" in record}
    heard = {packet["device_id"] for packet in ingest.packets()}
    assert len(heard) == 5
    assert assigned < heard


def test_lines_replay_as_they_were(tmp_path: Path, ingest: Ingest) -> None:
    lines = tmp_path / "packets.jsonl"
    options = ["--straps", "3", "--seconds", "10", "--speed", "max", "--start", "2026-11-23T10:00:00Z"]
    assert call("run", *options, "--to", "jsonl", "--output", str(lines)).returncode == 0
    for beside, field in (("packets.people.jsonl", "device_id"), ("packets.profiles.jsonl", "updated_at")):
        people = [json.loads(line) for line in (tmp_path / beside).read_text().splitlines()]
        assert [field in person for person in people] == [True] * 3
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
        (["run", "--guests", "-1"], "--guests"),
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
    try:
        wait_for(ingest.packets, "a packet", 30)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "sent" in errors
