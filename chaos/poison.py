"""Records that are wrong, on every topic: each is accounted for, and hurts nobody else."""

import json
import time
from contextlib import closing, suppress
from typing import Any

from confluent_kafka.admin import AdminClient

from chaos.fault import Outcome, disturbed, fault
from chaos.load import Load
from chaos.stack import Stack
from harness.live import Screen
from harness.waiting import wait_for

STREAMS: dict[str, dict[str, Any]] = {
    "raw_ant_hr_packet": {"device_id": "99901", "packet_count": 1, "ant_hr_packet": "04ff0a14ce180764"},
    "bluetooth_hr_packet": {"device_id": "C0:11:22:33:99:01", "packet_count": 1, "hr_measurement": "1048e803"},
    "processed_ant_hr_packet": {"device_id": "99901", "epoch": 1, "heart_beat_count": 1},
    "strap_assignment": {"device_id": "99901", "user_id": 1, "user_name": "Eve"},
    "person_profile": {"user_id": 999_901, "user_name": "Eve"},
    "training_session": {"session_id": "99901", "name": "n", "kind": "class", "started_at": "2026-11-25T00:00:00Z"},
    "erasure_request": {"erasure_id": "99901", "user_id": 999_901},
}
"""A good record of each, to be spoiled; streams that a function reads."""

WITHOUT_FUNCTION: dict[str, dict[str, Any]] = {
    "unified_hr_packet": {
        "device_id": "99902",
        "user_id": 0,
        "hr_timestamp_seconds": 1_795_600_000.0,
        "hr_value": 60,
        "rr_interval_ms": 1000.0,
        "user_name": "Strap 99902",
    },
    "erasure_report": {
        "erasure_id": "99902",
        "user_id": 999_902,
        "removed": {"unified_hr_packet": 1},
        "erased_at": "2026-11-25T00:00:00Z",
    },
    "dead_letter_decision": {"letter_id": "99902", "queue": "none", "letter_offset": 1, "run_id": "chaos"},
}
"""Streams that only a table (and the wall) reads: what is wrong there, only ClickHouse can refuse."""

MOMENTS = {
    "raw_ant_hr_packet": "received_at",
    "bluetooth_hr_packet": "received_at",
    "strap_assignment": "assigned_at",
    "person_profile": "updated_at",
    "training_session": "ended_at",
    "erasure_request": "requested_at",
    "unified_hr_packet": "processed_timestamp",
    "erasure_report": "erased_at",
    "dead_letter_decision": "letter_at",
}
"""Moments that must have a zone, and a year that can be."""

NUMBERS = {
    "raw_ant_hr_packet": "packet_count",
    "bluetooth_hr_packet": "packet_count",
    "processed_ant_hr_packet": "heart_beat_count",
    "strap_assignment": "user_id",
    "person_profile": "birth_year",
    "erasure_request": "user_id",
    "unified_hr_packet": "hr_value",
    "erasure_report": "user_id",
    "dead_letter_decision": "letter_offset",
}
"""Integers: what no column holds, ClickHouse would refuse, or keep as another number."""

WITHOUT_TABLE = ("erasure_request",)
INGESTED = ("raw_ant_hr_packet", "bluetooth_hr_packet", "strap_assignment", "person_profile", "training_session")
QUEUE = "DeadLetterQueue"
MEGABYTE = 1_000_000


def _spoiled(stream: str, good: dict[str, Any], mark: str) -> dict[str, bytes]:
    """Each kind of wrong, with a mark to find it by. All of them are wrong for every stream (that has such a field)."""
    first, last = next(iter(good)), list(good)[-1]
    wrong = {
        "not JSON": f"{{{mark}-0".encode(),
        "a list": json.dumps([f"{mark}-1"]).encode(),
        "null": b"null",
        "nulls in a list": json.dumps([None, f"{mark}-3", None]).encode(),
        "wrong types": json.dumps({name: {"mark": f"{mark}-4"} for name in good}).encode(),
        "NaN": f'{{"{first}": NaN, "mark": "{mark}-5"}}'.encode(),
        "null for a value": json.dumps({**good, first: None, "mark": f"{mark}-6"}).encode(),
        "a field missing": json.dumps(
            {name: value for name, value in good.items() if name != first} | {"mark": f"{mark}-7"}
        ).encode(),
        "a megabyte": json.dumps({**good, first: None, last: f"{mark}-8" + "x" * MEGABYTE}).encode(),
        # Not the last: what Moose cannot read it commits with what comes behind it.
        "half of a surrogate pair": json.dumps({**good, last: "\ud800", "mark": f"{mark}-11"}).encode(),
        "not UTF-8": b"\xff\xfe" + f"{mark}-9".encode(),
        "unknown fields only": json.dumps({"unknown": f"{mark}-10"}).encode(),
    }
    moment, number = MOMENTS.get(stream), NUMBERS.get(stream)
    if moment is not None:
        for at, text in enumerate(("2026-11-25T00:00:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z")):
            wrong[f"{moment} {text}"] = json.dumps({**good, moment: text, "mark": f"{mark}-12-{at}"}).encode()
    if number is not None:
        for at, value in enumerate((-(2**63) - 1, 2**64, 10**30)):
            wrong[f"{number} {value}"] = json.dumps({**good, number: value, "mark": f"{mark}-13-{at}"}).encode()
    return wrong


