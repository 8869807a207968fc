"""The terminal table of who is at what heart rate, for as long as there is no screen to look at."""

import time
from collections.abc import Callable
from typing import Any

import httpx
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

REFRESH_S = 1.0
STALE_AFTER_S = 5.0
PLAIN_EVERY_S = 10.0


def show(console: Console, moose_url: str, check: Callable[[], None]) -> None:
    """Show the newest heart rates, once a second, until `check` or a signal raises."""
    with httpx.Client(base_url=moose_url, timeout=5.0) as client:
        if console.is_terminal:
            with Live(console=console, auto_refresh=False, transient=False) as live:
                while True:
                    live.update(_table(_latest(client)), refresh=True)
                    check()
                    time.sleep(REFRESH_S)
        shown_at = -PLAIN_EVERY_S
        while True:
            entries = _latest(client)
            if entries and time.monotonic() - shown_at >= PLAIN_EVERY_S:
                shown_at = time.monotonic()
                line = "  ".join(f"{entry['user_name']} {_rate(entry)}" for entry in entries)
                console.print(line, soft_wrap=True, markup=False)
            check()
            time.sleep(REFRESH_S)


def _latest(client: httpx.Client) -> list[dict[str, Any]]:
    try:
        answer = client.get("/api/getLatestUserHeartRates", params={"max_age_seconds": 60, "limit": 100})
        answer.raise_for_status()
    except httpx.HTTPError:
        return []
    entries: list[dict[str, Any]] = answer.json()["entries"]
    return entries


def _rate(entry: dict[str, Any]) -> str:
    return "--" if entry["hr_value"] is None or entry["age_seconds"] > STALE_AFTER_S else str(entry["hr_value"])


def _table(entries: list[dict[str, Any]]) -> Table:
    table = Table(title="Who is at what heart rate", caption="Ctrl-C ends everything", title_style="bold")
    table.add_column("Person", min_width=18)
    table.add_column("bpm", justify="right", style="bold")
    table.add_column("RR ms", justify="right")
    table.add_column("last beat", justify="right")
    table.add_column("strap", justify="right", style="dim")
    for entry in entries:
        stale = entry["age_seconds"] > STALE_AFTER_S
        interval = entry["rr_interval_ms"]
        table.add_row(
            Text(entry["user_name"]),
            _rate(entry),
            "--" if interval is None or stale else f"{interval:.0f}",
            f"{entry['age_seconds']:.1f} s",
            Text(entry["device_id"]),
            style="dim" if stale else None,
        )
    if not entries:
        table.add_row("[dim]waiting for the first heartbeat …[/]", "", "", "", "")
    return table
