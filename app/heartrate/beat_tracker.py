"""From the packets of one strap to its heartbeats, each once.

A strap repeats its newest beat two to six times: event time (1/1024 s, rolls over after 64 s), beat count (rolls over
after 256), and on page 4 the event time of the beat before. The tracker keeps the beats it knows by their unwrapped
count. Every packet adds one fact, or with page 4 two: "beat n was at tick t". The RR interval of a beat is known
exactly when its own moment and that of the beat before are, however they came to be known, in whatever order; else it
is unknown. Nothing is ever guessed (notes 3).
"""

import json
from enum import StrEnum
from typing import Literal, NamedTuple

from app.heartrate.encoder import CommonFields
from app.heartrate.pages import COMMON_INVALID, event_times_computed
from app.heartrate.profile import (
    BEAT_COUNT_MODULUS,
    EVENT_TIME_MODULUS,
    FIRST_COMMAND_PAGE,
    LAST_COMMAND_PAGE,
    PAGE_MASK,
    TICKS_PER_SECOND,
    DataPage,
)
from app.heartrate.sensor_clock import SensorClock, ticks_to_us

SECOND_US = 1_000_000

LONGEST_GAP_US = 60 * SECOND_US
"""After a longer silence the event time's roll-over is no longer certain (notes 3)."""

SLACK_US = 4 * SECOND_US
"""How far a strap's clock may be ahead of the time that passed between two packets, or behind, and be the same clock.

Two beats are each heard within an interval of the heart, and clocks of receivers differ.
"""

BEATS_PER_SECOND = 4
"""No heart beats faster; more beats than this, by the strap's own clock and a second more, are a restart, not beats."""

LATE_BEATS, LATE_TICKS = 16, 32 * TICKS_PER_SECOND
"""How far behind the newest beat a packet may be and still be late, and not a restart (notes 3)."""

LATEST_ARRIVAL_US, EARLIEST_ARRIVAL_US = 35 * SECOND_US, -2 * SECOND_US
"""How long after its beat a late packet may have been heard, and how far clocks of two receivers may differ."""

RING_BEATS = 24
"""How many of the newest beats are remembered for late packets."""

COMPUTED_AFTER = 20
"""After so many intervals in a row that are just 60 s / HR, the strap is taken to make its times up (notes 3)."""

