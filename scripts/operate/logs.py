"""The last errors of Moose's log, where it is on this machine."""

import os
import re
from pathlib import Path
from typing import NamedTuple

READ_BYTES = 300_000
LINE_CHARACTERS = 300

_COLOUR = re.compile(r"\x1b\[([\d;]*)m")
_RED = "38;5;9"
"""How Moose colours what it calls an error."""

_ACTION = re.compile(r"\s*(\S+)\s(.*)")
_LETTER = "DeadLetter"
_PART_OF_A_TRACEBACK = re.compile(r"\s|Traceback|During handling|The above exception|$")
_PLAIN = re.compile(r"\b(ERROR|CRITICAL|panicked)\b|^[\w.]*(Error|Exception)\b")


class LoggedError(NamedTuple):
    """An error that a log tells of."""

    file: str
    text: str


def last_errors(folder: Path) -> list[LoggedError]:
    """The errors at the end of each log, the newest last; without what made a dead letter, which tells itself."""
    found: list[LoggedError] = []
    try:
        files = sorted(folder.glob("*.log"))
    except OSError:
        return found
    for file in files:
        try:
            with file.open("rb") as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - READ_BYTES))
                text = log.read().decode(errors="replace")
        except OSError:
            continue
        found += [LoggedError(file.name, line) for line in errors(text)]
    return found


def errors(text: str) -> list[str]:
    """The lines of a log that tell of an error, each once, in their order."""
    told: dict[str, None] = {}
    letters = ""
    for line in text.splitlines():
        plain, red = _COLOUR.sub("", line), _RED in "".join(_COLOUR.findall(line))
        action, said = _split(plain) if red else ("", plain)
        if action == _LETTER:
            letters += said + "\n"
        elif (red and not _PART_OF_A_TRACEBACK.match(said)) or (not red and _PLAIN.search(plain)):
            told[said[:LINE_CHARACTERS]] = None
    return [line for line in told if not _in_a_letter(line, letters)]


def _split(line: str) -> tuple[str, str]:
    """Moose's column of actions, and what it says beside it."""
    match = _ACTION.match(line)
    return (match[1], match[2]) if match else ("", line)


def _in_a_letter(line: str, letters: str) -> bool:
    """Whether a traceback's last line is the reason of a dead letter."""
    _, colon, reason = line.partition(": ")
    return bool(colon) and reason.strip()[:100] in letters
