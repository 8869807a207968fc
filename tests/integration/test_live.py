"""The wall's server on the real stack: what is posted is shown, what is changed on one screen stands on every one."""

import csv
import io
import json
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import fitdecode
import jsonschema
import pytest

from app.heartrate.ble import encode_measurement
from harness.beatstream import Beatstream
from harness.live import LiveServer, Screen, watching
from harness.waiting import wait_for
from tests.integration.packets import heart, packet, rfc3339

pytestmark = pytest.mark.stack

START = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)


@pytest.fixture
def screen(live: LiveServer) -> Iterator[Screen]:
    with watching(live.url) as screen:
        yield screen


class Wearing:
    """A strap that sends a beat a call, now."""

    def __init__(self, beatstream: Beatstream, device_id: str) -> None:
        self._beatstream = beatstream
        self.device_id = device_id
        self._beat = 0
        self._began = datetime.now(UTC)

    def beat(self, rate: int | None = 120) -> None:
        self._beat += 1
        now = datetime.now(UTC)
        after_ms = round((now - self._began).total_seconds() * 1000) + self._beat
        record = packet(self.device_id, self._beat, self._beat, now, rate, 1)
        record |= {"ant_hr_packet": _payload(after_ms, self._beat, rate), "rssi_dbm": -58}
        assert self._beatstream.post("raw_ant_hr_packet", record).is_success

    def until(self, condition: Any, what: str, rate: int = 120, timeout_s: float = 15.0) -> Any:
        """Beat on until something holds."""

        def beat_and_look() -> Any:
            self.beat(rate)
            return condition()

        return wait_for(beat_and_look, what, timeout_s, every_s=0.3)


