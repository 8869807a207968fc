"""How long the newest beats of ANT+ straps took from stage to stage.

No table says when a strap's beat was made. Its message on the topic does.
"""

import json
import time
from datetime import datetime
from typing import Any

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from app.heartrate.contact import AHEAD_S
from app.heartrate.moments import to_us
from scripts.operate.broker import Broker, Place
from scripts.operate.database import QUANTILES
from scripts.operate.pipeline import BEATS
from scripts.operate.settings import Settings

STRAPS_BEATS = "processed_ant_hr_packet"
NEWEST = 500
"""So many messages of each topic are looked at."""

WITHIN_S = 60
"""Older messages are not of the last minute."""

OLD_S = 90
"""A beat that was older when it was made is a recording's, or a spool's."""


def stages(settings: Settings, broker: Broker, ends: dict[Place, int]) -> dict[str, dict[float, float]]:
    """Quantiles of seconds by stage; of one that nothing went through, none. Raises `BrokerError`."""
    heard: dict[tuple[str, int, int], tuple[float, float]] = {}
    told: dict[tuple[str, int, int], float] = {}
    since_s = time.time() - WITHIN_S

    def take(message: Message) -> None:
        kind, put_ms = message.timestamp()
        if kind == TIMESTAMP_NOT_AVAILABLE or put_ms / 1000 < since_s:
            return
        try:
            record: dict[str, Any] = json.loads(message.value() or b"")
            if message.topic() == settings.topic(STRAPS_BEATS):
                at_us = to_us(datetime.fromisoformat(record["beat_at"]))
                received_s = to_us(datetime.fromisoformat(record["received_at"])) / 1e6
                if -AHEAD_S <= put_ms / 1000 - at_us / 1e6 <= OLD_S:
                    heard[record["device_id"], at_us, record["revision"]] = received_s, put_ms / 1000
            else:
                at_us = round(record["hr_timestamp_seconds"] * 1_000_000)
                told[record["device_id"], at_us, record["revision"]] = put_ms / 1000
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return  # somebody else put it there

    wanted = {settings.topic(STRAPS_BEATS), settings.topic(BEATS)}
    broker.read({at: (max(0, end - NEWEST), end) for at, end in ends.items() if at.topic in wanted}, take)
    took = {
        "received_to_processed": [made_s - received_s for received_s, made_s in heard.values()],
        "processed_to_unified": [told[beat] - made_s for beat, (_, made_s) in heard.items() if beat in told],
    }
    return {stage: _quantiles(seconds) for stage, seconds in took.items() if seconds}


def _quantiles(seconds: list[float]) -> dict[float, float]:
    ordered = sorted(max(0.0, each) for each in seconds)
    return {share: ordered[min(int(share * len(ordered)), len(ordered) - 1)] for share in QUANTILES}
