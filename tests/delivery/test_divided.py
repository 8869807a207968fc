"""Packets divided among shards: each strap's go one way, in order."""

import json

import pytest

from scripts.delivery.divided import DividedSink
from scripts.delivery.http import HttpSink
from scripts.delivery.sink import ASSIGNMENT, BLUETOOTH, RAW
from tests.ingest_server import Ingest


def refused(record: str, reason: str) -> None:
    raise AssertionError(f"{reason}: {record}")


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_every_strap_goes_to_its_shard_in_order(ingest: Ingest, shards: int) -> None:
    sink = DividedSink(HttpSink(ingest.url, refused), shards)
    sent = [{"device_id": str(100 + number % 7), "n": number} for number in range(70)]
    sink.send(RAW, [json.dumps(record) for record in sent])
    sink.send(BLUETOOTH, ['{"n": 1}'])
    sink.send(ASSIGNMENT, ['{"device_id": "101", "n": 2}'])
    sink.close()
    by_path: dict[str, list[dict[str, object]]] = {}
    for path, record in ingest.taken:
        by_path.setdefault(path, []).append(record)
    for shard in range(shards):
        stream = RAW if shard == 0 else f"shard_{shard}_{RAW}"
        assert by_path.pop(f"/ingest/{stream}") == [
            record for record in sent if int(str(record["device_id"])) % shards == shard
        ]
    assert by_path == {f"/ingest/{BLUETOOTH}": [{"n": 1}], f"/ingest/{ASSIGNMENT}": [{"device_id": "101", "n": 2}]}


@pytest.mark.parametrize("text", ['{"n": 1}', '{"device_id": "abc"}', '{"device_id": null}', "[1]"])
def test_what_names_no_strap_goes_the_usual_way(ingest: Ingest, text: str) -> None:
    sink = DividedSink(HttpSink(ingest.url, refused), 4)
    sink.send(RAW, [text])
    sink.close()
    assert [path for path, _ in ingest.taken] == [f"/ingest/{RAW}"]