def _payload(after_ms: int, beat: int, rate: int | None) -> str:
    from app.heartrate.encoder import CommonFields, encode_default

    return encode_default(CommonFields(after_ms * 1024 // 1000, beat, rate), toggle=bool(beat // 4 % 2)).hex()


def test_a_strangers_strap_is_named_ignored_and_handed_back(
    beatstream: Beatstream, live: LiveServer, screen: Screen
) -> None:
    strap = Wearing(beatstream, "780001")
    strap.until(lambda: "beat:s780001" in screen.values, "the stranger's heart", 101)
    assert screen.values["beat:s780001"]["hr"] == 101
    assert screen.values["tile:s780001"]["state"] == "live"
    card = screen.wait("strap:780001", user_id=0, ignored=False)
    assert (card["rssi_dbm"], card["hr"]) == (-58, 101)

    told = live.act("assign", device_id="780001", user_name="Grace")
    who, user_id = f"p{told['user_id']}", told["user_id"]
    screen.wait(f"person:{user_id}", name="Grace", straps=["780001"])
    screen.wait_gone("tile:s780001")
    strap.until(lambda: screen.values.get(f"tile:{who}"), "her tile", 102)

    live.act("hand-back", device_id="780001")
    screen.wait(f"person:{user_id}", straps=[])
    screen.wait_gone(f"tile:{who}")
    strap.until(lambda: screen.values.get("tile:s780001"), "a stranger again", 103)

    live.act("ignore", device_id="780001")
    screen.wait("strap:780001", ignored=True)
    screen.wait_gone("tile:s780001")
    live.act("heed", device_id="780001")
    strap.until(lambda: screen.values.get("tile:s780001"), "the stranger again", 104)

    beatstream.await_settled()
    names = beatstream.rows(
        "SELECT user_name, min(hr_value) FROM unified_hr_packet FINAL WHERE device_id = '780001' "
        "AND user_id IN (0, {user:Int64}) GROUP BY ALL ORDER BY ALL",
        user=user_id,
    )
    assert names[0] == ("Grace", 102), "history keeps who wore it then"
    assert names[1] == ("Strap 780001", 101)


def test_a_renamed_person_is_so_on_every_screen(beatstream: Beatstream, live: LiveServer, screen: Screen) -> None:
    user_id = live.act("person", user_name="Old Name", birth_year=1990)["user_id"]
    screen.wait(f"person:{user_id}", name="Old Name", hr_max_source="estimated")
    live.act("assign", device_id="780002", user_id=user_id)
    strap = Wearing(beatstream, "780002")
    strap.until(lambda: screen.values.get(f"tile:p{user_id}"), "the tile", 110)
    with watching(live.url) as other:
        live.act("person", user_id=user_id, user_name="New Name", birth_year=1990)
        renamed_at = time.time()
        for each in (screen, other):
            each.wait(f"person:{user_id}", name="New Name")
        strap.until(lambda: (other.values.get(f"beat:p{user_id}") or {}).get("hr") == 111, "a beat after", 111)
    beatstream.await_settled()
    rows = beatstream.rows(
        "SELECT user_name, max(hr_timestamp_seconds), min(hr_timestamp_seconds) FROM unified_hr_packet FINAL "
        "WHERE user_id = {user:Int64} GROUP BY user_name ORDER BY user_name",
        user=user_id,
    )
    assert [row[0] for row in rows] == ["New Name", "Old Name"]
    assert rows[1][1] < renamed_at < rows[0][2] + 1


def test_every_event_is_as_the_schema_says(beatstream: Beatstream, live: LiveServer, screen: Screen) -> None:
    schema = live.http.get("/events/schema.json").json()
    strap = Wearing(beatstream, "780003")
    strap.until(lambda: len(screen.events) > 12, "some events")
    validator = jsonschema.Draft202012Validator(schema)
    for event in screen.events:
        validator.validate(event)
    assert screen.kinds[0] == "snapshot"
    assert set(screen.kinds[1:]) == {"changes"}


def test_a_break_is_bridged_and_a_restart_is_not_noticed(beatstream: Beatstream, live: LiveServer) -> None:
    with watching(live.url) as first:
        last = first.last_event_id
    user_id = live.act("assign", device_id="780004", user_name="Heidi")["user_id"]
    back = Screen(live.url, last)
    back.start()
    back.wait(f"person:{user_id}", name="Heidi")
    assert back.kinds[0] == "changes"
    assert {"session", "link"} <= first.values.keys()
    assert not {"session", "link"} & back.events[0]["set"].keys(), "what has not changed is not told again"
    last = back.last_event_id
    back.close()

    live.kill()
    live.start()
    after = Screen(live.url, last)
    after.start()
    # The new server knows nothing but what it reads back: from the API, or from the topics.
    after.wait(f"person:{user_id}", name="Heidi", straps=["780004"])
    assert after.kinds[0] == "snapshot"
    Wearing(beatstream, "780004").until(lambda: after.values.get(f"beat:p{user_id}"), "her heart again")
    after.close()
    live.act("hand-back", device_id="780004")


def profile(beatstream: Beatstream, user_id: int, name: str, **fields: Any) -> None:
    assert beatstream.post("person_profile", {"user_id": user_id, "user_name": name, **fields}).is_success


def wears(beatstream: Beatstream, device_id: str, user_id: int, name: str) -> None:
    record = {"device_id": device_id, "user_id": user_id, "user_name": name, "assigned_at": "2026-11-20T00:00:00Z"}
    assert beatstream.post("strap_assignment", record).is_success


def session(beatstream: Beatstream, session_id: str, kind: str, seconds: int, stop_s: int | None = None) -> None:
    record = {
        "session_id": session_id,
        "name": "A session",
        "kind": kind,
        "started_at": rfc3339(START),
        "ended_at": rfc3339(START + timedelta(seconds=seconds)),
        "stop_marked_at": None if stop_s is None else rfc3339(START + timedelta(seconds=stop_s)),
    }
    assert beatstream.post("training_session", record).is_success
    wait_for(
        lambda: any(entry["session_id"] == session_id for entry in beatstream.api("getSessions")), "the session", 10
    )


@pytest.fixture(scope="module")
def trained(beatstream: Beatstream) -> Beatstream:
    """Three people's sessions of long ago, hearts known to the beat."""
    profile(
        beatstream,
        901,
        "Zed",
        hr_max=200,
        birth_year=1986,
        sex="male",
        weight_kg=80.0,
        updated_at="2026-11-20T00:00:00Z",
    )
    profile(beatstream, 902, "Yan", hr_max=100, alias="Y", updated_at="2026-11-20T00:00:00Z")
    for device_id, user_id, name in (("781001", 901, "Zed"), ("781002", 902, "Yan"), ("781003", 903, "Xia")):
        wears(beatstream, device_id, user_id, name)
    for stored in ("person_profile", "strap_assignment"):
        beatstream.await_lag("clickhouse_sync", stored)
    hearts = {
        # 10 s at 130, 20 s nothing, 10 s at 150.
        "781001": [(s + 0.5, 130) for s in range(10)] + [(s + 0.5, 150) for s in range(30, 40)],
        "781002": [(s + 0.5, 95) for s in range(40)],
        # To a stop after 100 s, and half a minute slower from there.
        "781003": [(s + 0.5, 170 if s < 100 else 140) for s in range(180)],
    }
    for device_id, told in hearts.items():
        assert beatstream.post("raw_ant_hr_packet", heart(device_id, START, told)).is_success
    calm = [(number * 829 / 1024 - (10 / 1024 if number % 2 else 0) + 300, 72) for number in range(80)]
    assert beatstream.post("raw_ant_hr_packet", heart("781004", START, calm)).is_success
    beatstream.await_settled()
    session(beatstream, "s-class", "class", 179, 100)
    session(beatstream, "s-rest", "rest", 400)
    return beatstream


def entry_of(entries: list[dict[str, Any]], user_id: int) -> dict[str, Any]:
    (entry,) = [entry for entry in entries if entry["user_id"] == user_id]
    return entry


def test_time_counts_not_rows(trained: Beatstream) -> None:
    entry = entry_of(trained.api("getUserZones", session_id="s-class"), 901)
    # 130 bpm stands for 5 s after its last second, and 150 bpm's last one counts a second.
    assert entry["zone_seconds"] == [0, 0, 14, 10, 0, 0]
    assert entry["points"] == pytest.approx((2 * 14 + 3 * 10) / 60, abs=0.01)
    assert entry["zones"]["lower_bpm"] == [100, 120, 140, 160, 180]
    assert entry_of(trained.api("getUserZones", session_id="s-class"), 903)["zone_seconds"] is None
    assert [each["user_id"] for each in trained.api("getUserZones", session_id="s-class", user_id=902)] == [902]


def test_a_summary_of_a_session(trained: Beatstream) -> None:
    entries = trained.api("getSessionSummary", session_id="s-class")
    zed, xia = entry_of(entries, 901), entry_of(entries, 903)
    assert (zed["min_heart_rate"], zed["max_heart_rate"], zed["avg_heart_rate"], zed["beat_count"]) == (
        130,
        150,
        140,
        20,
    )
    # Keytel by hand: 14 s at 130 bpm and 10 s at 150 bpm, a man of 80 kg; 40 years in 2026.
    age = datetime.now(UTC).year - 1986
    kj = [(-55.0969 + 0.6309 * rate + 0.1988 * 80 + 0.2017 * age) * s / 60 for rate, s in ((130, 14), (150, 10))]
    assert zed["energy_kcal"] == pytest.approx(sum(kj) / 4.184, abs=0.06)
    assert entry_of(entries, 902)["energy_kcal"] is None, "the profile is not complete"
    assert xia["recovery_bpm"] == 30.0
    assert (xia["points"], xia["zones"], xia["rmssd_ms"]) == (None, None, None)
    assert zed["recovery_bpm"] is None, "it was not heard then"
    rest = trained.api("getSessionSummary", session_id="s-rest")
    (calm,) = [entry for entry in rest if entry["user_name"] == "Strap 781004"]
    assert calm["rmssd_ms"] == pytest.approx(20 * 1000 / 1024, abs=0.5)


def test_the_leaderboard_measures_everybody_by_themselves(trained: Beatstream) -> None:
    entries = [e for e in trained.api("getLeaderboard", session_id="s-class") if e["user_id"] in (901, 902, 903)]
    # 95 bpm is zone 5 of a maximum of 100: more effort than 150 of 200. Whose maximum is unknown is not ranked.
    assert [(entry["user_name"], entry["points_per_minute"]) for entry in entries] == [("Y", 5.0), ("Zed", 2.42)]


def test_history_beat_by_beat(trained: Beatstream) -> None:
    seconds = trained.api("getUserHeartRateHistory", user_id=901, session_id="s-class")
    assert [entry["second"] for entry in seconds] == [
        round(START.timestamp()) + s + 1 for s in (*range(10), *range(30, 40))
    ]
    beats = trained.api("getUserBeats", user_id=903, session_id="s-class")
    assert len(beats) == 179
    assert [beat["rr_interval_ms"] for beat in beats[:3]] == [None, 1000.0, 1000.0]


@pytest.mark.parametrize(
    ("name", "parameters", "named"),
    [
        ("getUserZones", {"session_id": "none"}, "session_id"),
        ("getSessionSummary", {"session_id": "none"}, "session_id"),
        ("getLeaderboard", {"session_id": "none"}, "session_id"),
        ("getUserBeats", {"user_id": 1, "session_id": "none"}, "session_id"),
        ("getUserBeats", {}, "user_id"),
        ("getUserHeartRateHistory", {"user_id": 0}, "user_id"),
        ("getUserHeartRateHistory", {"user_id": 1, "window_seconds": 100_000}, "window_seconds"),
        ("getUserZones", {"session_id": "s", "window_seconds": 5}, "session_id"),
        ("getSessions", {"limit": 0}, "limit"),
    ],
)
def test_a_bad_parameter_is_named(beatstream: Beatstream, name: str, parameters: dict[str, Any], named: str) -> None:
    answer = beatstream.http.get(f"/api/{name}", params=parameters)
    assert answer.status_code == 400
    assert named in answer.text


@pytest.mark.usefixtures("trained")
def test_exports(live: LiveServer) -> None:
    text = live.http.get("/data/sessions/s-class/people/901.csv")
    assert "attachment" in text.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(text.text)))
    assert len(rows) == 20
    assert rows[1] == {
        "time": "2026-11-20T18:00:02Z", "heart_rate_bpm": "130.0", "zone": "2", "rr_intervals_ms": "1000.0",
    }  # fmt: skip
    fit = live.http.get("/data/sessions/s-class/people/903.fit").content
    records, intervals, sports = [], [], []
    with fitdecode.FitReader(io.BytesIO(fit), check_crc=fitdecode.CrcCheck.RAISE) as reader:
        for frame in reader:
            if frame.frame_type != fitdecode.FIT_FRAME_DATA:
                continue
            if frame.name == "record":
                records.append((frame.get_value("timestamp"), frame.get_value("heart_rate")))
            elif frame.name == "hrv":
                told = frame.get_value("time")
                intervals += [each for each in (told if isinstance(told, tuple) else [told]) if each is not None]
            elif frame.name == "session":
                sports.append((frame.get_value("avg_heart_rate"), frame.get_value("max_heart_rate")))
    assert records[0] == (START + timedelta(seconds=1), 170)
    assert records[-1] == (START + timedelta(seconds=179), 140)
    assert len(records) == 179
    assert intervals == [1.0] * 178
    assert sports == [(157, 170)]
    assert live.http.get("/data/sessions/s-class/people/999999.csv").status_code == 404
    assert live.http.get("/data/sessions/none/people/901.csv").status_code == 404
    assert live.http.get("/data/sessions/s-class/people/901.exe").status_code == 404


