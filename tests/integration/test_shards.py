"""Straps divided among workers: each strap's beats stay in order, and are the ones that one worker would tell."""

import json

from app.heartrate.beat_tracker import Beat, BeatTracker
from app.heartrate.pages import parse_payload
from app.heartrate.sharding import stream_of_strap
from app.heartrate.strap_tracker import StrapTracker
from scripts.generate_data.group import synthetic_group
from tests.integration.beatstream import Beatstream

STRAPS, SECONDS = 20, 90.0
START_US = 1_795_200_000_000_000


def test_shards_keep_every_straps_beats_and_their_order(beatstream: Beatstream) -> None:
    group = synthetic_group(STRAPS, seed=11, start_us=START_US, seconds=SECONDS, loss=0.1)
    trackers: dict[str, StrapTracker[BeatTracker]] = {}
    told: dict[str, list[Beat]] = {}
    batches: dict[str, list[str]] = {}
    for record in group.records:
        fields = json.loads(record.text)
        device = fields["device_id"]
        batches.setdefault(stream_of_strap(int(device), len(beatstream.raw_topics)), []).append(record.text)
        tracker = trackers.setdefault(device, StrapTracker(lambda _us, _receiver, _count: BeatTracker()))
        payload = parse_payload(fields["ant_hr_packet"])
        beats = tracker.push(payload, record.at_us, fields["receiver_id"], fields["packet_count"])
        told.setdefault(device, []).extend(beats)
    assert batches.keys() == set(beatstream.raw_topics)
    for stream, batch in batches.items():
        assert beatstream.http.post(f"/ingest/{stream}", content=f"[{','.join(batch)}]").is_success
    beatstream.await_settled()

    on_topic: dict[str, list[tuple[int, int, int]]] = {}
    for row in beatstream.topic("processed_ant_hr_packet"):
        if row["device_id"] in told:
            on_topic.setdefault(row["device_id"], []).append((row["epoch"], row["heart_beat_count"], row["revision"]))
    assert on_topic == {
        device: [(beat.epoch, beat.beat_count, beat.revision) for beat in beats] for device, beats in told.items()
    }
    assert sum(map(len, told.values())) > STRAPS * SECONDS
    stored = beatstream.rows(
        "SELECT device_id, count() FROM unified_hr_packet FINAL WHERE device_id IN {devices:Array(String)} "
        "GROUP BY device_id",
        devices=list(told),
    )
    assert dict(stored) == {device: len({beat.beat_count for beat in beats}) for device, beats in told.items()}
    ((packets,),) = beatstream.rows(
        "SELECT count() FROM raw_ant_hr_packet FINAL WHERE device_id IN {devices:Array(String)}", devices=list(told)
    )
    assert packets == sum(map(len, batches.values()))


def test_a_wrong_packet_on_a_shard_goes_to_the_same_dead_letters(beatstream: Beatstream) -> None:
    record = {"device_id": "800011", "packet_count": 1, "ant_hr_packet": "no payload", "receiver_id": "shard-test"}
    assert beatstream.post(beatstream.raw_topics[1], record).is_success
    beatstream.await_lag(f"flow-{beatstream.raw_topics[1]}-processed_ant_hr_packet", beatstream.raw_topics[1])
    letters = [
        letter
        for letter in beatstream.topic("raw_ant_hr_packetDeadLetterQueue")
        if letter["originalRecord"].get("receiver_id") == "shard-test"
    ]
    assert ["16 hexadecimal digits" in letter["errorMessage"] for letter in letters] == [True]
