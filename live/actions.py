"""What a screen may change. All of it goes through Moose's ingest and comes back on the topics, to every screen."""

import asyncio
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from app.heartrate.device_number import InvalidDeviceId
from app.heartrate.effort import Sex
from app.heartrate.profiles import LONGEST_NAME, InvalidProfileError, Profile, check_profile
from app.heartrate.sessions import InvalidSessionError, SessionKind
from app.heartrate.strap_id import check_strap_id
from app.heartrate.wearers import NOBODY
from live.moose import MooseUnavailableError
from live.records import assignment_record, now_rfc3339
from live.sessions import check_record
from live.wall import Wall


def _stripped(text: Any) -> Any:
    return text.strip() if isinstance(text, str) else text


# Not by `strip_whitespace`, which leaves what the pipeline takes for empty: Python strips some control characters, too.
Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME), BeforeValidator(_stripped)]


class ActionError(Exception):
    """What was asked for cannot be done; the text says why.

    Args:
        text: For a person.
        field: What is wrong, if it is one field.
    """

    def __init__(self, text: str, field: str | None = None) -> None:
        super().__init__(text)
        self.field = field


class Body(BaseModel):
    """What a screen sends."""

    model_config = ConfigDict(extra="forbid")


class StrapBody(Body):
    """A strap."""

    device_id: str = Field(examples=["863436", "C0:11:22:33:44:55"])


class AssignBody(StrapBody):
    """A strap and its wearer: known by number, or new by name."""

    user_id: int | None = Field(default=None, ge=1)
    user_name: Name | None = None


class PersonBody(Body):
    """A profile, whole."""

    user_id: int | None = Field(default=None, ge=1)
    user_name: Name
    alias: Name | None = None
    birth_year: int | None = None
    sex: Sex | None = None
    weight_kg: float | None = None
    hr_max: int | None = None
    hr_rest: int | None = None
    hidden: bool = False
    forget_learnt: bool = False


class UserBody(Body):
    """A person."""

    user_id: int = Field(ge=1)


class SessionBody(Body):
    """A session that begins."""

    name: Name
    kind: SessionKind = SessionKind.CLASS


Result = dict[str, Any]


async def assign(wall: Wall, body: AssignBody) -> Result:
    """Somebody wears a strap from now on."""
    _check_strap(body.device_id)
    if body.user_id is None:
        if body.user_name is None:
            raise ActionError("Choose a person or type a name.", "user_name")
        user_id, name = _new_user_id(wall), body.user_name
    else:
        profile = _person(wall, body.user_id)
        user_id, name = profile.user_id, profile.user_name
    record = assignment_record(body.device_id, user_id, name)
    await wall.ingest("strap_assignment", [record])
    # Who is new may be renamed or erased before the topic has brought this back.
    wall.take_assignment(record)
    return {"user_id": user_id, "user_name": name}


async def hand_back(wall: Wall, body: StrapBody) -> Result:
    """Nobody wears a strap from now on; one that was ignored is shown again."""
    return await _to_nobody(wall, body.device_id, ignored=False)


async def ignore(wall: Wall, body: StrapBody) -> Result:
    """A stranger's strap: it is not shown."""
    return await _to_nobody(wall, body.device_id, ignored=True)


async def hand_back_all(wall: Wall, _body: Body) -> Result:
    """Everybody has gone."""
    worn = [strap for straps in _worn(wall).values() for strap in straps]
    if worn:
        await wall.ingest("strap_assignment", [assignment_record(strap, NOBODY, "") for strap in worn])
    return {"straps": len(worn)}


async def person(wall: Wall, body: PersonBody) -> Result:
    """A profile is new or changed. The straps worn now go on under the new name; beats of before keep the old one."""
    known = None if body.user_id is None else _person(wall, body.user_id)
    profile = Profile(
        user_id=_new_user_id(wall) if known is None else known.user_id,
        user_name=body.user_name,
        alias=body.alias,
        birth_year=body.birth_year,
        sex=body.sex,
        weight_kg=body.weight_kg,
        hr_max_entered=body.hr_max,
        hr_max_learnt=None if known is None or body.forget_learnt else known.hr_max_learnt,
        hr_rest=body.hr_rest,
        hidden=body.hidden,
    )
    try:
        check_profile(profile, datetime.now(UTC).year)
    except InvalidProfileError as error:
        field, _, reason = str(error).partition(": ")
        raise ActionError(reason, field) from error
    record = wall.new_profile(profile)
    await wall.ingest("person_profile", [record])
    wall.take_profile(record)
    # Also what an earlier try has left under the old name.
    renamed = [
        assignment_record(strap, profile.user_id, profile.user_name)
        for strap in _worn(wall).get(profile.user_id, [])
        if _wearer_name(wall, strap) != profile.user_name
    ]
    if renamed:
        await wall.ingest("strap_assignment", renamed)
    return {"user_id": profile.user_id, "user_name": profile.user_name}


