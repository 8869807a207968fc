"""The wall's own work, without topics."""

import asyncio
from types import SimpleNamespace

import pytest

from app.heartrate.contact import AHEAD_S
from live import wall as module
from live.feed import Feed
from live.settings import Settings
from live.wall import Wall

T = 1_790_000_000.0


def test_a_clock_that_is_set_back_ends_the_process_so_that_the_next_one_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = T
    monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: now_s))

    async def play() -> None:
        nonlocal now_s
        wall = Wall(Settings(moose_url="http://127.0.0.1:1", broker="127.0.0.1:1"))
        wall.feed = Feed(wall.board.parts)
        ticking = asyncio.create_task(wall._tick())
        for back_s in (0.0, AHEAD_S - 1):
            now_s = T - back_s
            await asyncio.wait_for(wall.feed.published(), 10)
        # By steps that are small each.
        now_s -= 2
        with pytest.raises(RuntimeError, match="clock was set back by 6 s"):
            await asyncio.wait_for(ticking, 10)
        await wall.moose.close()

    asyncio.run(play())
