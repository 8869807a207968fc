"""What the functions refuse, and with which reason. That it reaches the dead letter queue: tests/integration."""

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from app.blocks import latest_by_person
from app.datamodels.bluetooth_hr_packet import BluetoothHRPacket
from app.datamodels.erasure_request import ErasureRequest
from app.datamodels.person_profile import PersonProfile
from app.datamodels.raw_ant_hr_packet import RawAntHRPacket, raw_ant_hr_packet_pipeline
from app.datamodels.strap_assignment import StrapAssignment
from app.datamodels.stream_record import StreamRecord
from app.datamodels.training_session import TrainingSession
from app.functions import bluetooth_to_unified
from app.functions import erase_person as erase_person_module
from app.functions.check_person_profile import check_person_profile
from app.functions.check_strap_assignment import check_strap_assignment
from app.functions.check_training_session import check_training_session
from app.functions.erase_person import erase_person
from app.functions.raw_to_processed import HeartbeatStage
from app.heartrate.beat_tracker import BeatTracker
from app.heartrate.bluetooth_tracker import BluetoothTracker
from app.heartrate.moments import from_us, to_us
from app.heartrate.strap_id import InvalidReceiverId
from app.heartrate.strap_tracker import LANE_REACH_US, StrapTracker
from app.heartrate.wearers import Wearer
from app.storage.strap_history import PacketHistory
from live import board
from tests.integration.packets import packet

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NOTIFICATION = {"device_id": "C0:11:22:33:44:55", "packet_count": 1, "hr_measurement": "1048e803"}


@pytest.fixture(autouse=True)
def nothing_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PacketHistory, "may_have", lambda *_: False)
    monkeypatch.setattr(
        bluetooth_to_unified, "WearerDirectory", lambda: SimpleNamespace(wearer=lambda *_: Wearer(1, "Eve"))
    )


def raw(**fields: Any) -> RawAntHRPacket:
    return RawAntHRPacket.model_validate({**packet("863436", 1, 1, START), **fields})


def notification(**fields: Any) -> BluetoothHRPacket:
    return BluetoothHRPacket.model_validate({**NOTIFICATION, **fields})


ASSIGNMENT = {"device_id": "863436", "user_id": 1, "user_name": "Eve"}
PROFILE = {"user_id": 1, "user_name": "Eve"}
SESSION = {"session_id": "a", "name": "Spin", "kind": "class", "started_at": "2026-11-21T10:00:00Z"}
CHECKED: list[tuple[type[StreamRecord], Callable[[Any], object], dict[str, Any], str]] = [
    (StrapAssignment, check_strap_assignment, ASSIGNMENT, "assigned_at"),
    (PersonProfile, check_person_profile, PROFILE, "updated_at"),
    (TrainingSession, check_training_session, SESSION, "started_at"),
    (TrainingSession, check_training_session, SESSION, "ended_at"),
    (TrainingSession, check_training_session, SESSION, "stop_marked_at"),
    (ErasureRequest, erase_person, {"erasure_id": "a", "user_id": 1}, "requested_at"),
]


