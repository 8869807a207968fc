"""GET /api/getSessionSummary: what a session, or a span of time, was for each person."""

from collections.abc import Sequence
from typing import Optional

from moose_lib import Api, MooseClient
from pydantic import BaseModel, Field

from app.apis.get_user_heart_rate_stats import stats
from app.apis.people import Zones, profiles, zones_of
from app.apis.question import Claims
from app.apis.sessions import SessionOrSpan, names_unknown_session
from app.apis.training import PersonBeat, Who, beats, effort, rates_by_second, time_at_rates
from app.heartrate.hrv import EndedInterval, rmssd
from app.heartrate.profiles import LARGEST_USER_ID
from app.heartrate.recovery import AFTER_S, AROUND_S, PEAK_S, recovery
from app.heartrate.sessions import SessionKind

DEFAULT_WINDOW_S = 3600


class SummaryParams(SessionOrSpan):
    """A session, or a span of time (absent: the last hour), and optionally one person."""

    user_id: Optional[int] = Field(default=None, ge=1, le=LARGEST_USER_ID, description="Only this person")


class SummaryEntry(BaseModel):
    """A person."""

    user_id: int
    user_name: str
    zones: Optional[Zones] = Field(description="Null: the maximum heart rate is unknown")
    min_heart_rate: Optional[int] = Field(description="bpm; null: no beat came with a heart rate")
    max_heart_rate: Optional[int] = Field(description="bpm; null: as above")
    avg_heart_rate: Optional[float] = Field(description="bpm, mean of the seconds; null: as above")
    beat_count: int
    first_beat: str = Field(description="RFC 3339, UTC")
    last_beat: str = Field(description="RFC 3339, UTC")
    zone_seconds: Optional[list[int]] = Field(description="Seconds in zones 0 to 5; null: maximum unknown")
    points: Optional[float] = Field(description="Edwards' points; null: as above")
    energy_kcal: Optional[float] = Field(
        description="An estimate (Keytel 2005), above half of the maximum; null: needs birth year, sex, weight, maximum"
    )
    recovery_bpm: Optional[float] = Field(
        description="How far the heart rate fell in the 60 s after the marked stop; null: no stop, or not heard then"
    )
    rmssd_ms: Optional[float] = Field(
        description="Variability; null: not a session of kind rest, or over 5 % of the intervals unknown"
    )


class SummaryAnswer(BaseModel):
    """One entry a person who had a beat, most points first."""

    entries: list[SummaryEntry]


@names_unknown_session
def get_session_summary(client: MooseClient, params: SummaryParams, _claims: Claims = None) -> SummaryAnswer:
    """Read statistics and time at each heart rate; all else is app.heartrate's."""
    session = params.session(client)
    first, last = params.seconds(DEFAULT_WINDOW_S) if session is None else session.seconds
    known = profiles(client)
    spent = {each.who: each.time_at for each in time_at_rates(client, first, last, params.user_id)}
    falls = {} if session is None or session.stop_second is None else _recoveries(client, session.stop_second)
    calm = session is not None and session.kind == SessionKind.REST
    variability = _rmssd_by_person(beats(client, first, last, params.user_id)) if calm else {}
    entries = []
    for row in stats(client, first, last, user_id=params.user_id):
        who = Who.of(row.user_id, row.user_name)
        profile = known.get(row.user_id)
        cost = effort(spent.get(who, {}), profile)
        entries.append(
            SummaryEntry(
                user_id=row.user_id,
                user_name=row.user_name,
                zones=None if profile is None else zones_of(profile),
                min_heart_rate=row.min_heart_rate,
                max_heart_rate=row.max_heart_rate,
                avg_heart_rate=row.avg_heart_rate,
                beat_count=row.beat_count,
                first_beat=row.first_beat,
                last_beat=row.last_updated,
                zone_seconds=None if cost.zone_seconds is None else list(cost.zone_seconds),
                points=cost.points,
                energy_kcal=cost.energy_kcal,
                recovery_bpm=falls.get(who),
                rmssd_ms=variability.get(who),
            )
        )
    entries.sort(key=lambda entry: (-(entry.points or 0.0), entry.user_name))
    return SummaryAnswer(entries=entries)


def _recoveries(client: MooseClient, stop_s: int) -> dict[Who, float]:
    around = rates_by_second(client, stop_s - PEAK_S, stop_s + AFTER_S + AROUND_S)
    found = {who: recovery(seconds, stop_s) for who, seconds in around.items()}
    return {who: round(each.fall, 1) for who, each in found.items() if each is not None}


def _rmssd_by_person(told: list[PersonBeat]) -> dict[Who, float]:
    by_strap: dict[Who, dict[str, list[EndedInterval]]] = {}
    for beat in told:
        known = None if beat.rr_computed else beat.rr_interval_ms
        ended = EndedInterval(beat.hr_timestamp_seconds, known)
        by_strap.setdefault(Who(beat.user_id, beat.guest), {}).setdefault(beat.device_id, []).append(ended)
    # Of two straps on one person, each tells every interval: one of them counts.
    found = {who: rmssd(max(straps.values(), key=_known)) for who, straps in by_strap.items()}
    return {who: round(each, 1) for who, each in found.items() if each is not None}


def _known(intervals: Sequence[EndedInterval]) -> int:
    return sum(interval.interval_ms is not None for interval in intervals)


get_session_summary_api = Api[SummaryParams, SummaryAnswer]("getSessionSummary", query_function=get_session_summary)
