"""All that is held of a person, as the ZIP that a coach gets."""

import asyncio
import csv
import io
import json
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from app.storage import person_rows
from live import data
from live.archive import TABLES, Archive
from live.moose import MooseUnavailableError
from live.server import create
from live.settings import Settings
from live.wall import Wall
from tests.ingest_server import Ingest
from tests.live.room import Room

BEAT = {
    "user_name": "=Ada",
    "hr_value": None,
    "rr_interval_ms": -499.5,
    "rr_computed": False,
    "beat_offsets_ms": [1, 2],
    "hr_by_offset_ms": {"1": 120},
    "processed_timestamp": "2026-11-20T18:00:00.123Z",
}


class Moose:
    """Has numbered rows of person 7 in some tables; what is asked of it later than told, it does not answer."""

    def __init__(self, rows: dict[str, int], answers: int = 1_000) -> None:
        self._rows = rows
        self._answers = answers
        self.asked: list[str] = []

    async def entries(self, api: str, *, user_id: int, table: str, after: str | None, limit: int) -> list[Any]:
        assert api == "getPersonRecords"
        if len(self.asked) == self._answers:
            raise MooseUnavailableError("Moose does not answer")
        self.asked.append(table)
        last = self._rows.get(table, 0) if user_id == 7 else 0
        first = 0 if after is None else int(after) + 1
        return [{"key": str(at), "record": {"number": at}} for at in range(first, min(first + limit, last))]


def ask(moose: Moose, play: Callable[[httpx.AsyncClient, Wall], Awaitable[None]]) -> None:
    """Play against the wall's own application."""

    async def main() -> None:
        settings = Settings(moose_url="http://127.0.0.1:1", broker="127.0.0.1:1")
        app, wall = create(settings), Wall(settings)
        wall.moose = moose  # type: ignore[assignment]
        app.state.wall = wall
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            await play(client, wall)

    asyncio.run(main())


def files_of(archive: bytes) -> dict[str, list[list[str]]]:
    """The rows of each CSV, with their first line."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.testzip() is None
        texts = {name: opened.read(name).decode() for name in opened.namelist() if name.endswith(".csv")}
    return {name.removesuffix(".csv"): list(csv.reader(io.StringIO(text))) for name, text in texts.items()}


def test_what_is_exported_is_what_an_erasure_removes() -> None:
    assert list(TABLES) == list(person_rows.TABLES)


def test_a_row_a_record_and_nothing_that_a_spreadsheet_would_run() -> None:
    archive = Archive(7)
    made = archive.add("unified_hr_packet", [BEAT, {**BEAT, "user_name": "Ada\n"}])
    made += archive.add("unified_hr_packet", [{**BEAT, "user_name": "\u00c5se, =1"}])
    made += archive.add("person_profile", [{"user_id": 7, "alias": None}])
    made += archive.end()
    archive.close()
    files = files_of(made)
    assert files.keys() == TABLES.keys()
    others = ["", "-499.5", "false", "[1, 2]", '{"1": 120}', "2026-11-20T18:00:00.123Z"]
    assert files.pop("unified_hr_packet") == [list(BEAT), *([name, *others] for name in ("'=Ada", "Ada\n", "Åse, =1"))]
    assert files.pop("person_profile") == [["user_id", "alias"], ["7", ""]]
    assert not any(files.values())
    text = zipfile.ZipFile(io.BytesIO(made)).read("README.txt").decode()
    assert "held of person 7 at 20" in text
    assert "unified_hr_packet.csv: 3 rows: heartbeats" in text
    assert "strap_assignment.csv: 0 rows: " in text


def test_an_archive_that_comes_to_no_end_is_let_go_of() -> None:
    archive = Archive(7)
    archive.add("unified_hr_packet", [BEAT])
    archive.close()
    archive.close()


def test_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "RECORDS_AT_ONCE", 3)
    rows = {"unified_hr_packet": 7, "person_profile": 3, "strap_assignment": 1}
    moose = Moose(rows)

    async def play(client: httpx.AsyncClient, _wall: Wall) -> None:
        answer = await client.get("/data/people/7/export.zip")
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/zip")
        assert answer.headers["Content-Disposition"] == 'attachment; filename="person-7.zip"'
        assert answer.headers["Cache-Control"] == "no-store"
        numbers = {table: [int(number) for (number,) in told[1:]] for table, told in files_of(answer.content).items()}
        assert numbers == {table: list(range(rows.get(table, 0))) for table in TABLES}

    ask(moose, play)
    assert [moose.asked.count(table) for table in TABLES] == [1, 1, 1, 3, 1, 1, 2, 1]


@pytest.mark.parametrize("user_id", [0, 8, 2**63])
def test_who_is_nobody_has_none(user_id: int) -> None:
    async def play(client: httpx.AsyncClient, _wall: Wall) -> None:
        answer = await client.get(f"/data/people/{user_id}/export.zip")
        assert (answer.status_code, answer.json()["error"]) == (404, f"Nobody with number {user_id} is known.")

    ask(Moose({"person_profile": 1}), play)


def test_who_is_being_erased_has_none() -> None:
    async def play(client: httpx.AsyncClient, wall: Wall) -> None:
        wall.board.begin_erasure("e1", 7, 0)
        answer = await client.get("/data/people/7/export.zip")
        assert (answer.status_code, answer.json()["error"]) == (409, "All data of that person is being deleted.")

    ask(Moose({"person_profile": 1}), play)


def test_with_moose_away_there_is_none() -> None:
    async def play(client: httpx.AsyncClient, _wall: Wall) -> None:
        answer = await client.get("/data/people/7/export.zip")
        assert (answer.status_code, json.loads(answer.text)["error"]) == (502, "Moose does not answer.")

    ask(Moose({"person_profile": 1}, answers=0), play)


def test_what_breaks_off_is_told_to_have(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    async def pages(*_: object) -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
        yield "unified_hr_packet", [BEAT]
        raise MooseUnavailableError("Moose does not answer")

    monkeypatch.setattr(data, "_pages", pages)
    with Room(ingest.url) as room, pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
        httpx.get(f"{room.url}/data/people/7/export.zip")