@pytest.mark.usefixtures("trained")
def test_a_persons_page_has_its_data(live: LiveServer) -> None:
    history = live.data("people/903/history", session="s-class")
    assert (history["user_name"], len(history["seconds"]), len(history["beats"])) == ("Xia", 179, 179)
    assert history["summary"]["recovery_bpm"] == 30.0
    assert live.data("people/901/history")["seconds"] == []
    assert live.http.get("/data/people/123456/history").status_code == 404
    bad = live.http.get("/data/people/901/history", params={"start": "yesterday"})
    assert (bad.status_code, bad.json()["field"]) == (400, "start")


def test_a_session_of_the_group(live: LiveServer, screen: Screen) -> None:
    first = live.act("start-session", name="Warm-up", kind="class")["session_id"]
    screen.wait("session", session_id=first, name="Warm-up")
    second = live.act("start-session", name="Test", kind="test")["session_id"]
    screen.wait("session", session_id=second)
    live.act("mark-stop")
    assert (
        wait_for(lambda: screen.values["session"]["stop_marked_at"], "the mark", 10)
        > screen.values["session"]["started_at"]
    )
    live.act("end-session")
    wait_for(lambda: screen.values["session"] is None, "the end", 10)
    assert live.http.post("/actions/end-session", json={}).json() == {"error": "No session is running.", "field": None}

    def stored() -> list[bool]:
        known = {entry["session_id"]: entry for entry in live.data("sessions")["entries"]}
        return [each in known and known[each]["ended_at"] is not None for each in (first, second)]

    wait_for(lambda: stored() == [True, True], "both ends to be stored", 10)


