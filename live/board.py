"""The state of the board: beats and packets come in, parts for the screens come out. No I/O, no clock of its own."""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import ceil
from typing import Any

from app.heartrate.contact import AHEAD_S, Contact, contact
from app.heartrate.device_number import parse_device_id
from app.heartrate.hr_max import HRMaxSource, learn
from app.heartrate.profiles import Profile
from app.heartrate.strap_id import check_bluetooth_address
from app.heartrate.strap_signal import Battery, StrapSignal
from app.heartrate.wearers import NOBODY, Assignment
from app.heartrate.zones import HOLD_S, ZoneScale
from live.parts import Parts
from live.people import People

PARKED = "parked"
PARKED_AFTER_S = 60
GONE_AFTER_S = 1800
HISTORY_S = 600
TREND_S = 60
"""So much of the past comes with its people: the tiles' trends."""

SETTLED_S = 2.0
"""A second is complete so long after its end: a beat may miss two radio slots, and takes a moment to come here."""

ONE_STRAP_S = 3.0
"""A person with two straps is shown by one of them, until that one has been silent for so long."""

UNREPORTED_S = 600
"""An erasure without a report for so long has failed; the function gives up before."""

MOST_BEATS = 16
_LOST_AFTER_S = 3.0


@dataclass(slots=True)
class Beat:
    """A person's heartbeat, as the topic brings it."""

    user_id: int
    device_id: str
    at_s: float
    """Unix seconds."""
    heart_rate: int | None
    rr_ms: float | None


@dataclass(slots=True)
class Tile:
    """A person, or an unregistered strap, on the board."""

    user_id: int
    device_id: str
    at_s: float
    heart_rate: int | None = None
    rr_ms: float | None = None
    told: list[float] = field(default_factory=list)
    """Beats that the screens have not been told of."""
    told_rate: int | None = None


@dataclass(frozen=True, slots=True)
class Packet:
    """A radio packet, as the topic brings it."""

    device_id: str
    receiver_id: str
    payload: bytes
    at_us: int
    """When it was heard, µs since 1970 UTC."""
    rssi_dbm: int | None


@dataclass(slots=True)
class Notified:
    """The newest of a Bluetooth strap."""

    at_us: int
    heart_rate: int | None
    rssi_dbm: int | None
    battery: Battery | None


@dataclass(frozen=True, slots=True)
class Effort:
    """What a person has put in, as the API says."""

    points: float | None = None
    zone_seconds: list[int] | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """A strap at the receiver that hears it best."""

    at_us: int
    heart_rate: int | None
    rssi_dbm: int | None
    loss: float | None
    battery: Battery | None


