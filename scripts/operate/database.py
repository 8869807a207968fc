"""What ClickHouse knows: figures of the last minute."""

from dataclasses import dataclass
from typing import Any

import httpx

from app.heartrate.contact import AHEAD_S
from app.heartrate.reception import AWAY_AFTER_US, SLOT_US
from scripts.delivery.keys import without_password
from scripts.operate.settings import Settings

TIMEOUT_S = 3.0

QUANTILES = (0.5, 0.95, 0.99)

_NEWEST = """
SELECT toUnixTimestamp64Micro(now64(6)) / 1e6 - max(hr_timestamp_seconds), count() FROM latest_heart_rate
"""

_BEATS = f"""
SELECT uniqExact(device_id, hr_timestamp_seconds) FROM unified_hr_packet
WHERE hr_timestamp_seconds >= toUnixTimestamp64Micro(now64(6)) / 1e6 - 60
    AND hr_timestamp_seconds <= toUnixTimestamp64Micro(now64(6)) / 1e6 + {AHEAD_S}
"""  # noqa: S608 (own numbers)

_STEP_OF_A_RESTART = 300
"""A strap sends 244 packets in a minute: where a receiver's numbers jump further, it counts anew."""

# A receiver's packets of a strap, each beside the one before: the radio's slots between them, and numbers left out.
_RECEPTION = f"""
SELECT count(), sum(missed), sum(undelivered)
FROM (
    SELECT
        dateDiff('microsecond', lagInFrame(received_at, 1, received_at) OVER before, received_at) AS gap_us,
        toInt64(packet_count) - toInt64(lagInFrame(packet_count, 1, packet_count) OVER before) AS step,
        if(gap_us < {AWAY_AFTER_US}, greatest(0, round(gap_us / {SLOT_US}) - 1), 0) AS missed,
        if(step > 1 AND step <= {_STEP_OF_A_RESTART}, step - 1, 0) AS undelivered
    FROM raw_ant_hr_packet FINAL
    WHERE received_at >= now64(6) - INTERVAL 1 MINUTE AND received_at <= now64(6) + INTERVAL {AHEAD_S} SECOND
    WINDOW before AS (
        PARTITION BY device_id, receiver_id ORDER BY received_at, packet_count ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
    )
)
"""  # noqa: S608 (own numbers)

# The beats of ANT+ straps; their moments are looked for a little further back than what is counted.
_LATENCY = f"""
SELECT count(), quantiles({", ".join(map(str, QUANTILES))})(latency_s)
FROM (
    SELECT greatest(0, dateDiff('microsecond', heard.received_at, made.processed_timestamp)) / 1e6 AS latency_s
    FROM (
        SELECT device_id, toInt64(round(hr_timestamp_seconds * 1e6)) AS at_us, revision, processed_timestamp
        FROM unified_hr_packet
        WHERE hr_timestamp_seconds >= toUnixTimestamp64Micro(now64(6)) / 1e6 - 90
            AND hr_timestamp_seconds <= toUnixTimestamp64Micro(now64(6)) / 1e6 + {AHEAD_S}
    ) AS made
    JOIN (
        SELECT device_id, toUnixTimestamp64Micro(beat_at) AS at_us, revision, received_at
        FROM processed_ant_hr_packet WHERE beat_at >= now64(6) - INTERVAL 90 SECOND
    ) AS heard USING (device_id, at_us, revision)
    WHERE made.processed_timestamp >= now64(3) - INTERVAL 1 MINUTE
)
"""  # noqa: S608 (own numbers)


class DatabaseError(Exception):
    """ClickHouse does not answer, or not as it should; the text says so to a person."""


@dataclass(frozen=True, slots=True)
class Reception:
    """ANT+ packets heard within the last minute, as far as they are stored."""

    packets: int
    radio_loss: float | None
    """Share of the slots in which straps transmitted that brought none, 0 to 1; None: nothing heard."""
    delivery_loss: float | None
    """Share of the packets that receivers numbered and that are not stored, 0 to 1; None: as above."""


@dataclass(frozen=True, slots=True)
class Latency:
    """From when a packet was heard to when its beat was a person's, of the last minute's beats."""

    beats: int
    quantiles: dict[float, float]
    """Seconds by share; empty without beats."""


class Database:
    """A client, which only reads. Close it."""

    def __init__(self, settings: Settings, timeout_s: float = TIMEOUT_S) -> None:
        self._where = without_password(settings.clickhouse_url)
        self._client = httpx.Client(
            base_url=settings.clickhouse_url,
            timeout=timeout_s,
            headers={"X-ClickHouse-User": settings.user, "X-ClickHouse-Key": settings.password},
            params={"database": settings.database, "default_format": "JSONCompact"},
        )

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def version(self) -> str:
        """The server's version."""
        return str(self._row("SELECT version()")[0])

    def newest_age_s(self) -> float | None:
        """How long ago the newest beat was, s; below 0: a receiver's clock is ahead; None: there is none."""
        age, people = self._row(_NEWEST)
        return float(age) if int(people) else None

    def beats(self) -> int:
        """Beats of the last minute, of all straps."""
        return int(self._row(_BEATS)[0])

    def reception(self) -> Reception:
        """How straps are heard."""
        packets, missed, undelivered = map(float, self._row(_RECEPTION))
        if not packets:
            return Reception(0, None, None)
        return Reception(int(packets), missed / (packets + missed), undelivered / (packets + undelivered))

    def latency(self) -> Latency:
        """How long beats take."""
        beats, seconds = self._row(_LATENCY)
        if not int(beats):
            return Latency(0, {})
        return Latency(int(beats), dict(zip(QUANTILES, map(float, seconds), strict=True)))

    def _row(self, sql: str) -> list[Any]:
        try:
            answer = self._client.post("/", content=sql)
        except httpx.HTTPError as error:
            raise DatabaseError(f"ClickHouse at {self._where} does not answer: {_short(error)}") from error
        if not answer.is_success:
            raise DatabaseError(
                f"ClickHouse at {self._where} answers {answer.status_code}: {answer.text.strip()[:200]}"
            )
        row: list[Any] = answer.json()["data"][0]
        return row


def _short(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__
