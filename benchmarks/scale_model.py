"""What the measured costs come to for 10 000 straps: the paper part of docs/scale.md."""

import math
from collections.abc import Callable

from app.heartrate.profile import CHANNEL_PERIOD, CHANNEL_PERIOD_HZ

STRAPS = 10_000
CELL = 0.5
"""A cell has so much of them: its one `processed_to_unified` is far from full then."""

PACKETS_PER_S = CHANNEL_PERIOD_HZ / CHANNEL_PERIOD
BEATS_PER_S = 1.5
"""A class at 90 beats a minute: warming up, hard work and rest."""

FULL = 0.6
"""So much of a core a process is planned to use."""

SECONDS_A_DAY = 8 * 3600
"""So long a day people train."""

OTHER_PARTS = 4
"""New parts a second beside those of the raw streams: beats twice, and two materialized views."""


def derived(figure: Callable[[str], float]) -> dict[str, float]:
    """Figures by name, from measured ones."""
    packets = STRAPS * PACKETS_PER_S

    def cores(process: str) -> float:
        return packets * figure(f"pipeline: Beatstream: {process}, us of a core a packet") / 1_000_000

    raw = cores("function raw_ant_hr_packet -> processed_ant_hr_packet")
    unified = cores("function processed_ant_hr_packet -> unified_hr_packet")
    moose, clickhouse = cores("moose-cli"), cores("ClickHouse")
    shards, of_cell = math.ceil(raw / FULL), math.ceil(CELL * raw / FULL)
    of_beats = figure("storage: unified_hr_packet, bytes a beat")
    kept = STRAPS * SECONDS_A_DAY * BEATS_PER_S * of_beats
    for_90_days = (
        STRAPS
        * SECONDS_A_DAY
        * (
            PACKETS_PER_S * figure("storage: raw_ant_hr_packet, bytes a packet")
            + BEATS_PER_S * figure("storage: processed_ant_hr_packet, bytes a processed beat")
        )
    )
    return {
        "scale: packets/s of 10 000 straps": round(packets),
        "scale: MB/s of a cell on the raw topics": CELL * packets * figure("pipeline: bytes of JSON a packet") / 1e6,
        "scale: raw_to_processed cores at 10 000 straps": raw,
        "scale: shards at 10 000 straps": shards,
        "scale: processed_to_unified cores at 10 000 straps": unified,
        "scale: straps at which processed_to_unified is full": round(STRAPS / unified, -3),
        "scale: moose cores at 10 000 straps": moose,
        "scale: ClickHouse cores at 10 000 straps": clickhouse,
        "scale: GB a day of 10 000 straps, 8 h": (kept + for_90_days) / 1e9,
        "scale: shards of a cell": of_cell,
        "scale: TB a year of a cell, 8 h a day": CELL * 365 * kept / 1e12,
        "scale: parts a second of a cell": of_cell + OTHER_PARTS,
        "scale: cores of a cell": math.ceil(CELL * (raw + unified + moose + clickhouse) / FULL),
    }