@pytest.mark.parametrize(
    ("action", "body", "field"),
    [
        ("assign", {"device_id": "0", "user_name": "X"}, "device_id"),
        ("assign", {"device_id": "5"}, "user_name"),
        ("assign", {"device_id": "5", "user_id": 987_654}, "user_id"),
        ("assign", {"device_id": "5", "user_id": "x"}, "user_id"),
        ("person", {"user_name": " "}, "user_name"),
        ("person", {"user_name": "X", "birth_year": 1800}, "birth_year"),
        ("person", {"user_name": "X", "sex": "x"}, "sex"),
        ("person", {"user_name": "X", "hr_max": 150, "hr_rest": 110, "weight_kg": 1.0}, "weight_kg"),
        ("person", {"user_name": "X", "hr_max": 110, "hr_rest": 115}, "hr_rest"),
        ("person", {"user_name": "X", "nonsense": 1}, "nonsense"),
        ("start-session", {"name": "X", "kind": "party"}, "kind"),
        ("ignore", {}, "device_id"),
        ("erase", {"user_id": 987_654}, "user_id"),
    ],
)
def test_a_wrong_action_names_the_field(live: LiveServer, action: str, body: dict[str, Any], field: str) -> None:
    answer = live.http.post(f"/actions/{action}", json=body)
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert answer.json()["error"]


