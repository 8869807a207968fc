"""The wall's own server without topics: a test tells its board who is there and what their hearts do."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Self

import uvicorn

from app.heartrate.profiles import Profile
from app.heartrate.wearers import Assignment, Wearer
from harness.waiting import wait_for
from live.access import Tokens
from live.board import Beat, Board, Packet
from live.server import create
from live.settings import Settings


class Room(uvicorn.Server):
    """It answers on `url` for as long as the block lasts."""

    def __init__(self, moose: str, tokens: Tokens | None = None, port: int = 0) -> None:
        self.app = create(Settings(moose_url=moose, broker="127.0.0.1:1", tokens=tokens or Tokens()))
        super().__init__(uvicorn.Config(self.app, port=port, log_level="critical", timeout_graceful_shutdown=1))
        self.url = ""
        self._thread = threading.Thread(target=self.run, daemon=True)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        self.port = self.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://localhost:{self.port}"
        # There is no broker, and nothing that a test does here needs one.
        for follower in self.app.state.wall._followers:
            follower.connected = True

    def __enter__(self) -> Self:
        self._thread.start()
        wait_for(lambda: self.url, "the wall's server", 20)
        return self

    def __exit__(self, *_: object) -> None:
        self.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()

    def profile(self, profile: Profile, strap: str) -> None:
        """Somebody is known, and wears a strap."""

        def tell(board: Board) -> None:
            at_us = round(time.time() * 1_000_000) - 1
            board.take_profile(profile, at_us)
            wearer = Wearer(profile.user_id, profile.user_name)
            board.take_assignment(strap, Assignment(at_us, wearer, True), ignored=False)
            board.changed_hands()

        self._tell(tell)

    def beat(self, strap: str, user_id: int, rate: int) -> None:
        """A strap is heard now, and the heart that it is worn at beats; 0: nobody's."""

        def tell(board: Board) -> None:
            now_s = time.time()
            payload = bytes.fromhex("00ffffff000001") + bytes([rate])
            board.take_packet(Packet(strap, "usb-1", payload, round(now_s * 1_000_000), -60), now_s)
            board.take_beat(Beat(user_id, strap, now_s - 0.3, rate, 60_000 / rate), now_s)

        self._tell(tell)

    def session(self, name: str, started_s: float) -> None:
        """A class, at that moment."""
        started_at = datetime.fromtimestamp(started_s, UTC).isoformat()
        record = {"session_id": name, "name": name, "kind": "class", "started_at": started_at}
        self._tell(lambda _board: self.app.state.wall.take_session(record))

    def _tell(self, tell: Callable[[Board], None]) -> None:
        """In the server's own thread, as the topics do."""

        async def told() -> None:
            tell(self.app.state.wall.board)

        asyncio.run_coroutine_threadsafe(told(), self._loop).result(10)