async def start_session(wall: Wall, body: SessionBody) -> Result:
    """A session begins; one that runs ends."""
    async with wall.changing_sessions:
        now = now_rfc3339()
        session_id = f"{now[:10]}-{secrets.token_hex(4)}"
        began = {"session_id": session_id, "name": body.name, "kind": body.kind, "started_at": now}
        ended = [{**session, "ended_at": now} for session in wall.sessions.open(time.time())]
        await _tell_sessions(wall, [*ended, began])
    return {"session_id": session_id}


async def mark_stop(wall: Wall, _body: Body) -> Result:
    """Everybody stops now: recovery counts from here."""
    async with wall.changing_sessions:
        running = _running(wall)
        await _tell_sessions(wall, [{**running, "stop_marked_at": now_rfc3339()}])
    return {"session_id": running["session_id"]}


async def end_session(wall: Wall, _body: Body) -> Result:
    """The session ends."""
    async with wall.changing_sessions:
        running, now = _running(wall), now_rfc3339()
        await _tell_sessions(wall, [{**session, "ended_at": now} for session in wall.sessions.open(time.time())])
    return {"session_id": running["session_id"]}


async def erase(wall: Wall, body: UserBody) -> Result:
    """All data of a person is removed; their straps are handed back first."""
    _person(wall, body.user_id)
    straps = _worn(wall).get(body.user_id, [])
    if straps:
        await wall.ingest("strap_assignment", [assignment_record(strap, NOBODY, "") for strap in straps])
        await _until(wall, lambda: body.user_id not in _worn(wall))
    erasure_id = secrets.token_hex(8)
    wall.board.begin_erasure(erasure_id, body.user_id, time.time())
    try:
        await wall.send(
            "erasure_request", {"erasure_id": erasure_id, "user_id": body.user_id, "requested_at": now_rfc3339()}
        )
    except MooseUnavailableError:
        wall.board.end_erasure(erasure_id, time.time())
        raise
    return {"erasure_id": erasure_id}


async def _to_nobody(wall: Wall, device_id: str, *, ignored: bool) -> Result:
    _check_strap(device_id)
    await wall.ingest("strap_assignment", [assignment_record(device_id, NOBODY, "", ignored=ignored)])
    return {}


def _running(wall: Wall) -> dict[str, Any]:
    running = wall.sessions.running(time.time())
    if running is None:
        raise ActionError("No session is running.")
    return running


async def _tell_sessions(wall: Wall, records: list[dict[str, Any]]) -> None:
    try:
        for record in records:
            check_record(record)
    except InvalidSessionError as error:
        # One that another clock, which is ahead, began a moment ago.
        field, _, reason = str(error).partition(": ")
        raise ActionError(f"The session cannot be changed yet: its {field} {reason}.") from error
    await wall.ingest("training_session", records)
    # Another screen may ask for the next change before the topic has brought this one back.
    for record in records:
        wall.change_session(record)


def _new_user_id(wall: Wall) -> int:
    if not wall.past_known:
        raise MooseUnavailableError("who is known has not been read yet")
    return wall.board.people.new_user_id()


async def _until(wall: Wall, condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():
                await wall.feed.published()
    except TimeoutError as error:
        raise MooseUnavailableError("the topics bring nothing back") from error


def _worn(wall: Wall) -> dict[int, list[str]]:
    return wall.board.people.straps_of(time.time_ns() // 1000)


def _wearer_name(wall: Wall, device_id: str) -> str | None:
    wearer = wall.board.people.wearer(device_id, time.time_ns() // 1000)
    return None if wearer is None else wearer.user_name


def _person(wall: Wall, user_id: int) -> Profile:
    profile = wall.board.people.profile(user_id)
    if profile is None:
        raise ActionError(f"Nobody with number {user_id} is known.", "user_id")
    if wall.board.people.being_erased(user_id):
        raise ActionError("All data of that person is being deleted.", "user_id")
    return profile


def _check_strap(device_id: str) -> None:
    try:
        check_strap_id(device_id)
    except InvalidDeviceId as error:
        raise ActionError(str(error).partition(": ")[2], "device_id") from error
