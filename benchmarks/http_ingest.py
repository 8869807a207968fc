"""Records into POST /ingest/raw_ant_hr_packet a second, as Moose's ingest API accepts them.

Beatstream's functions, table writers and wall run meanwhile, on the same cores: that is the product. Each case begins
when they have done what the one before has left them; in quick mode it does not wait.

The load client is one process: HTTP/1.1 over raw connections (asyncio's protocols on uvloop), requests made
beforehand, one under way a connection, straps of its own a connection. How fast it could be at all is measured in
the same run, at a server that reads as little as HTTP allows and answers 200 at once: the reference.
"""

import asyncio
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import uvloop
from confluent_kafka import Consumer

from app.heartrate.profile import CHANNEL_PERIOD, CHANNEL_PERIOD_HZ
from harness.beatstream import REPOSITORY, Beatstream, end_of
from harness.waiting import wait_for
from scripts.delivery.sink import RAW
from scripts.generate_data.group import synthetic_group
from scripts.ingest_foo.sender import Sender, http_sink
from scripts.ingest_foo.spool import Spool

STRAPS, LOSS, SEED = 128, 0.1, 11
CASES = ((1, 1), (16, 1), (64, 1), (1, 10), (4, 10), (1, 100), (4, 100), (1, 1000), (4, 1000))
"""Connections, and records in a request (1: an object, no array)."""

REFERENCE_S = 1.0
SPOOL_BYTES = 1_000_000_000

_SENT = re.compile(r"sent (\d+) packets of .*?\((\d+)/s\).* (\d+) rejected, (\d+) retries")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Plan:
    pool: int
    """Records made for each case, at most."""
    case_s: float
    """How long it posts, at most."""
    spooled: int
    """Records that the ingest script finds in its spool."""
    generated_s: float
    """How much of a class of 60 the generator sends, s."""
    settle: bool
    """Whether each case waits until what the one before has brought is processed and stored."""


QUICK, FULL = _Plan(40_000, 0.5, 20_000, 60.0, settle=False), _Plan(60_000, 3.0, 60_000, 300.0, settle=True)


def measure(stack: Beatstream, *, quick: bool) -> dict[str, float]:
    """Records a second; see the names."""
    plan = QUICK if quick else FULL
    days = _days(plan.pool)
    before, accepted = _on_topic(stack), 0
    figures: dict[str, float] = {}

    def settle() -> None:
        if plan.settle:
            stack.await_settled()

    with _sink() as sink_url:
        for connections, size in CASES:
            requests = _requests(next(days), connections, size)
            settle()
            taken, took_s = uvloop.run(_post(stack.url, requests, plan.case_s))
            could, could_s = uvloop.run(_post(sink_url, requests, min(plan.case_s, REFERENCE_S)))
            what = f"{'single posts' if size == 1 else f'arrays of {size}'}, {connections} connections"
            figures[f"http: {what}, records/s"] = taken / took_s
            figures[f"http: {what}, client's own ceiling (reference), records/s"] = could / could_s
            accepted += taken
        spooled = next(days)[: plan.spooled]
        for url, where in ((sink_url, "nobody (reference)"), (stack.url, "Beatstream")):
            settle()
            figures[f"http: ingest-foo, full spool to {where}, records/s"] = len(spooled) / _drain(url, spooled)
            settle()
            rate, generated = _generate(url, plan.generated_s)
            figures[f"http: generate-data --speed max to {where}, records/s"] = rate
        accepted += len(spooled) + generated
    return figures | {
        "http: records accepted": float(accepted),
        "http: records accepted and not on the topic": float(accepted - (_on_topic(stack) - before)),
    }


def _days(count: int) -> Iterator[list[str]]:
    """The same class day for day, the last time yesterday: records that are new each time, and cheap."""
    seconds = count / STRAPS / (1 - LOSS) / (CHANNEL_PERIOD_HZ / CHANNEL_PERIOD)
    first = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=len(CASES) + 1)
    start_us = round(first.timestamp() * 1_000_000)
    group = synthetic_group(STRAPS, seed=SEED, start_us=start_us, seconds=seconds, loss=LOSS, perfect=True)
    records = [record.text for record in group.records]
    for number in range(len(CASES) + 1):
        day = f'"received_at":"{first + timedelta(days=number):%Y-%m-%d}T'
        yield [record.replace(f'"received_at":"{first:%Y-%m-%d}T', day) for record in records]


def _on_topic(stack: Beatstream) -> int:
    """How many records have ever been put on the topic."""
    consumer = Consumer({"bootstrap.servers": stack.broker, "group.id": "bench", "enable.auto.commit": False})
    try:
        return end_of(consumer, RAW)
    finally:
        consumer.close()


# --- the load client

Requests = list[list[tuple[bytes, int]]]
"""For each connection its requests, and how many records each holds."""


