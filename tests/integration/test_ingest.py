"""ingest-foo into the whole stack: what the stick sent is what the table holds, whatever went wrong in between."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.heartrate.ble import decode_measurement
from harness.beatstream import Beatstream
from harness.receiver import Receiver
from scripts.ingest_foo.emulator.air import STRONGEST_DBM, WEAKEST_DBM
from tests.integration.gate import Gate
from tests.integration.packets import rfc3339

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

CALM_STRAPS, CALM_S = 60, 60
STORMY_STRAPS, STORMY_BLUETOOTH = 20, 3
AWAY_S = 60
SETTLED_S = 15
"""After so long a process has loaded all that it loads."""

FAULTS = ("unplug:5:5", "clock:12:3600", "hang:15:5", "noise:24:50")


@dataclass
class Runs:
    """What two receivers did at the same time."""

    calm: Receiver
    stormy: Receiver
    codes: list[int]
    killed_at_us: int


@pytest.fixture(scope="module")
def runs(beatstream: Beatstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """One receiver runs undisturbed; another one lives through everything at once. They end after 100 s."""
    gate = Gate(beatstream.ports["http"])
    folder = tmp_path_factory.mktemp("ingest")
    calm = Receiver(
        "calm", folder / "calm", ["--emulate", str(CALM_STRAPS), "--seconds", str(CALM_S), "--url", beatstream.url]
    )
    stormy = Receiver(
        "stormy",
        folder / "stormy",
        ["--emulate", str(STORMY_STRAPS), "--emulate-ble", str(STORMY_BLUETOOTH), "--seed", "9", "--url", gate.url],
    )
    processes = [calm.start()]
    try:
        faults = [option for fault in FAULTS for option in ("--emulate-fault", fault)]
        stormy.options += faults
        processes.append(stormy.start())
        began = time.monotonic()

        def until(moment_s: float) -> None:
            while time.monotonic() - began < moment_s:
                calm.measure(processes[0])
                time.sleep(min(1.0, max(0.01, moment_s - time.monotonic() + began)))

        until(26)
        gate.shut()
        until(40)
        processes[1].kill()
        killed_at_us = time.time_ns() // 1000
        processes.pop().communicate()
        del stormy.options[-len(faults) :]
        processes.append(stormy.start())
        until(26 + AWAY_S)
        gate.open()
        until(96)
        processes[1].terminate()
        codes = [calm.await_end(processes[0]), stormy.await_end(processes[1])]
        beatstream.await_settled(60)
        yield Runs(calm, stormy, codes, killed_at_us)
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.communicate()
        gate.close()


def stored(beatstream: Beatstream, table: str, payload: str, receiver: str) -> dict[str, list[tuple[str, int]]]:
    """What the table holds of a receiver, by strap, in the order heard."""
    rows = beatstream.rows(
        f"SELECT device_id, {payload}, toUnixTimestamp64Micro(received_at) AS at FROM {table} FINAL "
        "WHERE receiver_id = {receiver:String} ORDER BY at, packet_count",
        receiver=receiver,
    )
    straps: dict[str, list[tuple[str, int]]] = {}
    for device_id, value, at_us in rows:
        straps.setdefault(device_id, []).append((value, at_us))
    return straps


def test_every_broadcast_is_in_the_table_exactly_once(beatstream: Beatstream, runs: Runs) -> None:
    assert runs.codes[0] == 0, runs.calm.said
    sent = runs.calm.sent()
    heard = stored(beatstream, "raw_ant_hr_packet", "ant_hr_packet", "calm")
    assert len(sent) == CALM_STRAPS
    assert {device: [payload for payload, _ in packets] for device, packets in heard.items()} == {
        device: [payload for payload, _ in packets] for device, packets in sent.items()
    }
    total = sum(map(len, sent.values()))
    assert total > CALM_STRAPS * CALM_S * 3
    ((rows,),) = beatstream.rows("SELECT count() FROM raw_ant_hr_packet WHERE receiver_id = 'calm'")
    assert rows == total, "not even once more before merges: nothing was sent twice"
    ((unknown, weakest, strongest),) = beatstream.rows(
        "SELECT countIf(isNull(rssi_dbm)), min(rssi_dbm), max(rssi_dbm) FROM raw_ant_hr_packet "
        "WHERE receiver_id = 'calm'"
    )
    assert unknown == 0
    assert WEAKEST_DBM <= weakest < strongest <= STRONGEST_DBM
    late = [at - true for device in sent for (_, at), (_, true) in zip(heard[device], sent[device], strict=True)]
    assert min(late) > -2000
    assert sorted(late)[len(late) // 2] < 50_000
    names = beatstream.rows(
        "SELECT countIf(user_id = 0), uniqExact(user_name) FROM unified_hr_packet FINAL "
        "WHERE device_id IN {devices:Array(String)}",
        devices=list(sent),
    )
    assert names == [(0, CALM_STRAPS)]


def test_the_script_is_frugal(runs: Runs) -> None:
    # The emulated stick works in the same process, so it is counted too.
    measured = [sample for sample in runs.calm.measured if sample[0] - runs.calm.measured[0][0] > SETTLED_S]
    (began, cpu_before, memory_before), (ended, cpu_after, memory_after) = measured[0], measured[-1]
    share = (cpu_after - cpu_before) / (ended - began)
    assert ended - began > CALM_S / 2
    assert share < 0.25, f"{share:.1%} of a core"
    # The packets of its last minute are kept, to be sent again to a server that was gone: 15 000 of some 200 bytes.
    assert memory_after - memory_before < 9_000_000, f"from {memory_before} to {memory_after} bytes"


def test_a_storm_leaves_the_table_as_the_stick_sent(beatstream: Beatstream, runs: Runs) -> None:
    assert runs.codes[1] == 0, runs.stormy.said
    sent = runs.stormy.sent()
    for table, column, count in (
        ("raw_ant_hr_packet", "ant_hr_packet", STORMY_STRAPS),
        ("bluetooth_hr_packet", "hr_measurement", STORMY_BLUETOOTH),
    ):
        heard = stored(beatstream, table, column, "stormy")
        assert len(heard) == count
        unheard = 0
        for device, packets in heard.items():
            kept = drop_unheard(sent[device], packets, runs.killed_at_us)
            unheard += len(sent[device]) - len(kept)
            assert [payload for payload, _ in packets] == [payload for payload, _ in kept], device
            late = [at - true for (_, at), (_, true) in zip(packets, kept, strict=True)]
            # The clock was set by an hour, and nothing is an hour off.
            assert all(-5000 < each < 1_000_000 for each in late), (device, min(late), max(late))
        assert unheard <= 20, "more than what the stick gave in the moment of the kill is missing"


def drop_unheard(sent: list[tuple[str, int]], heard: list[tuple[str, int]], killed_at_us: int) -> list[tuple[str, int]]:
    """Without the packets that the stick may have given to a process as that was killed."""
    unheard = len(sent) - len(heard)
    given = sum(at_us <= killed_at_us for _, at_us in sent)
    kept, dropped = sent[: given - unheard], sent[given - unheard : given]
    assert all(killed_at_us - at_us < 2_000_000 for _, at_us in dropped)
    return kept + sent[given:]


def test_bluetooth_intervals_come_out_exact(beatstream: Beatstream, runs: Runs) -> None:
    addresses = [device for device in runs.stormy.sent() if ":" in device]
    assert len(addresses) == STORMY_BLUETOOTH
    for address, values in stored(beatstream, "bluetooth_hr_packet", "hr_measurement", "stormy").items():
        intervals = [
            ticks * 1000 / 1024 for value, _ in values for ticks in decode_measurement(bytes.fromhex(value)).rr_ticks
        ]
        rows = beatstream.rows(
            "SELECT rr_interval_ms, user_name, skin_contact, hr_timestamp_seconds FROM unified_hr_packet FINAL "
            "WHERE device_id = {address:String} ORDER BY hr_timestamp_seconds",
            address=address,
        )
        assert [row[0] for row in rows] == intervals
        assert len(rows) > 40
        assert {row[2] for row in rows} == {True}
        assert len({row[1] for row in rows}) == 1
        assert not rows[0][1].startswith("Strap")


def test_the_storm_was_one(runs: Runs) -> None:
    said = runs.stormy.said[-1]
    assert "not delivered, kept on disk until it is" in said
    assert "delivering again" in said


def test_straight_to_the_broker(beatstream: Beatstream, tmp_path: Path) -> None:
    options = ["--emulate", "4", "--seed", "3", "--seconds", "5", "--to", "kafka", "--broker", beatstream.broker]
    receiver = Receiver("broker", tmp_path, options)
    assert receiver.await_end(receiver.start()) == 0, receiver.said
    beatstream.await_settled()
    heard = stored(beatstream, "raw_ant_hr_packet", "ant_hr_packet", "broker")
    sent = receiver.sent()
    assert len(sent) == 4
    assert {device: [payload for payload, _ in packets] for device, packets in heard.items()} == {
        device: [payload for payload, _ in packets] for device, packets in sent.items()
    }


def test_a_killed_bluetooth_worker_loses_and_doubles_nothing(beatstream: Beatstream) -> None:
    from scripts.ingest_foo.emulator.bluetooth import emulated_straps

    straps = emulated_straps(3, 5)
    start = datetime(2026, 11, 18, 6, tzinfo=UTC)
    records = [
        {
            "device_id": strap.address.replace("C0:FF", "E0:FF"),
            "packet_count": second,
            "hr_measurement": strap.second().hex(),
            "received_at": rfc3339(start + timedelta(seconds=second, milliseconds=40 + second * 7 % 60)),
            "receiver_id": "ble-test",
        }
        for second in range(1500)
        for strap in straps
    ]
    twins = {str(record["device_id"]): str(record["device_id"]).replace("E0:", "D0:") for record in records[:3]}

    def send(part: list[dict[str, Any]]) -> None:
        for at in range(0, len(part), 500):
            assert beatstream.post("bluetooth_hr_packet", part[at : at + 500]).is_success

    send([{**record, "device_id": twins[str(record["device_id"])]} for record in records])
    beatstream.await_settled(120)
    worker = beatstream.worker("bluetooth_hr_packet", "unified_hr_packet")
    send(records[: len(records) // 2])
    beatstream.await_progress("flow-bluetooth_hr_packet-unified_hr_packet", "bluetooth_hr_packet", 300)
    worker.kill()
    send(records[len(records) // 2 :])
    beatstream.await_settled(120)

    def beats(address: str) -> list[tuple[Any, ...]]:
        return beatstream.rows(
            "SELECT hr_timestamp_seconds, hr_value, rr_interval_ms FROM unified_hr_packet FINAL "
            "WHERE device_id = {address:String} ORDER BY ALL",
            address=address,
        )

    for address, twin in twins.items():
        undisturbed = beats(twin)
        assert len(undisturbed) > 1500
        assert beats(address) == undisturbed
