"""Straps divided among workers: each strap's beats stay in order, and are the ones that one worker would tell."""

from app.heartrate.sharding import stream_of_strap
from benchmarks.pipeline import told_on_topic, training
from harness.beatstream import Beatstream

STRAPS, SECONDS = 20, 90.0
START_US = 1_795_200_000_000_000


def test_shards_keep_every_straps_beats_and_their_order(beatstream: Beatstream) -> None:
    load = training(SECONDS, STRAPS, seed=11, start_us=START_US)
    told = load.told
    batches: dict[str, list[str]] = {}
    for device, packet in load.packets:
        batches.setdefault(stream_of_strap(int(device), len(beatstream.raw_topics)), []).append(packet.decode())
    assert batches.keys() == set(beatstream.raw_topics)
    for stream, batch in batches.items():
        assert beatstream.http.post(f"/ingest/{stream}", content=f"[{','.join(batch)}]").is_success
    beatstream.await_settled()

    assert told_on_topic(beatstream, load) == told
    assert sum(map(len, told.values())) > STRAPS * SECONDS
    stored = beatstream.rows(
        "SELECT device_id, count() FROM unified_hr_packet FINAL WHERE device_id IN {devices:Array(String)} "
        "GROUP BY device_id",
        devices=list(told),
    )
    assert dict(stored) == {device: len({count for _, count, _ in beats}) for device, beats in told.items()}
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
