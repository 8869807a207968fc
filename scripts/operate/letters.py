"""Dead letters: what Moose and its functions could not take, as it lies on a dead letter queue."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

ID_DIGITS = 12
"""Hexadecimal digits of a letter's id."""

MOST_BYTES = 1_000_000
"""A longer record filled a message of its topic (1 MiB), and with what Moose adds does not fit into one again."""

_SHORTENED = "shortened"


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter."""

    id: str
    """Of its place, its time and its text: a broker that forgot everything counts places anew."""
    queue: str
    partition: int
    offset: int
    at_ms: int
    """When it was put there, ms since 1970 UTC."""
    why: str
    error: str
    """The kind of error, as the program names it."""
    source: str
    """api: refused at the door; transform: by a function; empty: unknown."""
    record: Any
    """What could not be taken. Anything, where somebody put it on a topic directly."""
    fits: bool = True
    """The record is small enough to be sent again."""

    @property
    def at(self) -> datetime:
        """When it was put there, UTC."""
        return datetime.fromtimestamp(self.at_ms / 1000, UTC)

    @property
    def hopeless(self) -> str | None:
        """Why it cannot be retried; None: it can."""
        if isinstance(self.record, dict) and self.record.keys() == {_SHORTENED}:
            return "the record filled a message by itself and was shortened: most of it is lost; drop it"
        if not isinstance(self.record, dict):
            return "the record is no JSON object, which is all that can be taken; drop it"
        if not self.fits:
            return "the record fills a message by itself and does not fit into one again; drop it"
        return None

    def matches(self, text: str) -> bool:
        """Whether its reason or its record contains a text, in capitals or not."""
        wanted = text.casefold()
        return wanted in self.why.casefold() or wanted in self.text().casefold()

    def text(self, most: int | None = None) -> str:
        """The record as JSON, in at most so many characters."""
        whole = (
            printable(self.record)
            if isinstance(self.record, str)
            else printable(json.dumps(self.record, ensure_ascii=False))
        )
        return whole if most is None or len(whole) <= most else whole[: most - 1] + "…"


def parse(queue: str, partition: int, offset: int, at_ms: int, value: bytes, *, keep_record: bool = True) -> Letter:
    """Read a letter. One that nobody can read is a letter, too: its text is the record.

    Args:
        queue: Its name, without a namespace.
        partition: Where it lies.
        offset: Where it lies.
        at_ms: When it was put there, ms since 1970 UTC.
        value: The message.
        keep_record: Else it is left out, for those who only count.
    """
    try:
        told = json.loads(value)
    except ValueError:  # also UnicodeDecodeError
        told = None
    if not isinstance(told, dict) or "originalRecord" not in told:
        told = {
            "originalRecord": value.decode(errors="replace"),
            "errorMessage": "this is no dead letter of Moose's; somebody put it here",
        }
    return Letter(
        id=identity(queue, partition, offset, at_ms, value),
        queue=queue,
        partition=partition,
        offset=offset,
        at_ms=at_ms,
        why=str(told.get("errorMessage", "")),
        error=str(told.get("errorType", "")),
        source=str(told.get("source", "")),
        record=told["originalRecord"] if keep_record else None,
        fits=len(value) <= MOST_BYTES or len(json.dumps(told["originalRecord"])) <= MOST_BYTES,
    )


def identity(queue: str, partition: int, offset: int, at_ms: int, value: bytes) -> str:
    """A letter's id."""
    place = f"{queue}\0{partition}\0{offset}\0{at_ms}\0".encode()
    return hashlib.sha256(place + value).hexdigest()[:ID_DIGITS]


def same_record(old: Any, new: Any) -> bool:
    """Whether a letter's record came back as another one's: ingest drops fields that it does not know."""
    if not (isinstance(old, dict) and isinstance(new, dict) and new):
        return False
    return all(old.get(name) == value for name, value in new.items())


def printable(text: str) -> str:
    """A stranger's text for a terminal: what is not to be seen is written out, so that it commands nothing."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
