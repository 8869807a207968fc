"""What a person sees of the ingest: a live table on a terminal, plain lines elsewhere, and a report at the end."""

import contextlib
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from scripts.ingest_foo.straps import StrapView

REFRESH_S = 1.0
SUMMARY_EVERY_S = 60.0
GONE_AFTER_S = 120.0
"""A strap that was not heard for so long leaves the table (not the report)."""

STALE_AFTER_S = 5.0
_UNWRITABLE = (OSError, SystemExit)
"""What comes of a line that cannot be written; of a broken pipe rich makes the latter."""

_SHOWN_LINES = 6
_WEAK_LOSS = 0.2


@dataclass(frozen=True, slots=True)
class Counters:
    """How many records went which way."""

    heard: int
    sent: int
    waiting: int
    """Spooled, not confirmed."""
    rejected: int
    dropped: int

    def line(self) -> str:
        """For people."""
        parts = [f"{self.heard} packets heard", f"{self.sent} sent", f"{self.waiting} waiting"]
        parts += [f"{self.rejected} refused"] if self.rejected else []
        parts += [f"{self.dropped} dropped (spool full or unreadable)"] if self.dropped else []
        return ", ".join(parts)


class Display:
    """Takes lines and tables for people. Use it as a context.

    What cannot be written (a full disk, a closed pipe) is left out: it ends nobody who says something.
    """

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._console = console
        self._quiet = quiet
        self._lines: deque[str] = deque(maxlen=_SHOWN_LINES)
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal and not quiet else None
        self._summary_at = time.monotonic()

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, line: str) -> None:
        """One line, as something has changed."""
        if self._live is not None:
            self._lines.append(f"{time.strftime('%H:%M:%S')}  {line}")
        elif not self._quiet:
            with contextlib.suppress(*_UNWRITABLE):
                self._console.print(line, markup=False, soft_wrap=True)

    def show(self, views: list[StrapView], names: Mapping[str, str | None], counters: Counters) -> None:
        """The state now; on a terminal at once, else now and then."""
        if self._live is not None:
            shown = [view for view in views if view.age_s < GONE_AFTER_S]
            # The table last: where it is longer than the screen, its end is what is cut off.
            with contextlib.suppress(*_UNWRITABLE):
                self._live.update(
                    Group(Text(counters.line(), style="bold"), *map(Text, tuple(self._lines)), _table(shown, names)),
                    refresh=True,
                )
        elif time.monotonic() - self._summary_at >= SUMMARY_EVERY_S:
            self._summary_at = time.monotonic()
            heard = sum(view.age_s < STALE_AFTER_S for view in views)
            self.say(f"{heard} straps; {counters.line()}")

    def report(self, views: list[StrapView], names: Mapping[str, str | None], counters: Counters) -> None:
        """How each strap was received, weakest first, at the end."""
        if self._quiet:
            return
        with contextlib.suppress(*_UNWRITABLE):
            if views:
                self._console.print(_reception(views, names))
            self._console.print(counters.line(), soft_wrap=True)


def _reception(views: list[StrapView], names: Mapping[str, str | None]) -> Table:
    table = Table(title="Reception", title_style="bold")
    table.add_column("Strap", justify="right")
    table.add_column("Name")
    table.add_column("heard", justify="right")
    table.add_column("lost", justify="right")
    table.add_column("longest gap", justify="right")
    for view in sorted(views, key=lambda view: view.total.loss, reverse=True):
        total = view.total
        table.add_row(
            view.device_id,
            escape(names.get(view.device_id) or ""),
            str(total.heard),
            f"{total.loss:.1%}",
            f"{total.longest_gap_us / 1_000_000:.1f} s",
            style="yellow" if total.loss > _WEAK_LOSS else None,
        )
    return table


def _table(views: list[StrapView], names: Mapping[str, str | None]) -> Table:
    table = Table(title="Straps heard", title_style="bold", caption="Ctrl-C ends it")
    table.add_column("Strap", justify="right")
    table.add_column("Name", min_width=12)
    table.add_column("bpm", justify="right", style="bold")
    table.add_column("RR ms", justify="right")
    table.add_column("RSSI dBm", justify="right")
    table.add_column("lost, 1 min", justify="right")
    table.add_column("Battery", justify="right")
    table.add_column("last heard", justify="right")
    for view in views:
        table.add_row(
            view.device_id,
            _name(view.device_id, names),
            _or_dashes(view.heart_rate, "{}"),
            _or_dashes(view.rr_ms, "{:.0f}"),
            _or_dashes(view.rssi_dbm, "{}"),
            _loss(view.loss),
            Text(view.battery or "--", style="red bold" if view.battery_low else ""),
            f"{view.age_s:.1f} s",
            style="dim" if view.age_s > STALE_AFTER_S else None,
        )
    if not views:
        table.add_row("", "[dim]no strap heard yet; is it on, and wet?[/]", "", "", "", "", "", "")
    return table


def _name(device_id: str, names: Mapping[str, str | None]) -> str:
    if device_id not in names:
        return "[dim]--[/]"
    name = names[device_id]
    return "[dim]not registered[/]" if name is None else escape(name)


def _or_dashes(value: float | None, form: str) -> str:
    return "--" if value is None else form.format(value)


def _loss(loss: float | None) -> str:
    if loss is None:
        return "--"
    return f"[yellow]{loss:.1%}[/]" if loss > _WEAK_LOSS else f"{loss:.1%}"
