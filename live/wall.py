"""Keeps the board: follows the topics, asks the APIs for what was before, and publishes to the screens."""

import asyncio
import signal
import time
import traceback
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from app.heartrate.ble import decode_measurement
from app.heartrate.contact import AHEAD_S
from app.heartrate.moments import from_us, to_us
from app.heartrate.pages import parse_payload
from app.heartrate.profiles import Profile, check_profile
from app.heartrate.strap_signal import LOW_BATTERY_PERCENT, Battery
from app.heartrate.wearers import Assignment, Wearer, check_assignment
from live.board import HISTORY_S, Beat, Board, Effort, Notified, Packet, who_of
from live.feed import Feed
from live.moose import Moose, MooseError, MooseUnavailableError
from live.records import profile_record
from live.sessions import Sessions
from live.settings import Settings
from live.streams import Follower, Message, send
from live.told import moment, told

NEWS = ("unified_hr_packet", "bluetooth_hr_packet")
REGISTRY = ("strap_assignment", "person_profile", "training_session", "erasure_report")

TICK_S = 0.1
EFFORT_EVERY_S = 5.0
EFFORT_WINDOW_S = 3600
LINK_EVERY_S = 2.0
RETRY_S = 1.0

UNUSABLE = (ValueError, KeyError, TypeError, AttributeError, ArithmeticError)
"""What a record raises that is not what it should be."""

MOST_SESSIONS = 10_000
UNSETTLED_S = 3
"""The newest seconds of a table may still grow: Moose writes once a second."""


