"""A strap's beat tracker as of a moment, rebuilt from what was stored: after a restart, or where data comes late.

The newest stored tracker before that moment, and the raw packets since then, give the tracker that the undisturbed run
had. Raw packets reach the table in the order of the topic, about a second behind the functions. So a process first
waits until all that its predecessors have read is in the table; from then on a strap that is not in there is new, and
needs no look at the past. Where a process needs what itself has read, it waits for the packet in hand: all before it
are there then.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error as ClickHouseError
from confluent_kafka import KafkaException
from moose_lib import Stream

from app.datamodels.bluetooth_hr_packet import bluetooth_hr_packet_pipeline
from app.datamodels.processed_ant_hr_packet import processed_ant_hr_packet_pipeline
from app.datamodels.raw_ant_hr_packet import RawAntHRPacket, raw_ant_hr_packet_pipeline
from app.datamodels.unified_hr_packet import unified_hr_packet_pipeline
from app.heartrate.beat_tracker import REVISIONS, Beat, BeatTracker, sent_as
from app.heartrate.bluetooth_tracker import BluetoothTracker
from app.heartrate.pages import parse_payload
from app.heartrate.profile import TICKS_PER_SECOND
from app.heartrate.strap_id import LONGEST_RECEIVER_ID
from app.heartrate.strap_tracker import LANE_REACH_US, LATEST_US
from app.storage import kafka
from app.storage.clickhouse import Patience, connect

ARRIVAL_TIMEOUT_S = 20.0
"""How long the packet in hand may take to reach the table; ten times what it takes."""

BACKLOG_TIMEOUT_S = 120.0
"""How long what was read before may take; Moose's sync waits up to a minute where ClickHouse was away."""

REBUILDING_US = 600_000_000
"""A tracker remembers two minutes: the packets of so long alone rebuild one."""

_RETRY_S = 0.05

_BETWEEN = """
    device_id = {device:String}
    AND received_at BETWEEN fromUnixTimestamp64Micro({from_us:Int64}) AND fromUnixTimestamp64Micro({before_us:Int64})
    AND (toUnixTimestamp64Micro(received_at), packet_count) > ({from_us:Int64}, {from_count:UInt64})
    AND (toUnixTimestamp64Micro(received_at), packet_count) < ({before_us:Int64}, {before_count:UInt64})
"""
"""In SQL: what was received of a strap between two packets, both left out; `_between` gives the values."""

_DAY_US = 86_400_000_000
_OF_THOSE_DAYS = f"""
    beat_at BETWEEN fromUnixTimestamp64Micro({{from_us:Int64}} - {_DAY_US})
        AND fromUnixTimestamp64Micro({{before_us:Int64}} + {_DAY_US})
"""
"""In SQL: so that ClickHouse looks into the parts of that month only, and a corrupted one harms no other."""

AGAIN_US = 600_000_000
"""So much further on, beats may have been told that are told again: of what was read and not committed before a
restart, or of what a receiver sends again after it."""


class Past(NamedTuple):
    """What is known of a strap before a packet."""

    tracker: BeatTracker
    """As of just before it."""
    told_again: Iterator[tuple[tuple[Beat, ...], "StoredPacket"]] = iter(())
    """Stored packets, each with its beats that are not stored. As it goes on, the tracker takes the packets."""
    moments_us: Mapping[int, int] = MappingProxyType({})
    """Moments of stored beats by `sent_as`, also of some that came after it."""


class StoredBeat(NamedTuple):
    """What of a stored beat tells whether it is news, and when it was."""

    version: int
    moment_us: int
    ticks: int


_NOT_STORED = StoredBeat(-1, 0, 0)


@dataclass(frozen=True, slots=True)
class StoredPacket:
    """A raw packet as stored; `received_at_us` in µs since 1970 UTC."""

    payload: str
    received_at_us: int
    receiver_id: str
    packet_count: int


def well_formed(packets: Iterable[StoredPacket]) -> Iterator[tuple[bytes, StoredPacket]]:
    """Those ANT+ packets that are any, and what they say; the others went to the dead letter queue when they came."""
    for packet in packets:
        with contextlib.suppress(ValueError):
            yield parse_payload(packet.payload), packet


