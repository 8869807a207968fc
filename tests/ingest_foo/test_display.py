"""What a person sees, where there is less room than straps."""

import io

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