def test_other_sites_and_long_bodies_are_refused(live: LiveServer) -> None:
    foreign = live.http.post("/actions/hand-back-all", json={}, headers={"Origin": "http://elsewhere.example"})
    assert foreign.status_code == 403
    own = live.http.post("/actions/mark-stop", json={}, headers={"Origin": live.url})
    assert own.status_code == 400
    rebound = live.http.get("/data/people", headers={"Host": f"evil.example:{live.port}"})
    assert rebound.status_code == 403
    assert live.http.get("/data/people", headers={"Host": f"127.0.0.1:{live.port}"}).status_code == 200
    assert live.http.post("/actions/person", content=b"[" * 20_000).status_code == 413
    assert live.http.post("/actions/person", content=b"{").status_code == 400
    assert live.http.get("/nothing").status_code == 404
    page = live.http.get("/")
    assert "default-src 'self'" in page.headers["content-security-policy"]


def test_a_person_renamed_while_wearing_nothing_keeps_the_name(beatstream: Beatstream, live: LiveServer) -> None:
    user_id = live.act("assign", device_id="780005", user_name="Mia")["user_id"]
    live.act("hand-back", device_id="780005")
    live.act("person", user_id=user_id, user_name="Mia Maria")
    wait_for(lambda: [e for e in beatstream.api("getPeople") if e["user_name"] == "Mia Maria"], "her profile", 10)
    live.kill()
    live.start()
    with watching(live.url) as after:
        after.wait(f"person:{user_id}", name="Mia Maria")


def test_two_changes_at_once_of_a_session(live: LiveServer, screen: Screen) -> None:
    sessions = [live.act("start-session", name=name, kind="class")["session_id"] for name in ("One", "Two")]
    live.act("mark-stop")
    live.act("end-session")
    wait_for(lambda: screen.values["session"] is None, "the end of all", 10)
    known = {entry["session_id"]: entry for entry in live.data("sessions")["entries"]}
    assert all(known[each]["ended_at"] for each in sessions)
    assert known[sessions[1]]["stop_marked_at"]


