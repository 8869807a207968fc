"""The terminal's table of hearts."""

from io import StringIO

import pytest
from rich.console import Console

from stack import board

NAME = "Ann [/b] [red]"


class EnoughError(Exception):
    pass


@pytest.mark.parametrize("terminal", [True, False])
def test_a_name_is_no_markup(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:  # noqa: FBT001
    entry = {"user_name": NAME, "device_id": "[/b]", "hr_value": 71, "rr_interval_ms": 845.0, "age_seconds": 0.4}
    monkeypatch.setattr(board, "_latest", lambda _client: [entry])

    def check() -> None:
        raise EnoughError

    console = Console(file=StringIO(), force_terminal=terminal, width=120)
    with console.capture() as shown, pytest.raises(EnoughError):
        board.show(console, "http://127.0.0.1:9", check)
    assert NAME in shown.get()
