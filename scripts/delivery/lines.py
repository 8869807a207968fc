"""A file of JSON lines, or standard output, as a sink."""

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from scripts.delivery.sink import ASSIGNMENT, PROFILE, SinkError

_BESIDE = {ASSIGNMENT: ".people.jsonl", PROFILE: ".profiles.jsonl"}


class LineSink:
    """Writes JSON lines; assignments and profiles only beside, as they are no packets."""

    def __init__(self, output: Path | None) -> None:
        self.retries = 0
        self._output = output
        self._file: IO[str] = sys.stdout
        if output is not None:
            try:
                self._file = output.open("w")
            except OSError as error:
                raise SinkError(str(error)) from error

    def send(self, destination: str, batch: list[str]) -> None:
        """As `Sink.send`; assignments go to `<output>.people.jsonl`, profiles to `<output>.profiles.jsonl`.

        To standard output they do not go.
        """
        with self._failing():
            if destination not in _BESIDE:
                self._file.write("".join(f"{text}\n" for text in batch))
            elif self._output is not None:
                beside = self._output.with_suffix(_BESIDE[destination])
                beside.write_text("".join(f"{json.dumps(json.loads(text))}\n" for text in batch))

    def settle(self) -> None:
        """As `Sink.settle`."""
        with self._failing():
            self._file.flush()

    def close(self) -> None:
        """As `Sink.close`."""
        self.settle()
        if self._output is not None:
            with self._failing():
                self._file.close()

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise  # no failure: whoever reads has read enough
        except OSError as error:
            # Or the interpreter tries once more at its end, and has its own exit code.
            with contextlib.suppress(OSError):
                self._file.close()
            place = error.filename or self._output or "standard output"
            raise SinkError(f"{place}: {error.strerror}") from error
