"""All that is held of a person, as a ZIP that is made while it is sent: a CSV a table, and a text about them."""

import csv
import io
import json
import zipfile
from typing import IO, Any

from live.records import now_rfc3339

TABLES = {
    "raw_ant_hr_packet": "radio packets of ANT+ straps, as receivers heard them",
    "bluetooth_hr_packet": "notifications of Bluetooth straps, as receivers got them",
    "processed_ant_hr_packet": "heartbeats on the ANT+ straps' own clocks",
    "unified_hr_packet": "heartbeats: moment, heart rate and RR interval",
    "per_second_heart_rate_aggregate": "the heart, second by second",
    "latest_heart_rate": "the newest heartbeat",
    "person_profile": "the profile, and what it was before",
    "strap_assignment": "which straps were worn since when",
}
"""What holds rows of people, and what they are."""

_SAYS = """\
All that Beatstream held of person {user_id} at {made_at}.

{files}

A file has the rows of the table of its name, and is empty where there are none. Its first line names the columns.
Moments are RFC 3339, UTC, or seconds since 1970 UTC where the column's name says so. An empty cell: unknown. Lists and
maps are JSON. Before a text that a spreadsheet would take for a formula stands a '.
"""
_FORMULAS_BEGIN = ("=", "+", "-", "@", "\t", "\r", "\n")


class _Unsent(io.RawIOBase):
    """Keeps what is written until it is taken."""

    def __init__(self) -> None:
        self._data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._data += data
        return len(data)

    def take(self) -> bytes:
        """All since the last time."""
        taken = bytes(self._data)
        self._data.clear()
        return taken


class Archive:
    """A ZIP that is made piece by piece. Close it."""

    def __init__(self, user_id: int) -> None:
        self._user_id = user_id
        self._made_at = now_rfc3339()
        self._rows = dict.fromkeys(TABLES, 0)
        self._unsent = _Unsent()
        self._zip = zipfile.ZipFile(self._unsent, "w", zipfile.ZIP_DEFLATED)
        self._file: IO[bytes] | None = None

    def add(self, table: str, records: list[dict[str, Any]]) -> bytes:
        """The next records of a table, one at least. Returns what is made of them. Tables come one after the other."""
        text = io.StringIO()
        rows = csv.writer(text)
        if self._file is None or not self._rows[table]:
            self._end_file()
            self._file = self._zip.open(_file(table), "w", force_zip64=True)
            rows.writerow(records[0])
        rows.writerows(map(_cell, record.values()) for record in records)
        self._file.write(text.getvalue().encode())
        self._rows[table] += len(records)
        return self._unsent.take()

    def end(self) -> bytes:
        """Add what is to be said of the files. Returns the rest."""
        self._end_file()
        for table in TABLES:
            if not self._rows[table]:
                self._zip.writestr(_file(table), b"")
        files = "\n".join(f"{_file(table)}: {rows} rows: {TABLES[table]}" for table, rows in self._rows.items())
        text = _SAYS.format(user_id=self._user_id, made_at=self._made_at, files=files)
        self._zip.writestr("README.txt", text)
        self._zip.close()
        return self._unsent.take()

    def close(self) -> None:
        """Let go of it, also where it came to no end."""
        self._end_file()
        self._zip.close()

    def _end_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _file(table: str) -> str:
    return f"{table}.csv"


def _cell(value: Any) -> Any:
    match value:
        case str():
            return f"'{value}" if value.startswith(_FORMULAS_BEGIN) else value
        case bool() | list() | dict():
            return json.dumps(value)
    return value
