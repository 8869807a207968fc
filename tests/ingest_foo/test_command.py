"""ingest-foo as a person uses it: on an emulated stick, against a real server that takes, refuses and goes away."""

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from harness.waiting import wait_for
from scripts.generate_data.group import members
from scripts.generate_data.radio import Air
from scripts.ingest_foo.stick.usb_stick import UDEV_RULE
from tests.ingest_server import Ingest

COMMAND = [sys.executable, "-m", "scripts.ingest_foo"]
NOWHERE = "http://127.0.0.1:9"
RAW, BLUETOOTH = "/ingest/raw_ant_hr_packet", "/ingest/bluetooth_hr_packet"


class Run:
    """An ingest-foo process and its files."""

    def __init__(self, folder: Path, *options: str, url: str = NOWHERE) -> None:
        self.folder = folder
        self.spool = folder / "state" / "spool"
        self.log = folder / "sent.jsonl"
        self.command = [*COMMAND, "--url", url, "--spool", str(self.spool), "--emulate-log", str(self.log), *options]
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def end(self, number: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """Ask it to end; its exit code and what it said."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> tuple[int, str]:
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said

    def sent(self) -> list[dict[str, Any]]:
        """What the stick has given to the host."""
        if not self.log.exists():
            return []
        lines = self.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.endswith("}")]

    def spooled(self) -> int:
        return sum(file.read_bytes().count(b"\n") for file in self.spool.glob("*.log"))

    def health(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self.folder / "state" / "health.json").read_text())
        return state


def call(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *options], capture_output=True, text=True, check=False, timeout=60)


def per_strap(records: list[dict[str, Any]], payload: str) -> dict[str, list[str]]:
    """The payloads of each strap, in order."""
    straps: dict[str, list[str]] = {}
    for record in records:
        straps.setdefault(record["device_id"], []).append(record[payload])
    return straps


def test_without_a_stick_one_line_and_a_documented_code(tmp_path: Path) -> None:
    done = call("--spool", str(tmp_path), "--url", NOWHERE)
    assert done.returncode == 3
    assert done.stderr == "no ANT+ stick found; plug one in\n"
    assert done.stdout == ""


def test_as_a_service_it_waits_for_a_stick(tmp_path: Path) -> None:
    done = call("--spool", str(tmp_path), "--url", NOWHERE, "--wait", "--seconds", "1")
    assert done.returncode == 0
    assert done.stderr.splitlines()[0] == "no ANT+ stick found; plug one in"


def test_what_is_heard_arrives_once_and_in_order(tmp_path: Path, ingest: Ingest) -> None:
    record = tmp_path / "raw.jsonl"
    run = Run(tmp_path, "--emulate", "6", "--emulate-ble", "1", "--record", str(record), url=ingest.url)
    wait_for(lambda: len(ingest.packets()) > 60, "packets", 20)
    health = wait_for(lambda: (tmp_path / "state" / "health.json").exists() and run.health(), "a health file", 10)
    assert health["state"] == "running"
    assert health["sticks"][0]["listening"] is True
    code, said = run.end()
    assert code == 0
    by_path = {path: [record for at, record in ingest.taken if at == path] for path in (RAW, BLUETOOTH)}
    truth = per_strap(run.sent(), "payload")
    heard = per_strap(by_path[RAW], "ant_hr_packet") | per_strap(by_path[BLUETOOTH], "hr_measurement")
    assert heard == truth
    assert len(heard) == 7
    for device_id in heard:
        packets = [record for record in by_path[RAW] + by_path[BLUETOOTH] if record["device_id"] == device_id]
        assert [packet["packet_count"] for packet in packets] == list(range(len(packets)))
        times = [packet["received_at"] for packet in packets]
        assert times == sorted(times)
    registered = [record for path, record in ingest.taken if path == "/ingest/strap_assignment"]
    assert {record["device_id"] for record in registered} == set(heard)
    profiles = [record for path, record in ingest.taken if path == "/ingest/person_profile"]
    assert [(record["user_id"], record["user_name"]) for record in profiles] == [
        (record["user_id"], record["user_name"]) for record in registered
    ]
    assert len({record["user_id"] for record in registered}) == len({record["user_name"] for record in registered}) == 7
    assert {record["rssi_dbm"] for record in by_path[BLUETOOTH]} == {-64}
    assert {record["battery_percent"] for record in by_path[BLUETOOTH]} == {87}
    assert all(-92 <= record["rssi_dbm"] <= -48 for record in by_path[RAW])
    assert [method for method, _ in ingest.connections].count("POST") == 1
    assert "ANTUSB-m stick 1001 listens in scan mode" in said
    assert "Reception" in said
    assert f"{len(run.sent())} packets heard, {len(run.sent())} sent, 0 waiting" in said
    assert run.health()["records"]["waiting"] == 0
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert Counter(map(json.dumps, lines)) == Counter(map(json.dumps, by_path[RAW] + by_path[BLUETOOTH]))

    ingest.taken.clear()
    replay = [
        sys.executable,
        "-m",
        "scripts.generate_data",
        "replay",
        str(record),
        "--at",
        "original",
        "--speed",
        "max",
    ]
    subprocess.run([*replay, "--url", ingest.url, "-q"], check=True)
    assert [packet for _, packet in ingest.taken] == lines
    assert {path for path, _ in ingest.taken} == {RAW, BLUETOOTH}


def test_killed_and_restarted_nothing_is_lost_and_little_sent_again(tmp_path: Path, ingest: Ingest) -> None:
    run = Run(tmp_path, "--emulate", "20", "--no-register", url=ingest.url)
    wait_for(lambda: len(ingest.packets()) > 200, "packets", 20)
    run.process.kill()
    run.wait()
    before = len(ingest.packets())
    again = Run(tmp_path, "--emulate", "20", "--no-register", url=ingest.url)
    wait_for(lambda: len(ingest.packets()) > before + 200, "packets of the second run", 20)
    assert again.end()[0] == 0
    unique = list({json.dumps(packet): packet for packet in ingest.packets()}.values())
    truth, heard = per_strap(again.sent(), "payload"), per_strap(unique, "ant_hr_packet")
    # What the stick gave to the host in the very moment of the kill may not have reached the spool.
    missing = sum(len(truth[device]) - len(heard[device]) for device in truth)
    assert 0 <= missing <= 20
    assert sum(map(len, truth.values())) > 400
    if not missing:
        assert heard == truth
    assert len(ingest.packets()) - len(unique) <= 500, "at most one batch is sent again"
    assert {path for path, _ in ingest.taken} == {RAW}, "nobody is registered"


def test_a_server_that_is_away_is_caught_up_with(tmp_path: Path) -> None:
    ingest = Ingest()
    ingest.failures = [500, 503]
    url = ingest.url
    run = Run(tmp_path, "--emulate", "8", "--no-register", url=url)
    wait_for(lambda: len(ingest.packets()) > 20, "packets", 20)
    ingest.close()
    first = ingest.packets()
    spooled = run.spooled()
    wait_for(lambda: run.spooled() > spooled + 100, "packets to be kept while nobody takes them", 20)
    back = Ingest(port=int(url.rpartition(":")[2]))
    try:
        wait_for(lambda: len(back.packets()) > 100, "them to be delivered", 30)
        code, said = run.end()
    finally:
        back.close()
    assert code == 0
    delivered = list({json.dumps(packet): packet for packet in first + back.packets()}.values())
    assert per_strap(delivered, "ant_hr_packet") == per_strap(run.sent(), "payload")
    assert said.count("not delivered, kept on disk until it is") == 2
    assert said.count("delivering again") == 2


def test_what_could_not_be_delivered_is_delivered_at_the_next_start(tmp_path: Path, ingest: Ingest) -> None:
    run = Run(tmp_path, "--emulate", "5", "--no-register", "--seconds", "2")
    code, said = run.wait()
    assert code == 7
    assert f"what waits is kept in {run.spool}" in said
    assert run.health()["records"]["waiting"] == len(run.sent()) > 20
    later = Run(tmp_path, "--wait", "--seconds", "1", url=ingest.url)
    assert later.wait()[0] == 0
    assert per_strap(ingest.packets(), "ant_hr_packet") == per_strap(run.sent(), "payload")


def test_what_is_only_in_memory_is_not_said_to_be_kept(tmp_path: Path) -> None:
    options = [
        "--emulate",
        "5",
        "--no-register",
        "--seconds",
        "2",
        "--url",
        NOWHERE,
        "--spool",
        str(tmp_path / "spool"),
    ]
    full = ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh"]
    done = subprocess.run([*full, *COMMAND, *options], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 7
    lost = re.search(r"^(\d+) records are lost: the disk of \S+ did not take them$", done.stderr, re.MULTILINE)
    assert lost
    assert f"{lost[1]} packets heard, 0 sent, {lost[1]} waiting" in done.stderr
    assert "what waits is kept" not in done.stderr


def test_a_refused_record_is_kept_aside_with_its_reason(tmp_path: Path, ingest: Ingest) -> None:
    ingest.refuse = lambda record: record.get("packet_count") == 3
    run = Run(tmp_path, "--emulate", "4", "--no-register", "--seconds", "4", url=ingest.url)
    code, said = run.wait()
    assert code == 0
    refused = [json.loads(line) for line in (run.spool / "rejected.jsonl").read_text().splitlines()]
    assert len(refused) == 4
    assert {json.loads(each["record"])["packet_count"] for each in refused} == {3}
    assert {each["reason"] for each in refused} == {"Invalid JSON: packet_count"}
    assert len(ingest.packets()) == len(run.sent()) - 4
    assert "a record was refused" in said
    assert ", 4 refused" in said


def test_the_raw_log_goes_on_where_it_ended(tmp_path: Path) -> None:
    record = tmp_path / "raw.jsonl"
    for _ in range(2):
        run = Run(tmp_path, "--emulate", "3", "--no-register", "--seconds", "2", "--record", str(record))
        run.wait()
        with record.open("a") as log:
            log.write('{"device_id": "86')  # as a power cut leaves it
    recorded = [json.loads(line) for line in record.read_text().splitlines()[:-1]]
    assert [packet["packet_count"] for packet in recorded].count(0) == 6
    assert per_strap(recorded, "ant_hr_packet") == per_strap(run.sent(), "payload")


def test_only_and_ignore(tmp_path: Path, ingest: Ingest) -> None:
    one, two, three = (str(member.strap.device_number) for member in members(3, seed=1, start_us=0, loss=0, air=Air()))
    options = ["--only", f"{one},{two}", "--ignore", two, "--no-register"]
    run = Run(tmp_path, "--emulate", "3", "--seconds", "3", *options, url=ingest.url)
    run.wait()
    assert {record["device_id"] for record in run.sent()} == {one, two, three}
    assert {packet["device_id"] for packet in ingest.packets()} == {one}


def test_the_systems_clock_may_be_set(tmp_path: Path, ingest: Ingest) -> None:
    run = Run(
        tmp_path,
        "--emulate",
        "4",
        "--no-register",
        "--seconds",
        "4",
        "--emulate-fault",
        "clock:1:-3600",
        url=ingest.url,
    )
    code, said = run.wait()
    assert code == 0
    assert "the system's clock was set by -3600.0 s; the packets' times go on as before" in said
    truth = {device: iter(times) for device, times in _times(run.sent(), "at_us").items()}
    for device, times in _times([{**p, "at_us": _us(p["received_at"])} for p in ingest.packets()], "at_us").items():
        assert times == sorted(times)
        assert all(-1000 <= heard - sent < 1_000_000 for heard, sent in zip(times, truth[device], strict=True))


def _times(records: list[dict[str, Any]], field: str) -> dict[str, list[int]]:
    straps: dict[str, list[int]] = {}
    for record in records:
        straps.setdefault(record["device_id"], []).append(record[field])
    return straps


def _us(text: str) -> int:
    from datetime import datetime

    return round(datetime.fromisoformat(text).timestamp() * 1_000_000)


def test_faults_of_the_stick_are_recovered(tmp_path: Path, ingest: Ingest) -> None:
    # Busy for longer than it takes a busy machine to look again.
    faults = ["unplug:1:0.5", "busy:3:2", "noise:6.5:20", "hang:7:0.5"]
    options = [option for fault in faults for option in ("--emulate-fault", fault)]
    run = Run(tmp_path, "--emulate", "10", "--no-register", "--seconds", "12.5", *options, url=ingest.url)
    code, said = run.wait()
    assert code == 0
    assert per_strap(ingest.packets(), "ant_hr_packet") == per_strap(run.sent(), "payload")
    assert said.count("is unplugged; waiting for it to come back") == 2, "once pulled, once for being taken away"
    assert "is in use by another program" in said
    assert "takes no commands" in said
    assert said.count("listens in scan mode") == 4


def test_systemd_is_told(tmp_path: Path, ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(tmp_path / "notify"))
        notified.settimeout(0)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        assert Run(tmp_path, "--emulate", "1", "--seconds", "2", url=ingest.url).wait()[0] == 0
        told = []
        with suppress(BlockingIOError):
            while True:
                told.append(notified.recv(100).decode())
    assert told[0] == "READY=1"
    assert told[-1] == "STOPPING=1"
    assert told.count("WATCHDOG=1") >= 2


def test_quiet_is_quiet(tmp_path: Path, ingest: Ingest) -> None:
    run = Run(tmp_path, "--emulate", "2", "--seconds", "1", "-q", url=ingest.url)
    assert run.wait() == (0, "")


def test_a_terminal_shows_the_table(tmp_path: Path, ingest: Ingest) -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "--emulate", "3", "--url", ingest.url, "--spool", str(tmp_path / "spool"), "--no-register"],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**os.environ, "COLUMNS": "120", "LINES": "40", "TERM": "xterm"},
    )
    os.close(follower)
    screen = ""

    def shows_rates() -> bool:
        nonlocal screen
        if select.select([leader], [], [], 0.1)[0]:
            screen += os.read(leader, 65_536).decode(errors="replace")
        plain = re.sub(r"\x1b\[[\d;?]*\w", "", screen)
        return len(re.findall(r"│ +\d{5,7} │ -- +│ +\d{2,3} │ +\d{3,4} │ +-\d\d │", plain)) >= 3

    try:
        wait_for(shows_rates, "a table with heart rates, RR and RSSI", 20, every_s=0.01)
        assert "packets heard" in screen
    finally:
        process.send_signal(signal.SIGINT)
        while True:
            try:
                if not os.read(leader, 65_536):
                    break
            except OSError:
                break
        os.close(leader)
        assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--only", "strap"], "--only: device_id: 'strap'"),
        (["--ignore", "0"], "--ignore"),
        (["--no-ant"], "add --ble"),
        (["--emulate", "2", "--emulate-fault", "fire:1:2"], "'fire' is none of"),
        (["--emulate", "2", "--record", "/nowhere/raw.jsonl"], "--record"),
        (["--url", "server:4000"], "is not like http://server:4000"),
        (["--url", "http://host:99999x"], "--url"),
        (["--to", "mail"], "'mail' is not one of"),
    ],
)
def test_bad_input_gives_one_clear_line(tmp_path: Path, options: list[str], reason: str) -> None:
    done = call("--spool", str(tmp_path), *options)
    assert done.returncode == 2
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_one_spool_one_process(tmp_path: Path) -> None:
    run = Run(tmp_path, "--emulate", "1", "--no-register")
    wait_for(run.sent, "the first to run", 20)
    second = call("--spool", str(run.spool), "--emulate", "1")
    assert second.returncode == 2
    assert "another ingest-foo uses" in second.stderr
    assert run.end(signal.SIGTERM)[0] == 7


def test_the_doctor_tells_what_to_do(tmp_path: Path, ingest: Ingest) -> None:
    done = call("doctor", "--url", NOWHERE, "--spool", str(tmp_path))
    assert done.returncode == 1
    assert "BAD  no ANT+ stick is plugged in" in done.stdout
    assert "plug in an ANTUSB-m (0fcf:1009)" in done.stdout
    assert f"BAD  {NOWHERE} does not answer" in done.stdout
    assert "GB free for the spool" in done.stdout
    assert done.stdout.endswith("Something needs your help.\n")
    assert f"{ingest.url} is ready" in call("doctor", "--url", ingest.url, "--spool", str(tmp_path)).stdout


def test_the_udev_rule_is_printed() -> None:
    done = call("udev")
    assert done.returncode == 0
    assert done.stdout == UDEV_RULE
    assert 'ATTR{idVendor}=="0fcf", ATTR{idProduct}=="1009"' in done.stdout


def test_help_names_the_exit_codes() -> None:
    text = " ".join(call("--help").stdout.replace("│", " ").split())
    for part in ("3 no stick", "4 no permission", "7 ended as asked", "ingest-foo doctor"):
        assert part in text
