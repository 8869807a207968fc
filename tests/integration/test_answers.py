"""The contract of design.md, over HTTP: ingest, assignments, the four APIs, and what is answered to bad input."""

import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from harness.beatstream import Beatstream
from harness.waiting import wait_for
from tests.integration.conftest import EMPTY_QUESTIONS
from tests.integration.packets import beats, packet, rfc3339

pytestmark = pytest.mark.stack


@pytest.mark.parametrize("name", EMPTY_QUESTIONS)
def test_an_empty_database_answers_no_entries(beatstream: Beatstream, name: str) -> None:
    assert beatstream.empty_answers[name] == {"entries": []}


def test_a_registered_person_comes_back_from_every_api(beatstream: Beatstream) -> None:
    start = datetime(2026, 11, 23, 10, 0, 0, 200_000, tzinfo=UTC)
    assert beatstream.post(
        "strap_assignment",
        {"device_id": "863436", "user_id": 7, "user_name": "Ada", "assigned_at": "2026-11-23T09:00:00Z"},
    ).is_success
    assert beatstream.post("raw_ant_hr_packet", beats("863436", start, 20)).is_success
    beatstream.await_settled()
    span = {"start": "2026-11-23T10:00:00Z", "end": "2026-11-23T10:01:00Z"}
    (stats,) = beatstream.api("getUserHeartRateStats", user_name="Ada", **span)
    assert stats == {
        "user_id": 7,
        "user_name": "Ada",
        "min_heart_rate": 120,
        "max_heart_rate": 120,
        "avg_heart_rate": 120.0,
        "beat_count": 20,
        "first_beat": "2026-11-23T10:00:00.200000Z",
        "last_updated": "2026-11-23T10:00:09.700000Z",
    }
    group = beatstream.api("get_group_hr_by_second", users="Ada", **span)
    assert [entry["second"] for entry in group] == [f"2026-11-23T10:00:{second:02}Z" for second in range(1, 11)]
    assert group[0] == {
        "second": "2026-11-23T10:00:01Z",
        "avg_heart_rate": 120.0,
        "min_heart_rate": 120,
        "max_heart_rate": 120,
        "user_count": 1,
    }
    assert beatstream.api("getHR", timestamp="2026-11-23T10:00:00.500Z", window_seconds=2) == [
        {"user_id": 7, "user_name": "Ada", "second": f"2026-11-23T10:00:{second:02}Z", "avg_heart_rate": 120.0}
        for second in (1, 2)
    ]
    (latest,) = beatstream.api("getLatestUserHeartRates", users="Ada,Nobody")
    assert latest["hr_value"] == 120
    assert latest["rr_interval_ms"] == pytest.approx(500, abs=1)
    assert latest["hr_timestamp_seconds"] == pytest.approx(start.timestamp() + 9.5, abs=0.002)
    assert latest["device_id"] == "863436"


def test_the_one_object_of_the_contract_is_taken(beatstream: Beatstream) -> None:
    answer = beatstream.post(
        "raw_ant_hr_packet",
        {
            "device_id": "863435",
            "packet_count": 17,
            "ant_hr_packet": "04FF0a14ce180764",
            "received_at": "2026-11-23T10:00:00.250Z",
            "receiver_id": "usb-1",
        },
    )
    assert (answer.status_code, answer.text) == (200, "SUCCESS")
    beatstream.await_settled()
    (entry,) = beatstream.api("getLatestUserHeartRates", users="Strap 863435")
    assert (entry["user_id"], entry["hr_value"], entry["rr_interval_ms"]) == (0, 100, None)


def test_a_packet_without_its_time_gets_the_pipelines(beatstream: Beatstream) -> None:
    before = datetime.now(UTC)
    record = packet("700001", 1, 1, before, 99)
    del record["received_at"], record["receiver_id"]
    assert beatstream.post("raw_ant_hr_packet", record).is_success
    beatstream.await_settled()
    (entry,) = beatstream.api("getLatestUserHeartRates", users="Strap 700001")
    assert before.timestamp() - 0.1 <= entry["hr_timestamp_seconds"] <= datetime.now(UTC).timestamp()
    assert 0 <= entry["age_seconds"] < 60


