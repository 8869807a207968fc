"""All packets of one strap, for whatever time they come.

Packets of one strap may arrive for different times interleaved: live ones, those of an hour ago from a receiver's
spool, a whole recording sent once more. Each such time is a lane with a tracker of its own, as it was at that time. So
what is sent twice gives the very same beats twice.
"""

from collections import deque
from typing import Any, Protocol


class Tracker(Protocol):
    """What turns the packets of one time into beats: `BeatTracker`, `BluetoothTracker`."""

    def push(self, payload: bytes, received_us: int, receiver_id: str, /) -> tuple[Any, ...]:
        """Take a packet, heard at `received_us` (µs since 1970 UTC); return the beats that it adds."""


class Recover[T: Tracker](Protocol):
    """What gives the tracker as of just before a packet, which may be the strap's first."""

    def __call__(self, received_us: int, receiver_id: str, packet_count: int, /, *, is_first: bool) -> T:
        """Make it anew, or from what is stored."""


LATEST_US = 4_000_000
"""A packet may be heard so much before the newest of its lane: not longer than the tracker remembers beats."""

LANE_REACH_US = 3_600_000_000
"""After a longer silence nothing of the past matters any more, and a lane starts anew."""

LANES = 4
REMEMBERED_PACKETS = 1024


class _Lane[T: Tracker]:
    __slots__ = ("received_us", "tracker")

    def __init__(self, tracker: T, received_us: int) -> None:
        self.tracker = tracker
        self.received_us = received_us
        """When the newest packet of this lane was heard."""


class StrapTracker[T: Tracker]:
    """The lanes of one strap. `tracker` is the one that took the last packet."""

    __slots__ = ("_lane", "_lanes", "_order", "_packets", "_recover")

    def __init__(self, recover: Recover[T]) -> None:
        self._recover = recover
        self._lanes: list[_Lane[T]] = []
        self._lane: _Lane[T] | None = None
        self._packets: set[tuple[str, int, int, bytes]] = set()
        self._order: deque[tuple[str, int, int, bytes]] = deque()

    @property
    def tracker(self) -> T:
        """The tracker that took the last packet. Raises `LookupError` before the first."""
        if self._lane is None:
            raise LookupError("no packet yet")
        return self._lane.tracker

    def push(self, payload: bytes, received_us: int, receiver_id: str, packet_count: int) -> tuple[Any, ...]:
        """Take a packet (as `Tracker.push`); one that was taken before, exactly, adds nothing."""
        packet = (receiver_id, packet_count, received_us, payload)
        if packet in self._packets:
            return ()
        self._packets.add(packet)
        self._order.append(packet)
        if len(self._order) > REMEMBERED_PACKETS:
            self._packets.discard(self._order.popleft())
        lane = self._lane
        if (
            lane is None
            or len(self._lanes) > 1
            or not lane.received_us - LATEST_US <= received_us <= lane.received_us + LANE_REACH_US
        ):
            lane = self._lane = self._find(received_us) or self._add(received_us, receiver_id, packet_count)
        lane.received_us = max(lane.received_us, received_us)
        return lane.tracker.push(payload, received_us, receiver_id)

    def rest(self, now_us: int) -> bool:
        """Forget which packets were taken, if the strap has been silent for `LANE_REACH_US`; tells whether it has.

        They are most of what a strap holds; what is sent once more is another lane then, and gives the same beats.
        """
        silent = all(lane.received_us < now_us - LANE_REACH_US for lane in self._lanes)
        if silent:
            self._packets.clear()
            self._order.clear()
        return silent

    def _find(self, received_us: int) -> _Lane[T] | None:
        """The newest lane that this packet can belong to; moved to the end, as the last one used."""
        fitting = [
            lane
            for lane in self._lanes
            if lane.received_us - LATEST_US <= received_us <= lane.received_us + LANE_REACH_US
        ]
        if not fitting:
            return None
        lane = max(fitting, key=lambda lane: lane.received_us)
        self._lanes.remove(lane)
        self._lanes.append(lane)
        return lane

    def _add(self, received_us: int, receiver_id: str, packet_count: int) -> _Lane[T]:
        tracker = self._recover(received_us, receiver_id, packet_count, is_first=self._lane is None)
        lane = _Lane(tracker, received_us)
        self._lanes.append(lane)
        del self._lanes[:-LANES]
        return lane
