"""How long rows are kept, table by table: `BEATSTREAM_KEEP_<TABLE>_DAYS`.

Days count from when a row was stored, not from when its heart beat: a receiver whose clock is wrong, or a recording of
years ago, would otherwise lose its rows at once or keep them for ever. `latest_heart_rate`, which has the beat's own
moment only, is the exception.

Who wears what, profiles and reports of erasures have no such setting: they stand until something newer does, whatever
their age.
"""

import os
import re
from collections.abc import Mapping

PREFIX, SUFFIX = "BEATSTREAM_KEEP_", "_DAYS"

FOR_EVER = "forever"

MOST_DAYS = 10_000
"""ClickHouse's seconds end in 2106, and what is kept beyond them would be removed at once."""

USUAL_DAYS: dict[str, int | None] = {
    "raw_ant_hr_packet": 90,
    "bluetooth_hr_packet": 90,
    "processed_ant_hr_packet": 90,
    "unified_hr_packet": None,
    "per_second_heart_rate_aggregate": None,
    "latest_heart_rate": None,
    "training_session": None,
}
"""The tables that have a setting, and for how many days rows are kept without one; None: for ever."""


class InvalidRetention(ValueError):  # noqa: N818 (reads as what it is, at start-up)
    """No such time, or no such table; its text is one line that names the variable and says what is expected."""


def variable(table: str) -> str:
    """The environment variable of a table."""
    return f"{PREFIX}{table.upper()}{SUFFIX}"


def days_kept(environment: Mapping[str, str]) -> dict[str, int | None]:
    """For how many days each table keeps its rows; None: for ever. Raises `InvalidRetention`."""
    known = {variable(table): table for table in USUAL_DAYS}
    for name in sorted(environment):
        # A name mistyped would keep for ever what somebody was promised would go.
        if name.startswith(PREFIX) and name not in known:
            raise InvalidRetention(f"{name}: no table has this setting; those that have: {', '.join(known)}")
    return {
        table: _days(name, environment[name]) if environment.get(name) else USUAL_DAYS[table]
        for name, table in known.items()
    }


def ttl(table: str, stored: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """A table's TTL as `OlapConfig` takes it; None: none. A wrong setting of any table ends the process with its line.

    Args:
        table: Which.
        stored: In SQL, the DateTime that days count from.
        environment: Where the settings are.
    """
    try:
        days = days_kept(environment)[table]
    except InvalidRetention as error:
        # Models are read as Moose starts, and of an exception it shows the whole traceback.
        raise SystemExit(str(error)) from None
    # So written, Moose finds it the same as what ClickHouse tells of the table.
    return None if days is None else f"{stored} + INTERVAL {days} DAY"


def _days(name: str, text: str) -> int | None:
    if text in ("0", FOR_EVER):
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= MOST_DAYS:
        raise InvalidRetention(
            f"{name}: {text[:40]!r} is neither a number of days from 1 to {MOST_DAYS} nor 0 or {FOR_EVER!r}"
        )
    return int(text)
