"""Where one run of a strap's clock ends and another begins."""

import pytest

from app.heartrate.beat_tracker import SECOND_US, Beat, BeatTracker, Event
from app.heartrate.encoder import CommonFields, encode_default, encode_previous_beat
from app.heartrate.profile import TICKS_PER_SECOND
from tests.heartrate.straps import START_US

TICKS, COUNT, RR_TICKS = 5_000, 250, 800


class Strap:
    """A tracker, and what a strap at it sends."""

    def __init__(self) -> None:
        self.tracker = BeatTracker()

    def send(self, count: int, ticks: int, heard_s: float, previous: int | None = None) -> tuple[Beat, ...]:
        common, toggle = CommonFields(ticks, count, 75), bool(round(heard_s * 4) // 4 & 1)
        payload = (
            encode_default(common, toggle=toggle)
            if previous is None
            else encode_previous_beat(common, previous, toggle=toggle)
        )
        return self.tracker.push(payload, START_US + round(heard_s * SECOND_US))

    def beats(self, number: int = 20) -> tuple[int, int, float]:
        """Some of them, all heard; of the newest the count, event time, and second it was heard."""
        for beat in range(number):
            count, ticks, heard_s = COUNT + beat, TICKS + beat * RR_TICKS, beat * RR_TICKS / TICKS_PER_SECOND
            self.send(count, ticks, heard_s)
        return count, ticks, heard_s


@pytest.mark.parametrize(
    ("silent_s", "clock_s", "beats", "event"),
    [
        pytest.param(20, 19.5, 24, Event.BEATS_MISSED, id="beats-of-now"),
        pytest.param(20, 16.5, 20, Event.BEATS_MISSED, id="heard-over-3-s-late"),
        pytest.param(20, 15, 18, Event.DISCONTINUITY, id="neither-of-now-nor-next"),
        pytest.param(55, 30, 40, Event.DISCONTINUITY, id="neither-after-55-s"),
        pytest.param(20, 0.8, 1, Event.BEAT, id="late-and-next"),
        pytest.param(55, 0.8, 1, Event.BEAT, id="late-and-next-after-55-s"),
        pytest.param(55, 3.2, 4, Event.BEATS_MISSED, id="late-after-lost-ones"),
        pytest.param(55, 3.2, 46, Event.DISCONTINUITY, id="46-beats-in-3-s"),
        pytest.param(20, 20, 84, Event.BEATS_MISSED, id="four-beats-a-second"),
        pytest.param(20, 20, 85, Event.DISCONTINUITY, id="more-than-any-heart"),
        pytest.param(20, 24.5, 30, Event.DISCONTINUITY, id="ahead-of-the-time"),
    ],
)
def test_what_comes_after_a_silence_is_of_now_or_next_or_a_restart(
    silent_s: float, clock_s: float, beats: int, event: Event
) -> None:
    strap = Strap()
    count, ticks, heard_s = strap.beats()
    told = strap.send(count + beats, ticks + round(clock_s * TICKS_PER_SECOND), heard_s + silent_s)
    assert strap.tracker.event == event
    assert len(told) == 1
    if event == Event.DISCONTINUITY:
        assert told[0].time_us == told[0].epoch == START_US + round((heard_s + silent_s) * SECOND_US)
        assert told[0].rr_ticks is None


@pytest.mark.parametrize("off_s", [5, 40, 66, 90, 100, 130])
@pytest.mark.parametrize("paged", [False, True])
def test_a_repeat_that_comes_late_tells_nothing_of_the_strap_put_on_again(off_s: int, *, paged: bool) -> None:
    """At 66 and 130 s the rolled-over event time puts the repeat shortly before, at 90 and 100 s nowhere near."""
    strap = Strap()
    count, ticks, heard_s = strap.beats()
    for slot in range(off_s * 4):
        strap.send(count, ticks, heard_s + slot / 4, ticks - RR_TICKS if paged else None)
    back_ticks, back_s = ticks + off_s * TICKS_PER_SECOND, heard_s + off_s
    first = strap.send(count + 1, back_ticks, back_s, ticks if paged else None)
    assert [beat.epoch for beat in first] == [START_US + round(back_s * SECOND_US)]
    for late_s in (0.2, 0.45):
        assert strap.send(count, ticks, back_s - late_s, ticks - RR_TICKS if paged else None) == ()
        assert strap.tracker.event == Event.LATE
    assert strap.send(count - 1, ticks - RR_TICKS, back_s - 1) == ()
    then = strap.send(count + 2, back_ticks + RR_TICKS, back_s + 0.8)
    assert [(beat.epoch, beat.rr_ticks) for beat in then] == [(first[0].epoch, RR_TICKS)]


def test_a_strap_that_is_heard_anew_off_the_skin_shows_its_last_beat_when_it_is_heard() -> None:
    strap = Strap()
    count, ticks, heard_s = strap.beats()
    told = strap.send(count + 12, ticks + 10 * TICKS_PER_SECOND, heard_s + 40)
    assert [beat.time_us for beat in told] == [START_US + round((heard_s + 40) * SECOND_US)]
    back_s = heard_s + 50
    told = strap.send(count + 13, ticks + 50 * TICKS_PER_SECOND, back_s)
    assert [beat.time_us for beat in told] == [START_US + round(back_s * SECOND_US)]
