"""The wall on the whole stack: packet posted to number changed in a browser, and many screens at once."""

import asyncio
import threading
import time
from random import Random

import httpx
import psutil

from app.heartrate.encoder import CommonFields, encode_default
from app.heartrate.reception import SLOT_US
from benchmarks.quantiles import quantile
from harness.beatstream import Beatstream
from harness.chromium import chromium
from harness.live import LiveServer
from scripts.delivery.records import Clockface

FRESH_STRAPS, BUSY_STRAPS, SCREENS = 60, 100, 200
BEAT_S = 0.6
ASSIGNED_AT = "2026-01-01T00:00:00Z"
APPEARED_S = 12.0
"""So long a class that appears all at once is given to be recognised; how long it took is told apart."""

SETTLED_S = 5.0
"""The first seconds load what is loaded once."""

LOG_BEATS = """
window.seen = [];
window.addEventListener("beatstream:beat", ({detail}) =>
    window.seen.push([detail.who, detail.hr, performance.timeOrigin + performance.now()]));
"""
"""Runs in the page: when each number stood in the document."""


class Group:
    """People whose every beat has another heart rate than the one before, with straps that nobody has used before.

    A strap that told its first beats over again would tell nothing new.
    """

    _used = 0

    def __init__(self, url: str, count: int) -> None:
        self._url = url
        numbers = range(Group._used + 1, Group._used + 1 + count)
        self._wearers = {str(900_000 + number): 5_000 + number for number in numbers}
        Group._used += count
        self.posted: dict[tuple[str, int, int], float] = {}
        """When the first packet of a beat was posted, by wearer, heart rate, and round of heart rates."""

    def _assignments(self) -> list[dict[str, object]]:
        return [
            {"device_id": device, "user_id": user_id, "user_name": f"Person {user_id}", "assigned_at": ASSIGNED_AT}
            for device, user_id in self._wearers.items()
        ]

    def _profiles(self) -> list[dict[str, object]]:
        return [
            {"user_id": user_id, "user_name": f"Person {user_id}", "hr_max": 190} for user_id in self._wearers.values()
        ]

    async def send(self, seconds: float) -> None:
        """Post packets as they are due, as a receiver would."""
        random, clockface = Random(1), Clockface()
        began = time.time()
        due = {device: began + random.random() * SLOT_US / 1e6 for device in self._wearers}
        told = dict.fromkeys(self._wearers, -1)
        count = dict.fromkeys(self._wearers, 0)
        async with httpx.AsyncClient(base_url=self._url, timeout=30.0) as client:
            await client.post("/ingest/strap_assignment", json=self._assignments())
            await client.post("/ingest/person_profile", json=self._profiles())
            while (now := time.time()) < began + seconds:
                batch = []
                for device, user_id in self._wearers.items():
                    if due[device] > now:
                        continue
                    due[device] += SLOT_US / 1e6
                    count[device] += 1
                    beat = int((now - began) / BEAT_S)
                    rate = 60 + beat % 120
                    if beat != told[device]:
                        told[device] = beat
                        self.posted[f"p{user_id}", rate, beat // 120] = now
                    common = CommonFields(int(beat * BEAT_S * 1024), beat, rate)
                    payload = encode_default(common, toggle=bool(count[device] // 4 % 2)).hex()
                    batch.append(
                        f'{{"device_id":"{device}","packet_count":{count[device]},"ant_hr_packet":"{payload}",'
                        f'"received_at":"{clockface(int(now * 1e6))}","receiver_id":"bench"}}'
                    )
                if batch:
                    await client.post("/ingest/raw_ant_hr_packet", content=f"[{','.join(batch)}]")
                await asyncio.sleep(0.01)


def measure(stack: Beatstream, *, quick: bool) -> dict[str, float]:
    """Milliseconds and shares; see the names."""
    live = LiveServer(stack)
    try:
        live.start()
        return _freshness(stack, live, 18.0 if quick else 120.0) | _screens(stack, live, 5.0 if quick else 300.0)
    finally:
        live.close()


def _freshness(beatstream: Beatstream, live: LiveServer, seconds: float) -> dict[str, float]:
    group = Group(beatstream.url, FRESH_STRAPS)
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        page.add_init_script(LOG_BEATS)
        page.goto(live.url)
        page.wait_for_selector("body[data-connection=open]")
        began = time.time()
        # Playwright's own loop runs in this thread.
        sending = threading.Thread(target=lambda: asyncio.run(group.send(seconds)))
        sending.start()
        while sending.is_alive():
            page.wait_for_timeout(500)
        page.wait_for_timeout(1500)
        seen: list[tuple[str, int, float]] = page.evaluate("window.seen")
    first: dict[tuple[str, int], list[float]] = {}
    for who, rate, at_ms in seen:
        first.setdefault((who, rate), []).append(at_ms / 1000)
    delays, missed = [], 0
    for (who, rate, _), posted in group.posted.items():
        if posted < began + APPEARED_S:
            continue
        shown = [at for at in first.get((who, rate), []) if posted <= at < posted + 60]
        if shown:
            delays.append(min(shown) - posted)
        else:
            missed += 1
    delays.sort()
    appeared: dict[str, float] = {}
    for who, _, at_ms in seen:
        appeared.setdefault(who, at_ms / 1000)
    return {
        "wall: straps": float(FRESH_STRAPS),
        "wall: all appear at once: the last one's first number, s": max(appeared.values()) - min(group.posted.values()),
        "wall: numbers changed in the browser": float(len(delays)),
        "wall: beats that never were on the screen, %": 100 * missed / max(1, missed + len(delays)),
        "wall: packet posted to number changed, p50 ms": 1000 * quantile(delays, 0.5),
        "wall: packet posted to number changed, p95 ms": 1000 * quantile(delays, 0.95),
        "wall: packet posted to number changed, p99 ms": 1000 * quantile(delays, 0.99),
    }


def _screens(beatstream: Beatstream, live: LiveServer, seconds: float) -> dict[str, float]:
    assert live.process is not None
    server = psutil.Process(live.process.pid)
    lags: list[float] = []
    measured: list[tuple[float, float, int]] = []

    async def screen() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
        writer.write(f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{live.port}\r\n\r\n".encode())
        buffer = b""
        while data := await reader.read(1 << 16):
            arrived = time.time()
            *events, buffer = (buffer + data).split(b"\n\n")
            for event in events:
                at = event.find(b'"now":')
                if at >= 0:
                    lags.append(arrived - float(event[at + 6 : event.index(b",", at)]))

    async def watch() -> None:
        screens = [asyncio.create_task(screen()) for _ in range(SCREENS)]
        sending = asyncio.create_task(Group(beatstream.url, BUSY_STRAPS).send(seconds + SETTLED_S))
        await asyncio.sleep(SETTLED_S)
        lags.clear()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            cpu = server.cpu_times()
            measured.append((time.monotonic(), cpu.user + cpu.system, server.memory_info().rss))
            await asyncio.sleep(min(1.0, seconds / 20))
        if any(each.done() for each in screens):
            raise RuntimeError("a screen was disconnected")
        await sending
        for each in screens:
            each.cancel()

    asyncio.run(watch())
    lags.sort()
    (began, cpu_before, memory_before), (ended, cpu_after, memory_after) = measured[len(measured) // 4], measured[-1]
    return {
        "screens: at once": float(SCREENS),
        "screens: straps": float(BUSY_STRAPS),
        "screens: seconds": seconds,
        "screens: event made to event arrived, p50 ms": 1000 * quantile(lags, 0.5),
        "screens: event made to event arrived, p99 ms": 1000 * quantile(lags, 0.99),
        "screens: event made to event arrived, longest ms": 1000 * lags[-1],
        "screens: server, % of a core": 100 * (cpu_after - cpu_before) / (ended - began),
        "screens: server, MB at first": memory_before / 1e6,
        "screens: server, MB in the end": memory_after / 1e6,
    }
