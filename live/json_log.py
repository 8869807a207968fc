"""A log for programs: one line of JSON an event."""

import json
import logging
import sys
import threading
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class LogFormat(StrEnum):
    """How events are written."""

    TEXT = "text"
    JSON = "json"


class JsonFormatter(logging.Formatter):
    """Of an exception its type and where it came from: its text may name somebody."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        told: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage().strip(),
        }
        if record.exc_info and record.exc_info[1]:
            told["errors"] = [
                {"type": type(each).__qualname__, "trace": _trace(each)} for each in _chain(record.exc_info[1])
            ]
        return json.dumps(told)


def write_json() -> None:
    """Write whatever this process logs, and what ends it or a thread of it, as JSON to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    log = logging.getLogger("beatstream")
    sys.excepthook = lambda *error: log.critical("It ends.", exc_info=error)
    threading.excepthook = lambda ended: log.error("A thread ends.", exc_info=ended.exc_value)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """It, and what caused it."""
    yield error
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for cause in (*inner, error.__cause__ or error.__context__):
        if cause is not None:
            yield from _chain(cause)


def _trace(error: BaseException) -> list[str]:
    """Where it came from, the innermost last."""
    return [f"{at.filename}:{at.lineno} {at.name}" for at in traceback.extract_tb(error.__traceback__)]
