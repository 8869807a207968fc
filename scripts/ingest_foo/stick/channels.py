"""Straps on channels, one each, for sticks without scan mode: at most eight (notes 1, 5).

One channel searches at a time. When it has found a strap the next one searches; a channel that lost its strap, or
found one that another channel has, is closed and searches anew.
"""

import queue
import time
from dataclasses import dataclass
from enum import Enum, auto

from app.heartrate.profile import CHANNEL_PERIOD, DEVICE_TYPE
from scripts.ingest_foo.ant.messages import RF_FREQUENCY, Code, Heard, MessageId
from scripts.ingest_foo.stick.openant_link import StickChannel, StickNode

SLAVE = 0x00
"""Channel type of a receiver (notes 1)."""

NETWORK = 0
LOST_AFTER_S = 30.0
"""A strap that was away for so long loses its channel."""

NO_SEARCH, ENDLESS = 0, 255
"""Search timeouts (notes 1)."""


class _State(Enum):
    SEARCHING = auto()
    TRACKING = auto()
    CLOSING = auto()


@dataclass(slots=True)
class _Track:
    channel: StickChannel
    state: _State = _State.SEARCHING
    device_number: int | None = None
    lost_at: float | None = None


class TrackingChannels:
    """The channels of one stick. Raises `StickError` where the stick does not do as told."""

    def __init__(self, node: StickNode) -> None:
        self._node = node
        self.count: int = node.capabilities.channels
        self._tracks: list[_Track] = []
        self._news: queue.SimpleQueue[tuple[int, int | None, int | None]] = queue.SimpleQueue()
        self._open_next()

    def heard(self, heard: Heard) -> bool:
        """Take note of a packet, on the reader's thread; False: another channel has this strap, and tells it."""
        track = self._tracks[heard.channel] if heard.channel < len(self._tracks) else None
        if track is None or track.state is _State.CLOSING:
            return False
        if track.device_number != heard.device_number:
            if any(other.device_number == heard.device_number for other in self._tracks):
                self._news.put((heard.channel, None, heard.device_number))
                return False
            track.device_number = heard.device_number
            self._news.put((heard.channel, None, heard.device_number))
        track.lost_at = None
        return True

    def event(self, channel: int, code: int) -> None:
        """Take note of a channel's event, on the node's thread."""
        if code in (Code.RX_FAIL_GO_TO_SEARCH, Code.CHANNEL_CLOSED):
            self._news.put((channel, code, None))

    def tend(self) -> None:
        """Act on what was noted. To be called every now and then, on a thread that may wait for answers."""
        while True:
            try:
                number, code, device_number = self._news.get_nowait()
            except queue.Empty:
                break
            if number < len(self._tracks):
                self._act(self._tracks[number], code, device_number)
        for track in self._tracks:
            if track.lost_at is not None and time.monotonic() - track.lost_at > LOST_AFTER_S:
                self._close(track)
        searching = any(track.state is not _State.TRACKING for track in self._tracks)
        if not searching and len(self._tracks) < self.count:
            self._open_next()

    def _act(self, track: _Track, code: int | None, device_number: int | None) -> None:
        if code == Code.RX_FAIL_GO_TO_SEARCH and track.state is _State.TRACKING:
            track.lost_at = time.monotonic()
        elif code == Code.CHANNEL_CLOSED:
            track.device_number = None
            self._search(track)
        elif device_number is not None and track.state is _State.SEARCHING:
            if track.device_number == device_number:
                track.state = _State.TRACKING
            else:
                self._close(track)

    def _open_next(self) -> None:
        channel = self._node.new_channel(SLAVE, NETWORK)
        channel.set_period(CHANNEL_PERIOD)
        channel.set_rf_freq(RF_FREQUENCY)
        # The low-priority search does not disturb the channels that track.
        channel.set_search_timeout(NO_SEARCH)
        self._node.command(MessageId.LOW_PRIORITY_SEARCH_TIMEOUT, [channel.id, ENDLESS], channel.id)
        self._tracks.append(track := _Track(channel))
        self._search(track)

    def _search(self, track: _Track) -> None:
        track.state, track.lost_at = _State.SEARCHING, None
        track.channel.set_id(0, DEVICE_TYPE, 0)
        track.channel.open()

    def _close(self, track: _Track) -> None:
        # It is opened anew when the stick says that it is closed; before, it would refuse (notes 5).
        track.state, track.lost_at = _State.CLOSING, None
        track.channel.close()