@fault("poison on the topics")
def on_the_topics(stack: Stack) -> Outcome:
    """Put past the ingest API, by somebody who reaches the broker."""
    outcome = Outcome("every beat; a dead letter for each wrong record; no table stands still")

    def poison(load: Load) -> float:
        before = {stream: letters(stack, stream) for stream in STREAMS}
        sent = {stream: _spoiled(stream, good, f"poison-{stream}") for stream, good in STREAMS.items()}
        for stream, messages in sent.items():
            stack.produce(stream, messages.values())
        since = time.time()
        load.await_heard(5)
        for stream, messages in sent.items():
            found = await_letters(stack, stream, before[stream] + len(messages)) - before[stream]
            if found != len(messages):
                outcome.broken.append(f"{stream}: {found} dead letters for {len(messages)} wrong records")
        outcome.notes.append(f"{sum(map(len, sent.values()))} wrong records on {len(sent)} topics")
        return since

    disturbed(stack, outcome, poison)
    _tables_go_on(stack, [stream for stream in STREAMS if stream not in WITHOUT_TABLE], outcome)
    _wall_goes_on(stack, outcome)
    return outcome


@fault("poison on topics that only tables read")
def refused_by_clickhouse(stack: Stack) -> Outcome:
    """What ClickHouse would refuse for ever must not hold up what comes behind it, here or on the screens."""
    outcome = Outcome("every beat; no table stands still, nor does the wall")
    topics = set(AdminClient({"bootstrap.servers": stack.broker}).list_topics(timeout=10).topics)
    present = [stream for stream in WITHOUT_FUNCTION if stream in topics]

    def poison(load: Load) -> float:
        for stream in present:
            good = WITHOUT_FUNCTION[stream]
            wrong = _spoiled(stream, good, f"poison-{stream}")
            stack.produce(stream, [*wrong.values(), json.dumps(good).encode()])
            outcome.notes.append(f"{stream}: a good record behind {len(wrong)} wrong ones")
        since = time.time()
        load.await_heard(5)
        return since

    disturbed(stack, outcome, poison)
    _tables_go_on(stack, present, outcome)
    for stream in present:
        if not _rows_of(stack, stream):
            outcome.broken.append(f"{stream}: the good record behind the wrong ones is not stored")
    _wall_goes_on(stack, outcome)
    return outcome


def _rows_of(stack: Stack, stream: str) -> int:
    """How many rows of a table are of the records that were put on its topic here."""
    name, value = next(iter(WITHOUT_FUNCTION[stream].items()))
    ((count,),) = stack.rows(f"SELECT count() FROM {stream} WHERE {name} = {{value:String}}", value=value)  # noqa: S608
    return int(count)


def _wall_goes_on(stack: Stack, outcome: Outcome) -> None:
    """A screen that connects now is shown something."""
    with closing(Screen(stack.live_url)) as screen:
        screen.start()
        try:
            wait_for(lambda: screen.values, "a screen to be filled", 15)
        except AssertionError:
            outcome.broken.append("the wall has no news")


@fault("poison over HTTP")
def over_http(stack: Stack) -> Outcome:
    """Each is refused with a 4xx, or taken and dead-lettered; never a 5xx, never a hang."""
    outcome = Outcome("every beat; each wrong record a 4xx or a dead letter")

    def poison(load: Load) -> float:
        del load
        for stream in INGESTED:
            before, taken = letters(stack, stream), 0
            for what, body in _spoiled(stream, STREAMS[stream], f"http-{stream}").items():
                answer = stack.http.post(
                    f"/ingest/{stream}", content=body, headers={"Content-Type": "application/json"}
                )
                if answer.is_success:
                    taken += 1
                    outcome.notes.append(f"{stream}, {what}: taken with {answer.status_code}")
                elif not answer.is_client_error:
                    outcome.broken.append(f"{stream}, {what}: HTTP {answer.status_code} {answer.text[:100]}")
            if await_letters(stack, stream, before + taken) < before + taken:
                outcome.broken.append(f"{stream}: {taken} wrong records were taken, and not each became a dead letter")
        return time.time()

    return disturbed(stack, outcome, poison)


def _tables_go_on(stack: Stack, streams: list[str], outcome: Outcome) -> None:
    for stream in streams:
        try:
            stack.await_lag("clickhouse_sync", stream, 30)
        except AssertionError:
            outcome.broken.append(
                f"table {stream} stands still: {stack.lag('clickhouse_sync', stream)} messages behind"
            )


def await_letters(stack: Stack, stream: str, count: int) -> int:
    """How many dead letters there are, once they are so many; however many there are in the end."""
    with suppress(AssertionError):
        wait_for(lambda: letters(stack, stream) >= count, "the letters", 15, every_s=0.5)
    return letters(stack, stream)


def letters(stack: Stack, stream: str) -> int:
    """How many dead letters of a stream there are."""
    return len(stack.topic(f"{stream}{QUEUE}"))
