"""The board's rules: what a tile shows, whose it is, and when it goes."""

from typing import Any

import jsonschema
import pytest

from app.heartrate.contact import AHEAD_S
from app.heartrate.hr_max import HRMaxSource
from app.heartrate.profiles import Profile
from app.heartrate.wearers import NOBODY, Assignment, Wearer
from live.board import GONE_AFTER_S, PARKED_AFTER_S, UNREPORTED_S, Beat, Board, Effort, Notified, Packet
from live.schema import event_schema

T = 1_790_000_000.0
ADA = Profile(7, "Ada Lovelace", alias="Ada", hr_max_entered=200)
STRAP = "863436"
PAYLOAD = "00ffffff0000%02x%02x"


class Room:
    """A board that is played to."""

    def __init__(self, *, past_known: bool = True) -> None:
        self.board = Board()
        if past_known:
            self.board.take_history({})
        self.now_s = T
        self._beats = self._tenths = 0

    def us(self) -> int:
        return round(self.now_s * 1_000_000)

    def wears(self, user_id: int, name: str, strap: str = STRAP, *, ignored: bool = False) -> None:
        self.board.take_assignment(strap, Assignment(self.us(), Wearer(user_id, name), True), ignored=ignored)
        self.board.changed_hands()

    def packet(self, rate: int = 120, strap: str = STRAP, receiver: str = "usb-1", rssi: int | None = -60) -> None:
        payload = bytes.fromhex(PAYLOAD % (self._beats % 256, rate))
        self.board.take_packet(Packet(strap, receiver, payload, self.us(), rssi), self.now_s)

    def beat(self, rate: int | None = 120, user_id: int = 7, strap: str = STRAP, *, ago_s: float = 0.3) -> None:
        self._beats += 1
        self.packet(rate or 0, strap)
        self.board.take_beat(Beat(user_id, strap, self.now_s - ago_s, rate, 500.0), self.now_s)

    def go(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            self._tenths += 1
            self.now_s = T + self._tenths / 10
            self.board.tick(self.now_s)

    def live(self, seconds: int, rate: int = 120, **beat: Any) -> None:
        for _ in range(2 * seconds):
            self.beat(rate, **beat)
            self.go(0.5)

    def __getitem__(self, key: str) -> Any:
        return self.board.parts.get(key)


@pytest.fixture
def room() -> Room:
    room = Room()
    room.board.take_profile(ADA, 0)
    room.wears(7, ADA.user_name)
    room.go(1)
    return room


def test_a_person_on_the_board(room: Room) -> None:
    room.board.take_effort({7: Effort(12.5, [0, 1, 2, 3, 4, 5])})
    room.live(3, 150)
    assert room["person:7"] == {
        "user_id": 7, "name": "Ada", "hidden": False, "hr_max_source": HRMaxSource.ENTERED, "straps": [STRAP],
        "updated_at": T,
    }  # fmt: skip
    assert room["tile:p7"] == {
        "who": "p7", "user_id": 7, "device_id": STRAP, "state": "live", "points": 12.5,
        "zone_seconds": [0, 1, 2, 3, 4, 5],
    }  # fmt: skip
    assert (room["beat:p7"]["hr"], room["beat:p7"]["share"], room["beat:p7"]["zone"]) == (150, 0.75, 3)
    assert room["beat:p7"]["rr"] == 500.0
    strap = room[f"strap:{STRAP}"]
    assert (strap["user_id"], strap["rssi_dbm"], strap["hr"]) == (7, -60, 150)
    jsonschema.validate(
        {"now": T, "set": room.board.parts.since(0).set, "gone": [], "seconds": room.board.parts.since(0).seconds},
        event_schema(),
    )


def test_states_follow_one_another(room: Room) -> None:
    room.live(2)
    states: list[tuple[int, str | None]] = []
    for _ in range(round((GONE_AFTER_S + 10) * 10)):
        room.go(0.1)
        state = None if room["tile:p7"] is None else room["tile:p7"]["state"]
        if not states or states[-1][1] != state:
            states.append((round(room.now_s - T), state))
    assert [state for _, state in states] == ["live", "stale", "lost", "parked", None]
    assert room["beat:p7"] is None
    at = {state: at for at, state in states}
    assert at["parked"] - at["lost"] == pytest.approx(PARKED_AFTER_S - 3, abs=1)


def test_beats_that_stop_while_the_strap_transmits_are_stale(room: Room) -> None:
    room.live(3)
    for _ in range(16):
        room.packet(120)
        room.go(0.25)
    assert room["tile:p7"]["state"] == "stale"
    assert room["beat:p7"]["hr"] == 120, "held, and marked"
    room.live(1)
    assert room["tile:p7"]["state"] == "live"


def test_heart_rate_0_is_unknown_at_once(room: Room) -> None:
    room.live(3)
    room.packet(0)
    room.go(0.1)
    assert room["tile:p7"]["state"] == "invalid"
    assert (room["beat:p7"]["hr"], room["beat:p7"]["zone"]) == (None, None)
    room.live(1, 99)
    assert (room["tile:p7"]["state"], room["beat:p7"]["hr"]) == ("live", 99)


def test_a_beat_without_a_heart_rate_keeps_the_last_one(room: Room) -> None:
    room.live(1, 130)
    room.packet(130)
    room.board.take_beat(Beat(7, STRAP, room.now_s, None, 480.0), room.now_s)
    room.go(0.1)
    assert (room["beat:p7"]["hr"], room["beat:p7"]["rr"]) == (130, 480.0)


def test_every_beat_is_told_once(room: Room) -> None:
    told = []
    for number in range(40):
        room.beat(120)
        if number % 3 == 0:
            room.beat(120, ago_s=0.05)
        room.go(0.4)
        told += room["beat:p7"]["beats"]
    assert len(told) == len(set(told)) == 40 + 14
    assert told == sorted(told)


def test_an_unregistered_strap_and_its_registration(room: Room) -> None:
    room.live(2, user_id=NOBODY, strap="99")
    assert room["tile:s99"]["user_id"] == NOBODY
    assert room["strap:99"]["user_id"] == NOBODY
    room.wears(8, "Bo", "99")
    room.go(0.1)
    assert (room["tile:s99"], room["beat:s99"]) == (None, None)
    room.beat(120, user_id=NOBODY, strap="99")  # it was on its way
    room.go(0.1)
    assert room["tile:s99"] is None
    room.live(1, user_id=8, strap="99")
    assert room["tile:p8"]["device_id"] == "99"
    assert room["person:8"]["name"] == "Bo"
    assert room["person:8"]["hr_max_source"] is None
    assert room["beat:p8"]["zone"] is None


def test_a_strap_that_is_handed_back_leaves_the_board_at_once(room: Room) -> None:
    room.live(1)
    room.wears(NOBODY, "")
    room.go(0.1)
    assert room["tile:p7"] is None
    assert room["person:7"]["straps"] == []


def test_ignored_straps_and_hidden_people_are_not_told(room: Room) -> None:
    room.live(1)
    room.live(1, user_id=NOBODY, strap="99")
    room.wears(NOBODY, "", "99", ignored=True)
    room.board.take_profile(Profile(7, "Ada Lovelace", hidden=True), room.us())
    room.live(3, user_id=NOBODY, strap="99")
    room.live(3)
    assert (room["tile:s99"], room["tile:p7"], room["beat:p7"]) == (None, None, None)
    assert room["strap:99"]["ignored"]
    assert room[f"strap:{STRAP}"]["hr"] is None
    assert all(entry[5] == {} for entry in room.board.parts.since(0).seconds[-1:])
    room.wears(NOBODY, "", "99")
    room.live(1, user_id=NOBODY, strap="99")
    assert room["tile:s99"] is not None


def test_two_straps_of_one_person_are_one_tile(room: Room) -> None:
    address = "C0:11:22:33:44:55"
    room.wears(7, ADA.user_name, address)
    for _ in range(10):
        room.beat(120)
        room.board.take_notification(address, Notified(room.us(), 121, -70, None), room.now_s)
        room.board.take_beat(Beat(7, address, room.now_s - 0.1, 121, 500.0), room.now_s)
        room.go(0.5)
    assert (room["tile:p7"]["device_id"], room["beat:p7"]["hr"]) == (STRAP, 120)
    for _ in range(10):
        room.board.take_notification(address, Notified(room.us(), 121, -70, None), room.now_s)
        room.board.take_beat(Beat(7, address, room.now_s - 0.1, 121, 500.0), room.now_s)
        room.go(0.5)
    assert (room["tile:p7"]["device_id"], room["tile:p7"]["state"], room["beat:p7"]["hr"]) == (address, "live", 121)


def test_the_group_second_by_second(room: Room) -> None:
    room.board.take_profile(Profile(8, "Bo"), 0)
    room.wears(8, "Bo", "99")
    for _ in range(20):
        room.beat(100)
        room.beat(140, user_id=8, strap="99")
        room.go(0.5)
    entry = room.board.parts.since(0).seconds[-1]
    assert entry[1:] == [120.0, 100.0, 140.0, 2, {"p7": 100.0, "p8": 140.0}]
    seconds = [each[0] for each in room.board.parts.since(0).seconds]
    assert seconds == list(range(seconds[0], seconds[0] + len(seconds)))
    assert room.now_s - seconds[-1] < 3.2


def test_the_past_fills_the_chart() -> None:
    room = Room()
    room.board.take_history({int(T) - 5: {"p7": 100.0}, int(T) - 3: {"p7": 110.0, "s99": 90.0}})
    room.go(1)
    seconds = room.board.parts.since(0).seconds
    assert [each[0] for each in seconds] == list(range(int(T) - 5, int(T)))
    assert [each[1] for each in seconds] == [100.0, 100.0, 100.0, 100.0, 100.0]
    assert [each[4] for each in seconds] == [1, 1, 2, 2, 2]
    room.go(5)
    assert room.board.parts.since(0).seconds[-1][1:5] == [None, None, None, 0]


def test_nobody_is_shown_by_a_name_that_may_be_hidden_before_the_past_is_known() -> None:
    room = Room(past_known=False)
    for strap, user_id in ((STRAP, 7), ("99", 8)):
        room.wears(user_id, "Ada Lovelace", strap)
    room.board.take_profile(Profile(8, "Bo Real", alias="Bo"), 0)
    for _ in range(6):
        room.beat(100)
        room.beat(140, user_id=8, strap="99")
        room.go(0.5)
    assert (room["tile:p7"], room["person:7"], room[f"strap:{STRAP}"]["hr"]) == (None, None, None)
    assert (room["tile:p8"]["state"], room["person:8"]["name"]) == ("live", "Bo")
    room.board.take_history({int(room.now_s) - 3: {"p7": 100.0}})
    room.live(4)
    assert (room["tile:p7"]["state"], room["person:7"]["name"]) == ("live", "Ada Lovelace")
    assert room.board.parts.seconds()[0][5] == {"p7": 100.0}


def test_old_beats_are_no_news(room: Room) -> None:
    room.board.take_beat(Beat(7, STRAP, room.now_s - PARKED_AFTER_S - 1, 120, 500.0), room.now_s)
    room.go(1)
    assert room["tile:p7"] is None


def test_what_is_yet_to_come_is_not_shown(room: Room) -> None:
    room.live(2, 180)
    ahead_s = room.now_s + AHEAD_S + 1
    payload = bytes.fromhex(PAYLOAD % (1, 99))
    room.board.take_packet(Packet(STRAP, "usb-1", payload, round(ahead_s * 1e6), None), room.now_s)
    room.board.take_beat(Beat(7, STRAP, ahead_s, 99, 600.0), room.now_s)
    room.live(2, 181)
    assert (room["beat:p7"]["hr"], room["tile:p7"]["state"]) == (181, "live")
    room.go(10)
    assert room["tile:p7"]["state"] == "lost"


@pytest.mark.parametrize("device_id", ["0", "abc", "<b>x", "1048576"])
def test_what_names_no_strap_leaves_no_trace(room: Room, device_id: str) -> None:
    with pytest.raises(ValueError, match="device_id"):
        room.packet(strap=device_id)
    room.go(2)
    assert room[f"strap:{device_id}"] is None


def test_the_best_receiver_is_shown(room: Room) -> None:
    for slot in range(40):
        room.packet(receiver="far", rssi=-95) if slot % 3 == 0 else None
        room.packet(receiver="near", rssi=-55)
        room.go(0.2)
    assert room[f"strap:{STRAP}"]["rssi_dbm"] == -55


def test_a_maximum_is_learnt_and_may_be_forgotten() -> None:
    room = Room()
    room.board.take_profile(Profile(7, "Ada", birth_year=1986), 0)  # 180, estimated
    room.wears(7, "Ada")
    room.live(27, 186)
    assert room.board.learnt(room.now_s) == []
    room.live(6, 186)
    (profile,) = room.board.learnt(room.now_s)
    assert profile.hr_max_learnt == 186
    room.board.take_profile(profile, room.us())
    room.live(5, 186)
    assert room.board.learnt(room.now_s) == []
    assert room["person:7"]["hr_max_source"] == "learnt"
    # Forgotten: what was held before that moment does not count again.
    room.board.take_profile(Profile(7, "Ada", birth_year=1986), room.us())
    room.live(10, 186)
    assert room.board.learnt(room.now_s) == []


def test_what_the_person_entered_is_not_changed(room: Room) -> None:
    room.live(40, 230)
    assert room.board.learnt(room.now_s) == []


def test_an_erased_person_is_gone_whatever_the_topics_still_hold(room: Room) -> None:
    room.live(1)
    room.wears(NOBODY, "")
    room.board.take_erasure("e1", 7, {"unified_hr_packet": 2}, room.us(), room.now_s)
    room.board.changed_hands()
    room.go(0.1)
    assert (room["tile:p7"], room["person:7"]) == (None, None)
    assert room["erasure:e1"]["removed"] == {"unified_hr_packet": 2}
    room.board.take_profile(ADA, 5)
    room.board.take_assignment(STRAP, Assignment(10, Wearer(7, "Ada"), True), ignored=False)
    room.go(2)
    assert room["person:7"] is None
    assert room.board.people.new_user_id() > 7


def test_while_data_is_deleted_the_person_is_not_shown(room: Room) -> None:
    room.live(2)
    room.board.people.begin_erasure(7)
    room.live(2)
    assert (room["tile:p7"], room["beat:p7"]) == (None, None)
    assert all("p7" not in entry[5] for entry in room.board.parts.seconds())


def test_who_was_registered_for_later_is_erased_for_then_too(room: Room) -> None:
    now_us = round(T * 1_000_000)
    later = Assignment(now_us + 3_600_000_000, Wearer(7, "Ada"), True, told_us=now_us)
    for _ in range(2):
        room.board.take_assignment("863436", later, ignored=False)
        room.board.take_erasure("x", 7, {}, now_us + 1, T)
    assert room.board.people.profile(7) is None
    assert room.board.people.straps_of(now_us + 7_200_000_000) == {}


def test_an_erasure_without_a_report_is_over_some_day_and_may_be_asked_for_again(room: Room) -> None:
    room.board.begin_erasure("e1", 7, room.now_s)
    room.live(2)
    assert (room["tile:p7"], room["erasure:e1"]["removed"]) == (None, None)
    room.go(UNREPORTED_S - 5)
    assert room.board.people.being_erased(7)
    room.go(5)
    assert (room["erasure:e1"], room.board.people.being_erased(7)) == (None, False)
    room.live(2)
    assert room["tile:p7"]["state"] == "live"
    # It may be told late all the same.
    room.board.take_erasure("e1", 7, {"unified_hr_packet": 2}, room.us(), room.now_s)
    assert room["erasure:e1"]["removed"] == {"unified_hr_packet": 2}


def test_an_erasure_that_could_not_be_asked_for_leaves_no_trace(room: Room) -> None:
    room.board.begin_erasure("e1", 7, room.now_s)
    for _ in range(2):
        room.board.end_erasure("e1", room.now_s)
        assert (room["erasure:e1"], room.board.people.being_erased(7)) == (None, False)


def test_new_people_get_numbers_of_their_own(room: Room) -> None:
    assert [room.board.people.new_user_id() for _ in range(3)] == [8, 9, 10]


def test_the_newest_name_counts(room: Room) -> None:
    def name() -> str:
        return room.board.people.everybody()[0].user_name

    room.go(1)
    room.wears(7, "Ada King")
    room.go(1)
    assert name() == "Ada King"
    room.board.take_profile(Profile(7, "Ada Byron"), room.us())
    # Older ones that are told later, as from a table, change nothing.
    room.board.take_assignment("5", Assignment(room.us() - 5, Wearer(7, "Ada"), True), ignored=False)
    assert name() == "Ada Byron"
    room.board.take_profile(Profile(7, "A."), room.us() - 5)
    assert name() == "Ada Byron"
