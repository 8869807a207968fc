"""Who wore a strap when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.heartrate.wearers import (
    NOBODY,
    Assignment,
    InvalidAssignmentError,
    Span,
    Wearer,
    WearerBook,
    check_assignment,
)

ADA, BO, NONE = Wearer(1, "Ada"), Wearer(2, "Bo"), Wearer(NOBODY, "")


def book(*assignments: Assignment) -> WearerBook:
    made = WearerBook()
    for assignment in assignments:
        made.add("7", assignment)
    return made


def test_the_newest_of_that_moment_or_before_decides() -> None:
    made = book(Assignment(200, BO, True), Assignment(100, ADA, True), Assignment(300, NONE, True))
    assert [made.wearer("7", at) for at in (99, 100, 199, 200, 299)] == [Wearer(0, "Strap 7"), ADA, ADA, BO, BO]
    assert made.wearer("7", 300) == Wearer(0, "Strap 7")
    assert made.wearer("8", 100) == Wearer(0, "Strap 8")


def test_of_one_moment_the_last_one_told_decides() -> None:
    ada, bo, none = (Assignment(100, wearer, True) for wearer in (ADA, BO, NONE))
    assert book(bo, ada).wearer("7", 100) == ADA
    assert book(ada, bo).wearer("7", 100) == BO
    assert book(ada, none).wearer("7", 100).user_id == NOBODY
    assert book(ada, bo, ada).wearer("7", 100) == ADA
    # A table was read, and then the topic from its beginning.
    assert book(ada, bo, ada, bo).wearer("7", 100) == BO
    assert list(book(ada, bo, ada, bo).spans(2)) == [Span("7", 100, None)]


def test_who_is_forgotten_is_so_by_what_was_told_before_for_later_too() -> None:
    tomorrow = Assignment(2000, ADA, True, told_us=900)
    made = book(tomorrow)
    made.forget(1, 1000)
    assert made.wearer("7", 2500).user_id == NOBODY
    made.add("7", tomorrow)
    assert made.wearer("7", 2500).user_id == NOBODY, "a topic tells it again"
    made.add("7", Assignment(950, ADA, True, told_us=1100))
    assert made.wearer("7", 1500).user_id == NOBODY, "of before, whoever tells it"
    made.add("7", Assignment(2000, ADA, True, told_us=1100))
    assert made.wearer("7", 2500) == ADA, "registered again"


def test_a_name_has_an_end() -> None:
    check_assignment("7", 1, "E" * 60)
    for user_id in (1, NOBODY):
        with pytest.raises(InvalidAssignmentError, match="user_name: 61 characters"):
            check_assignment("7", user_id, "E" * 61)


def test_spans() -> None:
    made = book(
        Assignment(100, ADA, False), Assignment(200, BO, True), Assignment(300, ADA, True), Assignment(400, NONE, True)
    )
    made.add("8", Assignment(50, ADA, True))
    assert set(made.spans(1)) == {Span("7", None, 200), Span("7", 300, 400), Span("8", 50, None)}
    assert list(made.spans(2)) == [Span("7", 200, 300)]
    assert list(made.spans(3)) == []


@given(
    st.lists(st.tuples(st.integers(0, 50), st.sampled_from([ADA, BO, NONE]), st.booleans()), max_size=12),
    st.integers(0, 60),
)
def test_a_span_covers_just_the_moments_of_its_wearer(told: list[tuple[int, Wearer, bool]], at: int) -> None:
    made = book(*(Assignment(*each) for each in told))
    for wearer in (ADA, BO):
        inside = any(
            (span.since_us is None or span.since_us <= at) and (span.until_us is None or at < span.until_us)
            for span in made.spans(wearer.user_id)
        )
        assert inside == (made.wearer("7", at) == wearer)


def test_a_forgotten_person_wore_nothing_and_the_one_before_not_longer() -> None:
    made = book(Assignment(100, BO, True), Assignment(200, ADA, True), Assignment(300, BO, True))
    made.forget(1, 250)
    assert [made.wearer("7", at).user_id for at in (150, 200, 299, 300)] == [2, 0, 0, 2]
    made.add("8", Assignment(240, ADA, True))  # told again, by a topic that is read from its beginning
    assert made.wearer("8", 500).user_id == 0
    made.add("8", Assignment(260, ADA, True))
    assert made.wearer("8", 500) == ADA
    assert list(made.spans(1)) == [Span("8", 260, None)]
