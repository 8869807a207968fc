# ruff: noqa: S608 (its SQL is put together of numbers)
"""The consumption APIs over HTTP on a database of millions of heartbeats, and the same questions asked of the beats.

The clock runs from the question until the last byte of the answer is here.

200 people train an hour a day; ClickHouse itself makes their beats, and the real materialized views take them in. The
last minute comes second by second, as Moose writes it. Larger sizes have more days, so the answers stay the same.
The reference is SQL on `unified_hr_packet` on the same data, in the same run.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from clickhouse_connect.driver.client import Client
from pydantic import BaseModel

from app.apis.get_group_hr_by_second import GroupParams, get_group_hr_by_second
from app.apis.get_hr import HRParams, get_hr
from app.apis.get_latest_user_heart_rates import LatestParams, get_latest_user_heart_rates
from app.apis.get_leaderboard import LeaderboardParams, get_leaderboard
from app.apis.get_people import PeopleParams, get_people
from app.apis.get_session_summary import SummaryParams, get_session_summary
from app.apis.get_sessions import SessionsParams, get_sessions
from app.apis.get_strap_assignments import AssignmentParams, get_strap_assignments
from app.apis.get_user_beats import get_user_beats
from app.apis.get_user_heart_rate_history import PersonSpanParams, get_user_heart_rate_history
from app.apis.get_user_heart_rate_stats import StatsParams, get_user_heart_rate_stats
from app.apis.get_user_zones import ZonesParams, get_user_zones
from benchmarks.quantiles import quantile
from harness.beatstream import Beatstream
from harness.waiting import wait_for

PEOPLE = 200
FIRST_USER, FIRST_DEVICE = 20_001, 200_001
"""Nobody else's on a stack that other benchmarks share."""

SESSION_BEATS = 7_200
"""A person's beats in a session: an hour or so, at 102 to 140 bpm."""

LIVE_S = 60
"""So long before the end the beats come as Moose writes them: an INSERT a second."""

WINDOW_S = 600
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Question:
    """An API, what it is asked, and the function behind it."""

    name: str
    parameters: dict[str, Any]
    answer: Callable[[Any, Any], object]
    parameter_type: type[BaseModel]
    of_beats: str | None = None
    """The same question in SQL on the plain beats; only where the answer must not grow with the data."""


