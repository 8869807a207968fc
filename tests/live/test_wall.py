"""The wall's own work, without topics."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import from_json

from app.heartrate.contact import AHEAD_S
from live import wall as module
from live.feed import Feed, event_bytes
from live.settings import Settings
from live.streams import Message
from live.wall import Wall

T = 1_790_000_000.0
NOW = "2026-09-21T14:13:20Z"
RECORDS: dict[str, dict[str, Any]] = {
    "unified_hr_packet": {
        "user_id": 7,
        "device_id": "5",
        "hr_timestamp_seconds": T,
        "hr_value": 60,
        "rr_interval_ms": 1000.0,
    },
    "raw_ant_hr_packet": {
        "device_id": "5",
        "ant_hr_packet": "04ff0a14ce180764",
        "received_at": NOW,
        "receiver_id": "usb-1",
        "rssi_dbm": -60,
    },
    "bluetooth_hr_packet": {
        "device_id": "C0:11:22:33:44:55",
        "hr_measurement": "1048e803",
        "received_at": NOW,
        "rssi_dbm": -60,
        "battery_percent": 80,
    },
    "strap_assignment": {"device_id": "5", "user_id": 7, "user_name": "Ada", "assigned_at": NOW, "ignored": False},
    "person_profile": {
        "user_id": 7,
        "user_name": "Ada",
        "alias": "A",
        "birth_year": 1990,
        "sex": "female",
        "weight_kg": 60.0,
        "hr_max": 190,
        "hr_max_learnt": 191,
        "hr_rest": 50,
        "hidden": False,
        "updated_at": NOW,
    },
    "training_session": {
        "session_id": "a",
        "name": "Spin",
        "kind": "class",
        "started_at": NOW,
        "ended_at": None,
        "stop_marked_at": None,
    },
    "erasure_report": {"erasure_id": "e", "user_id": 8, "erased_at": NOW, "removed": {"unified_hr_packet": 3}},
}
UNSPOILT = "600000"
"""A strap's number: longer than the text that is made up."""

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**31, 2**53 - 1, 2**53, -(2**70), 10**400]),
    st.floats(),
    st.sampled_from([1e308, 5e-324]),
    st.text(max_size=5),
    st.sampled_from(["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-09-21T14:13:20", "0" * 70]),
    st.lists(st.floats(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers() | st.floats(), max_size=2),
)


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


@settings(max_examples=300)
@given(stream=st.sampled_from(sorted(RECORDS)), data=st.data())
def test_whatever_a_record_holds_the_wall_goes_on(stream: str, data: st.DataObject) -> None:
    """Whoever reaches the broker may put anything there, and registries are read again from the beginning."""
    good = RECORDS[stream]
    spoiled = {**good, data.draw(st.sampled_from(sorted(good))): data.draw(ODD)}
    wall = Wall(Settings(moose_url="http://127.0.0.1:1", broker="127.0.0.1:1"))
    wall.board.take_history({})
    before = [Message(each, RECORDS[each], round(T * 1_000_000)) for each in RECORDS]
    after = Message("unified_hr_packet", {**RECORDS["unified_hr_packet"], "user_id": 0, "device_id": UNSPOILT}, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "time", SimpleNamespace(time=lambda: T, time_ns=lambda: round(T) * 1_000_000_000))
        wall._take_all([*before, Message(stream, from_json(json.dumps(spoiled)), round(T * 1_000_000)), after])
    for passed_s in range(5):
        wall.board.tick(T + passed_s)
        wall.board.learnt(T + passed_s)
    parts = json.loads(event_bytes(wall.board.parts.since(0), "a.1", T).partition(b"data: ")[2])["set"]
    assert {f"tile:s{UNSPOILT}", f"beat:s{UNSPOILT}"} <= parts.keys()
    assert 0 < wall.board.people.new_user_id() < 2**31
    assert [each["session_id"] for each in wall.sessions.all()]
    asyncio.run(wall.moose.close())
