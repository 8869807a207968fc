"""Where records go. A sink takes batches of JSON texts for one destination and keeps their order."""

from typing import Protocol

RAW, BLUETOOTH, ASSIGNMENT = "raw_ant_hr_packet", "bluetooth_hr_packet", "strap_assignment"
"""Destinations: the ingest API's names, which are the topics' names."""


class SinkError(Exception):
    """What was to be sent could not be delivered; the text says why."""


class Sink(Protocol):
    """Takes records."""

    retries: int
    """How often something had to be sent again."""

    def send(self, destination: str, batch: list[str]) -> None:
        """Hand a batch on. Raises `SinkError` if it is not to be delivered."""

    def settle(self) -> None:
        """Return when all that was sent has arrived. Raises `SinkError`."""

    def close(self) -> None:
        """Settle, and let go of connections and files. Raises `SinkError`."""