def test_latest_is_sorted_filtered_and_cut(beatstream: Beatstream) -> None:
    now = datetime.now(UTC)
    rates = {"710001": 95, "710002": 160, "710003": 130}
    assert beatstream.post(
        "raw_ant_hr_packet", [packet(device, 0, 1, now, rate) for device, rate in rates.items()]
    ).is_success
    beatstream.await_settled()
    mine = "Strap 710001,Strap 710002,Strap 710003"

    def seen(**parameters: Any) -> list[int]:
        return [entry["hr_value"] for entry in beatstream.api("getLatestUserHeartRates", users=mine, **parameters)]

    assert seen() == [160, 130, 95]
    assert seen(limit=2) == [160, 130]
    assert seen(min_hr=100, max_hr=150) == [130]
    assert seen(max_age_seconds=0) == []
    assert seen(max_age_seconds=3600) == [160, 130, 95]
    # As it was stored before the view left out what is ahead.
    ahead = [0, "710009", "Strap 710009", "710009", now.timestamp() + 600, 180, 2**62]
    columns = ["user_id", "guest_device_id", "user_name", "device_id", "hr_timestamp_seconds", "hr_value", "version"]
    with beatstream.clickhouse() as client:
        client.insert("latest_heart_rate", [ahead], column_names=columns)
        assert len(beatstream.api("getLatestUserHeartRates", users="Strap 710009")) == 1
        assert beatstream.api("getLatestUserHeartRates", users="Strap 710009", max_age_seconds=3600) == []
        client.command("ALTER TABLE latest_heart_rate DELETE WHERE device_id = '710009' SETTINGS mutations_sync = 1")


def test_latest_is_no_beat_of_a_clock_that_is_ahead(beatstream: Beatstream) -> None:
    now = datetime.now(UTC)
    ahead = packet("710004", 1, 2, now + timedelta(hours=1), 150, receiver_id="ahead")
    for record in (packet("710004", 0, 1, now - timedelta(seconds=1), 90), ahead):
        assert beatstream.post("raw_ant_hr_packet", record).is_success
    beatstream.await_settled()
    stored = "SELECT hr_value FROM unified_hr_packet FINAL WHERE device_id = '710004' ORDER BY 1"
    assert beatstream.rows(stored) == [(90,), (150,)]
    (entry,) = beatstream.api("getLatestUserHeartRates", users="Strap 710004")
    assert entry["hr_value"] == 90


def test_unknown_heart_rate_is_null_and_comes_last(beatstream: Beatstream) -> None:
    now = datetime.now(UTC)
    records = [
        packet("720001", 0, 1, now, 80),
        packet("720001", 1, 2, now + timedelta(milliseconds=500), None),
        packet("720002", 0, 1, now, 60),
    ]
    assert beatstream.post("raw_ant_hr_packet", records).is_success
    beatstream.await_settled()
    entries = beatstream.api("getLatestUserHeartRates", users="Strap 720001,Strap 720002")
    assert [(entry["device_id"], entry["hr_value"]) for entry in entries] == [("720002", 60), ("720001", None)]
    (stats,) = beatstream.api("getUserHeartRateStats", user_name="Strap 720001")
    assert (stats["beat_count"], stats["min_heart_rate"], stats["avg_heart_rate"]) == (2, 80, 80.0)


