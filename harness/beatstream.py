"""The whole stack as a test sees it: started by the product's own command, asked over HTTP and Kafka only."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import clickhouse_connect
import httpx
import psutil
from clickhouse_connect.driver.client import Client
from confluent_kafka import OFFSET_END, Consumer, KafkaException, Producer, TopicPartition

from app.heartrate.sharding import stream_of_shard
from harness import programs
from harness.ports import free_ports
from harness.waiting import wait_for
from stack.processes import MARK

REPOSITORY = Path(__file__).resolve().parents[1]
READY_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0


PORTS = ("http", "management", "proxy", "clickhouse", "native", "keeper", "raft", "broker", "live")


class Beatstream:
    """A running stack in a folder and on ports of its own."""

    def __init__(self, folder: Path, *, shards: int = 1) -> None:
        self.folder = folder
        self.project = folder / "project"
        self.ports = free_ports(*PORTS)
        self.url = f"http://127.0.0.1:{self.ports['http']}"
        self.live_url = f"http://127.0.0.1:{self.ports['live']}"
        self.broker = f"127.0.0.1:{self.ports['broker']}"
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MOOSE_")},
            "HOME": str(folder / "home"),
            "MOOSE_HTTP_SERVER_CONFIG__PORT": str(self.ports["http"]),
            "MOOSE_HTTP_SERVER_CONFIG__MANAGEMENT_PORT": str(self.ports["management"]),
            "MOOSE_HTTP_SERVER_CONFIG__PROXY_PORT": str(self.ports["proxy"]),
            "MOOSE_CLICKHOUSE_CONFIG__HOST_PORT": str(self.ports["clickhouse"]),
            "MOOSE_CLICKHOUSE_CONFIG__NATIVE_PORT": str(self.ports["native"]),
            "MOOSE_CLICKHOUSE_CONFIG__KEEPER_PORT": str(self.ports["keeper"]),
            "MOOSE_CLICKHOUSE_CONFIG__KEEPER_RAFT_PORT": str(self.ports["raft"]),
            "MOOSE_REDPANDA_CONFIG__BROKER": self.broker,
            "BEATSTREAM_LIVE_PORT": str(self.ports["live"]),
            "BEATSTREAM_SHARDS": str(shards),
        }
        self.raw_topics = [stream_of_shard(number) for number in range(shards)]
        lay_out(self.project)
        (folder / "home").mkdir()
        self._process: subprocess.Popen[bytes] | None = None
        self.http = httpx.Client(base_url=self.url, timeout=30.0)
        self.empty_answers: dict[str, Any] = {}

    # --- life

    def start(self) -> None:
        """Start `python -m stack dev` and wait for its word that all is ready."""
        command = [sys.executable, "-m", "stack", "dev"]
        self._process = programs.start(command, cwd=self.project, env=self.env, log=self.folder / "launcher.log")
        process, said_before = self._process, len(self.said())
        wait_for(
            lambda: process.poll() is not None or "Ready." in self.said()[said_before:],
            "the stack's ready line",
            READY_TIMEOUT_S,
        )
        assert process.poll() is None, f"the launcher ended:\n{self.said()}\n{self.moose_log()}"

    def kill_launcher(self) -> None:
        """Kill -9 of the launcher alone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(STOP_TIMEOUT_S)
        self._process = None

    def await_end(self) -> int:
        """Wait until the launcher ends by itself; returns its exit code."""
        assert self._process is not None
        code = self._process.wait(30)
        self._process = None
        return code

    def stop(self) -> int:
        """Ctrl-C; returns the exit code. Fails where a process or a port outlives it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        code = self._process.wait(STOP_TIMEOUT_S)
        self._process = None
        assert self.processes() == []
        assert self.held_ports() == []
        return code

    def end(self) -> None:
        """Leave nothing behind, whatever state the test left."""
        self.http.close()
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.kill_launcher()
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def said(self) -> str:
        """What the launcher printed."""
        return (self.folder / "launcher.log").read_text()

    def moose_log(self) -> str:
        """What Moose and its workers printed."""
        log = self.project / ".beatstream" / "logs" / "moose.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def processes(self) -> list[psutil.Process]:
        """Every process that belongs to this stack, the launcher aside."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == str(self.project / ".beatstream"):
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    def worker(self, source: str, target: str) -> psutil.Process:
        """The process that runs a streaming function."""
        commands = []
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
                command = " ".join(process.cmdline())
                if f'"{source}"' in command and f'"{target}"' in command and "moose-cli" not in process.name():
                    return process
                commands.append(command[:300])
        raise LookupError(f"no worker {source} -> {target}: {commands}")

    def held_ports(self) -> list[int]:
        """Those of the stack's ports that somebody listens on."""
        return [port for port in self.ports.values() if _listening(port)]

    # --- in

    def post(self, name: str, records: Any) -> httpx.Response:
        """POST to an ingest endpoint."""
        return self.http.post(f"/ingest/{name}", json=records)

    def produce(self, topic: str, messages: Iterable[bytes]) -> None:
        """Put messages on a topic directly, past the ingest API."""
        producer = Producer(
            {
                "bootstrap.servers": self.broker,
                "queue.buffering.max.messages": 1_000_000,
                "message.max.bytes": 2_000_000,
            }
        )
        for message in messages:
            producer.produce(topic, message)
        assert producer.flush(30) == 0

    # --- out

    def api(self, name: str, **parameters: Any) -> list[dict[str, Any]]:
        """The entries of a consumption API's answer."""
        response = self.http.get(f"/api/{name}", params=parameters)
        assert response.status_code == 200, response.text
        entries: list[dict[str, Any]] = response.json()["entries"]
        return entries

    @contextmanager
    def clickhouse(self) -> Iterator[Client]:
        """A client on the stack's database."""
        client = clickhouse_connect.get_client(
            host="127.0.0.1",
            port=self.ports["clickhouse"],
            username="panda",
            password="pandapass",
            database="local",
            autogenerate_session_id=False,
        )
        try:
            yield client
        finally:
            client.close()

    def rows(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        with self.clickhouse() as client:
            return [tuple(row) for row in client.query(sql, parameters).result_rows]

    def topic(self, name: str) -> list[Any]:
        """Every message that is on a topic now, as JSON."""
        consumer = Consumer({"bootstrap.servers": self.broker, "group.id": "test-reader", "enable.auto.commit": False})
        try:
            consumer.assign([TopicPartition(name, 0, 0)])
            end = end_of(consumer, name)
            messages: list[Any] = []
            offset = 0
            while offset < end:
                message = consumer.poll(10)
                assert message is not None, f"{name}: nothing after offset {offset} of {end}"
                assert message.error() is None, message.error()
                offset = (message.offset() or 0) + 1
                messages.append(json.loads(message.value() or b"null"))
            return messages
        finally:
            consumer.close()

    def await_settled(self, timeout_s: float = 120.0) -> None:
        """Wait until everything that was sent has been processed and stored: until the topics' groups have no lag."""
        flows = {
            **{f"flow-{raw}-processed_ant_hr_packet": raw for raw in self.raw_topics},
            "flow-bluetooth_hr_packet-unified_hr_packet": "bluetooth_hr_packet",
            "flow-processed_ant_hr_packet-unified_hr_packet": "processed_ant_hr_packet",
        }
        tables = (*self.raw_topics, "bluetooth_hr_packet", "processed_ant_hr_packet", "unified_hr_packet")

        def settled() -> bool:
            return all(self._lag_is(0, group, topic) for group, topic in flows.items()) and all(
                self._lag_is(0, "clickhouse_sync", topic) for topic in tables
            )

        wait_for(settled, "the pipeline to have taken everything in", timeout_s, every_s=0.2)

    def await_lag(self, group: str, topic: str, timeout_s: float = 60.0) -> None:
        """Wait until a consumer group has committed all that is on a topic."""
        wait_for(lambda: self._lag_is(0, group, topic), f"{group} to have read {topic}", timeout_s)

    def await_progress(self, group: str, topic: str, messages: int) -> None:
        """Wait until a consumer group has committed so many messages more, or all that there are."""
        left = max(0, self.lag(group, topic) - messages)
        wait_for(lambda: self._lag_is(left, group, topic), f"{group} to be in the middle of {topic}", 60, every_s=0.02)

    def _lag_is(self, at_most: int, group: str, topic: str) -> bool:
        """Whether no more is left; a broker that cannot say so just now may have more."""
        with suppress(KafkaException):
            return self.lag(group, topic) <= at_most
        return False

    def lag(self, group: str, topic: str) -> int:
        """Messages of a topic that a consumer group has not committed yet."""
        consumer = Consumer({"bootstrap.servers": self.broker, "group.id": group, "enable.auto.commit": False})
        try:
            committed = consumer.committed([TopicPartition(topic, 0)], timeout=10)[0].offset
            return end_of(consumer, topic) - max(committed, 0)
        finally:
            consumer.close()


def end_of(consumer: Consumer, topic: str) -> int:
    """The offset behind the topic's newest message."""
    # `get_watermark_offsets` takes 40 ms with Moose's broker.
    (end,) = consumer.offsets_for_times([TopicPartition(topic, 0, OFFSET_END)], 10)
    if end.error is not None:
        raise KafkaException(end.error)
    return int(end.offset)


def lay_out(project: Path) -> None:
    """A copy of what the app is made of."""
    project.mkdir()
    shutil.copytree(REPOSITORY / "app", project / "app", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("moose.config.toml", "setup.py", "requirements.txt"):
        shutil.copy(REPOSITORY / name, project / name)


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