class PacketHistory:
    """Reads straps' packets from a table. Connects when first asked.

    Args:
        source: What this process's function reads.
        target: What it writes; with the source, that names its consumer group.
        table: Where Moose stores the source.
        payload: The column that holds what the strap sent.
    """

    def __init__(self, source: Stream[Any], target: Stream[Any], table: str, payload: str) -> None:
        self._source = source
        self._target = target
        self._table = table
        self._payload = payload
        self._client: Client | None = None
        self._patience = Patience()
        self._asked = False
        self._stored_straps: set[str] | None = None

    def may_have(self, device_id: str) -> bool:
        """Whether anything of a strap was in the table when this was first asked; yes, where that cannot be told."""
        if not self._asked:
            self._asked = True
            self._await_backlog()
            sql = f"SELECT DISTINCT device_id FROM {self._table}"  # noqa: S608 (own table's name)
            self._stored_straps = self.patiently(lambda: {row[0] for row in self.query(sql, {})}, lambda: None)
        return self._stored_straps is None or device_id in self._stored_straps

    def _await_backlog(self) -> None:
        """Wait until what the function has read and told before this process is stored; at most `BACKLOG_TIMEOUT_S`.

        To be called before this process's first commit.
        """
        deadline = time.monotonic() + BACKLOG_TIMEOUT_S
        topic, told = kafka.full_name(self._source.name), kafka.full_name(self._target.name)
        flow = kafka.consumer(kafka.flow_group(self._source, self._target))
        sync = kafka.consumer(kafka.full_name(kafka.SYNC_GROUP))
        # No broker, no backlog that could be waited for.
        with contextlib.closing(flow), contextlib.closing(sync), contextlib.suppress(KafkaException):
            read = kafka.committed(flow, topic, kafka.BROKER_TIMEOUT_S)
            kafka.await_committed(sync, topic, read, deadline)
            kafka.await_caught_up(sync, told, deadline)

    def patiently[T](self, read: Callable[[], T], without: Callable[[], T]) -> T:
        """The result of `read`; that of `without` where ClickHouse stays away, or has lost what is asked for."""
        return self._patience.ask(read, unreadable=without, away=without)

    def before(self, device_id: str, packet: StoredPacket, from_us: int, from_count: int = 0) -> list[StoredPacket]:
        """A strap's packets between (`from_us`, `from_count`) and a packet, both left out, in the order heard."""
        rows = self.query(
            f"""
            SELECT DISTINCT
                {self._payload}, toUnixTimestamp64Micro(received_at) AS at, ifNull(receiver_id, ''), packet_count
            FROM {self._table}
            WHERE {_BETWEEN}
            ORDER BY at, packet_count
            """,  # noqa: S608 (own table's name)
            _between(device_id, packet, from_us, from_count),
        )
        # As with payloads that are none, the others went to the dead letter queue when they came.
        return [packet for row in rows if len((packet := StoredPacket(*row)).receiver_id) <= LONGEST_RECEIVER_ID]

    def await_stored(self, device_id: str, packet: StoredPacket) -> None:
        """Wait until a packet is in the table, which shows that all before it are; at most `ARRIVAL_TIMEOUT_S`."""
        deadline = time.monotonic() + ARRIVAL_TIMEOUT_S
        while time.monotonic() < deadline:
            arrived = self.query(
                f"""
                SELECT 1 FROM {self._table}
                WHERE device_id = {{device:String}} AND packet_count = {{count:UInt64}}
                  AND received_at = fromUnixTimestamp64Micro({{at_us:Int64}}) LIMIT 1
                """,  # noqa: S608 (own table's name)
                {"device": device_id, "count": packet.packet_count, "at_us": packet.received_at_us},
            )
            if arrived:
                return
            time.sleep(_RETRY_S)

    def query(self, sql: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Rows of a question."""
        if self._client is None:
            self._client = connect()
        try:
            return [tuple(row) for row in self._client.query(sql, parameters).result_rows]
        except ClickHouseError:
            self._client = None
            raise


def _between(device_id: str, packet: StoredPacket, from_us: int, from_count: int) -> dict[str, Any]:
    return {
        "device": device_id,
        "from_us": from_us,
        "from_count": from_count,
        "before_us": packet.received_at_us,
        "before_count": packet.packet_count,
    }


class StrapHistory:
    """Histories of ANT+ straps: raw packets, and the trackers that were stored with the beats.

    Args:
        source: The stream of packets that this process's function reads.
    """

    def __init__(self, source: Stream[RawAntHRPacket]) -> None:
        table = raw_ant_hr_packet_pipeline.get_table().name
        self._packets = PacketHistory(source, processed_ant_hr_packet_pipeline.get_stream(), table, "ant_hr_packet")

    def at_first(self, device_id: str, packet: StoredPacket) -> Past:
        """As `as_of`, for the first packet of a strap that this process reads."""
        if not self._packets.may_have(device_id):
            return Past(BeatTracker())
        return self.as_of(device_id, packet, await_packet=False)

    def as_of(self, device_id: str, packet: StoredPacket, *, await_packet: bool) -> Past:
        """The newest tracker stored before a packet (new if none), and what the raw packets from then up to it tell.

        Beats that are stored are left out.

        `await_packet` waits until the packet is in the table, which shows that all before it are. Where the packets lie
        in a part that is corrupted, the beats that were stored of them bring the tracker to where none is told again;
        where the trackers do, or are of another version, the packets of `REBUILDING_US` do. Where ClickHouse does not
        answer for `ANSWER_TIMEOUT_S`, the history is empty.
        """

        def newest() -> tuple[BeatTracker | None, int, int]:
            if await_packet:
                self._packets.await_stored(device_id, packet)
            return self._newest_tracker(device_id, packet)

        stored, from_us, from_count = self._packets.patiently(newest, lambda: _no_tracker(packet))
        tracker = stored or BeatTracker()
        since = self._packets.patiently(
            lambda: self._packets.before(device_id, packet, from_us, from_count), lambda: None
        )
        told = self._packets.patiently(
            lambda: self._stored_beats(device_id, packet, from_us), dict[tuple[int, int], StoredBeat]
        )
        moments_us = {sent_as(beat.ticks, count): beat.moment_us for (_, count), beat in told.items()}
        if since is not None and stored is not None:
            return Past(tracker, _told_again(tracker, since, told), moments_us)
        # What follows was told before.
        for payload, old in well_formed(since or ()):
            tracker.push(payload, old.received_at_us)
        if since is None:
            beats = self._packets.patiently(
                lambda: self._beats_before(device_id, packet, from_us, from_count), list[tuple[Beat, int]]
            )
            for beat, received_us in beats:
                tracker.recall(beat, received_us)
        return Past(tracker, moments_us=moments_us)

    def _stored_beats(self, device_id: str, packet: StoredPacket, from_us: int) -> dict[tuple[int, int], StoredBeat]:
        """By epoch and beat count, the beats told from a moment up to a packet.

        And of what was told after it already, and a little before: that may have been the other receiver's packet.
        """
        rows = self._packets.query(
            f"""
            SELECT
                epoch, heart_beat_count, max(revision), max(toUnixTimestamp64Micro(beat_at)),
                max(toInt64(round(last_beat_time * {TICKS_PER_SECOND})))
            FROM {processed_ant_hr_packet_pipeline.get_table().name}
            WHERE device_id = {{device:String}} AND received_at BETWEEN
                fromUnixTimestamp64Micro({{from_us:Int64}}) AND fromUnixTimestamp64Micro({{before_us:Int64}})
                AND {_OF_THOSE_DAYS}
            GROUP BY epoch, heart_beat_count
            """,  # noqa: S608 (own table's name)
            {"device": device_id, "from_us": from_us - LATEST_US, "before_us": packet.received_at_us + AGAIN_US},
        )
        return {(epoch, count): StoredBeat(*beat) for epoch, count, *beat in rows}

    def _beats_before(
        self, device_id: str, packet: StoredPacket, from_us: int, from_count: int
    ) -> list[tuple[Beat, int]]:
        """The beats told by the packets that `PacketHistory.before` would give, and when those were received, µs."""
        rows = self._packets.query(
            f"""
            SELECT
                epoch, heart_beat_count, toInt64(round(last_beat_time * {TICKS_PER_SECOND})) AS ticks,
                toInt64(round(previous_beat_time * {TICKS_PER_SECOND})) AS previous_ticks, ticks - previous_ticks,
                rr_method, calculated_heart_rate, toUnixTimestamp64Micro(beat_at), rr_computed, revision % {REVISIONS},
                toUnixTimestamp64Micro(received_at) AS at
            FROM {processed_ant_hr_packet_pipeline.get_table().name}
            WHERE {_BETWEEN} AND {_OF_THOSE_DAYS}
            ORDER BY at, packet_count, heart_beat_count, revision % {REVISIONS}
            """,  # noqa: S608 (own table's name)
            _between(device_id, packet, from_us, from_count),
        )
        return [(Beat(*beat), received_us) for *beat, received_us in rows]

    def _newest_tracker(self, device_id: str, packet: StoredPacket) -> tuple[BeatTracker | None, int, int]:
        """The tracker, and the packet that it was stored with (moment, count)."""
        from_us = packet.received_at_us - LANE_REACH_US
        stored = self._packets.query(
            f"""
            SELECT tracker_state, toUnixTimestamp64Micro(received_at) AS at, packet_count
            FROM {processed_ant_hr_packet_pipeline.get_table().name}
            WHERE {_BETWEEN} AND {_OF_THOSE_DAYS} AND isNotNull(tracker_state)
            ORDER BY at DESC, packet_count DESC LIMIT 1
            """,  # noqa: S608 (own table's name)
            _between(device_id, packet, from_us, 0),
        )
        if not stored:
            return BeatTracker(), from_us, 0
        state, at_us, count = stored[0]
        try:
            return BeatTracker.restore(state), at_us, count
        except (TypeError, ValueError):
            return _no_tracker(packet)


def _told_again(
    tracker: BeatTracker, packets: list[StoredPacket], told: Mapping[tuple[int, int], StoredBeat]
) -> Iterator[tuple[tuple[Beat, ...], StoredPacket]]:
    for payload, packet in well_formed(packets):
        beats = tracker.push(payload, packet.received_at_us)
        news = (beat for beat in beats if beat.version > told.get((beat.epoch, beat.beat_count), _NOT_STORED).version)
        yield tuple(news), packet


def _no_tracker(packet: StoredPacket) -> tuple[None, int, int]:
    return None, packet.received_at_us - REBUILDING_US, 0


class BluetoothHistory:
    """Histories of Bluetooth straps. Their trackers remember a minute, so some minutes of packets rebuild them."""

    def __init__(self) -> None:
        source, table = bluetooth_hr_packet_pipeline.get_stream(), bluetooth_hr_packet_pipeline.get_table().name
        self._packets = PacketHistory(source, unified_hr_packet_pipeline.get_stream(), table, "hr_measurement")

    def at_first(self, device_id: str, packet: StoredPacket) -> BluetoothTracker:
        """As `StrapHistory.at_first`."""
        if not self._packets.may_have(device_id):
            return BluetoothTracker()
        return self.as_of(device_id, packet, await_packet=False)

    def as_of(self, device_id: str, packet: StoredPacket, *, await_packet: bool) -> BluetoothTracker:
        """The tracker as of just before a packet; as `StrapHistory.as_of`."""

        def read() -> BluetoothTracker:
            if await_packet:
                self._packets.await_stored(device_id, packet)
            tracker = BluetoothTracker()
            from_us = packet.received_at_us - REBUILDING_US
            for old in self._packets.before(device_id, packet, from_us):
                with contextlib.suppress(ValueError):  # it went to the dead letter queue when it came
                    tracker.push(bytes.fromhex(old.payload), old.received_at_us, old.receiver_id)
            return tracker

        return self._packets.patiently(read, BluetoothTracker)
