"""Which share of the straps a radio packet belongs to, where the work is divided among several workers.

Whoever sends packets divides them: all packets of a strap go the same way, so their order is kept.
"""

MOST_SHARDS = 64

WHOLE = "raw_ant_hr_packet"


class InvalidShards(ValueError):  # noqa: N818 (reads as what it is, at start-up)
    """No number of shards; its text says what is expected."""


def parse_shards(text: str | None) -> int:
    """The number of shards a setting asks for; absent: 1. Raises `InvalidShards`."""
    if not text:
        return 1
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_SHARDS):
        raise InvalidShards(f"BEATSTREAM_SHARDS: {text[:40]!r} is not a number from 1 to {MOST_SHARDS}")
    return int(text)


def stream_of_shard(shard: int) -> str:
    """The stream, and ingest endpoint, of a shard (0, 1, …). The first is the one that is there without shards.

    Moose finds an endpoint by how its name begins (moose-guide.md 1.3), so the number comes first.
    """
    return WHOLE if shard == 0 else f"shard_{shard}_{WHOLE}"


def stream_of_strap(device_number: int, shards: int) -> str:
    """The stream that a strap's packets belong on."""
    return stream_of_shard(device_number % shards)
