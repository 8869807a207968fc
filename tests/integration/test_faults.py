"""What is killed in the middle leaves the same tables as what ran undisturbed."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.beatstream import REPOSITORY, Beatstream
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