def test_everybody_has_gone(beatstream: Beatstream, live: LiveServer, screen: Screen) -> None:
    user_id = live.act("assign", device_id="780006", user_name="Ivan")["user_id"]
    Wearing(beatstream, "780006").until(lambda: screen.values.get(f"tile:p{user_id}"), "his tile")
    assert live.act("hand-back-all")["straps"] >= 1
    screen.wait_gone(f"tile:p{user_id}")
    wait_for(
        lambda: not [v for k, v in screen.values.items() if k.startswith("person:") and v["straps"]], "no wearer", 10
    )


def with_two_straps(
    beatstream: Beatstream, live: LiveServer, screen: Screen, name: str, device_ids: tuple[str, str]
) -> tuple[int, Wearing]:
    """Somebody whose ANT+ strap and whose Bluetooth strap were heard; their number, and the former strap."""
    user_id = live.act("person", user_name=name, hr_max=190)["user_id"]
    for device_id in device_ids:
        live.act("assign", device_id=device_id, user_id=user_id)
    worn_at = datetime.now(UTC)
    strap = Wearing(beatstream, device_ids[0])
    strap.until(partial(screen.has, f"tile:p{user_id}"), "the tile")
    for _ in range(5):
        strap.beat()
    notified = [
        {
            "device_id": device_ids[1],
            "packet_count": number,
            "hr_measurement": encode_measurement(190 + number, (320,)).hex(),
            "received_at": rfc3339(worn_at + timedelta(milliseconds=number * 312.5)),
        }
        for number in range(4)
    ]
    assert beatstream.post("bluetooth_hr_packet", notified).is_success
    return user_id, strap


def rows_of(beatstream: Beatstream, user_id: int, *device_ids: str) -> dict[str, int]:
    """How many rows of each table are somebody's, or their straps'."""
    tables = ("unified_hr_packet", "per_second_heart_rate_aggregate", "latest_heart_rate", "person_profile")
    conditions = dict.fromkeys((*tables, "strap_assignment"), f"user_id = {user_id}")
    straps = ("raw_ant_hr_packet", "bluetooth_hr_packet", "processed_ant_hr_packet")
    conditions |= dict.fromkeys(straps, f"device_id IN {device_ids}")
    return {
        table: beatstream.rows(f"SELECT count() FROM {table} FINAL WHERE {condition}")[0][0]
        for table, condition in conditions.items()
    }


def exported(live: LiveServer, user_id: int) -> dict[str, list[dict[str, str]]]:
    """The rows of each table in somebody's ZIP."""
    answer = live.http.get(f"/data/people/{user_id}/export.zip")
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        texts = {name: archive.read(name).decode() for name in archive.namelist() if name.endswith(".csv")}
    return {name.removesuffix(".csv"): list(csv.DictReader(io.StringIO(text))) for name, text in texts.items()}


def counted(rows: dict[str, list[dict[str, str]]]) -> dict[str, int]:
    return {table: len(each) for table, each in rows.items()}


