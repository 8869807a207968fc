"""What is killed in the middle leaves the same tables as what ran undisturbed."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.beatstream import REPOSITORY, Beatstream
from tests.integration.packets import beats, packet

pytestmark = pytest.mark.stack

START = "2026-11-19T06:00:00Z"
COLUMNS = (
    "device_id, epoch, heart_beat_count, previous_beat_time, last_beat_time, calculated_heart_rate, rr_interval_ms, "
    "rr_method, beat_at, revision"
)


def packets(tmp_path: Path) -> list[str]:
    output = tmp_path / "packets.jsonl"
    command = [
        sys.executable,
        "-m",
        "scripts.generate_data",
        "run",
        "--straps",
        "20",
        "--seconds",
        "600",
        "--seed",
        "3",
    ]
    subprocess.run(
        [*command, "--speed", "max", "--start", START, "--loss", "0.1", "--to", "jsonl", "--output", str(output), "-q"],
        cwd=REPOSITORY,
        check=True,
    )
    return output.read_text().splitlines()


def test_a_killed_worker_loses_and_doubles_nothing(beatstream: Beatstream, tmp_path: Path) -> None:
    records = packets(tmp_path)
    # The same straps under other numbers run undisturbed: device numbers of the data lie above 65535.
    devices = sorted({record.split('"')[3] for record in records})
    twins = {device: str(60_000 + number) for number, device in enumerate(devices)}

    def send(lines: list[str]) -> None:
        for at in range(0, len(lines), 500):
            assert beatstream.http.post(
                "/ingest/raw_ant_hr_packet", content=f"[{','.join(lines[at : at + 500])}]"
            ).is_success

    send([record.replace(f'"{(device := record.split(chr(34))[3])}"', f'"{twins[device]}"', 1) for record in records])
    beatstream.await_settled(300)

    worker = beatstream.worker("raw_ant_hr_packet", "processed_ant_hr_packet")
    send(records[: len(records) // 2])
    beatstream.await_progress("flow-raw_ant_hr_packet-processed_ant_hr_packet", "raw_ant_hr_packet", 500)
    worker.kill()
    send(records[len(records) // 2 :])
    beatstream.await_settled(300)

    def table(names: list[str]) -> list[tuple[object, ...]]:
        return beatstream.rows(
            f"SELECT {COLUMNS} FROM processed_ant_hr_packet FINAL WHERE device_id IN {{names:Array(String)}} "
            "ORDER BY device_id, epoch, heart_beat_count",
            names=names,
        )

    undisturbed = {(device, *row[1:]) for device in devices for row in table([twins[device]])}
    disturbed = set(table(devices))
    assert len(undisturbed) > 10_000
    assert disturbed == undisturbed

    def beats(names: list[str]) -> list[tuple[object, ...]]:
        return beatstream.rows(
            "SELECT hr_timestamp_seconds, hr_value, rr_interval_ms FROM unified_hr_packet FINAL "
            "WHERE device_id IN {names:Array(String)} ORDER BY ALL",
            names=names,
        )

    assert beats(devices) == beats(list(twins.values()))


def test_a_worker_goes_on_where_its_past_cannot_be_read(beatstream: Beatstream) -> None:
    # A month of its own is a part of its own on the disk. Each strap has a twin that runs undisturbed.
    months = {"no raw packets": 2, "no trackers": 3, "another version's trackers": 4, "a wrong packet": 5}
    straps = {
        what: (60_900 + month, beats(str(60_900 + month), datetime(2025, month, 3, 9, tzinfo=UTC), 60))
        for what, month in months.items()
    }
    twins = [{**each, "device_id": str(device + 20)} for device, sent in straps.values() for each in sent]
    wrong = {**straps["a wrong packet"][1][40], "ant_hr_packet": "not hexadecimal", "receiver_id": "wrong"}
    # Two receivers, the later one's packets first on the topic: in the order heard the beats' moments are others.
    june = datetime(2025, 6, 3, 9, tzinfo=UTC)
    twice = [
        packet("60906", at, at, june + timedelta(milliseconds=500 * at + late), receiver_id=f"late-{late}")
        for at in range(60)
        for late in (40, 0)
    ]
    before = [each for _, sent in straps.values() for each in sent[:45]] + twice[:90]
    assert beatstream.post("raw_ant_hr_packet", [*twins, *before, wrong]).is_success
    beatstream.await_settled()
    with beatstream.clickhouse() as client:
        client.command(
            "ALTER TABLE processed_ant_hr_packet UPDATE tracker_state = '[99]'"
            " WHERE device_id = {device:String} AND isNotNull(tracker_state) SETTINGS mutations_sync = 1",
            {"device": str(straps["another version's trackers"][0])},
        )
        try:
            corrupt(beatstream, "raw_ant_hr_packet", "202502")
            corrupt(beatstream, "processed_ant_hr_packet", "202503")
            beatstream.worker("raw_ant_hr_packet", "processed_ant_hr_packet").kill()
            # The last packets come again, as from a receiver that heard nothing of their arrival.
            after = [each for _, sent in straps.values() for each in sent[42:]] + twice[90:]
            assert beatstream.post("raw_ant_hr_packet", after).is_success
            beatstream.await_settled()
        finally:
            client.command("ALTER TABLE raw_ant_hr_packet DROP PARTITION '202502'")
            client.command("ALTER TABLE processed_ant_hr_packet DROP PARTITION '202503'")
    for what, (device, _) in straps.items():
        assert len(stored_beats(beatstream, device + 20)) == 60
        assert stored_beats(beatstream, device) == stored_beats(beatstream, device + 20), what
    assert len(stored_beats(beatstream, 60_906)) == 60, "each beat once"


def corrupt(beatstream: Beatstream, table: str, partition: str) -> None:
    paths = beatstream.rows(
        "SELECT path FROM system.parts WHERE table = {table:String} AND active AND partition = {partition:String}",
        table=table,
        partition=partition,
    )
    files = [file for (path,) in paths for file in Path(str(path)).glob("*.bin")]
    assert files
    for file in files:
        file.write_bytes(b"\xa5" * file.stat().st_size)


def stored_beats(beatstream: Beatstream, device: int) -> list[tuple[object, ...]]:
    return beatstream.rows(
        "SELECT hr_timestamp_seconds, hr_value, rr_interval_ms FROM unified_hr_packet FINAL"
        " WHERE device_id = {device:String} ORDER BY ALL",
        device=str(device),
    )
