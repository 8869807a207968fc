"""Where records go. A sink takes batches of JSON texts for one destination and keeps their order."""

from typing import Protocol

RAW, BLUETOOTH = "raw_ant_hr_packet", "bluetooth_hr_packet"
ASSIGNMENT, PROFILE = "strap_assignment", "person_profile"
"""Destinations: the ingest API's names, which are the topics' names."""

PACKETS = frozenset((RAW, BLUETOOTH))
"""The destinations of what straps say; the others take what is known of people."""

PEOPLE = frozenset((ASSIGNMENT, PROFILE))
"""Those others. (Packets may also go to the streams of shards.)"""

DESTINATIONS = PACKETS | PEOPLE
"""All of them."""


class SinkError(Exception):
    """What was to be sent could not be delivered; the text says why."""


class ServerGoneError(SinkError):
    """Nobody is there: what the server held in memory only may be gone, too."""


class Sink(Protocol):
    """Takes records."""

    @property
    def retries(self) -> int:
        """How often something had to be sent again."""

    def send(self, destination: str, batch: list[str]) -> None:
        """Hand a batch on. Raises `SinkError` if it is not to be delivered."""

    def settle(self) -> None:
        """Return when all that was sent has arrived. Raises `SinkError`."""

    def close(self) -> None:
        """Settle, and let go of connections and files. Raises `SinkError`."""