def _requests(records: Sequence[str], connections: int, size: int) -> Requests:
    """A strap always has the same connection, so that its packets stay in order."""
    straps: dict[str, list[str]] = defaultdict(list)
    shares: list[list[str]] = [[] for _ in range(connections)]
    for record in records:
        device_id = record.split('"', 4)[3]
        if device_id not in straps:
            straps[device_id] = shares[len(straps) % connections]
        straps[device_id].append(record)
    return [
        [
            (_request(share[at] if size == 1 else f"[{','.join(share[at : at + size])}]"), len(share[at : at + size]))
            for at in range(0, len(share), size)
        ]
        for share in shares
    ]


def _request(body: str) -> bytes:
    head = f"POST /ingest/{RAW} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


async def _post(url: str, requests: Requests, seconds: float) -> tuple[int, float]:
    """Records accepted, and the seconds that took."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    began = time.perf_counter()
    clients = [_Client(share, began + seconds) for share in requests]
    await asyncio.gather(*(client.through(host, int(port)) for client in clients))
    return sum(client.accepted for client in clients), time.perf_counter() - began


class _Http(asyncio.Protocol):
    """Whole messages of one connection, requests or answers."""

    def __init__(self) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport
        self._buffer = bytearray()
        self._whole = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As `asyncio.Protocol.connection_made`."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """As `asyncio.Protocol.data_received`."""
        self._buffer += data
        if not self._whole:
            head_ends = self._buffer.find(b"\r\n\r\n")
            if head_ends < 0:
                return
            length = _LENGTH.search(self._buffer, 0, head_ends)
            self._whole = head_ends + 4 + (int(length[1]) if length else 0)
        if len(self._buffer) >= self._whole:
            # One message is under way at a time, so nothing follows it.
            message, self._buffer, self._whole = self._buffer, bytearray(), 0
            self.take(message)

    def connection_lost(self, _error: Exception | None) -> None:
        """As `asyncio.Protocol.connection_lost`."""
        self.ended.set_result(None)

    def take(self, message: bytearray) -> None:
        """Do with a message what is to be done."""
        raise NotImplementedError


class _Client(_Http):
    """The next request goes out when the one before has been answered."""

    def __init__(self, requests: list[tuple[bytes, int]], ends_at: float) -> None:
        super().__init__()
        self._requests = iter(requests)
        self._ends_at = ends_at
        self._under_way = 0
        self.accepted = 0

    async def through(self, host: str, port: int) -> None:
        """Connect, and return when all is done."""
        await asyncio.get_running_loop().create_connection(lambda: self, host, port)
        await self.ended

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._next()

    def take(self, message: bytearray) -> None:
        if message.startswith(b"HTTP/1.1 200"):
            self.accepted += self._under_way
        self._next()

    def _next(self) -> None:
        request = next(self._requests, None) if time.perf_counter() < self._ends_at else None
        if request is None:
            self._transport.close()
        else:
            data, self._under_way = request
            self._transport.write(data)


class _Sink(_Http):
    """Answers 200."""

    def take(self, _message: bytearray) -> None:
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nSUCCESS")


@contextmanager
def _sink() -> Iterator[str]:
    """A server that answers 200 to all, in a process of its own; its URL."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(there,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}"
    finally:
        process.terminate()
        process.join()


def _serve(tell: Connection) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(_Sink, "127.0.0.1", 0)
        tell.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(serve())


# --- the scripts


def _generate(url: str, seconds: float) -> tuple[float, int]:
    """`generate-data run --speed max`: its records a second, and how many the server has accepted."""
    command = [sys.executable, "-m", "scripts.generate_data", "run", "--straps", "60", "--seed", str(SEED)]
    done = subprocess.run(  # noqa: S603 (Beatstream's own command)
        [*command, "--seconds", str(seconds), "--speed", "max", "--url", url],
        cwd=REPOSITORY,
        env={**os.environ, "COLUMNS": "200"},  # its summary stays on one line
        capture_output=True,
        text=True,
        check=True,
    )
    said = _SENT.search(done.stderr)
    if said is None or (said[3], said[4]) != ("0", "0"):
        raise RuntimeError(f"not all was accepted at once: {done.stderr}")
    return float(said[2]), int(said[1])


def _drain(url: str, records: Sequence[str]) -> float:
    """Seconds in which ingest-foo's sender empties a spool that was full when it started."""
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder) / "spool", SPOOL_BYTES)
        for record in records:
            spool.append(RAW, record)
        said: list[str] = []
        sender = Sender(spool, said.append, _refuse)
        sink = http_sink(url, sender, _refuse)
        began = time.perf_counter()
        sender.begin(sink)
        wait_for(lambda: not spool.pending, "the spool to be empty", 120, every_s=0.01)
        took_s = time.perf_counter() - began
        sender.stopping.set()
        sender.join()
        sink.close()
        spool.close()
    if said:
        raise RuntimeError(f"not all arrived at once: {said}")
    return took_s


def _refuse(record: str, reason: str) -> None:
    raise RuntimeError(f"{reason}: {record}")
