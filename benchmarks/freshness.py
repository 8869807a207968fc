"""Packet posted to heart rate visible, on each of the ways a heart rate can be read, with 60 straps at 4.06 Hz.

A beat's clock runs from the POST of its first packet until somebody who asks all the time sees that beat of that
person, or a later one: in GET /api/getLatestUserHeartRates, and, for reference in the same run, its raw packet in
the table that Moose itself writes (once a second) and its message on the topic `unified_hr_packet`.
"""

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import httpx
from confluent_kafka import Consumer, TopicPartition

from benchmarks.quantiles import quantile
from benchmarks.wall import BEAT_S, FRESH_STRAPS, Group
from harness.beatstream import Beatstream, end_of

Beat = tuple[int, int]
"""A person's user_id, and the number of their beat."""

MARKED = 5
"""So many people's beats are looked for."""

POLL_S = 0.02
QUICK_BEATS, FULL_BEATS = 40, 500
"""At least so many beats are looked for."""

APPEAR_S = 20.0
"""Within so long the marked people appear."""

LAST_S = 5.0
"""Within so long the last beats are seen."""

FIRST_RATE, RATES = 60, 120
"""`Group` sends these heart rates beat for beat, round and round."""


def measure(stack: Beatstream, *, quick: bool) -> dict[str, float]:
    """Milliseconds by way and share of the beats, and how closely was looked."""
    beats = QUICK_BEATS if quick else FULL_BEATS
    watch = _Watch(stack)
    asyncio.run(watch.watch(beats / MARKED * BEAT_S))
    figures = {"freshness: straps": float(FRESH_STRAPS), "freshness: beats looked for": float(len(watch.posted))}
    for way in (watch.topic, watch.table, watch.api):
        delays = sorted(1000 * (way.seen[beat] - at) for beat, at in watch.posted.items() if beat in way.seen)
        figures[f"freshness: {way.name}: never seen"] = float(len(watch.posted) - len(delays))
        if way.asked:
            figures[f"freshness: {way.name}: asked every, ms"] = 1000 * watch.took_s / way.asked
        for percent in (50, 95, 99):
            figures[f"freshness: {way.name}, p{percent} ms"] = quantile(delays, percent / 100)
    return figures


