"""A strap's beat tracker as of a moment, rebuilt from what was stored: after a restart, or where data comes late.

The newest stored tracker before that moment, and the raw packets since then, give the tracker that the undisturbed run
had. Raw packets reach the table in the order of the topic, about a second behind: once the packet in hand is there, all
before it are.
"""

import time
from dataclasses import dataclass
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error as ClickHouseError

from app.datamodels.processed_ant_hr_packet import processed_ant_hr_packet_pipeline
from app.datamodels.raw_ant_hr_packet import raw_ant_hr_packet_pipeline
from app.heartrate.beat_tracker import BeatTracker
from app.heartrate.strap_tracker import LANE_REACH_US
from app.storage.clickhouse import connect

ARRIVAL_TIMEOUT_S = 20.0
"""How long the packet in hand may take to reach the table; ten times what it takes."""

ANSWER_TIMEOUT_S = 200.0
"""How long ClickHouse may be away before the work goes on without history; Kafka allows 300 s for a batch."""

_RETRY_S = 0.05


@dataclass(frozen=True, slots=True)
class StoredPacket:
    """A raw packet as stored; `received_at_us` in µs since 1970 UTC."""

    payload: str
    received_at_us: int
    receiver_id: str
    packet_count: int


class StrapHistory:
    """Reads straps' histories. Connects when first asked."""

    def __init__(self) -> None:
        self._client: Client | None = None

    def as_of(
        self, device_id: str, packet: StoredPacket, *, await_packet: bool
    ) -> tuple[BeatTracker, list[StoredPacket]]:
        """The newest tracker stored before a packet (new if none), and the raw packets from then up to that packet.

        `await_packet` waits until the packet is in the table, which shows that all before it are. Where ClickHouse does
        not answer for `ANSWER_TIMEOUT_S`, raises its error.
        """
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        while True:
            try:
                if await_packet:
                    self._await(device_id, packet)
                return self._read(device_id, packet)
            except ClickHouseError:
                self._client = None
                if time.monotonic() > deadline:
                    raise
                time.sleep(_RETRY_S * 10)

    def _read(self, device_id: str, packet: StoredPacket) -> tuple[BeatTracker, list[StoredPacket]]:
        moment = {
            "device": device_id,
            "from_us": packet.received_at_us - LANE_REACH_US,
            "before_us": packet.received_at_us,
            "before_count": packet.packet_count,
        }
        stored = self._query(
            f"""
            SELECT tracker_state, toUnixTimestamp64Micro(received_at) AS at, packet_count
            FROM {processed_ant_hr_packet_pipeline.get_table().name}
            WHERE device_id = {{device:String}} AND isNotNull(tracker_state)
              AND received_at >= fromUnixTimestamp64Micro({{from_us:Int64}})
              AND (at, packet_count) < ({{before_us:Int64}}, {{before_count:UInt64}})
            ORDER BY at DESC, packet_count DESC LIMIT 1
            """,  # noqa: S608 (own table's name)
            moment,
        )
        tracker = BeatTracker()
        if stored:
            state, moment["from_us"], from_count = stored[0]
            tracker = BeatTracker.restore(state)
        else:
            from_count = 0
        packets = self._query(
            f"""
            SELECT DISTINCT
                ant_hr_packet, toUnixTimestamp64Micro(received_at) AS at, ifNull(receiver_id, ''), packet_count
            FROM {raw_ant_hr_packet_pipeline.get_table().name}
            WHERE device_id = {{device:String}}
              AND received_at >= fromUnixTimestamp64Micro({{from_us:Int64}})
              AND received_at <= fromUnixTimestamp64Micro({{before_us:Int64}})
              AND (at, packet_count) > ({{from_us:Int64}}, {{from_count:UInt64}})
              AND (at, packet_count) < ({{before_us:Int64}}, {{before_count:UInt64}})
            ORDER BY at, packet_count
            """,  # noqa: S608 (own table's name)
            {**moment, "from_count": from_count},
        )
        return tracker, [StoredPacket(*row) for row in packets]

    def _await(self, device_id: str, packet: StoredPacket) -> None:
        deadline = time.monotonic() + ARRIVAL_TIMEOUT_S
        while time.monotonic() < deadline:
            arrived = self._query(
                f"""
                SELECT 1 FROM {raw_ant_hr_packet_pipeline.get_table().name}
                WHERE device_id = {{device:String}} AND packet_count = {{count:UInt64}}
                  AND received_at = fromUnixTimestamp64Micro({{at_us:Int64}}) LIMIT 1
                """,  # noqa: S608 (own table's name)
                {"device": device_id, "count": packet.packet_count, "at_us": packet.received_at_us},
            )
            if arrived:
                return
            time.sleep(_RETRY_S)

    def _query(self, sql: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        if self._client is None:
            self._client = connect()
        return [tuple(row) for row in self._client.query(sql, parameters).result_rows]
