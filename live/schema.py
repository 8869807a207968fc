"""The JSON Schema of an event's data, from the types that docs/live.md tells of."""

from typing import Any, Literal, TypedDict

from pydantic import TypeAdapter


class BeatPart(TypedDict):
    """`beat:<who>`: the newest beat."""

    at: float
    hr: int | None
    rr: float | None
    share: float | None
    zone: int | None
    beats: list[float]


class TilePart(TypedDict):
    """`tile:<who>`."""

    who: str
    user_id: int
    device_id: str
    state: Literal["live", "invalid", "stale", "lost", "parked"]
    points: float | None
    zone_seconds: list[int] | None


class PersonPart(TypedDict):
    """`person:<user_id>`."""

    user_id: int
    name: str
    hidden: bool
    hr_max_source: Literal["entered", "learnt", "estimated"] | None
    straps: list[str]
    updated_at: float


class StrapPart(TypedDict):
    """`strap:<device_id>`."""

    device_id: str
    user_id: int
    ignored: bool
    heard_at: float | None
    hr: int | None
    rssi_dbm: int | None
    loss: float | None
    battery: str | None
    battery_low: bool


class SessionPart(TypedDict):
    """`session`."""

    session_id: str
    name: str
    kind: Literal["class", "training", "test", "rest"]
    started_at: float
    stop_marked_at: float | None


class LinkPart(TypedDict):
    """`link`."""

    broker: bool
    moose: bool


class ErasurePart(TypedDict):
    """`erasure:<erasure_id>`."""

    erasure_id: str
    user_id: int
    removed: dict[str, int] | None


GroupSecond = tuple[int, float | None, float | None, float | None, int, dict[str, float]]
PARTS: dict[str, Any] = {
    "^beat:": BeatPart,
    "^tile:": TilePart,
    "^person:": PersonPart,
    "^strap:": StrapPart,
    "^erasure:": ErasurePart,
    "^session$": SessionPart | None,
    "^link$": LinkPart,
}


class EventData(TypedDict):
    """An event's data. `set` holds parts by key."""

    now: float
    set: dict[str, Any]
    gone: list[str]
    seconds: list[GroupSecond]


def event_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12."""
    schemas, definitions = TypeAdapter.json_schemas(
        [(pattern, "validation", TypeAdapter(part)) for pattern, part in PARTS.items()]
        + [("event", "validation", TypeAdapter(EventData))],
        ref_template="#/$defs/{model}",
    )
    event_data = definitions["$defs"].pop("EventData")
    event_data["properties"]["set"] = {
        "type": "object",
        "patternProperties": {pattern: schemas[pattern, "validation"] for pattern in PARTS},
        "additionalProperties": False,
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **event_data, **definitions}
