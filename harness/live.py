"""The wall as a test sees it: a server of its own in front of the running stack, and screens that listen."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx

from harness.beatstream import REPOSITORY, Beatstream
from harness.ports import free_port
from harness.waiting import wait_for


class LiveServer:
    """`python -m live`, with a board that is empty at first: it shows who is heard from its start on."""

    def __init__(self, beatstream: Beatstream) -> None:
        self._beatstream = beatstream
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=30.0)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it is connected to everything and knows what was before."""
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "live", "--port", str(self.port)),
                *("--moose-url", self._beatstream.url, "--broker", self._beatstream.broker),
            ],
            cwd=REPOSITORY,
            env=dict(os.environ),
            stdin=subprocess.DEVNULL,
        )
        wait_for(self.ready, "the wall to be ready", 60)

    def ready(self) -> bool:
        """It answers, so does all behind it, and all that was stored has been read."""
        with suppress(httpx.HTTPError):
            health = self.http.get("/health").json()
            return bool(health["moose"] and health["broker"] and health["past_known"])
        return False

    def close(self) -> None:
        """Leave nothing behind."""
        self.kill()
        self.http.close()

    def kill(self) -> None:
        """Kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        assert self.process is not None
        self.process.terminate()
        code = self.process.wait(30)
        self.process = None
        return code

    def act(self, action: str, **body: Any) -> dict[str, Any]:
        """An action that is to succeed."""
        answer = self.http.post(f"/actions/{action}", json=body)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result

    def data(self, path: str, **parameters: str) -> Any:
        """JSON data that is to be there."""
        answer = self.http.get(f"/data/{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()


class Screen(threading.Thread):
    """Holds what a page holds, from the events alone."""

    def __init__(self, url: str, last_event_id: str | None = None) -> None:
        super().__init__(daemon=True)
        self.values: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []
        self.kinds: list[str] = []
        self.last_event_id = last_event_id
        self._client = httpx.Client(timeout=httpx.Timeout(5.0, read=10.0))
        self._url = url
        self._closing = False

    def run(self) -> None:
        """Take what comes until it is closed."""
        headers = {} if self.last_event_id is None else {"Last-Event-ID": self.last_event_id}
        with suppress(httpx.HTTPError), self._client.stream("GET", f"{self._url}/events", headers=headers) as answer:
            event: dict[str, str] = {}
            for line in answer.iter_lines():
                if self._closing:
                    return
                if line:
                    name, _, value = line.partition(": ")
                    event[name] = value
                elif event:
                    self._take(event)
                    event = {}

    def _take(self, event: dict[str, str]) -> None:
        data = json.loads(event["data"])
        values = {} if event["event"] == "snapshot" else dict(self.values)
        values |= data["set"]
        for key in data["gone"]:
            values.pop(key, None)
        self.values = values
        self.last_event_id = event["id"]
        self.kinds.append(event["event"])
        self.events.append(data)

    def close(self) -> None:
        """Leave: the next event, which comes within a second, ends it."""
        self._closing = True
        self.join(5)
        self._client.close()

    def has(self, key: str) -> bool:
        """Whether a part is there, and not null."""
        return self.values.get(key) is not None

    def wait(self, key: str, timeout_s: float = 10.0, **fields: Any) -> dict[str, Any]:
        """A part once it is there with these values."""

        def there() -> dict[str, Any] | None:
            part = self.values.get(key)
            return part if part is not None and all(part[name] == value for name, value in fields.items()) else None

        part: dict[str, Any] = wait_for(there, f"{key} {fields}; it is {self.values.get(key)}", timeout_s, every_s=0.02)
        return part

    def wait_gone(self, key: str, timeout_s: float = 10.0) -> None:
        """Wait until a part is no longer there."""
        wait_for(lambda: key not in self.values, f"{key} to be gone", timeout_s, every_s=0.02)


@contextmanager
def watching(url: str) -> Iterator[Screen]:
    """A screen, for as long as the block lasts."""
    screen = Screen(url)
    screen.start()
    wait_for(lambda: screen.kinds, "the first event", 10, every_s=0.02)
    try:
        yield screen
    finally:
        screen.close()