PLAUSIBLE_TICKS = range(200 * 1024 // 1000, 3000 * 1024 // 1000 + 1)
"""RR intervals of 200 to 3000 ms; others are flagged, never removed (notes 3)."""

SNAPSHOT_FORMAT = 1

REVISIONS = 32
"""A version, modulo these, is the revision."""

RRMethod = Literal["delta", "page4", "none"]


class Event(StrEnum):
    """What a packet turned out to be (ant-vectors.json, expected_rules)."""

    FIRST = "first"
    REPEAT = "repeat"
    BEAT = "beat"
    BEATS_MISSED = "beats_missed"
    GAP = "gap"
    DISCONTINUITY = "discontinuity"
    LATE = "late"
    COMMON_INVALID = "common_invalid"
    NOT_HRM = "not_hrm"


class Beat(NamedTuple):
    """A heartbeat. Its identity is (epoch, beat_count)."""

    epoch: int
    """When the first packet of this run of the strap's clock was heard, µs since 1970 UTC."""
    beat_count: int
    """Heart beat count, unwrapped; never decreases from one epoch to the next."""
    ticks: int
    """Event time, 1/1024 s, unwrapped; likewise."""
    previous_ticks: int | None
    """Event time of the beat before; None: unknown."""
    rr_ticks: int | None
    """RR interval that ends with this beat, 1/1024 s; None: unknown."""
    rr_method: RRMethod
    """"delta": both moments were heard as a newest beat; "page4": one is known from page 4 only."""
    heart_rate: int | None
    """The strap's computed heart rate, bpm, as sent with this as newest beat; None: invalid, or not heard so."""
    time_us: int
    """The moment of the beat, µs since 1970 UTC."""
    rr_computed: bool
    """The strap makes its event times up from the heart rate: no use for HRV."""
    revision: int
    """0; more: the same beat told again, as a late packet told more of it."""

    @property
    def version(self) -> int:
        """Of two tellings of a beat the higher one stands: that which knows more, or was told later.

        Packets of one receiver alone, which come late, may show less of a beat than was known of it.
        """
        return (
            (self.rr_ticks is not None) * 2 * REVISIONS
            + (self.heart_rate is not None) * REVISIONS
            + min(self.revision, REVISIONS - 1)
        )

    @property
    def rr_plausible(self) -> bool:
        """The interval is unknown, or within 200 to 3000 ms."""
        return self.rr_ticks is None or self.rr_ticks in PLAUSIBLE_TICKS


class _Known:
    """A beat the tracker knows of."""

    __slots__ = ("has_rr", "heard", "heart_rate", "silent", "ticks", "time_us", "told")

    def __init__(self, ticks: int, heart_rate: int | None, time_us: int, *, heard: bool, silent: bool) -> None:
        self.ticks = ticks
        self.heart_rate = heart_rate
        self.time_us = time_us
        self.heard = heard
        """As a strap's newest beat; else it is known from page 4 only."""
        self.silent = silent
        """Only good for the next beat's interval: not told itself."""
        self.told = 0
        self.has_rr = False

    def state(self) -> list[int | None]:
        flags = self.heard | self.silent << 1 | self.has_rr << 2 | self.told << 3
        return [self.ticks, self.heart_rate, self.time_us, flags]

    @classmethod
    def of(cls, ticks: int, heart_rate: int | None, time_us: int, flags: int) -> "_Known":
        known = cls(ticks, heart_rate, time_us, heard=bool(flags & 1), silent=bool(flags & 2))
        known.has_rr = bool(flags & 4)
        known.told = flags >> 3
        return known


def sent_as(ticks: int, count: int) -> int:
    """What a strap sends of a beat, as one number: its event time and its beat count."""
    return (ticks & 0xFFFF) << 8 | count & 0xFF


class BeatTracker:
    """The beats of one strap. Feed it every packet of that strap, from however many receivers."""

    __slots__ = (
        "_clock", "_common", "_computed", "_count", "_epoch", "_formula_hits", "_known", "_newest_time_us",
        "_received_us", "_seen", "_settled", "_ticks", "_toggles", "event", "rr_lost",
    )  # fmt: skip

    def __init__(self) -> None:
        self.event = Event.FIRST
        """What the last packet was."""
        self.rr_lost = 0
        """How many intervals the last packet showed to have passed whose length is unknown."""
        self._toggles = 0  # bit 0: toggle seen clear, bit 1: seen set
        self._common = b""
        self._settled = False
        self._epoch = 0
        self._ticks = -1
        self._count = -1
        self._received_us = 0
        self._newest_time_us = 0
        self._clock = SensorClock()
        self._known: dict[int, _Known] = {}
        self._seen: dict[int, int] = {}
        self._computed = False
        self._formula_hits = 0

    @property
    def paged(self) -> bool:
        """The toggle bit has been seen both ways, so bytes 0-3 may be read."""
        return self._toggles == 3

    def push(self, payload: bytes, received_us: int, _receiver_id: str = "") -> tuple[Beat, ...]:
        """Take a packet of 8 bytes, heard at `received_us` (µs since 1970 UTC); return the beats that it adds.

        It does not matter which receiver heard it: what all of them heard is merged.

        Never raises for eight bytes, whatever they are.
        """
        byte0 = payload[0]
        self._toggles |= 2 if byte0 & 0x80 else 1
        page = byte0 & PAGE_MASK if self._toggles == 3 else None
        common = payload[4:]
        if common == self._common and (self._settled or page != DataPage.PREVIOUS_BEAT) and page != 9:
            self.event = Event.REPEAT
            self.rr_lost = 0
            self._received_us = max(self._received_us, received_us)
            return ()
        return self._take(payload, common, page, received_us)

    def _take(  # noqa: PLR0911 (one way out a kind of packet)
        self, payload: bytes, common: bytes, page: int | None, received_us: int
    ) -> tuple[Beat, ...]:
        self.rr_lost = 0
        if page is not None and FIRST_COMMAND_PAGE <= page <= LAST_COMMAND_PAGE:
            self.event = Event.NOT_HRM
            return ()
        if common == COMMON_INVALID:
            self.event = Event.COMMON_INVALID
            return ()
        if page == DataPage.DEVICE_INFORMATION:
            self._computed = event_times_computed(payload[1]) or False
        time, count, heart_rate = common[0] | common[1] << 8, common[2], common[3] or None
        previous = payload[2] | payload[3] << 8 if page == DataPage.PREVIOUS_BEAT else None
        if self._count < 0:
            self._start(time, count, received_us)
            self.event = Event.FIRST
            return self._open(common, heart_rate, previous, received_us)
        gap_us = max(0, received_us - self._received_us)
        ticks_on, beats_on = (time - self._ticks) & 0xFFFF, (count - self._count) & 0xFF
        if ticks_on == 0 and beats_on == 0:
            self.event = Event.REPEAT
            self._received_us = max(self._received_us, received_us)
            self._common = common
            return self._amend_newest(previous)
        late = self._late(time, count, heart_rate, previous, received_us)
        if late is not None:
            self.event = Event.LATE
            return late
        self.event = Event.DISCONTINUITY
        if gap_us > LONGEST_GAP_US:
            self.event = Event.GAP
            self._skip(ticks_on, beats_on, heart_rate, gap_us, received_us)
        elif beats_on and ticks_on and self._forward(ticks_on, beats_on, previous, gap_us, received_us):
            return self._advance(common, ticks_on, beats_on, heart_rate, previous, received_us)
        elif sent_as(time, count) in self._seen:
            # Two straps under one number, or packets of before a restart that come late: nothing new.
            self.event = Event.LATE
            return ()
        else:
            self._restart(time, count, received_us)
        return self._open(common, heart_rate, previous, received_us)

    # --- beginnings

    def _start(self, time: int, count: int, received_us: int) -> None:
        self._epoch = received_us
        self._ticks = time + EVENT_TIME_MODULUS  # room for beats that arrive after a later one
        self._count = count + BEAT_COUNT_MODULUS

    def _restart(self, time: int, count: int, received_us: int) -> None:
        """Another clock: intervals over the break are unknown, the counters go on."""
        self._epoch = max(self._epoch + 1, received_us)
        after = self._ticks + 1
        self._ticks = after + ((time - after) & 0xFFFF)
        after = self._count + 1
        self._count = after + ((count - after) & 0xFF)
        self._known = {}
        self._clock = SensorClock()

    def _skip(self, ticks_on: int, beats_on: int, heart_rate: int | None, gap_us: int, received_us: int) -> None:
        """A silence of more than a minute: how often the counters rolled over is an estimate (notes 3)."""
        turns = max(0, round((gap_us / SECOND_US - ticks_on / TICKS_PER_SECOND) / 64))
        expected = gap_us / SECOND_US * (heart_rate or 0) / 60
        ticks = self._ticks + ticks_on + turns * EVENT_TIME_MODULUS
        count = self._count + beats_on + max(0, round((expected - beats_on) / BEAT_COUNT_MODULUS)) * BEAT_COUNT_MODULUS
        self._restart(ticks, count, received_us)
        self._ticks, self._count = max(self._ticks, ticks), max(self._count, count)

    def _open(self, common: bytes, heart_rate: int | None, previous: int | None, received_us: int) -> tuple[Beat, ...]:
        """The first beat of an epoch; with neither heart rate nor interval it shows no person, and is not told."""
        self._note_heard(common, received_us)
        self._clock.hear(self._ticks, received_us)
        back = self._back(self._count, self._ticks, previous, received_us)
        if back:
            # Makes this beat's interval known; but it may have been told before the break.
            self._know(self._count - 1, self._ticks - back, None, heard=False, silent=True)
        self._know(self._count, self._ticks, heart_rate, heard=True, silent=heart_rate is None and not back)
        return self._tell(self._count)

    # --- the usual ways on

    def _forward(self, ticks_on: int, beats_on: int, previous: int | None, gap_us: int, received_us: int) -> bool:
        """Whether the counters can have moved on so far in the time that passed; else it is another clock."""
        on_us = ticks_to_us(ticks_on)
        if on_us > gap_us + SLACK_US or beats_on * TICKS_PER_SECOND > (ticks_on + TICKS_PER_SECOND) * BEATS_PER_SECOND:
            return False
        newest_heard_us = self._seen.get(sent_as(self._ticks, self._count), received_us)
        late_us = received_us - newest_heard_us - on_us
        if late_us > SLACK_US and (on_us > SLACK_US or late_us > max(LATEST_ARRIVAL_US, gap_us + SECOND_US)):
            # Packets that are late begin with the beats that came next: what is neither of those nor of now is of
            # another clock. So is what is so late without a silence as long: a strap off the skin repeats its last beat
            # for minutes, and the event time has rolled over meanwhile.
            return False
        if previous is None:
            return True
        previous_on = (previous - self._ticks) & 0xFFFF
        return previous_on == 0 if beats_on == 1 else 0 < previous_on < ticks_on

    def _advance(
        self,
        common: bytes,
        ticks_on: int,
        beats_on: int,
        heart_rate: int | None,
        previous: int | None,
        received_us: int,
    ) -> tuple[Beat, ...]:
        before = self._ticks
        self._ticks += ticks_on
        self._count += beats_on
        self._note_heard(common, received_us)
        self._clock.hear(self._ticks, received_us)
        beats: tuple[Beat, ...] = ()
        if previous is not None and beats_on > 1:
            self._know(self._count - 1, before + ((previous - before) & 0xFFFF), None, heard=False)
            beats = self._tell(self._count - 1)
        self._know(self._count, self._ticks, heart_rate, heard=True)
        beats += self._tell(self._count)
        self.event = Event.BEAT if beats_on == 1 else Event.BEATS_MISSED
        self.rr_lost = beats_on - sum(beat.rr_ticks is not None for beat in beats)
        oldest = self._count - RING_BEATS
        if beats_on == 1:
            self._known.pop(oldest, None)
        if len(self._known) > RING_BEATS:
            self._known = {count: known for count, known in self._known.items() if count > oldest}
        return beats

    def _amend_newest(self, previous: int | None) -> tuple[Beat, ...]:
        """A repeat on page 4 may be the first to tell the beat before."""
        self._settled = True
        if previous is None:
            known = self._known.get(self._count)
            self._settled = known is not None and known.has_rr
            return ()
        heard_us = self._seen[sent_as(self._ticks, self._count)]
        back = self._back(self._count, self._ticks, previous, heard_us)
        return self._learn(self._count - 1, self._ticks - back, None, heard=False) if back else ()

    def _back(self, count: int, ticks: int, previous: int | None, heard_us: int) -> int:
        """How long before a beat, heard at `heard_us`, page 4 says that the one before it was; 0: it does not say."""
        back = 0 if previous is None else (ticks - previous) & 0xFFFF
        before_us = self._seen.get(sent_as(ticks - back, count - 1))
        if before_us is not None and heard_us - before_us - ticks_to_us(back) > LATEST_ARRIVAL_US:
            return 0  # the event time has rolled over since that beat was heard
        return back

    # --- late packets

    def _late(
        self, time: int, count: int, heart_rate: int | None, previous: int | None, received_us: int
    ) -> tuple[Beat, ...] | None:
        """What a packet adds whose beat is older than the newest; None: it is no late packet."""
        ticks_back, beats_back = (self._ticks - time) & 0xFFFF, (self._count - count) & 0xFF
        if not (0 < beats_back <= LATE_BEATS and 0 < ticks_back <= LATE_TICKS):
            return None
        count, ticks = self._count - beats_back, self._ticks - ticks_back
        if not EARLIEST_ARRIVAL_US <= received_us - self._clock.moment_us(ticks) <= LATEST_ARRIVAL_US:
            return None
        known = self._known.get(count)
        if sent_as(ticks, count) in self._seen and not (known and known.heard):
            return ()  # it was heard before this run of the strap's clock began, and told
        if not self._fits(count, ticks):
            return None
        beats = self._learn(count, ticks, heart_rate, heard=True)
        back = self._back(count, ticks, previous, received_us)
        if back and self._fits(count - 1, ticks - back):
            beats += self._learn(count - 1, ticks - back, None, heard=False)
        return beats

    def _fits(self, count: int, ticks: int) -> bool:
        """Whether "beat `count` was at `ticks`" agrees with all that is known."""
        return all(
            known.ticks == ticks if other == count else (known.ticks - ticks) * (other - count) > 0
            for other, known in self._known.items()
        )

    def _learn(self, count: int, ticks: int, heart_rate: int | None, *, heard: bool) -> tuple[Beat, ...]:
        """Add a fact about an older beat: tell it if it is news, and the next one if its interval is now known."""
        known = self._known.get(count)
        if known is not None:
            if known.heard or not heard:
                return ()
            known.heard, known.silent, known.heart_rate = True, False, heart_rate
            return self._tell(count, news=True)
        if not self._fits(count, ticks) or count <= self._count - RING_BEATS:
            return ()
        before_all = all(count < other for other in self._known)
        self._know(count, ticks, heart_rate, heard=heard, silent=before_all and not heard)
        return self._tell(count) + self._tell(count + 1)

    # --- what is known, and telling it

    def _note_heard(self, common: bytes, received_us: int) -> None:
        self._common = common
        self._received_us = max(self._received_us, received_us)
        key = sent_as(self._ticks, self._count)
        self._seen.pop(key, None)
        self._seen[key] = received_us
        if len(self._seen) > RING_BEATS:
            del self._seen[next(iter(self._seen))]

    def _know(self, count: int, ticks: int, heart_rate: int | None, *, heard: bool, silent: bool = False) -> None:
        time_us = self._clock.moment_us(ticks)
        if count == self._count:
            time_us = max(time_us, self._newest_time_us + 1)
            self._newest_time_us = time_us
        else:
            # The estimate of the clock's offset moves; the order of the beats must not.
            for other, known in self._known.items():
                if other > count:
                    time_us = min(time_us, known.time_us - 1)
            for other, known in self._known.items():
                if other < count:
                    time_us = max(time_us, known.time_us + 1)
            self._newest_time_us = max(self._newest_time_us, time_us)
        self._known[count] = _Known(ticks, heart_rate, time_us, heard=heard, silent=silent)

    def _tell(self, count: int, *, news: bool = False) -> tuple[Beat, ...]:
        """The beat, if there is anything to tell of it that was not told yet."""
        known, before = self._known.get(count), self._known.get(count - 1)
        if known is None:
            return ()
        rr_ticks = None if before is None else known.ticks - before.ticks
        if count == self._count:
            self._settled = known.silent or rr_ticks is not None
            if rr_ticks is not None and not known.has_rr:
                self._watch_formula(rr_ticks, known.heart_rate)
        if known.silent or (known.told and not news and (known.has_rr or rr_ticks is None)):
            return ()
        known.has_rr = rr_ticks is not None
        revision = known.told
        known.told += 1
        method: RRMethod = "none" if before is None else "delta" if known.heard and before.heard else "page4"
        return (
            Beat(
                self._epoch, count, known.ticks, None if before is None else before.ticks, rr_ticks, method,
                known.heart_rate, known.time_us, self._computed or self._formula_hits >= COMPUTED_AFTER, revision,
            ),
        )  # fmt: skip

    def _watch_formula(self, rr_ticks: int, heart_rate: int | None) -> None:
        if heart_rate is not None and rr_ticks == 60 * TICKS_PER_SECOND // heart_rate:
            self._formula_hits += 1
        else:
            self._formula_hits = 0

    # --- going on elsewhere

    def recall(self, beat: Beat, received_us: int) -> None:
        """Take a beat that was told before, in the place of the packet that told it, heard at `received_us`.

        For where the packets since a snapshot are lost: in the order told, the beats since then bring the tracker to
        where it tells none of them again, and the next ones as it would have.
        """
        if beat.epoch != self._epoch:
            self._epoch, self._known, self._clock = beat.epoch, {}, SensorClock()
        if beat.beat_count > self._count:
            self._count, self._ticks = beat.beat_count, beat.ticks
            self._note_heard(CommonFields(beat.ticks, beat.beat_count, beat.heart_rate).encode(), received_us)
            self._clock.hear(beat.ticks, received_us)
        self._newest_time_us = max(self._newest_time_us, beat.time_us)
        self._settled = False
        self._formula_hits = COMPUTED_AFTER if beat.rr_computed else 0
        known = _Known(beat.ticks, beat.heart_rate, beat.time_us, heard=beat.heart_rate is not None, silent=False)
        known.told, known.has_rr = beat.revision + 1, beat.rr_ticks is not None
        self._known[beat.beat_count] = known
        self._known = {count: each for count, each in self._known.items() if count > self._count - RING_BEATS}

    def snapshot(self) -> str:
        """All of the tracker, as text: `restore` gives one that goes on exactly alike."""
        return json.dumps(
            [
                SNAPSHOT_FORMAT,
                self._toggles,
                self._common.hex(),
                self._settled,
                self._epoch,
                self._ticks,
                self._count,
                self._received_us,
                self._newest_time_us,
                self._clock.state(),
                [[count, *known.state()] for count, known in self._known.items()],
                list(self._seen.items()),
                self._computed,
                self._formula_hits,
            ],
            separators=(",", ":"),
        )

    @classmethod
    def restore(cls, snapshot: str) -> "BeatTracker":
        """The tracker of a snapshot. Raises `ValueError` for a format that this version does not know."""
        version, *state = json.loads(snapshot)
        if version != SNAPSHOT_FORMAT:
            raise ValueError(f"tracker snapshot of format {version}; this version knows {SNAPSHOT_FORMAT}")
        tracker = cls()
        (
            tracker._toggles,
            common,
            tracker._settled,
            tracker._epoch,
            tracker._ticks,
            tracker._count,
            tracker._received_us,
            tracker._newest_time_us,
            clock,
            known,
            seen,
            tracker._computed,
            tracker._formula_hits,
        ) = state
        tracker._common = bytes.fromhex(common)
        tracker._clock = SensorClock.of(clock)
        tracker._known = {count: _Known.of(*rest) for count, *rest in known}
        tracker._seen = {int(key): received_us for key, received_us in seen}
        return tracker