class Wall:
    """All that lives behind the pages. Use as a context: `async with Wall(settings)`."""

    def __init__(self, settings: Settings) -> None:
        self.board = Board()
        self.sessions = Sessions()
        self.changing_sessions = asyncio.Lock()
        """Held from reading who runs to telling what comes of it: two screens may ask at once."""
        self.moose = Moose(settings.moose_url, settings.ingest_token, settings.api_token)
        self._settings = settings
        self._followers: list[Follower] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.past_known = False
        """Whether all that was stored has been read."""
        self._unusable = 0

    async def __aenter__(self) -> Self:
        self.feed = Feed(self.board.parts)
        self._loop = asyncio.get_running_loop()
        for streams, from_beginning in (((*NEWS, *self._settings.raw_streams), False), (REGISTRY, True)):
            topics = {stream: self._settings.topic(stream) for stream in streams}
            follower = Follower(self._settings.kafka(), topics, self._hand_over, from_beginning=from_beginning)
            self._followers.append(follower)
            follower.start()
        for work in (self._tick, self._read_past, self._effort, self._link):
            self._begin(work())
        return self

    async def __aexit__(self, *_: object) -> None:
        ending = list(self._tasks)
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        await asyncio.gather(*(asyncio.to_thread(follower.stop) for follower in self._followers))
        await self.moose.close()

    @property
    def connected(self) -> bool:
        """Whether the broker answers."""
        return all(follower.connected for follower in self._followers)

    @property
    def unusable_records(self) -> int:
        """Records that could not be shown; the pipeline says what is wrong with them."""
        return self._unusable + sum(follower.unreadable for follower in self._followers)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            # Better to begin anew, with the launcher's help, than to show a board that stands still.
            traceback.print_exception(task.exception())
            signal.raise_signal(signal.SIGTERM)

    # --- topics

    def _hand_over(self, messages: Sequence[Message]) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._take_all, messages)

    def _take_all(self, messages: Sequence[Message]) -> None:
        now_s = time.time()
        for message in messages:
            try:
                self._take(message, now_s)
            except UNUSABLE:
                self._unusable += 1

    def _take(self, message: Message, now_s: float) -> None:
        record = told(message.stream, message.record)
        match message.stream:
            case "unified_hr_packet":
                beat = Beat(
                    record["user_id"],
                    record["device_id"],
                    record["hr_timestamp_seconds"],
                    record["hr_value"],
                    record["rr_interval_ms"],
                )
                self.board.take_beat(beat, now_s)
            case "bluetooth_hr_packet":
                self._take_notification(record, message.at_us, now_s)
            case "strap_assignment":
                self.take_assignment(record, message.at_us)
            case "person_profile":
                self.take_profile(record, message.at_us)
            case "training_session":
                self.take_session(record)
            case "erasure_report":
                at_us = _moment_us(record["erased_at"], message.at_us)
                self.board.take_erasure(record["erasure_id"], record["user_id"], record["removed"], at_us, now_s)
                self.board.changed_hands()
            case _:  # raw_ant_hr_packet, and its shards
                packet = Packet(
                    record["device_id"],
                    record.get("receiver_id") or "",
                    parse_payload(record["ant_hr_packet"]),
                    _moment_us(record.get("received_at"), message.at_us),
                    record.get("rssi_dbm"),
                )
                self.board.take_packet(packet, now_s)

    def _take_notification(self, record: dict[str, Any], seen_us: int, now_s: float) -> None:
        percent = record.get("battery_percent")
        self.board.take_notification(
            record["device_id"],
            Notified(
                _moment_us(record.get("received_at"), seen_us),
                decode_measurement(bytes.fromhex(record["hr_measurement"])).heart_rate,
                record.get("rssi_dbm"),
                None if percent is None else Battery(f"{percent} %", percent < LOW_BATTERY_PERCENT),
            ),
            now_s,
        )

    def change_session(self, record: dict[str, Any]) -> None:
        """A session as known from now on, said here: the topic will bring it back."""
        self.sessions.change(record)
        self._show_session()

    def take_session(self, record: dict[str, Any]) -> None:
        """A session as known from now on, told by the topic or the API."""
        self.sessions.take(record)
        self._show_session()

    def _show_session(self) -> None:
        self.board.parts.set("session", self.sessions.running_part(time.time()))

    def take_assignment(self, record: dict[str, Any], seen_us: int | None = None) -> None:
        """Who wears a strap; from when it was seen (now, if absent), where the record names no moment."""
        since = record.get("assigned_at")
        told_us = seen_us or time.time_ns() // 1000
        self._assign(record, Assignment(_moment_us(since, told_us), _wearer(record), since is not None, told_us))

    def _assign(self, record: dict[str, Any], assignment: Assignment) -> None:
        device_id, wearer = record["device_id"], assignment.wearer
        check_assignment(device_id, wearer.user_id, wearer.user_name)
        self.board.take_assignment(device_id, assignment, ignored=bool(record.get("ignored")))
        self.board.changed_hands()

    def take_profile(self, record: dict[str, Any], seen_us: int = 0) -> None:
        """A profile; as of when it was seen, where the record names no moment."""
        profile = Profile.of(record)
        check_profile(profile, datetime.now(UTC).year)
        self.board.take_profile(profile, _moment_us(record.get("updated_at"), seen_us))
        self.board.changed_hands()

    def new_profile(self, profile: Profile) -> dict[str, Any]:
        """A profile that counts from now on, also where the clock was ahead when the one before was made."""
        at_us = max(time.time_ns() // 1000, self.board.people.profile_since_us(profile.user_id) + 1)
        return profile_record(profile, from_us(at_us))

    async def ingest(self, stream: str, records: list[dict[str, Any]]) -> None:
        """Put records on a topic by Moose. Raises `MooseError`."""
        if not self.connected:
            # Moose would hold them, whoever has been told that it failed, and send them when the broker is back.
            raise MooseUnavailableError("The broker does not answer")
        await self.moose.ingest(stream, records)

    async def send(self, stream: str, record: dict[str, Any]) -> None:
        """Put a record on a topic that has no ingest API. Raises `MooseUnavailableError`."""
        if not await asyncio.to_thread(send, self._settings.kafka(), self._settings.topic(stream), record):
            raise MooseUnavailableError("The broker does not answer")

    # --- work

    async def _tick(self) -> None:
        newest_s = 0.0
        while True:
            now_s = time.time()
            newest_s = max(newest_s, now_s)
            if newest_s - now_s > AHEAD_S:
                # What is held is of a time to come: until then it would stand, and nothing new be shown.
                raise RuntimeError(f"the clock was set back by {newest_s - now_s:.0f} s")
            self.board.tick(now_s)
            self.feed.publish()
            for profile in self.board.learnt(now_s):
                # It counts from now on, and is told to the pipeline.
                record = self.new_profile(profile)
                self.take_profile(record)
                self._begin(self._tell(record))
            await asyncio.sleep(TICK_S - time.time() % TICK_S)

    async def _tell(self, record: dict[str, Any]) -> None:
        with suppress(MooseError):  # it is learnt again when it is reached again
            await self.ingest("person_profile", [record])

    async def _read_past(self) -> None:
        """What was before this process: people, straps, sessions and the last ten minutes."""
        while not self.past_known:
            try:
                await self._read_registry()
                self.board.take_history(await self._past_seconds())
                self.past_known = True
            except MooseError:
                await asyncio.sleep(RETRY_S)

    async def _read_registry(self) -> None:
        takers: tuple[tuple[str, dict[str, int], Callable[[dict[str, Any]], None]], ...] = (
            ("getErasures", {}, self._read_erasure),
            ("getPeople", {}, self.take_profile),
            (
                "getStrapAssignments",
                {},
                lambda entry: self._assign(
                    entry, Assignment(_moment_us(entry["since"], 0), _wearer(entry), entry["explicit"])
                ),
            ),
            ("getSessions", {"limit": MOST_SESSIONS}, self._read_session),
        )
        for api, parameters, take in takers:
            for entry in await self.moose.entries(api, **parameters):
                try:
                    take(entry)
                except UNUSABLE:
                    self._unusable += 1

    def _read_erasure(self, entry: dict[str, Any]) -> None:
        at_us = _moment_us(entry["erased_at"], 0)
        self.board.take_erasure(entry["erasure_id"], entry["user_id"], entry["removed"], at_us, time.time())

    def _read_session(self, entry: dict[str, Any]) -> None:
        # What the topic tells is newer than what the table had.
        if not self.sessions.knows(entry["session_id"]):
            self.take_session(entry)

    async def _past_seconds(self) -> dict[int, dict[str, float]]:
        since = datetime.now(UTC) - timedelta(seconds=HISTORY_S)
        seconds: dict[int, dict[str, float]] = {}
        for entry in await self.moose.entries("getHR", timestamp=since.isoformat(), window_seconds=HISTORY_S):
            second = round(datetime.fromisoformat(entry["second"]).timestamp())
            device_id = entry["user_name"].rpartition(" ")[2]
            if second > since.timestamp() + HISTORY_S - UNSETTLED_S:
                continue
            seconds.setdefault(second, {})[who_of(entry["user_id"], device_id)] = entry["avg_heart_rate"]
        return seconds

    async def _effort(self) -> None:
        """Points and zones as the API answers them, so that the board and a summary say the same."""
        while True:
            session = self.sessions.running(time.time())
            # One that nobody ends is over some day.
            self._show_session()
            span = {"window_seconds": EFFORT_WINDOW_S} if session is None else {"session_id": session["session_id"]}
            with suppress(MooseError):
                self.board.take_effort(
                    {
                        entry["user_id"]: Effort(entry["points"], entry["zone_seconds"])
                        for entry in await self.moose.entries("getUserZones", **span)
                    }
                )
            await asyncio.sleep(EFFORT_EVERY_S)

    async def _link(self) -> None:
        while True:
            if not all(follower.is_alive() for follower in self._followers):
                raise RuntimeError("a follower of the topics has ended")
            self.board.parts.set("link", {"broker": self.connected, "moose": await self.moose.answers()})
            await asyncio.sleep(LINK_EVERY_S)


def _wearer(record: dict[str, Any]) -> Wearer:
    return Wearer(record["user_id"], record["user_name"])


def _moment_us(rfc3339: str | None, otherwise_us: int) -> int:
    return otherwise_us if rfc3339 is None else to_us(moment(rfc3339))