class _Way:
    """One of the ways, and when each beat of the marked people was first seen there."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked = 0
        self.seen: dict[Beat, float] = {}
        self._newest: dict[int, int] = {}

    def note(self, user_id: int, heart_rate: int) -> None:
        """What is newest of a person has this heart rate: that beat and all before it can be seen now."""
        newest, now = self._newest.get(user_id, -1), time.time()
        ahead = (heart_rate - FIRST_RATE - newest) % RATES
        if ahead > RATES // 2:
            return  # it is older
        for beat in range(newest + 1, newest + ahead + 1):
            self.seen[user_id, beat] = now
        self._newest[user_id] = newest + ahead


class _Watch:
    """Sends, and looks on all ways at once."""

    def __init__(self, stack: Beatstream) -> None:
        self._stack = stack
        self._began = time.time()
        self._user_of: dict[str, int] = {}
        """The marked people's straps."""
        self._names = ""
        self._stopping = False
        self.topic = _Way("topic unified_hr_packet (reference)")
        self.table = _Way("table raw_ant_hr_packet in SQL (reference)")
        self.api = _Way("getLatestUserHeartRates")
        self.posted: dict[Beat, float] = {}
        """When the first packet of each beat was posted, that was looked for."""
        self.took_s = 0.0

    async def watch(self, seconds: float) -> None:
        """Look for the beats of so many seconds."""
        group = Group(self._stack.url, FRESH_STRAPS)
        clickhouse = f"http://127.0.0.1:{self._stack.ports['clickhouse']}"
        async with (
            httpx.AsyncClient(base_url=self._stack.url, timeout=30.0) as moose,
            httpx.AsyncClient(base_url=clickhouse, timeout=30.0, auth=("panda", "pandapass")) as sql,
        ):
            sending = asyncio.create_task(group.send(APPEAR_S + seconds + LAST_S))
            await self._mark(moose)
            reading = threading.Thread(target=self._read_topic)
            reading.start()
            looking = [
                asyncio.create_task(self._look(self.api, partial(self._ask_api, moose))),
                asyncio.create_task(self._look(self.table, partial(self._ask_table, sql))),
            ]
            try:
                began = time.time()
                await asyncio.sleep(seconds)
                self.took_s = time.time() - began
                self._note_posted(group, began, began + self.took_s)
                await _until(self._all_seen, LAST_S)
            finally:
                self._stopping = True
                sending.cancel()
                await asyncio.gather(sending, *looking, return_exceptions=True)
                reading.join()
            for task in looking:
                task.result()

    async def _mark(self, moose: httpx.AsyncClient) -> None:
        """Choose the people who appear first."""

        async def appeared() -> bool:
            entries = await self._latest(moose)
            self._user_of = {entry["device_id"]: entry["user_id"] for entry in entries[:MARKED]}
            self._names = ",".join(entry["user_name"] for entry in entries[:MARKED])
            return len(self._user_of) == MARKED

        if not await _until(appeared, APPEAR_S):
            raise RuntimeError(f"nobody appeared within {APPEAR_S:.0f} s")

    async def _latest(self, moose: httpx.AsyncClient) -> list[dict[str, Any]]:
        # As many as there may be: with other benchmarks' people on the stack, ours are not among the highest.
        parameters = {"users": self._names} if self._names else {"limit": "1000"}
        answer = await moose.get("/api/getLatestUserHeartRates", params=parameters)
        entries: list[dict[str, Any]] = answer.raise_for_status().json()["entries"]
        return [entry for entry in entries if entry["user_id"] and entry["hr_timestamp_seconds"] > self._began]

    async def _look(self, way: _Way, ask: Callable[[], Awaitable[None]]) -> None:
        while not self._stopping:
            await ask()
            way.asked += not self.took_s
            await asyncio.sleep(POLL_S)

    async def _ask_api(self, moose: httpx.AsyncClient) -> None:
        for entry in await self._latest(moose):
            self.api.note(entry["user_id"], entry["hr_value"])

    async def _ask_table(self, sql: httpx.AsyncClient) -> None:
        devices = ", ".join(f"'{device}'" for device in self._user_of)
        answer = await sql.post(
            "/",
            params={"database": "local", "default_format": "TabSeparated"},
            content="SELECT device_id, argMax(ant_hr_packet, received_at) FROM raw_ant_hr_packet"  # noqa: S608 (numbers)
            f" WHERE device_id IN ({devices}) AND toUnixTimestamp64Micro(received_at) > {self._began * 1e6:.0f}"
            " GROUP BY device_id",
        )
        for row in answer.raise_for_status().text.splitlines():
            device, payload = row.split("\t")
            self.table.note(self._user_of[device], bytes.fromhex(payload)[7])

    def _read_topic(self) -> None:
        consumer = Consumer({"bootstrap.servers": self._stack.broker, "group.id": "bench", "fetch.wait.max.ms": 10})
        try:
            topic = "unified_hr_packet"
            consumer.assign([TopicPartition(topic, 0, end_of(consumer, topic))])
            while not self._stopping:
                message = consumer.poll(0.1)
                if message is None or message.error() is not None:
                    continue
                beat = json.loads(message.value() or b"{}")
                if beat.get("device_id") in self._user_of and beat["user_id"]:
                    self.topic.note(beat["user_id"], beat["hr_value"])
        finally:
            consumer.close()

    def _note_posted(self, group: Group, since: float, until: float) -> None:
        marked = {f"p{user_id}": user_id for user_id in self._user_of.values()}
        for (who, rate, turn), at in group.posted.items():
            if who in marked and since <= at < until:
                self.posted[marked[who], turn * RATES + rate - FIRST_RATE] = at

    async def _all_seen(self) -> bool:
        return all(beat in way.seen for way in (self.api, self.table, self.topic) for beat in self.posted)


async def _until(condition: Callable[[], Awaitable[bool]], within_s: float) -> bool:
    """Whether it came true in that time."""
    deadline = time.monotonic() + within_s
    while not (true := await condition()) and time.monotonic() < deadline:  # noqa: ASYNC110 (others' states)
        await asyncio.sleep(POLL_S)
    return true
