import itertools

from hypothesis import given
from hypothesis import strategies as st

from app.heartrate.reception import AWAY_AFTER_US, SLOT_US, WINDOW_US, Reception

START_US = 1_790_000_000_000_000


def heard_in(slots: list[int]) -> Reception:
    reception = Reception()
    for slot in slots:
        reception.hear(START_US + round(slot * SLOT_US))
    return reception


def at(slot: int) -> int:
    return START_US + round(slot * SLOT_US)


def test_nothing_heard() -> None:
    assert Reception().loss(START_US) is None
    assert Reception().total.loss == 0


def test_every_packet_heard() -> None:
    reception = heard_in(list(range(1000)))
    assert reception.loss(at(999)) == 0
    assert reception.total == reception.total.__class__(1000, 0, max(at(i + 1) - at(i) for i in range(999)))


@given(st.sets(st.integers(0, 200), min_size=1))
def test_missed_slots_are_counted(slots: set[int]) -> None:
    heard = sorted(slots)
    reception = heard_in(heard)
    gaps = [after - before for before, after in itertools.pairwise(heard)]
    assert reception.total.heard == len(heard)
    away = round(AWAY_AFTER_US / SLOT_US)
    assert reception.total.missed == sum(gap - 1 for gap in gaps if gap < away)
    window = [slot for slot in heard if at(slot) >= at(heard[-1]) - WINDOW_US]
    loss = reception.loss(at(heard[-1]))
    assert loss is not None
    missed = sum(gap - 1 for gap, slot in zip(gaps, heard[1:], strict=True) if slot in window and gap < away)
    assert abs(loss - missed / (missed + len(window))) < 1e-9


def test_silence_counts_while_it_lasts_and_ends_with_the_minute() -> None:
    reception = heard_in(list(range(100)))
    assert reception.loss(at(149)) == 49 / 149
    assert reception.loss(at(99) + WINDOW_US + 1) is None


def test_time_away_is_no_loss() -> None:
    reception = heard_in([0, 1, 2, 500, 501])
    assert reception.total.missed == 0
    assert reception.total.longest_gap_us == at(500) - at(2)