class Board:
    """The board. Call everything from one thread; `tick` about ten times a second."""

    def __init__(self) -> None:
        self.parts = Parts(HISTORY_S)
        self.people = People()
        self._tiles: dict[str, Tile] = {}
        self._signals: dict[str, dict[str, StrapSignal]] = defaultdict(dict)
        self._bluetooth: dict[str, Notified] = {}
        self._effort: dict[int, Effort] = {}
        self._rates: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        self._past_known = False
        self._closed_s = 0
        self._worn: dict[int, list[str]] = {}
        self._slow_s = 0
        self._trends: dict[int, dict[str, float]] = {}
        self._held: dict[str, tuple[int, float]] = {}
        self._erasures: dict[str, tuple[int, float]] = {}
        self.parts.set("session", None)
        self.parts.set("link", {"broker": False, "moose": False})

    # --- in

    def take_beat(self, beat: Beat, now_s: float) -> None:
        """A heartbeat. Those of long ago or yet to come, of hidden people and of ignored straps are no news here."""
        if not now_s - PARKED_AFTER_S < beat.at_s < now_s + AHEAD_S or self.people.is_ignored(beat.device_id):
            return
        wearer = self.people.wearer(beat.device_id, round(now_s * 1_000_000))
        if wearer is not None and wearer.user_id != beat.user_id:
            return  # it was on its way as the strap changed hands
        who = who_of(beat.user_id, beat.device_id)
        if self.hidden(who):
            return
        if beat.heart_rate is not None and ceil(beat.at_s) > self._closed_s:
            self._rates[ceil(beat.at_s)][who].append(beat.heart_rate)
        tile = self._tiles.get(who)
        if tile is None:
            tile = self._tiles[who] = Tile(beat.user_id, beat.device_id, 0.0)
        if tile.device_id != beat.device_id:
            if beat.at_s < tile.at_s + ONE_STRAP_S:
                return
            tile.device_id = beat.device_id
        if beat.at_s <= tile.at_s:
            return
        tile.at_s, tile.rr_ms = beat.at_s, beat.rr_ms
        tile.heart_rate = tile.heart_rate if beat.heart_rate is None else beat.heart_rate
        tile.told.append(beat.at_s)

    def take_packet(self, heard: Packet, now_s: float) -> None:
        """A radio packet: it tells of signal and battery, and that the strap is there; one of long ago tells nothing.

        Raises `InvalidDeviceId` where it names no strap.
        """
        if not now_s - PARKED_AFTER_S < heard.at_us / 1_000_000 < now_s + AHEAD_S:
            return
        if heard.device_id not in self._signals:
            parse_device_id(heard.device_id)
        signals = self._signals[heard.device_id]
        signal = signals.get(heard.receiver_id)
        if signal is None:
            signal = signals[heard.receiver_id] = StrapSignal()
        last_us = signal.reception.last_us
        if last_us is None or heard.at_us >= last_us:
            signal.hear(heard.payload, heard.at_us, heard.rssi_dbm)

    def take_notification(self, device_id: str, notified: Notified, now_s: float) -> None:
        """A Bluetooth strap's notification. Raises `InvalidDeviceId` where it names no strap."""
        if notified.at_us / 1_000_000 > now_s + AHEAD_S:
            return
        known = self._bluetooth.get(device_id)
        if known is None:
            check_bluetooth_address(device_id)
        if known is None or notified.at_us >= known.at_us:
            self._bluetooth[device_id] = notified

    def take_profile(self, profile: Profile, at_us: int) -> None:
        """A profile."""
        self.people.note_profile(profile, at_us)

    def take_assignment(self, device_id: str, assignment: Assignment, *, ignored: bool) -> None:
        """Who wears a strap."""
        self.people.note_assignment(device_id, assignment, ignored=ignored)

    def begin_erasure(self, erasure_id: str, user_id: int, now_s: float) -> None:
        """A person's data is being removed, until that is told to be done or is not for `UNREPORTED_S`."""
        self._erasures[erasure_id] = (user_id, now_s)
        self.people.begin_erasure(user_id)
        self.parts.set(f"erasure:{erasure_id}", {"erasure_id": erasure_id, "user_id": user_id, "removed": None})

    def end_erasure(self, erasure_id: str, now_s: float) -> None:
        """It could not be asked for, or has failed: it may be asked for again."""
        if erasure_id in self._erasures:  # else it was reported all the same
            self.people.end_erasure(self._erasures.pop(erasure_id)[0])
            self.parts.remove(f"erasure:{erasure_id}", now_s)

    def take_erasure(self, erasure_id: str, user_id: int, removed: dict[str, int], at_us: int, now_s: float) -> None:
        """A person's data was removed; it counts for what was known before."""
        self.people.note_erasure(user_id, at_us)
        self._erasures.pop(erasure_id, None)
        self._effort.pop(user_id, None)
        if now_s - at_us / 1_000_000 < GONE_AFTER_S:
            self.parts.set(f"erasure:{erasure_id}", {"erasure_id": erasure_id, "user_id": user_id, "removed": removed})

    def take_effort(self, efforts: dict[int, Effort]) -> None:
        """Everybody's effort so far."""
        self._effort = efforts

    def take_history(self, seconds: dict[int, dict[str, float]]) -> None:
        """Seconds of the past, each person's mean by wearer. The board's own seconds go on from there.

        To be called when all else that was stored is known: only now is shown whose profile is not.
        """
        self._past_known = True
        if seconds:
            for second in range(min(seconds), max(seconds) + 1):
                self._close(second, seconds.get(second, {}))

    # --- out

    def tick(self, now_s: float) -> None:
        """Bring the parts up to date."""
        now_us = round(now_s * 1_000_000)
        slow = int(now_s) != self._slow_s
        if slow:
            self._slow_s = int(now_s)
            self._worn = self.people.straps_of(now_us)
            for erasure_id, (_, begun_s) in list(self._erasures.items()):
                if now_s - begun_s > UNREPORTED_S:
                    self.end_erasure(erasure_id, now_s)
            self._show_people(now_s)
            self._show_straps(now_us)
            if self._past_known:
                self._close_seconds(now_s)
        for who, tile in list(self._tiles.items()):
            if self._off_the_board(tile, now_us):
                self._remove(who, now_s)
            else:
                self._show_tile(who, tile, now_us)

    def changed_hands(self) -> None:
        """Look at once, not with the next second, at who wears what."""
        self._slow_s = 0

    def learnt(self, now_s: float) -> list[Profile]:
        """People whose maximum heart rate turned out to be higher, as their new profiles."""
        found = []
        year = datetime.fromtimestamp(now_s, UTC).year
        newest = self._trends.get(self._closed_s, {})
        for who, rate in newest.items():
            profile = self.people.profile(int(who[1:])) if who[0] == "p" else None
            maximum = None if profile is None else profile.hr_max(year)
            if profile is None or maximum is None or maximum.source is HRMaxSource.ENTERED or rate <= maximum.bpm:
                continue
            # What was held before the newest profile was known to it.
            since_s = self.people.profile_since_us(profile.user_id) / 1_000_000
            seconds = [(second, rates.get(who)) for second, rates in self._trends.items() if second > since_s]
            higher = learn(seconds, maximum.bpm)
            if higher is not None:
                found.append(replace(profile, hr_max_learnt=higher))
        return found

    def hidden(self, who: str) -> bool:
        """Whether a wearer is not to be shown."""
        if who[0] == "s":
            return self.people.is_ignored(who[1:])
        user_id = int(who[1:])
        profile = self.people.profile(user_id)
        return (
            self._may_be_hidden(user_id)
            or self.people.being_erased(user_id)
            or (profile is not None and profile.hidden)
        )

    def _may_be_hidden(self, user_id: int) -> bool:
        """Whether a profile that has not been read yet may say that they, or their name, are not to be shown."""
        return not self._past_known and not self.people.has_profile(user_id)

    # --- parts

    def _off_the_board(self, tile: Tile, now_us: int) -> bool:
        wearer = self.people.wearer(tile.device_id, now_us)
        if wearer is not None and wearer.user_id != tile.user_id:
            return True
        silent_s = now_us / 1_000_000 - self._heard_s(tile)
        hidden = self.hidden(who_of(tile.user_id, tile.device_id))
        return hidden or self.people.is_ignored(tile.device_id) or silent_s > GONE_AFTER_S

    def _remove(self, who: str, now_s: float) -> None:
        del self._tiles[who]
        if self.hidden(who):
            for entry in self.parts.seconds():
                entry[-1].pop(who, None)
        for key in (f"tile:{who}", f"beat:{who}"):
            self.parts.remove(key, now_s)

    def _heard_s(self, tile: Tile) -> float:
        signal = self._signal(tile.device_id)
        return max(tile.at_s, 0.0 if signal is None else signal.at_us / 1_000_000)

    def _show_tile(self, who: str, tile: Tile, now_us: int) -> None:
        state = self._state(tile, now_us)
        effort = self._effort.get(tile.user_id, Effort()) if tile.user_id != NOBODY else Effort()
        self.parts.set(
            f"tile:{who}",
            {
                "who": who,
                "user_id": tile.user_id,
                "device_id": tile.device_id,
                "state": state,
                "points": effort.points,
                "zone_seconds": effort.zone_seconds,
            },
        )
        rate = None if state == Contact.INVALID else tile.heart_rate
        if tile.told or rate != tile.told_rate:
            scale = self._scale(tile.user_id, now_us)
            self.parts.set(
                f"beat:{who}",
                {
                    "at": round(tile.at_s, 3),
                    "hr": rate,
                    "rr": tile.rr_ms,
                    "share": None if rate is None or scale is None else round(scale.share(rate), 3),
                    "zone": None if rate is None or scale is None else scale.zone(rate),
                    "beats": [round(at, 3) for at in tile.told[-MOST_BEATS:]],
                },
            )
            tile.told_rate = rate
            tile.told.clear()

    def _state(self, tile: Tile, now_us: int) -> str:
        signal = self._signal(tile.device_id)
        beat_us = round(tile.at_s * 1_000_000)
        heard_us = max(beat_us, 0 if signal is None else signal.at_us)
        if now_us - heard_us > PARKED_AFTER_S * 1_000_000:
            return PARKED
        rr_us = None if tile.rr_ms is None else round(tile.rr_ms * 1000)
        rate = tile.heart_rate if signal is None else signal.heart_rate
        return contact(now_us, heard_us, beat_us, rr_us, rate)

    def _scale(self, user_id: int, now_us: int) -> ZoneScale | None:
        profile = self.people.profile(user_id)
        return None if profile is None else profile.zones(datetime.fromtimestamp(now_us / 1_000_000, UTC).year)

    def _show_people(self, now_s: float) -> None:
        year = datetime.fromtimestamp(now_s, UTC).year
        shown = set()
        for profile in self.people.everybody():
            if self._may_be_hidden(profile.user_id):
                continue
            maximum = profile.hr_max(year)
            key = f"person:{profile.user_id}"
            shown.add(key)
            self.parts.set(
                key,
                {
                    "user_id": profile.user_id,
                    "name": profile.shown_name,
                    "hidden": profile.hidden,
                    "hr_max_source": None if maximum is None else maximum.source,
                    "straps": self._worn.get(profile.user_id, []),
                    "updated_at": self.people.known_since_us(profile.user_id) / 1_000_000,
                },
            )
        for key in self.parts.keys("person:"):
            if key not in shown:
                self.parts.remove(key, now_s)

    def _show_straps(self, now_us: int) -> None:
        for device_id in {*self._signals, *self._bluetooth, *self.people.devices()}:
            signal = self._signal(device_id, now_us)
            wearer = self.people.wearer(device_id, now_us)
            user_id = NOBODY if wearer is None else wearer.user_id
            ignored = self.people.is_ignored(device_id)
            silent_s = None if signal is None else (now_us - signal.at_us) / 1_000_000
            if user_id == NOBODY and not ignored and (silent_s is None or silent_s > GONE_AFTER_S):
                self.parts.remove(f"strap:{device_id}", now_us / 1_000_000)
                self._signals.pop(device_id, None)
                self._bluetooth.pop(device_id, None)
                continue
            fresh = silent_s is not None and silent_s < _LOST_AFTER_S
            shown = fresh and signal is not None and not self.hidden(who_of(user_id, device_id))
            battery = None if signal is None else signal.battery
            self.parts.set(
                f"strap:{device_id}",
                {
                    "device_id": device_id,
                    "user_id": user_id,
                    "ignored": ignored,
                    "heard_at": None if signal is None else round(signal.at_us / 1_000_000, 1),
                    "hr": signal.heart_rate if shown and signal is not None else None,
                    "rssi_dbm": None if signal is None else signal.rssi_dbm,
                    "loss": None if signal is None or signal.loss is None else round(signal.loss, 2),
                    "battery": None if battery is None else battery.text,
                    "battery_low": battery is not None and battery.low,
                },
            )

    def _signal(self, device_id: str, now_us: int | None = None) -> Signal | None:
        """A strap as it is heard; its loss costs time and is told only with `now_us`."""
        notified = self._bluetooth.get(device_id)
        if notified is not None:
            return Signal(notified.at_us, notified.heart_rate, notified.rssi_dbm, None, notified.battery)
        best: Signal | None = None
        for signal in self._signals.get(device_id, {}).values():
            loss = None if now_us is None else signal.reception.loss(now_us)
            at_us = signal.reception.last_us or 0
            if best is None or (round(at_us / 1_000_000), -(loss or 0)) > (
                round(best.at_us / 1_000_000),
                -(best.loss or 0),
            ):
                best = Signal(at_us, signal.heart_rate, signal.rssi_dbm, loss, signal.battery)
        return best

    # --- seconds

    def _close_seconds(self, now_s: float) -> None:
        due = int(now_s - SETTLED_S)
        first = self._closed_s + 1 if self._closed_s else due
        for second in range(max(first, due - HISTORY_S), due + 1):
            rates = self._rates.pop(second, {})
            self._close(second, {who: sum(told) / len(told) for who, told in rates.items()})
        for old in [second for second in self._rates if second <= due]:
            del self._rates[old]

    def _close(self, second: int, rates: dict[str, float]) -> None:
        shown = {who: rate for who, rate in rates.items() if not self.hidden(who)}
        self._closed_s = second
        # Below 60 bpm, and where packets were lost, some seconds have no beat: the last rate stands (zones.py).
        self._held |= {who: (second, rate) for who, rate in shown.items()}
        self._held = {
            who: told for who, told in self._held.items() if second - told[0] < HOLD_S and not self.hidden(who)
        }
        means = [rate for _, rate in self._held.values()]
        self._trends[second] = shown
        for old in [each for each in self._trends if each <= second - TREND_S]:
            del self._trends[old]
        average = round(sum(means) / len(means), 1) if means else None
        group: list[Any] = [second, average, min(means, default=None), max(means, default=None), len(means)]
        self.parts.add_second([*group, {who: round(rate, 1) for who, (_, rate) in self._held.items()}])


def who_of(user_id: int, device_id: str) -> str:
    """The wearer's key: a person, or a strap that nobody is registered for."""
    return f"s{device_id}" if user_id == NOBODY else f"p{user_id}"
