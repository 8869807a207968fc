"""What the pages ask for beside the events: people, sessions, and the past of one person."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from starlette.exceptions import HTTPException

from app.heartrate.profiles import LARGEST_USER_ID, Profile
from app.heartrate.zones import ZoneScale
from live.archive import TABLES, Archive
from live.board import who_of
from live.export import Heard
from live.moose import MooseUnavailableError
from live.records import now_rfc3339
from live.wall import Wall

DEFAULT_SPAN = timedelta(hours=1)
LONGEST_SPAN = timedelta(days=1)
"""As much as Moose's APIs answer at once."""

RECORDS_AT_ONCE = 2_000
"""A piece of an archive: some 20 ms of work, which the screens wait for."""

Moment = Annotated[AwareDatetime, Field(ge=datetime(1980, 1, 1, tzinfo=UTC), lt=datetime(2100, 1, 1, tzinfo=UTC))]
"""As far as ClickHouse's DateTime reaches."""


class Span(BaseModel):
    """A session, or from when to when; absent: the last hour."""

    model_config = ConfigDict(extra="forbid")

    session: str | None = None
    end: Moment = Field(default_factory=lambda: datetime.now(UTC))
    start: Moment | None = None

    @field_validator("start")
    @classmethod
    def _less_than_a_day_before_the_end(cls, start: datetime | None, info: ValidationInfo) -> datetime | None:
        end = info.data.get("end")  # none: it is wrong itself
        if start is not None and end is not None:
            if start > end:
                raise PydanticCustomError("span", "The start lies after the end.")
            if end - start >= LONGEST_SPAN:
                raise PydanticCustomError("span", "The span has to be shorter than a day.")
        return start


def people(wall: Wall, *, board_only: bool = False) -> list[dict[str, Any]]:
    """Everybody known, with their zones and straps; `board_only`: who may be shown on the board, as named there."""
    worn = wall.board.people.straps_of(time.time_ns() // 1000)
    known = wall.board.people.everybody()
    if board_only:
        shown = [profile for profile in known if not wall.board.hidden(who_of(profile.user_id, ""))]
        known = [Profile(profile.user_id, profile.shown_name) for profile in shown]
    return [
        {**profile.fields(), "straps": worn.get(profile.user_id, []), "zones": _zones(profile)} for profile in known
    ]


async def session(wall: Wall, session_id: str) -> dict[str, Any]:
    """A session and its summary. Raises `HTTPException` 404."""
    known = _session(wall, session_id)
    return {"session": known, "entries": await wall.moose.entries("getSessionSummary", session_id=session_id)}


async def history(wall: Wall, user_id: int, span: Span) -> dict[str, Any]:
    """One person's seconds, beats and summary. Raises `HTTPException` 404."""
    _check_number(user_id)
    if span.session is not None:
        known = _session(wall, span.session)
        start, end = known["started_at"], known["ended_at"] or now_rfc3339()
        asked = {"session_id": span.session}
    else:
        start, end = (span.start or span.end - DEFAULT_SPAN).isoformat(), span.end.isoformat()
        asked = {"start": start, "end": end}
    summaries, seconds, beats = await asyncio.gather(
        wall.moose.entries("getSessionSummary", user_id=user_id, **asked),
        wall.moose.entries("getUserHeartRateHistory", user_id=user_id, **asked),
        wall.moose.entries("getUserBeats", user_id=user_id, **asked),
    )
    profile = wall.board.people.profile(user_id)
    summary = summaries[0] if summaries else None
    if profile is None and summary is None:
        raise _unknown_person(user_id)
    return {
        "user_id": user_id,
        "user_name": profile.user_name if profile is not None else summary and summary["user_name"],
        "start": start,
        "end": end,
        "zones": None if profile is None else _zones(profile),
        "summary": summary,
        "seconds": [
            [each["second"], each["avg_heart_rate"], each["min_heart_rate"], each["max_heart_rate"]] for each in seconds
        ],
        "beats": [[each["hr_timestamp_seconds"], each["rr_interval_ms"]] for each in beats],
    }


def _check_number(user_id: int) -> None:
    # Moose would refuse others at length.
    if not 1 <= user_id <= LARGEST_USER_ID:
        raise _unknown_person(user_id)


def _unknown_person(user_id: int) -> HTTPException:
    return HTTPException(404, f"Nobody with number {user_id} is known.")


async def heard(wall: Wall, user_id: int, session_id: str) -> tuple[Heard, ZoneScale | None]:
    """What an export holds, and the person's zones. Raises `HTTPException` 404."""
    _session(wall, session_id)
    _check_number(user_id)
    seconds, beats = await asyncio.gather(
        wall.moose.entries("getUserHeartRateHistory", user_id=user_id, session_id=session_id),
        wall.moose.entries("getUserBeats", user_id=user_id, session_id=session_id),
    )
    profile = wall.board.people.profile(user_id)
    intervals = [
        (each["hr_timestamp_seconds"], each["rr_interval_ms"])
        for each in beats
        if each["rr_interval_ms"] is not None and not each["rr_computed"]
    ]
    scale = None if profile is None else profile.zones(datetime.now(UTC).year)
    return Heard([(each["second"], each["avg_heart_rate"]) for each in seconds], intervals), scale


Page = tuple[str, list[dict[str, Any]]]
"""Records of a table."""


async def archive(wall: Wall, user_id: int) -> AsyncIterator[bytes]:
    """All that is held of a person, as the pieces of a ZIP. Raises `HTTPException` 404, or 409 while it is erased."""
    _check_number(user_id)
    if wall.board.people.being_erased(user_id):
        raise HTTPException(409, "All data of that person is being deleted.")
    pages = _pages(wall, user_id)
    first = await anext(pages, None)
    if first is None:
        raise _unknown_person(user_id)
    return _pieces(Archive(user_id), first, pages)


async def _pieces(archive: Archive, first: Page, others: AsyncIterator[Page]) -> AsyncIterator[bytes]:
    with closing(archive):
        yield archive.add(*first)
        async for page in others:
            yield archive.add(*page)
        yield archive.end()


async def _pages(wall: Wall, user_id: int) -> AsyncIterator[Page]:
    for table in TABLES:
        after: str | None = None
        while True:
            entries = await wall.moose.entries(
                "getPersonRecords", user_id=user_id, table=table, after=after, limit=RECORDS_AT_ONCE
            )
            if entries:
                yield table, [entry["record"] for entry in entries]
            if len(entries) < RECORDS_AT_ONCE:
                break
            after = entries[-1]["key"]


def _zones(profile: Profile) -> dict[str, Any] | None:
    table = profile.zone_table(datetime.now(UTC).year)
    return None if table is None else asdict(table)


def sessions(wall: Wall) -> list[dict[str, Any]]:
    """All sessions, the newest first. Raises `MooseUnavailableError` while they have not been read."""
    if not wall.past_known:
        raise MooseUnavailableError("The sessions have not been read yet")
    return wall.sessions.all()


def _session(wall: Wall, session_id: str) -> dict[str, Any]:
    known = wall.sessions.get(session_id)
    if known is None:
        raise HTTPException(404, "No such session is known.")
    return known
