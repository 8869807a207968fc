"""What is killed in the middle leaves the same tables as what ran undisturbed."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.integration.beatstream import REPOSITORY, Beatstream
from tests.integration.packets import beats
from tests.waiting import wait_for

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
    group = ("flow-raw_ant_hr_packet-processed_ant_hr_packet", "raw_ant_hr_packet")
    at_work = beatstream.lag(*group)
    wait_for(lambda: beatstream.lag(*group) < at_work - 500, "the worker to be in the middle of it", 60, every_s=0.02)
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


def test_beats_of_packets_that_cannot_be_read_any_more_are_not_told_again(beatstream: Beatstream) -> None:
    start = datetime(2025, 2, 3, 9, 0, tzinfo=UTC)
    # A month of its own is a part of its own on the disk. The twin runs undisturbed.
    twin, strap = beats("60901", start, 60), beats("60900", start, 60)
    for sent in (twin, strap[:45]):
        assert beatstream.post("raw_ant_hr_packet", sent).is_success
    beatstream.await_settled()
    try:
        of_month = "FROM system.parts WHERE table = 'raw_ant_hr_packet' AND active AND partition = '202502'"
        paths = beatstream.rows(f"SELECT path {of_month}")
        assert paths
        for (path,) in paths:
            for file in Path(str(path)).glob("*.bin"):
                file.write_bytes(b"\xa5" * file.stat().st_size)
        worker = beatstream.worker("raw_ant_hr_packet", "processed_ant_hr_packet")
        worker.kill()
        # The last packets come again, as from a receiver that heard nothing of their arrival.
        assert beatstream.post("raw_ant_hr_packet", strap[40:]).is_success
        beatstream.await_settled()
    finally:
        with beatstream.clickhouse() as client:
            client.command("ALTER TABLE raw_ant_hr_packet DROP PARTITION '202502'")

    def stored(device: str) -> list[tuple[object, ...]]:
        columns = "hr_timestamp_seconds, hr_value, rr_interval_ms"
        return beatstream.rows(
            f"SELECT {columns} FROM unified_hr_packet FINAL WHERE device_id = {{device:String}} ORDER BY ALL",
            device=device,
        )

    assert len(stored("60901")) == 60
    assert stored("60900") == stored("60901")
