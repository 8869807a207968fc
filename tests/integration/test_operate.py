"""The operator's command on the running stack: dead letters are handled once, health and figures are true."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from app.heartrate.sharding import stream_of_shard
from harness.beatstream import REPOSITORY, Beatstream
from harness.waiting import wait_for
from scripts.operate.broker import Broker, Place
from scripts.operate.cli import cli
from scripts.operate.desk import Desk, Outcome
from scripts.operate.pipeline import DEAD_LETTERS, STREAMS, streams
from scripts.operate.settings import Settings, load
from tests.integration.packets import beats, packet

pytestmark = pytest.mark.stack

QUEUE = f"raw_ant_hr_packet{DEAD_LETTERS}"
NOWHERE = "http://127.0.0.1:1"


class Operator:
    """Somebody at the command line."""

    def __init__(self, beatstream: Beatstream) -> None:
        self._addresses = {
            "--url": beatstream.url,
            "--broker": beatstream.broker,
            "--clickhouse": f"http://127.0.0.1:{beatstream.ports['clickhouse']}",
            "--wall": beatstream.live_url,
        }

    @property
    def settings(self) -> Settings:
        return load(
            url=self._addresses["--url"],
            broker=self._addresses["--broker"],
            clickhouse=self._addresses["--clickhouse"],
            environment={},
        )

    def options(self, *names: str) -> list[str]:
        return [text for name in names for text in (name, self._addresses[name])]

    def run(self, *arguments: str, code: int = 0) -> Any:
        done = CliRunner().invoke(cli, [*arguments, "--json"])
        assert done.exit_code == code, f"{done.stdout}\n{done.stderr}\n{done.exception!r}"
        return json.loads(done.stdout)

    def letters(self, mark: str, state: str = "open") -> list[dict[str, Any]]:
        found = self.run("dlq", "list", "--where", mark, "--state", state, *self.options("--broker"))
        letters: list[dict[str, Any]] = found["letters"]
        return letters

    def await_letters(self, mark: str, count: int) -> list[dict[str, Any]]:
        letters: list[dict[str, Any]] = wait_for(
            lambda: len(letters := self.letters(mark)) == count and letters, f"{count} letters with {mark}", 20
        )
        return letters

    def retry(self, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = self.run(
            "dlq", "retry", "--wait", "30", *arguments, *self.options("--url", "--broker"), code=code
        )["letters"]
        return told

    def drop(self, *arguments: str) -> str:
        done = CliRunner().invoke(cli, ["dlq", "drop", *arguments, *self.options("--broker")])
        assert done.exit_code == 0, done.stderr
        return done.stdout

    def status(self, **instead: str) -> tuple[int, dict[str, Any]]:
        addresses = self._addresses | {f"--{name}": address for name, address in instead.items()}
        options = [text for pair in addresses.items() for text in pair]
        done = CliRunner().invoke(cli, ["status", "--json", *options])
        return done.exit_code, json.loads(done.stdout)


@pytest.fixture
def operator(beatstream: Beatstream) -> Operator:
    return Operator(beatstream)


def test_a_record_that_stays_wrong_is_retried_and_dropped(beatstream: Beatstream, operator: Operator) -> None:
    record = packet("770101", 1, 1, datetime.now(UTC), ant_hr_packet="zz")
    assert beatstream.post("raw_ant_hr_packet", record).is_success
    (letter,) = operator.await_letters("770101", 1)
    assert (letter["record"], letter["queue"], letter["source"]) == (record, QUEUE, "transform")
    assert "16 hexadecimal digits" in letter["why"]
    assert operator.run("dlq", "show", letter["id"][:8], *operator.options("--broker")) == letter

    (told,) = operator.retry(letter["id"], code=1)
    assert told["result"] == "failed again"
    (again,) = operator.letters("770101")
    assert told["new_letter"] == again["id"] != letter["id"]
    (old,) = operator.letters("770101", "retried")
    assert old["id"] == letter["id"]

    assert operator.drop(again["id"], "--reason", "a broken receiver") == f"{again['id']}  dropped\n"
    assert operator.letters("770101") == []
    (dropped,) = operator.letters("770101", "dropped")
    assert dropped["decision"]["reason"] == "a broken receiver"
    (told,) = operator.retry(again["id"])
    assert (told["result"], told["why"][:10]) == ("nothing to do", "dropped by")
    wait_for(
        lambda: (
            beatstream.rows(
                "SELECT letter_id, decision FROM dead_letter_decision FINAL "
                "WHERE letter_id IN ({a:String}, {b:String}) ORDER BY decided_at, decision",
                a=letter["id"],
                b=again["id"],
            )
            == [(letter["id"], "claimed"), (letter["id"], "retried"), (again["id"], "dropped")]
        ),
        "the decisions in their table",
        20,
    )


def test_what_was_refused_for_its_neighbour_becomes_beats_once(beatstream: Beatstream, operator: Operator) -> None:
    device_id = "770103"  # of the second shard
    good = beats(device_id, datetime.now(UTC) - timedelta(seconds=3), 3)
    wrong = {"device_id": device_id, "note": "neither packet nor count"}
    assert beatstream.post(stream_of_shard(1), [*good, wrong]).status_code == 400
    operator.await_letters(device_id, 4)
    operator.drop("--all", "--where", "neither packet", "--reason", "no packet")
    before = _end(operator, stream_of_shard(1))

    told = operator.retry("--all", "--queue", "raw_ant_hr_packet", "--where", device_id)
    assert [each["result"] for each in told] == ["retried"] * 3
    assert _end(operator, stream_of_shard(1)) == before + 3
    beatstream.await_settled()
    ((count,),) = beatstream.rows(
        "SELECT count() FROM unified_hr_packet FINAL WHERE device_id = {device:String}", device=device_id
    )
    assert count == 3

    assert operator.retry("--all", "--queue", "raw_ant_hr_packet", "--where", device_id) == []
    told = operator.retry(*(each["id"] for each in told))
    assert [each["result"] for each in told] == ["nothing to do"] * 3
    assert _end(operator, stream_of_shard(1)) == before + 3


def test_two_who_retry_at_once_send_once(beatstream: Beatstream, operator: Operator) -> None:
    record = packet("770102", 1, 1, datetime.now(UTC))
    _put_letter(beatstream, record)
    (letter,) = operator.await_letters("770102", 1)
    before = _end(operator, "raw_ant_hr_packet")
    brokers = [Broker(operator.settings) for _ in range(2)]
    desks = [Desk(operator.settings, broker) for broker in brokers]
    for desk in desks:
        desk.read()
    # Both have read that it is open; the claim of one is in the log before that of the other.
    results = [result.outcome for desk in desks for result in desk.retry(desk.find(letter["id"]))]
    for broker in brokers:
        broker.close()
    assert results == [Outcome.TAKEN, Outcome.ELSEWHERE]
    assert _end(operator, "raw_ant_hr_packet") == before + 1


def test_what_cannot_be_sent_stays_open_and_what_is_lost_says_so(beatstream: Beatstream, operator: Operator) -> None:
    _put_letter(beatstream, packet("770106", 1, 1, datetime.now(UTC)))
    _put_letter(beatstream, {"shortened": '{"device_id": "770108", "ant'})
    (letter,) = operator.await_letters("770106", 1)
    (lost,) = operator.await_letters("770108", 1)
    away = operator.run("dlq", "retry", letter["id"], "--url", NOWHERE, *operator.options("--broker"), code=3)
    assert away["letters"][0]["result"] == "not retried"
    assert [each["id"] for each in operator.letters("770106")] == [letter["id"]]
    assert operator.retry(letter["id"])[0]["result"] == "retried"
    (told,) = operator.retry(lost["id"], code=1)
    assert "shortened" in told["why"]
    # A stream without an ingest API: it goes on the topic.
    beatstream.produce("processed_ant_hr_packet", [b'{"device_id": "770104"}'])
    (letter,) = operator.await_letters("770104", 1)
    (told,) = operator.retry(letter["id"], code=1)
    assert told["result"] == "failed again"
    assert "heart_beat_count: missing" in told["why"]


def test_status_tells_healthy_from_degraded_from_down(operator: Operator) -> None:
    operator.drop("--all", "--reason", "of other tests")
    code, told = wait_for(lambda: (found := operator.status())[0] == 0 and found, f"health: {operator.status()}", 20)
    assert (code, told["health"]) == (0, "healthy")
    parts = {finding["part"] for finding in told["findings"]}
    assert {"Moose", "APIs", "ClickHouse", "broker", "wall", "data", "dead letters"} < parts
    assert {"function of shard_1_raw_ant_hr_packet", "table unified_hr_packet"} < parts
    code, told = operator.status(wall=NOWHERE)
    assert (code, told["health"]) == (1, "degraded")
    assert [each["part"] for each in told["findings"] if each["verdict"] == "degraded"] == ["wall"]
    code, told = operator.status(url=NOWHERE)
    assert (code, told["health"]) == (2, "down")
    _, told = operator.status(clickhouse=NOWHERE, broker="127.0.0.1:1")
    assert [each["part"] for each in told["findings"] if each["verdict"] == "down"] == ["ClickHouse", "broker"]


def test_the_list_of_streams_is_what_moose_runs(beatstream: Beatstream) -> None:
    url = f"http://127.0.0.1:{beatstream.ports['management']}/infra-map"
    runs = httpx.get(url, timeout=10).json()
    known = {stream.name: stream for stream in streams(runs["topics"])}
    assert known.keys() == {name for name in runs["topics"] if not name.endswith(DEAD_LETTERS)}
    ingest = {each["path"] for name, each in runs["api_endpoints"].items() if name.startswith("INGRESS")}
    assert {f"ingest/{name}" for name, stream in known.items() if stream.ingest} == ingest
    workers = {(each["source_topic_id"], each["target_topic_id"] or "") for each in runs["function_processes"].values()}
    assert {(name, stream.worker) for name, stream in known.items() if stream.worker is not None} == workers
    tables = {
        (each["source_topic_id"], each["target_table_id"].removeprefix("local_"))
        for each in runs["topic_to_table_sync_processes"].values()
    }
    assert {(name, stream.table) for name, stream in known.items() if stream.table} == tables
    assert set(STREAMS) <= set(known.values())


@pytest.fixture
def metrics_url(operator: Operator) -> Iterator[str]:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "scripts.operate", "metrics", "--port", "0"),
            *operator.options("--broker", "--clickhouse"),
        ],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        url = re.search(r"http://\S+", process.stderr.readline())
        assert url is not None
        yield url[0]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_figures_are_plausible(beatstream: Beatstream, operator: Operator, metrics_url: str) -> None:
    device_id = "770112"
    records = beats(device_id, datetime.now(UTC) - timedelta(seconds=5), 11)
    del records[5]
    assert beatstream.post("raw_ant_hr_packet", records).is_success
    _put_letter(beatstream, packet(device_id, 99, 1, datetime.now(UTC)))
    beatstream.await_settled()

    figures = wait_for(lambda: _scraped(metrics_url), "figures of all parts", 20)
    assert figures["beatstream_packets_total", "raw_ant_hr_packet"] == _end(operator, "raw_ant_hr_packet")
    assert figures["beatstream_beats_total", ""] == _end(operator, "unified_hr_packet")
    group = "flow-raw_ant_hr_packet-processed_ant_hr_packet"
    assert figures["beatstream_consumer_lag", f"{group} raw_ant_hr_packet"] == 0
    assert figures["beatstream_sync_lag", "shard_1_raw_ant_hr_packet raw_ant_hr_packet"] == 0
    assert figures["beatstream_dead_letters", f"open {QUEUE}"] >= 1
    assert figures["beatstream_dead_letters", f"dropped {QUEUE}"] >= 1
    assert 0 <= figures["beatstream_newest_beat_age_seconds", ""] < 60
    assert figures["beatstream_packets_last_minute", ""] >= 10
    assert figures["beatstream_beats_last_minute", ""] >= 10
    assert 0 < figures["beatstream_loss_ratio", "delivery"] < 1
    assert 0 < figures["beatstream_loss_ratio", "radio"] < 1
    shares = ("0.5", "0.95", "0.99")
    whole = [figures["beatstream_latency_seconds", share] for share in shares]
    for quantiles in (
        whole,
        *(
            [figures["beatstream_stage_latency_seconds", f"{share} {stage}"] for share in shares]
            for stage in ("received_to_processed", "processed_to_unified")
        ),
    ):
        assert quantiles == sorted(quantiles)
        assert 0 <= quantiles[0] < 60
    assert whole[0] > 0
    # The letters read so far are counted on from there.
    open_before = figures["beatstream_dead_letters", f"open {QUEUE}"]
    _put_letter(beatstream, packet(device_id, 100, 1, datetime.now(UTC)))
    wait_for(
        lambda: _scraped(metrics_url).get(("beatstream_dead_letters", f"open {QUEUE}")) == open_before + 1,
        "the new letter to be counted",
        20,
    )
    operator.drop("--all", "--where", device_id, "--reason", "of this test")


def _scraped(url: str) -> dict[tuple[str, str], float]:
    """Figures by name, and the values of their labels in the labels' order; none while a part is too slow to answer."""
    figures = {
        (sample.name, " ".join(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(httpx.get(url, timeout=60).text)
        for sample in family.samples
    }
    up = {figures["beatstream_up", part] for part in ("broker", "clickhouse")}
    return figures if up == {1} else {}


def _put_letter(beatstream: Beatstream, record: dict[str, Any]) -> None:
    """A letter as a function leaves it that could not reach its database."""
    letter = {
        "originalRecord": record,
        "errorMessage": "the database is away",
        "errorType": "OperationalError",
        "failedAt": datetime.now(UTC).isoformat(),
        "source": "transform",
    }
    beatstream.produce(QUEUE, [json.dumps(letter).encode()])


def _end(operator: Operator, topic: str) -> int:
    place = Place(topic, 0)
    return Broker(operator.settings).ends([place])[place]