def test_an_assignment_counts_from_its_moment_on(beatstream: Beatstream) -> None:
    start = datetime(2026, 11, 22, 8, 0, 0, 100_000, tzinfo=UTC)
    records = beats("730001", start, 40)
    assert beatstream.post("raw_ant_hr_packet", records[:20]).is_success
    beatstream.await_settled()
    for user_id, name, after_s in ((31, "Bo", 10), (32, "Cy", 15)):
        assert beatstream.post(
            "strap_assignment",
            {
                "device_id": "730001",
                "user_id": user_id,
                "user_name": name,
                "assigned_at": rfc3339(start + timedelta(seconds=after_s)),
            },
        ).is_success

    def arrived() -> bool:
        return beatstream.rows("SELECT count() FROM strap_assignment WHERE device_id = '730001'") == [(2,)]

    wait_for(arrived, "the assignments to be stored", 10)
    assert beatstream.post("raw_ant_hr_packet", records[20:]).is_success
    beatstream.await_settled()
    counts = beatstream.rows(
        "SELECT user_id, user_name, count() FROM unified_hr_packet FINAL WHERE device_id = '730001' "
        "GROUP BY ALL ORDER BY user_id"
    )
    assert counts == [(0, "Strap 730001", 20), (31, "Bo", 10), (32, "Cy", 10)]
    # The strap is somebody's now: it is no longer shown as a stranger's.
    shown = beatstream.api("getLatestUserHeartRates", users="Strap 730001,Bo,Cy")
    assert [entry["user_name"] for entry in shown] == ["Bo", "Cy"]


def test_what_is_sent_again_once_its_strap_is_registered_is_one_persons(beatstream: Beatstream) -> None:
    start = datetime(2026, 11, 22, 9, 0, 0, 100_000, tzinfo=UTC)
    span = {"start": "2026-11-22T09:00:00Z", "end": "2026-11-22T09:01:00Z"}
    records = beats("730002", start, 40)
    assert beatstream.post("raw_ant_hr_packet", records).is_success
    beatstream.await_settled()
    (stranger,) = beatstream.api("getUserHeartRateStats", **span)
    assert (stranger["user_name"], stranger["beat_count"]) == ("Strap 730002", 40)
    since = rfc3339(start - timedelta(hours=1))
    eve = {"device_id": "730002", "user_id": 33, "user_name": "Eve", "assigned_at": since}
    assert beatstream.post("strap_assignment", eve).is_success
    wait_for(
        lambda: "730002" in {entry["device_id"] for entry in beatstream.api("getStrapAssignments")},
        "the assignment to be stored",
        20,
    )
    # By another receiver, which was away meanwhile. The last seconds would be merged with those that are known.
    late = [{**record, "receiver_id": "late"} for record in records[:30]]
    assert beatstream.post("raw_ant_hr_packet", late).is_success
    beatstream.await_settled()
    both = [("Eve", 30), ("Strap 730002", 10)]
    counted = "SELECT user_name, count() FROM unified_hr_packet FINAL WHERE device_id = '730002' GROUP BY 1 ORDER BY 1"
    assert beatstream.rows(counted) == both
    for name in ("getUserHeartRateStats", "getSessionSummary"):
        assert sorted((entry["user_name"], entry["beat_count"]) for entry in beatstream.api(name, **span)) == both
    assert [entry["user_count"] for entry in beatstream.api("get_group_hr_by_second", **span)] == [1] * 20


def test_an_assignment_is_picked_up(beatstream: Beatstream) -> None:
    def send(beat: int) -> None:
        assert beatstream.post("raw_ant_hr_packet", packet("740001", beat, beat, datetime.now(UTC), 77)).is_success

    send(1)
    beatstream.await_settled()
    assert beatstream.api("getLatestUserHeartRates", users="Strap 740001")
    assert beatstream.post("strap_assignment", {"device_id": "740001", "user_id": 41, "user_name": "Di"}).is_success
    beat = 1

    def di_is_seen() -> list[dict[str, Any]]:
        nonlocal beat
        beat += 1
        send(beat)
        return beatstream.api("getLatestUserHeartRates", users="Di")

    wait_for(di_is_seen, "the new wearer's beats", 20, every_s=0.5)


