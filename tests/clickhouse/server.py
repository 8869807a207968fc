"""A ClickHouse server of ours in a subprocess, on a free port and a folder of its own."""

import signal
import subprocess
import sys
from pathlib import Path

import httpx

from harness.ports import free_port
from harness.waiting import wait_for

USER, PASSWORD = "panda", "pandapass"

CONFIG = """<clickhouse>
    <http_port>{port}</http_port>
    <tcp_port>9</tcp_port>
    <listen_host>0.0.0.0</listen_host>
    <path>{folder}/data/</path>
    <users_config>{folder}/users.xml</users_config>
</clickhouse>"""

USERS = f"""<clickhouse><users>
    <{USER}><password>{PASSWORD}</password></{USER}>
    <hashed><password_sha256_hex>a665a45920422f9d417e4867efdc4fb8a04a1f3fff1fa07e998e86f7f7a27ae3</password_sha256_hex></hashed>
</users></clickhouse>"""


class Server:
    """The server. `start` it as often as needed; the data stays."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self.config = folder / "config.xml"
        self.config.write_text(CONFIG.format(port=self.port, folder=folder))
        (folder / "users.xml").write_text(USERS)
        self.process: subprocess.Popen[bytes] | None = None
        self.http = httpx.Client(base_url=self.url, auth=(USER, PASSWORD), timeout=30)

    def command(self) -> list[str]:
        return [sys.executable, "-m", "stack.clickhouse", "server", f"--config-file={self.config}"]

    def start(self) -> None:
        self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL)
        wait_for(self.answers, "the server", 30, every_s=0.05)

    def answers(self) -> bool:
        """Whether it is there. Fails where it has ended."""
        assert self.process is not None
        assert self.process.poll() is None, "the server ended"
        try:
            return self.http.get("/ping").text == "Ok.\n"
        except httpx.TransportError:
            return False

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(30)

    def ask(self, sql: str, body: bytes | None = None, **parameters: str) -> httpx.Response:
        """POST a statement; with a body, the statement goes into the URL."""
        if body is None:
            return self.http.post("/", content=sql.encode(), params=parameters)
        return self.http.post("/", content=body, params={"query": sql, **parameters})

    def text(self, sql: str, **parameters: str) -> str:
        """A query's answer."""
        answer = self.ask(sql, None, **parameters)
        assert answer.status_code == 200, answer.text
        return answer.text.rstrip("\n")
