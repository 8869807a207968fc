"""Is it healthy? Every part is asked at once, and whatever is away, there is an answer within ten seconds."""

import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import httpx

from app.heartrate.contact import AHEAD_S
from scripts.delivery.keys import without_password
from scripts.operate.broker import Broker, BrokerError
from scripts.operate.database import Database, DatabaseError
from scripts.operate.desk import Desk
from scripts.operate.lag import PATIENCE_S, Reading, look
from scripts.operate.logs import last_errors
from scripts.operate.settings import Settings

ANSWER_WITHIN_S = 8.0
HTTP_TIMEOUT_S = 4.0
ERRORS_SHOWN = 3
MUCH = 50_000
"""Messages: a group that is further behind takes several seconds to catch up even if nothing more comes."""


class Verdict(IntEnum):
    """How a part is, the worst last."""

    GOOD = 0
    NOTE = 1
    """A person may want to know; nothing is wrong."""
    DEGRADED = 2
    DOWN = 3
    """Nothing flows without it."""


class Health(IntEnum):
    """How the whole is; also the exit codes."""

    HEALTHY = 0
    DEGRADED = 1
    DOWN = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of a part."""

    part: str
    verdict: Verdict
    what: str
    """One line that a person understands."""
    figures: dict[str, Any] = field(default_factory=dict)
    kind: str = ""
    """Of what there are many: function or table."""


Probe = Callable[[], Iterable[Finding]]


def health(findings: Iterable[Finding]) -> Health:
    """What findings amount to."""
    worst = max((finding.verdict for finding in findings), default=Verdict.GOOD)
    return {Verdict.DOWN: Health.DOWN, Verdict.DEGRADED: Health.DEGRADED}.get(worst, Health.HEALTHY)


def examine(settings: Settings) -> list[Finding]:
    """Ask every part, all at once; in the order of the parts."""
    probes: dict[str, tuple[Probe, Verdict]] = {
        "Moose": (lambda: _moose(settings), Verdict.DOWN),
        "APIs": (lambda: _apis(settings), Verdict.DEGRADED),
        "ClickHouse": (lambda: _clickhouse(settings), Verdict.DOWN),
        "broker": (lambda: _broker(settings), Verdict.DOWN),
        "functions": (lambda: _lag(settings), Verdict.DEGRADED),
        "wall": (lambda: _wall(settings), Verdict.DEGRADED),
        "data": (lambda: _data(settings), Verdict.NOTE),
        "dead letters": (lambda: _letters(settings), Verdict.NOTE),
        "log": (lambda: _log(settings), Verdict.NOTE),
    }
    answers: queue.SimpleQueue[tuple[str, list[Finding]]] = queue.SimpleQueue()

    def ask(part: str, probe: Probe, at_worst: Verdict) -> None:
        try:
            found = list(probe())
        except (BrokerError, DatabaseError) as error:
            found = [Finding(part, at_worst, str(error))]
        except Exception as error:  # noqa: BLE001 (a part that answers nonsense must not hide the others)
            found = [Finding(part, max(at_worst, Verdict.DEGRADED), f"could not be looked at: {error!r}")]
        answers.put((part, found))

    # Daemons: one that hangs does not keep the program from ending.
    for part, (probe, at_worst) in probes.items():
        threading.Thread(target=ask, args=(part, probe, at_worst), name=part, daemon=True).start()
    found: dict[str, list[Finding]] = {}
    deadline = time.monotonic() + ANSWER_WITHIN_S
    while len(found) < len(probes):
        try:
            part, findings = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        found[part] = findings
    return [
        finding
        for part, (_, at_worst) in probes.items()
        for finding in found.get(part, [Finding(part, at_worst, f"no answer within {ANSWER_WITHIN_S:.0f} s")])
    ]


def _get(url: str, auth: httpx.Auth | None = None, **parameters: Any) -> httpx.Response | str:
    """An answer, or why there is none."""
    shown = without_password(url)
    try:
        return httpx.get(url, params=parameters, timeout=HTTP_TIMEOUT_S, auth=auth)
    except httpx.TimeoutException:
        return f"{shown} does not answer within {HTTP_TIMEOUT_S:.0f} s"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"{shown} does not answer: {error}"


def _moose(settings: Settings) -> Iterable[Finding]:
    # What it says of the others is not told: it calls healthy ones ill at times, and they are asked themselves. Its
    # Redis only it can reach.
    shown = without_password(settings.moose_url)
    answer = _get(f"{settings.moose_url}/health")
    if isinstance(answer, str):
        yield Finding("Moose", Verdict.DOWN, f"takes nothing in: {answer}")
        return
    try:
        ill = answer.json()["unhealthy"]
    except (ValueError, KeyError, TypeError):
        yield Finding("Moose", Verdict.DOWN, f"is not what answers at {shown} (HTTP {answer.status_code})")
        return
    if "Redis" in ill:
        yield Finding("Moose", Verdict.DEGRADED, "does not reach its Redis")
        return
    yield Finding("Moose", Verdict.GOOD, f"answers at {shown}")


def _apis(settings: Settings) -> Iterable[Finding]:
    began = time.monotonic()
    answer = _get(f"{settings.moose_url}/api/getSessions", settings.api_auth, limit=1)
    if isinstance(answer, str):
        yield Finding("APIs", Verdict.DEGRADED, answer)
    elif not answer.is_success:
        said = answer.text.strip()[:200]
        yield Finding("APIs", Verdict.DEGRADED, f"cannot answer: HTTP {answer.status_code}: {said}")
    else:
        took_ms = (time.monotonic() - began) * 1000
        yield Finding("APIs", Verdict.GOOD, f"answer within {took_ms:.0f} ms", {"ms": round(took_ms)})


def _clickhouse(settings: Settings) -> Iterable[Finding]:
    database = Database(settings)
    try:
        version = database.version()
    finally:
        database.close()
    shown = without_password(settings.clickhouse_url)
    yield Finding("ClickHouse", Verdict.GOOD, f"{version} at {shown}", {"version": version})


def _broker(settings: Settings) -> Iterable[Finding]:
    topics = Broker(settings).places()
    yield Finding("broker", Verdict.GOOD, f"{len(topics)} topics at {settings.broker}", {"topics": len(topics)})


def _lag(settings: Settings) -> Iterable[Finding]:
    broker = Broker(settings)
    try:
        readings = look(settings, broker, patience_s=PATIENCE_S)
    except BrokerError:
        yield Finding("functions", Verdict.NOTE, "unknown, as the broker does not answer")
        return
    for reading in readings:
        yield _of(reading)


def _of(reading: Reading) -> Finding:
    kind, part = ("table", f"table {reading.table}") if reading.table else ("function", f"function of {reading.stream}")
    figures = {"group": reading.group, "stream": reading.stream, "lag": reading.lag, "read": reading.read}
    if reading.table:
        figures["table"] = reading.table
    by = f", from {reading.stream}" if reading.table not in (None, reading.stream) else ""
    if not reading.read:
        doer = "nobody brings it there" if reading.table else "no worker runs"
        verdict, what = Verdict.DEGRADED, f"{doer}{by}; {reading.lag} messages wait"
    elif reading.stuck:
        verdict = Verdict.NOTE if reading.slow else Verdict.DEGRADED
        what = f"has not moved for {PATIENCE_S:.0f} s{by}; {reading.lag} messages wait"
    elif reading.lag > MUCH:
        verdict, what = Verdict.DEGRADED, f"is behind{by}; {reading.lag} messages wait"
    else:
        verdict, what = Verdict.GOOD, f"keeps up{by}" + (f"; {reading.lag} on their way" if reading.lag else "")
    return Finding(part, verdict, what, figures, kind)


def _wall(settings: Settings) -> Iterable[Finding]:
    shown = without_password(settings.live_url)
    answer = _get(f"{settings.live_url}/health")
    if isinstance(answer, str):
        yield Finding("wall", Verdict.DEGRADED, answer)
        return
    try:
        told = answer.json()
        away = [name for name, key in (("the broker", "broker"), ("Moose", "moose")) if not told[key]]
        screens = int(told["screens"])
    except (ValueError, KeyError, TypeError):
        what = f"is not what answers at {shown} (HTTP {answer.status_code})"
        yield Finding("wall", Verdict.DEGRADED, what)
        return
    if away:
        yield Finding("wall", Verdict.DEGRADED, f"does not reach {' nor '.join(away)}", {"screens": screens})
    else:
        yield Finding("wall", Verdict.GOOD, f"{screens} screens at {shown}", {"screens": screens})


def _data(settings: Settings) -> Iterable[Finding]:
    database = Database(settings)
    try:
        age, beats, reception = database.newest_age_s(), database.beats(), database.reception()
    except DatabaseError:
        yield Finding("data", Verdict.NOTE, "unknown, as ClickHouse does not answer")
        return
    finally:
        database.close()
    figures = {
        "newest_beat_age_s": age,
        "beats_last_minute": beats,
        "packets_last_minute": reception.packets,
        "radio_loss": reception.radio_loss,
        "delivery_loss": reception.delivery_loss,
    }
    if age is None:
        yield Finding("data", Verdict.NOTE, "no beat yet", figures)
        return
    ahead = age < -AHEAD_S
    newest = f"newest beat {_age(-age)} in the future: a clock is wrong" if ahead else f"newest beat {_age(age)} ago"
    what = f"{newest}; in the last minute {beats} beats, {reception.packets} ANT+ packets"
    if reception.radio_loss is not None and reception.delivery_loss is not None:
        what += f", {reception.radio_loss:.1%} lost on the radio, {reception.delivery_loss:.1%} after it"
    yield Finding("data", Verdict.GOOD if beats and not ahead else Verdict.NOTE, what, figures)


def _age(seconds: float) -> str:
    if seconds < 120:
        return f"{max(0.0, seconds):.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _letters(settings: Settings) -> Iterable[Finding]:
    broker = Broker(settings)
    desk = Desk(settings, broker, keep_records=False)
    try:
        desk.read()
    except BrokerError as error:
        yield Finding("dead letters", Verdict.NOTE, f"unknown: {error}")
        return
    finally:
        broker.close()
    counts = desk.counts()
    waiting = {name: count.open for name, count in counts.items() if count.open}
    if not waiting:
        yield Finding("dead letters", Verdict.GOOD, "none open")
    for name, number in waiting.items():
        letters = "letters" if number > 1 else "letter"
        what = f"{number} open {letters} on {name}: beatstream dlq list --queue {name}"
        yield Finding("dead letters", Verdict.DEGRADED, what, {"queue": name, "open": number})


def _log(settings: Settings) -> Iterable[Finding]:
    if not settings.logs.is_dir():
        docker = "docker compose … logs --since 1h app live"
        yield Finding("log", Verdict.NOTE, f"there is no folder {settings.logs}; containers' errors: {docker}")
    for error in last_errors(settings.logs)[-ERRORS_SHOWN:]:
        yield Finding("log", Verdict.NOTE, f"{error.file}: {error.text}")