def test_an_erased_person_leaves_nothing_and_the_neighbour_everything(
    beatstream: Beatstream, live: LiveServer, screen: Screen
) -> None:
    hers, his = ("780007", "C0:11:22:78:00:07"), ("780008", "C0:11:22:78:00:08")
    gone, strap = with_two_straps(beatstream, live, screen, "Judy", hers)
    worn_at = datetime.now(UTC)
    stays, _ = with_two_straps(beatstream, live, screen, "Karl", his)
    beatstream.await_settled()
    beatstream.await_lag("clickhouse_sync", "strap_assignment")
    beatstream.await_lag("clickhouse_sync", "person_profile")
    before, neighbour = rows_of(beatstream, gone, *hers), rows_of(beatstream, stays, *his)
    assert all(before.values())
    # Rows that have not merged yet are removed one by one, and exported as one.
    with beatstream.clickhouse() as client:
        for table in before:
            client.command(f"OPTIMIZE TABLE {table} FINAL")
    her_file, his_file = exported(live, gone), exported(live, stays)
    assert (counted(her_file), counted(his_file)) == (before, neighbour)
    assert [(row["device_id"], row["packet_count"]) for row in her_file["bluetooth_hr_packet"]] == [
        (hers[1], str(number)) for number in range(4)
    ]
    assert {row["device_id"] for row in her_file["unified_hr_packet"]} == {*hers}
    assert screen.has(f"tile:p{gone}")
    erasure_id = live.act("erase", user_id=gone)["erasure_id"]
    screen.wait_gone(f"tile:p{gone}")
    for action, body in (("assign", {"device_id": "780009", "user_id": gone}), ("erase", {"user_id": gone})):
        assert live.http.post(f"/actions/{action}", json=body).json()["field"] == "user_id", "not while it goes on"
    # The strap goes on, and somebody else takes it.
    heir = live.act("assign", device_id="780007", user_name="Lena")["user_id"]
    screen.wait(f"person:{heir}", straps=["780007"])
    strap.until(lambda: (screen.values.get(f"erasure:{erasure_id}") or {}).get("removed"), "the report", 140, 60)
    removed = screen.values[f"erasure:{erasure_id}"]["removed"]
    for _ in range(8):
        strap.beat(140)
    assert set(rows_of(beatstream, gone, "780009", hers[1]).values()) == {0}
    assert removed == before
    assert live.http.get(f"/data/people/{gone}/export.zip").status_code == 404
    beatstream.await_settled()
    ((kept, first_rate),) = beatstream.rows(
        "SELECT count(), min(hr_value) FROM unified_hr_packet FINAL "
        "WHERE device_id = '780007' AND user_id = {user:Int64}",
        user=heir,
    )
    assert (kept > 5, first_rate) == (True, 140)
    assert beatstream.rows("SELECT count() > 5 FROM raw_ant_hr_packet WHERE device_id = '780007'") == [(True,)]
    # What a receiver delivers late of the time before is not hers again.
    late = heart("780007", worn_at, [(s * 0.5, 77) for s in range(4)])
    assert beatstream.post("raw_ant_hr_packet", [{**each, "receiver_id": "late"} for each in late]).is_success
    beatstream.await_settled()
    assert beatstream.rows("SELECT count() FROM unified_hr_packet WHERE user_id = {user:Int64}", user=gone) == [(0,)]
    assert rows_of(beatstream, stays, *his) == neighbour
    assert exported(live, stays) == his_file
    screen.wait_gone(f"person:{gone}")
    wait_for(
        lambda: erasure_id in [entry["erasure_id"] for entry in beatstream.api("getErasures")], "the stored report", 10
    )
    # A new server reads the topics from their beginning, where the profile still is: it must not come back.
    live.kill()
    live.start()
    with watching(live.url) as after:
        after.wait(f"person:{stays}", name="Karl")
        wait_for(lambda: f"erasure:{erasure_id}" in after.values, "the report", 10)
        assert f"person:{gone}" not in after.values
    assert gone not in [entry["user_id"] for entry in live.data("people")["entries"]]


def test_records_that_cannot_be_go_to_the_dead_letter_queue(beatstream: Beatstream) -> None:
    for name, record, field in (
        (
            "training_session",
            {"session_id": "x", "name": "X", "kind": "party", "started_at": "2026-11-20T18:00:00Z"},
            "kind",
        ),
        ("person_profile", {"user_id": 1, "user_name": "X", "hr_max": 400}, "hr_max"),
        ("erasure_request", {"erasure_id": "x", "user_id": 0}, "user_id"),
    ):
        beatstream.produce(name, [json.dumps(record).encode()])
        told = partial(dead_letters_begin, beatstream, name, field)
        wait_for(told, f"the dead letter of {name}", 20)

    assert "x" not in [entry["session_id"] for entry in beatstream.api("getSessions")]


def dead_letters_begin(beatstream: Beatstream, name: str, field: str) -> bool:
    letters = beatstream.topic(f"{name}DeadLetterQueue")
    return any(letter["errorMessage"].startswith(f"{field}:") for letter in letters)


def test_it_ends_when_asked(live: LiveServer) -> None:
    with watching(live.url):
        assert live.stop() == 0
