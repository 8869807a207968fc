"""`make audit`: what is known against a package is told, and so is that nobody could be asked."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from harness.uv import PATIENCE
from harness.waiting import FETCHING_TIMEOUT_S
from stack.audit import ANSWER_WITHIN_S, not_asked

ROOT = Path(__file__).resolve().parents[2]
PINNED = "certifi==2025.1.31 --hash=sha256:" + "0" * 64 + "\n"
KNOWN = {
    "vulns": [
        {
            "id": "TEST-2026-1",
            "modified": "2026-01-01T00:00:00Z",
            "summary": "made up",
            "affected": [
                {
                    "package": {"name": "certifi", "ecosystem": "PyPI"},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}],
                }
            ],
        }
    ]
}


class Osv(BaseHTTPRequestHandler):
    """Answers as api.osv.dev does."""

    asked: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(asked["package"]["name"])
        body = json.dumps(KNOWN if self.path.startswith("/bad") else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def osv() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Osv)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def audit(folder: Path, service: str, *options: str) -> subprocess.CompletedProcess[str]:
    files = [folder / "one.txt", folder / "two.txt"]
    for file in files:
        file.write_text(PINNED)
    command: list[str | Path] = [sys.executable, ROOT / "stack" / "audit.py", *files, "--service", service, *options]
    # Its own small environment is listed.
    command += ["--folder", folder, "--environment", folder / "audit"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=PATIENCE)
    assert "could not be installed" not in done.stderr, "perhaps a package registry does not answer"
    return done


@pytest.mark.timeout(FETCHING_TIMEOUT_S)
def test_what_is_known_is_told_and_not_to_be_answered_is_no_all_clear(tmp_path: Path, osv: str) -> None:
    bad = audit(tmp_path, f"{osv}/bad")
    assert (bad.returncode, bad.stderr) == (1, "")
    assert "certifi 2025.1.31: TEST-2026-1" in bad.stdout
    told = audit(tmp_path, f"{osv}/bad", "--tell")
    assert (told.returncode, told.stdout.splitlines()[-1]) == (0, "certifi 2025.1.31: TEST-2026-1")
    listed = json.loads((tmp_path / "sbom.cdx.json").read_text())
    assert listed["bomFormat"] == "CycloneDX"
    assert "certifi" in {component["name"] for component in listed["components"]}

    good = audit(tmp_path, osv)
    assert (good.returncode, good.stderr) == (0, "")
    assert "Nothing known against what one.txt, two.txt pin" in good.stdout

    assert Osv.asked == ["certifi"] * 3, "once a time, however many files pin it"

    away = audit(tmp_path, "http://127.0.0.1:9", "--strict")
    assert away.returncode == 2
    assert "Vulnerabilities were NOT looked up: http://127.0.0.1:9 could not be asked" in away.stderr
    assert "Nothing known" not in away.stdout

    with socket.create_server(("127.0.0.1", 0)) as silent:
        unheard = audit(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert unheard.returncode == 0
    assert "could not be asked: requests.exceptions.ReadTimeout" in unheard.stderr
    assert f"(read timeout={ANSWER_WITHIN_S})" in unheard.stderr
    assert "Nothing known" not in unheard.stdout


@pytest.mark.parametrize(("given", "option"), [([], "--tell"), (["STRICT=1"], "--strict")])
def test_make_test_asks(given: list[str], option: str) -> None:
    planned = subprocess.run(
        ["make", "-n", "test", *given], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert planned.index(f"stack/audit.py {option}") < planned.index("pytest")


def test_not_to_be_answered_is_no_failure_unless_asked_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    assert [not_asked("no network", strict=strict) for strict in (False, True)] == [0, 2]
    assert capsys.readouterr().err.count("Vulnerabilities were NOT looked up: no network") == 2