def test_people_are_told_apart_by_their_number_and_straps_by_their_name(beatstream: Beatstream) -> None:
    start = datetime(2026, 11, 21, 8, 0, 0, 100_000, tzinfo=UTC)
    names = {"745001": (51, "Eve"), "745002": (52, "Eve"), "745003": (53, "Flo")}
    for device, (user_id, name) in names.items():
        assert beatstream.post(
            "strap_assignment",
            {"device_id": device, "user_id": user_id, "user_name": name, "assigned_at": "2026-11-21T07:00:00Z"},
        ).is_success
    renamed = start + timedelta(seconds=5)
    assert beatstream.post(
        "strap_assignment",
        {"device_id": "745003", "user_id": 53, "user_name": "Florence", "assigned_at": rfc3339(renamed)},
    ).is_success
    for device in (*names, "745004", "745005"):
        assert beatstream.post("raw_ant_hr_packet", beats(device, start, 20)).is_success
    beatstream.await_settled()
    span = {"start": "2026-11-21T08:00:00Z", "end": "2026-11-21T08:01:00Z"}
    entries = [
        (entry["user_id"], entry["user_name"], entry["beat_count"], entry["first_beat"], entry["last_updated"])
        for entry in beatstream.api("getUserHeartRateStats", **span)
    ]
    first, last = "2026-11-21T08:00:00.100000Z", "2026-11-21T08:00:09.600000Z"
    assert entries == [
        (0, "Strap 745004", 20, first, last),
        (0, "Strap 745005", 20, first, last),
        (51, "Eve", 20, first, last),
        (52, "Eve", 20, first, last),
        (53, "Florence", 20, first, last),
    ]
    assert [entry["user_count"] for entry in beatstream.api("get_group_hr_by_second", **span)] == [5] * 10
    # By whichever of her names.
    for name in ("Florence", "Flo"):
        (entry,) = beatstream.api("getUserHeartRateStats", user_name=name, **span)
        assert (entry["user_id"], entry["user_name"], entry["beat_count"]) == (53, "Florence", 20)
        group = beatstream.api("get_group_hr_by_second", users=name, **span)
        assert [entry["user_count"] for entry in group] == [1] * 10
        assert [entry["user_name"] for entry in beatstream.api("getLatestUserHeartRates", users=name)] == ["Florence"]
    assert len(beatstream.api("getUserHeartRateStats", user_name="Eve", **span)) == 2


def test_a_strap_that_is_somebodys_now_is_no_stranger_whichever_they_wear(beatstream: Beatstream) -> None:
    now = datetime.now(UTC) - timedelta(seconds=30)
    mine = {"users": "Strap 746001,Strap 746003,Lovelace, Gil"}
    assert beatstream.post("raw_ant_hr_packet", beats("746001", now, 10)).is_success
    beatstream.await_settled()
    assert [entry["device_id"] for entry in beatstream.api("getLatestUserHeartRates", **mine)] == ["746001"]
    for device in ("746001", "746002", "746003"):
        assert beatstream.post(
            "strap_assignment", {"device_id": device, "user_id": 54, "user_name": "Lovelace, Gil"}
        ).is_success
    assert beatstream.post("strap_assignment", {"device_id": "746003", "user_id": 0, "user_name": ""}).is_success

    def arrived() -> bool:
        return beatstream.rows("SELECT count() FROM strap_assignment WHERE device_id LIKE '74600%'") == [(4,)]

    wait_for(arrived, "the assignments to be stored", 10)
    assert beatstream.api("getLatestUserHeartRates", **mine) == []
    assert beatstream.post("raw_ant_hr_packet", beats("746002", datetime.now(UTC), 10)).is_success
    beatstream.await_settled()
    assert [entry["device_id"] for entry in beatstream.api("getLatestUserHeartRates", **mine)] == ["746002"]
    # One that was handed back is a stranger's again.
    assert beatstream.post("raw_ant_hr_packet", beats("746003", datetime.now(UTC), 10)).is_success
    beatstream.await_settled()
    shown = beatstream.api("getLatestUserHeartRates", **mine)
    assert {entry["device_id"] for entry in shown} == {"746002", "746003"}


