"""The HTTP sink against a real server that takes, refuses and fails."""

import json
import threading

import pytest

from scripts.delivery.http import HttpSink
from scripts.delivery.sink import ASSIGNMENT, BLUETOOTH, PROFILE, RAW, ServerGoneError, SinkError
from tests.ingest_server import Ingest


def fail_if_rejected(record: str, reason: str) -> None:
    raise AssertionError(f"{reason}: {record}")


def test_a_failing_server_is_tried_again_and_order_is_kept(ingest: Ingest) -> None:
    ingest.failures = [503, 500, 429]
    sink = HttpSink(ingest.url, fail_if_rejected)
    for number in range(3):
        sink.send(RAW, [json.dumps({"n": number * 2}), json.dumps({"n": number * 2 + 1})])
    sink.close()
    assert sink.retries == 3
    assert [record["n"] for record in ingest.packets()] == list(range(6))


def test_a_refused_record_is_isolated(ingest: Ingest) -> None:
    ingest.refuse = lambda record: record["n"] in (5, 17)
    rejected: list[tuple[str, str]] = []
    sink = HttpSink(ingest.url, lambda record, reason: rejected.append((record, reason)))
    sink.send(RAW, [json.dumps({"n": number}) for number in range(40)])
    sink.close()
    assert [record["n"] for record in ingest.packets()] == [n for n in range(40) if n not in (5, 17)]
    assert rejected == [(json.dumps({"n": n}), "Invalid JSON: packet_count") for n in (5, 17)]


def test_a_page_that_says_400_is_a_proxys_and_refuses_no_record(ingest: Ingest) -> None:
    ingest.failure = "<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>"
    ingest.failures = [400]
    sink = HttpSink(ingest.url, fail_if_rejected)
    with pytest.raises(SinkError, match="HTTP 400: <html>"):
        sink.send(RAW, ["{}", "{}"])
    sink.close()


@pytest.mark.parametrize(("status", "gone"), [(502, True), (503, True), (504, True), (500, False), (429, False)])
def test_who_has_nobody_behind_it_may_have_lost_what_it_had(ingest: Ingest, status: int, *, gone: bool) -> None:
    ingest.failures = [status] * 100
    sink = HttpSink(ingest.url, fail_if_rejected, give_up_after_s=0)
    with pytest.raises(SinkError) as error:
        sink.send(RAW, ["{}"])
    assert isinstance(error.value, ServerGoneError) == gone
    sink.close()


@pytest.mark.parametrize("destination", [ASSIGNMENT, PROFILE])
def test_what_a_receiver_may_not_send_keeps_no_packets_back(ingest: Ingest, destination: str) -> None:
    ingest.failures = [403]
    rejected: list[tuple[str, str]] = []
    sink = HttpSink(ingest.url, lambda record, reason: rejected.append((record, reason)))
    sink.send(destination, ["1", "2"])
    sink.send(RAW, ["{}"])
    sink.close()
    why = f"{ingest.url} takes no {destination} from here: HTTP 403"
    assert rejected == [("1", why), ("2", why)]
    assert ingest.packets() == [{}]


@pytest.mark.parametrize("destination", [RAW, BLUETOOTH, f"shard_1_{RAW}"])
def test_packets_wait_for_the_right_key(ingest: Ingest, destination: str) -> None:
    ingest.failures = [403]
    sink = HttpSink(ingest.url, fail_if_rejected)
    with pytest.raises(SinkError, match="wants another key, or one at all: HTTP 403"):
        sink.send(destination, ["{}"])
    sink.close()


def test_a_server_that_stays_away_is_given_up() -> None:
    sink = HttpSink("http://127.0.0.1:9", fail_if_rejected, give_up_after_s=0.5)
    with pytest.raises(SinkError, match=r"127\.0\.0\.1:9"):
        sink.send(RAW, ["{}"])
    sink.close()


def test_waiting_for_a_server_ends_when_asked_to() -> None:
    stopping = threading.Event()
    heard: list[str] = []

    def retried(reason: str) -> None:
        heard.append(reason)
        if len(heard) == 3:
            stopping.set()

    sink = HttpSink("http://127.0.0.1:9", fail_if_rejected, give_up_after_s=None, on_retry=retried, stopping=stopping)
    with pytest.raises(SinkError):
        sink.send(RAW, ["{}"])
    assert len(heard) == 3
    sink.close()
