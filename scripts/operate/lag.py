"""How far everybody is behind who reads a topic."""

import time
from dataclasses import dataclass, replace

from scripts.operate.broker import Broker, Place
from scripts.operate.pipeline import SYNC_GROUP, Stream, full_name, streams
from scripts.operate.settings import Settings

PATIENCE_S = 4.0
"""Functions and tables commit once a second or two: who has not moved for longer is stuck."""

_LOOK_EVERY_S = 0.25


@dataclass(frozen=True, slots=True)
class Reading:
    """A group on a stream."""

    group: str
    stream: str
    table: str | None
    """Where it brings the stream to; None: the group is a function's."""
    slow: bool
    places: tuple[Place, ...]
    at: int
    """Messages that it has read."""
    end: int
    """Messages that there are."""
    read: bool
    """Somebody is there who reads."""
    stuck: bool = False
    """It had something to read, and did not in all the time that was waited."""

    @property
    def lag(self) -> int:
        """Messages that wait."""
        return max(0, self.end - self.at)


def look(settings: Settings, broker: Broker, *, patience_s: float = 0.0) -> list[Reading]:
    """All readings, the functions' first. Who is behind is looked at again until it moves, at most so long.

    Raises `BrokerError`.
    """
    known = broker.places()
    names = {name for topic in known if (name := settings.stream(topic)) is not None}
    asked = [
        (stream, group, table) for stream in streams(names) for group, table in _groups(stream, settings.namespace)
    ]
    readers = broker.readers({group for _, group, _ in asked})
    first = [
        Reading(
            group=group,
            stream=stream.name,
            table=table,
            slow=stream.slow,
            places=tuple(known.get(settings.topic(stream.name), ())),
            at=0,
            end=0,
            read=settings.topic(stream.name) in readers[group],
        )
        for stream, group, table in asked
    ]
    readings = _measured(broker, first)
    behind = {_key(reading): reading.at for reading in readings if reading.lag}
    deadline = time.monotonic() + patience_s
    while behind and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY_S)
        readings = _measured(broker, readings)
        behind = {
            _key(reading): behind[_key(reading)]
            for reading in readings
            if reading.lag and behind.get(_key(reading)) == reading.at
        }
    stuck = behind.keys() if patience_s else set()
    functions_first = sorted(readings, key=lambda reading: reading.table is not None)
    return [replace(reading, stuck=_key(reading) in stuck) for reading in functions_first]


def _groups(stream: Stream, namespace: str) -> list[tuple[str, str | None]]:
    function = stream.group(namespace)
    found: list[tuple[str, str | None]] = [] if function is None else [(function, None)]
    if stream.table is not None:
        found.append((full_name(SYNC_GROUP, namespace), stream.table))
    return found


def _measured(broker: Broker, readings: list[Reading]) -> list[Reading]:
    ends = broker.ends({place for reading in readings for place in reading.places})
    by_group: dict[str, set[Place]] = {}
    for reading in readings:
        by_group.setdefault(reading.group, set()).update(reading.places)
    committed = {group: broker.committed(group, places) for group, places in by_group.items() if places}
    return [
        replace(
            reading,
            at=sum(committed[reading.group].get(place, 0) for place in reading.places) if reading.places else 0,
            end=sum(ends[place] for place in reading.places),
        )
        for reading in readings
    ]


def _key(reading: Reading) -> tuple[str, str]:
    return reading.group, reading.stream
