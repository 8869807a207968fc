"""Server-Sent Events: the board's parts to any number of screens, each at its own pace."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncGenerator
from typing import Any

import anyio

from live.board import TREND_S
from live.parts import Changes, Parts

AT_LEAST_EVERY_S = 1.0


class Feed:
    """What screens are sent. An event's id is `<run>.<version>`; another run's id is answered with a snapshot."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._run = secrets.token_hex(4)
        self._published = 0
        self._published_at = 0.0
        self._next: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._encoded: dict[tuple[int, bool], bytes] = {}
        self.screens = 0
        """How many are connected."""

    def publish(self) -> None:
        """Let the screens know that the parts are up to date, if there is news, or if it is time."""
        now = time.monotonic()
        if self._parts.version == self._published and now - self._published_at < AT_LEAST_EVERY_S:
            return
        self._published, self._published_at = self._parts.version, now
        self._encoded.clear()
        self._next.set_result(None)
        self._next = asyncio.get_running_loop().create_future()

    async def published(self) -> None:
        """Wait until the parts are published the next time."""
        await asyncio.shield(self._next)

    async def events(
        self, last_event_id: str | None, ending: anyio.Event | None = None, *, board_only: bool = False
    ) -> AsyncGenerator[bytes]:
        """Events for one screen, until `ending`. One that reads slowly gets fewer, each with the newest values.

        `board_only`: it is not told of people whom the board does not show.
        """
        self.screens += 1
        try:
            version = self._version_of(last_event_id)
            while ending is None or not ending.is_set():
                upcoming, reached = self._next, self._published
                # Screens that are up to date share one encoding.
                event = self._encoded.get((version, board_only))
                if event is None:
                    changes = self._parts.since(version)
                    event = self._encode(without_hidden(changes) if board_only else changes)
                    self._encoded[version, board_only] = event
                yield event
                version = reached
                await asyncio.shield(upcoming)
        finally:
            self.screens -= 1

    def _version_of(self, event_id: str | None) -> int:
        run, _, version = (event_id or "").partition(".")
        return int(version) if run == self._run and version.isascii() and version.isdigit() else 0

    def _encode(self, changes: Changes) -> bytes:
        return event_bytes(changes, f"{self._run}.{self._published}", time.time())


def without_hidden(changes: Changes) -> Changes:
    """As if hidden people were not there."""
    hidden = [key for key, part in changes.set.items() if key.startswith("person:") and part["hidden"]]
    shown = {key: part for key, part in changes.set.items() if key not in hidden}
    return changes._replace(set=shown, gone=[*changes.gone, *hidden])


def event_bytes(changes: Changes, event_id: str, now_s: float) -> bytes:
    """An event as it goes over the wire."""
    data: dict[str, Any] = {
        "now": round(now_s, 3),
        "set": changes.set,
        "gone": changes.gone,
        "seconds": [entry if entry[0] > now_s - TREND_S else [*entry[:-1], {}] for entry in changes.seconds],
    }
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return f"event: {'snapshot' if changes.whole else 'changes'}\nid: {event_id}\ndata: {text}\n\n".encode()
