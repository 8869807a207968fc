"""What there is to look at: Beatstream's streams, who reads them, where they are stored.

Written down, not asked for: a worker that never started is known to nobody but this list. A test compares it with what
Moose runs.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from app.heartrate.device_number import InvalidDeviceId, parse_device_id
from app.heartrate.sharding import WHOLE, stream_of_shard, stream_of_strap

DEAD_LETTERS = "DeadLetterQueue"
"""How the name of a dead letter queue ends; before it stands its stream's."""

DECISIONS = "dead_letter_decision"
SYNC_GROUP = "clickhouse_sync"
"""The group by which Moose brings topics into tables."""

BEATS = "unified_hr_packet"

_SHARD = re.compile(rf"shard_\d+_{WHOLE}")


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream."""

    name: str
    ingest: bool = False
    """There is a POST /ingest/<name>."""
    worker: str | None = None
    """The stream that a function turns this one into; empty: a function that only checks; None: nobody reads it."""
    table: str | None = None
    """The table it is stored in."""
    packets: bool = False
    """Its records are what receivers heard."""
    slow: bool = False
    """A record may take its function many seconds."""

    def group(self, namespace: str = "") -> str | None:
        """The consumer group of its function."""
        if self.worker is None:
            return None
        names = [self.name, self.worker] if self.worker else [self.name]
        return "-".join(["flow", *(full_name(name, namespace) for name in names)])


_RAW = Stream(WHOLE, ingest=True, worker="processed_ant_hr_packet", table=WHOLE, packets=True)

STREAMS = (
    _RAW,
    Stream("bluetooth_hr_packet", ingest=True, worker=BEATS, table="bluetooth_hr_packet", packets=True),
    Stream("processed_ant_hr_packet", worker=BEATS, table="processed_ant_hr_packet"),
    Stream(BEATS, table=BEATS),
    Stream("strap_assignment", ingest=True, worker="", table="strap_assignment"),
    Stream("person_profile", ingest=True, worker="", table="person_profile"),
    Stream("training_session", ingest=True, worker="", table="training_session"),
    Stream("erasure_request", worker="erasure_report", slow=True),
    Stream("erasure_report", table="erasure_report"),
    Stream(DECISIONS, table=DECISIONS),
)


def full_name(name: str, namespace: str) -> str:
    """A topic's name on the broker, as Moose writes it."""
    return f"{namespace}.{name}" if namespace else name


def shards(streams: Iterable[str]) -> int:
    """How many streams the radio packets are divided among."""
    return 1 + sum(1 for name in streams if _SHARD.fullmatch(name))


def streams(known: Iterable[str]) -> list[Stream]:
    """All streams, the shards among those on the broker included."""
    more = (stream_of_shard(number) for number in range(1, shards(known)))
    return [*STREAMS, *(replace(_RAW, name=name) for name in more)]


def queue_of(text: str) -> str:
    """The dead letter queue that a person means by its name or its stream's."""
    return text if text.endswith(DEAD_LETTERS) else text + DEAD_LETTERS


def origin(queue: str, record: dict[str, object], known: Iterable[str]) -> str:
    """The stream that a letter's record came by. All shards share one queue; the strap tells which it was."""
    stream = queue.removesuffix(DEAD_LETTERS)
    if stream != WHOLE:
        return stream
    try:
        return stream_of_strap(parse_device_id(str(record.get("device_id"))), shards(known))
    except InvalidDeviceId:
        return WHOLE