def measure(stack: Beatstream, *, quick: bool) -> dict[str, float]:
    """Milliseconds of whole HTTP answers, what ClickHouse read for them, and their ratio to the reference."""
    sizes, often, seldom = ((1,), 40, 3) if quick else ((1, 10, 100), 200, 20)
    measured: dict[str, float] = {}
    end = math.ceil(time.time())
    _register(stack, end)
    with stack.clickhouse() as client:
        for size in sizes:
            if size != sizes[0]:
                for table in ("unified_hr_packet", "per_second_heart_rate_aggregate", "latest_heart_rate"):
                    client.command(f"TRUNCATE TABLE {table}")
            began = time.monotonic()
            _load(client, size * MILLION // PEOPLE, end)
            measured[f"answers: loading {size} M beats, s"] = time.monotonic() - began
            _await_merged(client)
            for question in _questions(end):
                repetitions = often if question.of_beats else seldom
                measured |= _measure(stack, client, question, size, repetitions)
    return measured


def _questions(end: int) -> Iterator[Question]:
    span = {"start": _rfc3339(end - WINDOW_S + 1), "end": _rfc3339(end)}
    hour = {"start": _rfc3339(end - 3_599), "end": _rfc3339(end)}
    within = (
        f"FROM unified_hr_packet FINAL WHERE hr_timestamp_seconds > {end - WINDOW_S} AND hr_timestamp_seconds <= {end}"
    )
    second = end - WINDOW_S // 2
    seconds = (
        "SELECT user_id, ceil(hr_timestamp_seconds) AS second, avg(hr_value) AS mean, min(hr_value) AS lowest,"
        f" max(hr_value) AS highest {within} GROUP BY ALL"
    )
    yield Question(
        "getLatestUserHeartRates",
        {"limit": PEOPLE},
        get_latest_user_heart_rates,
        LatestParams,
        "SELECT user_id, argMax((user_name, device_id, hr_value, rr_interval_ms), hr_timestamp_seconds)"
        " FROM unified_hr_packet FINAL GROUP BY user_id",
    )
    yield Question(
        "getUserHeartRateStats",
        span,
        get_user_heart_rate_stats,
        StatsParams,
        "SELECT b.*, s.mean FROM (SELECT user_id, min(hr_value), max(hr_value), count(), min(hr_timestamp_seconds),"
        f" max(hr_timestamp_seconds) {within} GROUP BY user_id) AS b"
        f" JOIN (SELECT user_id, avg(mean) AS mean FROM ({seconds}) GROUP BY user_id) AS s USING user_id",
    )
    yield Question(
        "get_group_hr_by_second",
        span,
        get_group_hr_by_second,
        GroupParams,
        "SELECT second, avg(mean), min(lowest), max(highest), count()"
        f" FROM ({seconds}) GROUP BY second ORDER BY second",
    )
    yield Question(
        "getHR",
        {"timestamp": _rfc3339(second)},
        get_hr,
        HRParams,
        "SELECT user_id, user_name, avg(hr_value) FROM unified_hr_packet FINAL"
        f" WHERE hr_timestamp_seconds > {second - 1} AND hr_timestamp_seconds <= {second} GROUP BY ALL",
    )
    yield Question("getUserBeats", {"user_id": FIRST_USER + 7, **hour}, get_user_beats, PersonSpanParams)
    yield Question(
        "getUserHeartRateHistory", {"user_id": FIRST_USER + 7, **hour}, get_user_heart_rate_history, PersonSpanParams
    )
    yield Question("getUserZones", {"user_id": FIRST_USER + 7, **hour}, get_user_zones, ZonesParams)
    yield Question("getLeaderboard", hour, get_leaderboard, LeaderboardParams)
    yield Question("getSessionSummary", {"session_id": "bench"}, get_session_summary, SummaryParams)
    yield Question("getSessions", {}, get_sessions, SessionsParams)
    yield Question("getPeople", {}, get_people, PeopleParams)
    yield Question("getStrapAssignments", {}, get_strap_assignments, AssignmentParams)


def _measure(stack: Beatstream, client: Client, question: Question, size: int, repetitions: int) -> dict[str, float]:
    def ask() -> None:
        stack.http.get(f"/api/{question.name}", params=question.parameters).raise_for_status()

    assert stack.api(question.name, **question.parameters), f"{question.name} has nothing to answer"
    about = f"answers: {question.name} at {size} M beats"
    p50, p95, p99 = _percentiles_ms(ask, repetitions)
    reader = _Reader(client)
    moose = SimpleNamespace(query=SimpleNamespace(ch_client=reader))
    question.answer(moose, question.parameter_type(**question.parameters))
    measured = {f"{about}, p50 ms": p50, f"{about}, p95 ms": p95}
    if sql := question.of_beats:
        reference, *_ = _percentiles_ms(lambda: client.raw_query(sql, fmt="JSONEachRow"), max(3, repetitions // 40))
        measured[f"{about}, p99 ms"] = p99
        measured[f"{about}, p50 of the plain beats (reference), ms"] = reference
        measured[f"{about}, ratio to the reference"] = p50 / reference
    measured[f"{about}, rows read"] = float(reader.rows)
    measured[f"{about}, MB read"] = reader.bytes / 1e6
    return measured


class _Reader:
    """Stands for the connection of Moose's client, to learn what ClickHouse reads for the SQL of an API."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.rows = self.bytes = 0

    def get_client_setting(self, _name: str) -> None:
        """None: it is not set."""

    def raw_query(self, sql: str, parameters: dict[str, Any], settings: dict[str, Any], fmt: str) -> bytes:
        """As clickhouse-connect's; its answer does not tell what was read, so it is asked twice."""
        summary = self._client.query(sql, parameters).summary
        self.rows += int(summary["read_rows"])
        self.bytes += int(summary["read_bytes"])
        return self._client.raw_query(sql, parameters, settings, fmt=fmt)


def _percentiles_ms(work: Callable[[], object], repetitions: int) -> tuple[float, float, float]:
    for _ in range(3):
        work()
    times = []
    for _ in range(repetitions):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    times.sort()
    p50, p95, p99 = (quantile(times, share) for share in (0.5, 0.95, 0.99))
    return p50, p95, p99


def _register(stack: Beatstream, end: int) -> None:
    people = range(PEOPLE)
    since = _rfc3339(end - 366 * 86_400)
    sent = (
        (
            "strap_assignment",
            [
                {"device_id": str(FIRST_DEVICE + person), "user_id": FIRST_USER + person}
                | {"user_name": f"Person {person}", "assigned_at": since}
                for person in people
            ],
        ),
        (
            "person_profile",
            [
                {"user_id": FIRST_USER + person, "user_name": f"Person {person}", "hr_max": 180 + person % 20}
                for person in people
            ],
        ),
        (
            "training_session",
            {"session_id": "bench", "name": "Bench", "kind": "class"}
            | {"started_at": _rfc3339(end - 3_600), "ended_at": _rfc3339(end)},
        ),
    )
    for table, records in sent:
        assert stack.post(table, records).is_success
    wait_for(
        lambda: (
            len(stack.api("getPeople")) >= PEOPLE <= len(stack.api("getStrapAssignments")) and stack.api("getSessions")
        ),
        "the people to be stored",
        30,
    )


def _load(client: Client, beats: int, end: int) -> None:
    """So many beats a person, the oldest first, as in life: where parts overlap in time, FINAL is slow."""
    last = beats
    while last > 0:
        first = (last - 1) // SESSION_BEATS * SESSION_BEATS
        _insert(client, first, last, end, 0, end - LIVE_S)
        last = first
    for second in range(end - LIVE_S, end):
        # A beat is stored half a second or so after it was, and its second may have begun in the last INSERT.
        _insert(client, 0, 3 * LIVE_S, end, second + 0.3 if second > end - LIVE_S else second, second + 1.3)


def _insert(client: Client, first: int, last: int, end: int, after: float, until: float) -> None:
    """The beats numbered from the newest one back, if they lie within a span of time; in the order of time."""
    tick = (
        "round(1024 * ({0} * (0.43 + person % 40 * 0.004) + 4 * sin({0} / 200 + person)"
        " + 0.03 * (cityHash64(person, day, {0}) % 1000 / 1000 - 0.5)))"
    )
    client.command(
        f"""
        INSERT INTO unified_hr_packet
            (user_id, user_name, device_id, hr_timestamp_seconds, hr_value, rr_interval_ms, rr_computed, revision,
             processed_timestamp)
        SELECT
            {FIRST_USER} + person, concat('Person ', toString(person)), toString({FIRST_DEVICE} + person),
            round({end} - 86400 * day - 0.1 - cityHash64(person) % 100000 / 1e6 + tick / 1024, 6) AS at,
            round(60 * 1024 / (tick - before)), (tick - before) * 1000 / 1024, false, 0,
            toDateTime64(ceil(at * 1000) / 1000 + 0.3, 3)
        FROM (
            SELECT
                toInt64(number % {PEOPLE}) AS person, {last} - 1 - intDiv(number, {PEOPLE}) AS newer,
                intDiv(newer, {SESSION_BEATS}) AS day, -(newer % {SESSION_BEATS}) AS beat,
                {tick.format("beat")} AS tick, {tick.format("(beat - 1)")} AS before
            FROM numbers({(last - first) * PEOPLE})
        )
        WHERE at > {after} AND at <= {until}
        ORDER BY at
        """
    )


def _await_merged(client: Client) -> None:
    """Background merges take a core; they are not what is measured here."""
    calm = 0

    def merged() -> bool:
        nonlocal calm
        ((running,),) = client.query("SELECT count() FROM system.merges").result_rows
        calm = 0 if running else calm + 1
        return calm >= 10

    wait_for(merged, "the merges to end", 600, every_s=0.1)


def _rfc3339(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
