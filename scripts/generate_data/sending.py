"""Sends records when they are due, in batches, and tells how it goes."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from scripts.delivery.records import Record
from scripts.delivery.sink import Sink
from scripts.generate_data.radio import Air

FLUSH_EVERY_S = 0.1
"""How long a due record waits for others at most."""

PLAIN_EVERY_S = 10.0
_DRAW_EVERY_S = 0.25


@dataclass(slots=True)
class Tally:
    """What was sent."""

    air: Air
    sent: int = 0
    began: float = 0.0
    ended: float = 0.0
    first_us: int | None = None
    last_us: int | None = None

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.sent / max(1e-9, (self.ended or time.monotonic()) - self.began)


def send(
    records: Iterable[Record],
    air: Air,
    sink: Sink,
    *,
    speed: float,
    batch_size: int,
    expected_s: float | None,
    console: Console,
    quiet: bool,
) -> Tally:
    """Send all records. `speed` 0: as fast as possible; else so many times faster than they were heard.

    On Ctrl-C what is due has been sent, and `KeyboardInterrupt` passes on with the tally as its argument.
    """
    tally = Tally(air, began=time.monotonic())
    try:
        with _progress(console, expected_s, quiet=quiet) as progress:
            for batch in _due(records, speed, batch_size):
                for destination, due in groupby(batch, key=attrgetter("destination")):
                    sink.send(destination, [record.text for record in due])
                tally.sent += len(batch)
                tally.first_us = batch[0].at_us if tally.first_us is None else tally.first_us
                tally.last_us = batch[-1].at_us
                progress.show(tally)
            sink.close()
    except KeyboardInterrupt:
        tally.ended = time.monotonic()
        raise KeyboardInterrupt(tally) from None
    tally.ended = time.monotonic()
    return tally


def _due(records: Iterable[Record], speed: float, batch_size: int) -> Iterator[list[Record]]:
    batch: list[Record] = []
    if speed == 0:
        for record in records:
            batch.append(record)
            if len(batch) >= batch_size:
                yield batch
                batch = []
    else:
        began, first_us, flushed = time.monotonic(), None, 0.0
        for record in records:
            first_us = record.at_us if first_us is None else first_us
            due = began + (record.at_us - first_us) / 1_000_000 / speed
            if batch and (len(batch) >= batch_size or due >= flushed + FLUSH_EVERY_S):
                _sleep_until(flushed + FLUSH_EVERY_S)
                yield batch
                batch = []
            if not batch:
                flushed = due
                _sleep_until(due)
            batch.append(record)
    if batch:
        yield batch


def _sleep_until(moment: float) -> None:
    remaining = moment - time.monotonic()
    if remaining > 0:
        time.sleep(remaining)


class _progress:  # noqa: N801 (used as a function that gives a context)
    """A live line on a terminal, now and then a plain one elsewhere, nothing when quiet."""

    def __init__(self, console: Console, expected_s: float | None, *, quiet: bool) -> None:
        self._console = console
        self._expected_s = expected_s
        self._live = (
            None
            if quiet or not console.is_terminal
            else Progress(
                TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console, transient=True
            )
        )
        self._plain = not quiet and not console.is_terminal
        self._shown = time.monotonic()

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
            self._task = self._live.add_task("sending", total=self._expected_s)
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, tally: Tally) -> None:
        """Show the state, if it is time."""
        now = time.monotonic()
        if now - self._shown < (_DRAW_EVERY_S if self._live is not None else PLAIN_EVERY_S):
            return
        line = f"{tally.sent} packets, {tally.rate:.0f}/s, {tally.air.loss:.1%} lost by the radio"
        if self._live is not None:
            done_s = ((tally.last_us or 0) - (tally.first_us or 0)) / 1_000_000
            self._live.update(self._task, completed=done_s, description=line)
        elif self._plain:
            self._console.print(line)
        self._shown = now
