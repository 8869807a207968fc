import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scripts.operate import status
from scripts.operate.cli import cli
from scripts.operate.database import Reception
from scripts.operate.settings import load
from scripts.operate.status import Finding, Health, Verdict, health
from tests.ingest_server import Ingest

PARTS = {"--url": "http://{}", "--broker": "{}", "--clickhouse": "http://{}", "--wall": "http://{}"}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.operate", *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def at(where: str) -> list[str]:
    return [text for option, form in PARTS.items() for text in (option, form.format(where))]


@pytest.fixture
def silent() -> Iterator[str]:
    """Takes connections, and says nothing."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(100)
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def test_with_everything_away_it_says_so(tmp_path: Path) -> None:
    done = run("status", "--json", "--logs", str(tmp_path / "none"), *at("127.0.0.1:1"))
    assert done.returncode == Health.DOWN
    told = json.loads(done.stdout)
    assert told["health"] == "down"
    verdicts = {finding["part"]: finding["verdict"] for finding in told["findings"]}
    assert verdicts == {
        **dict.fromkeys(("Moose", "ClickHouse", "broker"), "down"),
        **dict.fromkeys(("APIs", "wall"), "degraded"),
        **dict.fromkeys(("functions", "data", "dead letters", "log"), "note"),
    }
    assert "docker compose" in told["findings"][-1]["what"], "not to have looked is no all-clear"


def test_a_part_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(url="http://127.0.0.1:1", broker="127.0.0.1:1", clickhouse="http://127.0.0.1:1", environment={})
    ended = threading.Event()

    def hang(_settings: object) -> Iterable[Finding]:
        ended.wait()
        return ()

    monkeypatch.setattr(status, "_moose", hang)
    monkeypatch.setattr(status, "ANSWER_WITHIN_S", 0.1)
    try:
        assert Finding("Moose", Verdict.DOWN, "no answer within 0 s") in status.examine(settings)
    finally:
        ended.set()


def test_with_everything_silent_it_says_so(silent: str) -> None:
    done = run("status", *at(silent))
    assert done.returncode == Health.DOWN
    lines = done.stdout.splitlines()
    assert sum(line.startswith("DOWN") for line in lines) == 3
    assert all("Traceback" not in line for line in lines)
    assert lines[-1] == "Down"


def test_a_password_in_an_address_is_not_shown(ingest: Ingest) -> None:
    """Where it answers (as something else does), and where it does not."""
    for where in ("127.0.0.1:1", ingest.url.removeprefix("http://")):
        addresses = at(f"ada:secret@{where}")
        addresses[3] = "127.0.0.1:1"
        done = run("status", "--json", *addresses)
        assert f"http://{where}" in done.stdout
        assert "secret" not in done.stdout + done.stderr


class Figures:
    """A database's, of a newest beat as old as `age_s`."""

    age_s = 0.0

    def __init__(self, _settings: object) -> None:
        pass

    def newest_age_s(self) -> float:
        return self.age_s

    def beats(self) -> int:
        return 7

    def reception(self) -> Reception:
        return Reception(0, None, None)

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("age_s", "verdict", "newest"),
    [
        (1.5, Verdict.GOOD, "newest beat 1.5 s ago; "),
        (-0.3, Verdict.GOOD, "newest beat 0.0 s ago; "),
        (-7300, Verdict.NOTE, "newest beat 2 h in the future: a clock is wrong; "),
    ],
)
def test_a_beat_in_the_future_is_not_good(
    monkeypatch: pytest.MonkeyPatch, age_s: float, verdict: Verdict, newest: str
) -> None:
    monkeypatch.setattr(status, "Database", Figures)
    monkeypatch.setattr(Figures, "age_s", age_s)
    (finding,) = status._data(load(environment={}))
    assert finding.verdict is verdict
    assert finding.what.startswith(newest)


def test_letters_of_a_broker_that_is_away() -> None:
    done = CliRunner().invoke(cli, ["dlq", "list", "--broker", "127.0.0.1:1"])
    assert (done.exit_code, done.stdout) == (3, "")
    assert done.stderr == "the broker at 127.0.0.1:1 does not answer: [Errno 111] Connection refused\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["retry"],
        ["retry", "abcd", "--all"],
        ["retry", "abcd", "--queue", "raw_ant_hr_packet"],
        ["retry", "abc"],
        ["drop", "--all"],
        ["drop", "--reason", "old"],
        ["show"],
        ["list", "--broker", "nowhere"],
    ],
)
def test_what_is_to_be_done_must_be_said(arguments: list[str]) -> None:
    done = CliRunner().invoke(cli, ["dlq", *arguments])
    assert done.exit_code == (3 if "nowhere" in arguments else 2)
    assert done.stderr


def test_the_worst_part_counts() -> None:
    findings = [Finding("a", Verdict.GOOD, ""), Finding("b", Verdict.NOTE, "")]
    assert health([]) is health(findings) is Health.HEALTHY
    assert health([*findings, Finding("c", Verdict.DEGRADED, "")]) is Health.DEGRADED
    assert health([Finding("d", Verdict.DOWN, ""), *findings]) is Health.DOWN