@pytest.mark.parametrize(
    ("model", "check", "record", "field"), CHECKED, ids=[f"{each[0].__name__}.{each[3]}" for each in CHECKED]
)
def test_a_moment_needs_a_zone_and_a_year_of_ours(
    model: type[StreamRecord],
    check: Callable[[Any], object],
    record: dict[str, Any],
    field: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(erase_person_module, "erase", lambda *_: {})
    for moment in ("2026-11-21T12:00:00Z", "2026-11-21T12:00:00+01:00"):
        check(model.model_validate({**record, field: moment}))
    for moment, reason in (
        ("2026-11-21T12:00:00", "2026-11-21T12:00:00 has no zone"),
        ("0001-01-01T00:00:00Z", "the year 1 cannot be"),
        ("9999-01-01T00:00:00Z", "the year 9999 cannot be"),
    ):
        with pytest.raises(ValueError, match=f"{field}: {reason}"):
            check(model.model_validate({**record, field: moment}))


@pytest.mark.parametrize(
    ("model", "check", "record", "field", "largest"),
    [
        (ErasureRequest, erase_person, {"erasure_id": "a"}, "user_id", 2**63 - 1),
        (BluetoothHRPacket, BluetoothHRPacket.require_valid, NOTIFICATION, "packet_count", 2**64 - 1),
        (BluetoothHRPacket, BluetoothHRPacket.require_valid, NOTIFICATION, "battery_percent", 255),
        (RawAntHRPacket, RawAntHRPacket.require_valid, packet("863436", 1, 1, START), "rssi_dbm", 127),
    ],
)
def test_a_number_is_no_larger_than_its_column_holds(
    model: type[StreamRecord],
    check: Callable[[Any], object],
    record: dict[str, Any],
    field: str,
    largest: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(erase_person_module, "erase", lambda *_: {})
    check(model.model_validate({**record, field: largest}))
    with pytest.raises(ValueError, match=f"{field}: .* less than or equal to {largest}"):
        check(model.model_validate({**record, field: largest + 1}))


@pytest.mark.parametrize(
    ("model", "check", "record"),
    [(StrapAssignment, check_strap_assignment, ASSIGNMENT), (PersonProfile, check_person_profile, PROFILE)],
)
def test_a_user_id_is_one_that_browsers_can_tell_from_its_neighbour(
    model: type[StreamRecord], check: Callable[[Any], object], record: dict[str, Any]
) -> None:
    check(model.model_validate({**record, "user_id": 2**53 - 1}))
    with pytest.raises(ValueError, match=f"user_id: {2**53}.*{2**53 - 1}"):
        check(model.model_validate({**record, "user_id": 2**53}))


def test_a_receivers_name_has_an_end() -> None:
    ant = HeartbeatStage(raw_ant_hr_packet_pipeline.get_stream())
    bluetooth = bluetooth_to_unified.BluetoothStage()
    ant.process(raw(receiver_id="r" * 64))
    bluetooth.process(notification(receiver_id="r" * 64))
    with pytest.raises(InvalidReceiverId, match="receiver_id: 65 characters"):
        ant.process(raw(receiver_id="r" * 65))
    with pytest.raises(InvalidReceiverId, match="receiver_id: 65 characters"):
        bluetooth.process(notification(receiver_id="r" * 65))


def test_a_notification_has_an_end() -> None:
    stage = bluetooth_to_unified.BluetoothStage()
    stage.process(notification(hr_measurement="0048" + 510 * "00"))
    for wrong, reason in (("0048" + 511 * "00", "513 bytes"), ("", "empty"), ("1z", "not hexadecimal")):
        with pytest.raises(ValueError, match=f"hr_measurement: .*{reason}"):
            stage.process(notification(hr_measurement=wrong))


def test_straps_that_are_silent_rest_when_another_one_comes() -> None:
    ant, bluetooth = HeartbeatStage(raw_ant_hr_packet_pipeline.get_stream()), bluetooth_to_unified.BluetoothStage()
    later = from_us(to_us(START) + LANE_REACH_US + 1)
    ant.process(raw())
    bluetooth.process(notification(received_at=START))
    held: list[StrapTracker[BeatTracker] | StrapTracker[BluetoothTracker]] = [
        *(strap.packets for strap in ant._straps.values()),
        *bluetooth._straps.values(),
    ]
    assert [len(strap._packets) for strap in held] == [1, 1]
    ant.process(raw(device_id="863437", received_at=later))
    bluetooth.process(notification(device_id="C0:11:22:33:44:66", received_at=later))
    assert [len(strap._packets) for strap in held] == [0, 0]


def test_the_newest_beat_and_the_wall_agree_on_what_is_the_future() -> None:
    assert vars(latest_by_person)["AHEAD_S"] == vars(board)["AHEAD_S"]
    assert f"now64(3)) / 1000 + {vars(board)['AHEAD_S']:g}\n" in latest_by_person.latest_by_person.select_sql
