"""What a person sees, where there is less room than straps."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from app.heartrate.reception import Total
from scripts.ingest_foo.display import Counters, Display
from scripts.ingest_foo.straps import StrapView


def views(count: int) -> list[StrapView]:
    return [
        StrapView(
            str(100_000 + number), 120, 500.0, -61, 0.05, None, battery_low=False, age_s=0.1, total=Total(9, 1, 1)
        )
        for number in range(count)
    ]


def test_counters_and_news_are_seen_above_more_straps_than_fit() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120, height=24)
    with Display(console, quiet=False) as display:
        display.say("ANTUSB-m stick 5 is unplugged; waiting for it to come back")
        display.show(views(60), {"100000": "Ada"}, Counters(heard=900, sent=890, waiting=10, rejected=0, dropped=0))
        shown = screen.getvalue()
    assert "900 packets heard, 890 sent, 10 waiting" in shown
    assert "is unplugged" in shown
    assert "Ada" in shown


class Unwritable(io.StringIO):
    """A stream whose disk is full, or whose reader is gone."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self._error = error

    def write(self, _text: str) -> int:
        raise self._error


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), BrokenPipeError()], ids=["full", "pipe"])
@pytest.mark.parametrize("terminal", [True, False])
def test_what_cannot_be_written_ends_nobody(
    error: OSError, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, terminal: bool
) -> None:
    monkeypatch.setattr("scripts.ingest_foo.display.SUMMARY_EVERY_S", 0)
    nothing = Counters(heard=0, sent=0, waiting=0, rejected=0, dropped=0)
    display = Display(Console(file=Unwritable(error), force_terminal=terminal), quiet=False)
    with (tmp_path / "stdout").open("w") as stdout:
        monkeypatch.setattr("sys.stdout", stdout)  # which rich takes away where a pipe is broken
        display.say("ANTUSB-m stick 5 is unplugged; waiting for it to come back")
        display.show(views(1), {}, nothing)
        display.report(views(1), {}, nothing)


def test_what_was_given_up_is_told_with_why() -> None:
    line = Counters(heard=9, sent=7, waiting=0, rejected=0, dropped=2).line()
    assert line == "9 packets heard, 7 sent, 0 waiting, 2 dropped (spool full or unreadable)"


def test_who_wears_a_strap_is_known_not_known_or_nobody() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120, height=40)
    with Display(console, quiet=False) as display:
        names = {"100000": "Ada", "100001": None}
        display.show(views(3), names, Counters(heard=0, sent=0, waiting=0, rejected=0, dropped=0))
        ada, nobody, unknown = (line for line in screen.getvalue().splitlines() if "│" in line and "-61" in line)
    assert "Ada" in ada
    assert "not registered" in nobody
    assert "--" in unknown
    assert "not registered" not in unknown