BAD_PARAMETERS = [
    ("getLatestUserHeartRates", {"limit": "abc"}, "limit"),
    ("getLatestUserHeartRates", {"limit": 0}, "limit"),
    ("getLatestUserHeartRates", {"min_hr": "x"}, "min_hr"),
    ("getLatestUserHeartRates", {"max_age_seconds": -1}, "max_age_seconds"),
    ("getUserHeartRateStats", {"window_seconds": 0}, "window_seconds"),
    ("getUserHeartRateStats", {"start": "yesterday"}, "start"),
    ("getUserHeartRateStats", {"start": "2026-11-23T10:00:00"}, "start"),
    ("getUserHeartRateStats", {"end": "2026-11-23T10:00:00Z"}, "start"),
    ("getUserHeartRateStats", {"start": "2026-11-23T10:00:00Z", "end": "2026-11-23T09:00:00Z"}, "end"),
    ("getUserHeartRateStats", {"start": "2026-11-23T10:00:00Z", "window_seconds": 5}, "window_seconds"),
    ("get_group_hr_by_second", {"window_seconds": 86_401}, "window_seconds"),
    ("get_group_hr_by_second", {"start": "2020-01-01T00:00:00Z"}, "start"),
    ("getUserZones", {"user_id": 2**64 + 7}, "user_id"),
    ("getSessionSummary", {"user_id": 2**53}, "user_id"),
    ("getUserBeats", {"user_id": 2**64 + 7}, "user_id"),
    ("getUserHeartRateHistory", {"user_id": 0}, "user_id"),
    ("getUserHeartRateStats", {"users": "Ada"}, "users: no such parameter"),
    ("getUserZones", {"user_name": "Ada"}, "user_name: no such parameter"),
    ("getSessionSummary", {"session_id": ""}, "session_id: empty"),
    ("getLatestUserHeartRates", {"users": ","}, "users: names nobody"),
    ("getHR", {}, "timestamp"),
    ("getHR", {"timestamp": "10:00"}, "timestamp"),
    ("getHR", {"timestamp": "2026-11-23T10:00:00Z", "window_seconds": "many"}, "window_seconds"),
]


@pytest.mark.parametrize(("name", "parameters", "named"), BAD_PARAMETERS)
def test_a_bad_parameter_is_named(beatstream: Beatstream, name: str, parameters: dict[str, Any], named: str) -> None:
    answer = beatstream.http.get(f"/api/{name}", params=parameters)
    assert answer.status_code == 400
    assert named in answer.text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("packet_count", "x"),
        ("packet_count", None),
        ("ant_hr_packet", 5),
        ("received_at", "soon"),
        ("device_id", 863436),
    ],
)
def test_an_array_with_a_bad_field_is_refused_naming_it(beatstream: Beatstream, field: str, value: Any) -> None:
    good = packet("750001", 0, 1, datetime.now(UTC))
    answer = beatstream.post("raw_ant_hr_packet", [good, {**good, "packet_count": 1, field: value}])
    assert answer.status_code == 400
    assert field in answer.text


def test_a_missing_field_is_named(beatstream: Beatstream) -> None:
    record = packet("750001", 0, 1, datetime.now(UTC))
    del record["ant_hr_packet"]
    answer = beatstream.post("raw_ant_hr_packet", [record])
    assert answer.status_code == 400
    assert "ant_hr_packet" in answer.text


def test_one_who_asks_slowly_keeps_nobody_waiting(beatstream: Beatstream) -> None:
    with socket.create_connection(("localhost", beatstream.ports["proxy"]), timeout=10) as slow:
        slow.sendall(b"GET /api/getLatestUserHeartRates HTTP/1.1\r\nHost: localhost\r\n")
        assert isinstance(beatstream.api("getLatestUserHeartRates"), list)
        slow.sendall(b"\r\n")
        assert slow.recv(12).endswith(b"200")
