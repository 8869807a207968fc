"""`make chaos` notices each kind of damage, and none where there is none."""

import pytest

from chaos.group import SECOND_US, Comparison, Group

Row = tuple[str, float, int | None, float | None, int]
START_US = 1_764_000_000 * SECOND_US


@pytest.fixture(scope="module")
def group() -> Group:
    made = Group(5, START_US)
    for record in made.records():
        if record.at_us > START_US + 30 * SECOND_US:
            break
    return made


@pytest.fixture
def rows(group: Group) -> list[Row]:
    return [
        (person.device_id, beat.at_s, beat.heart_rate, beat.rr_ms, person.user_id)
        for person in group.people
        for beat in person.expected()
    ]


def test_whole_tables(group: Group, rows: list[Row]) -> None:
    assert len(rows) > 100
    assert group.compare(rows) == Comparison(expected=len(rows))


def test_each_kind_of_damage_is_counted_as_such(group: Group, rows: list[Row]) -> None:
    strap, at_s, rate, interval, user = rows[10]
    for damage, (lost, doubled, wrong) in (
        ([], (1, 0, 0)),
        ([rows[10], (strap, at_s + 0.0001, rate, interval, user)], (0, 1, 0)),
        ([(strap, at_s + 0.02, rate, interval, user)], (1, 1, 0)),
        ([(strap, at_s, rate, None, user)], (0, 0, 1)),
        ([(strap, at_s, 1, interval, user)], (0, 0, 1)),
        ([(strap, at_s, rate, interval, user + 1)], (0, 0, 1)),
    ):
        found = group.compare([*rows[:10], *damage, *rows[11:]])
        assert found == Comparison(len(rows), lost, doubled, wrong)
