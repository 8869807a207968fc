"""Versioned parts: whoever was away, for however long, ends up with the same."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from live.parts import FORGET_AFTER_S, Changes, Parts

MOST_SECONDS = 5


class Screen:
    """What a page holds."""

    def __init__(self) -> None:
        self.version = 0
        self.values: dict[str, Any] = {}
        self.seconds: list[list[Any]] = []

    def update(self, parts: Parts) -> Changes:
        changes = parts.since(self.version)
        if changes.whole:
            self.values, self.seconds = {}, []
        self.values |= changes.set
        for key in changes.gone:
            self.values.pop(key, None)
        self.seconds = (self.seconds + changes.seconds)[-MOST_SECONDS:]
        self.version = parts.version
        return changes


steps = st.one_of(
    st.tuples(st.just("set"), st.sampled_from("abcd"), st.integers(0, 3)),
    st.tuples(st.just("remove"), st.sampled_from("abcd"), st.integers(0, int(FORGET_AFTER_S))),
    st.tuples(st.just("second"), st.just(""), st.just(0)),
    st.tuples(st.just("look"), st.just(""), st.integers(0, 2)),
)


@given(st.lists(steps, max_size=60))
def test_screens_that_look_at_any_time_hold_what_the_server_holds(told: list[tuple[str, str, int]]) -> None:
    parts, screens, now_s, second = Parts(MOST_SECONDS), [Screen() for _ in range(3)], 0.0, 0
    values: dict[str, Any] = {}
    seconds: list[list[Any]] = []
    for what, key, number in told:
        match what:
            case "set":
                parts.set(key, number)
                values[key] = number
            case "remove":
                now_s += number
                parts.remove(key, now_s)
                values.pop(key, None)
            case "second":
                second += 1
                parts.add_second([second])
                seconds = [*seconds, [second]][-MOST_SECONDS:]
            case _:
                screens[number].update(parts)
                assert (screens[number].values, screens[number].seconds) == (values, seconds)
    for screen in screens:
        screen.update(parts)
        assert (screen.values, screen.seconds) == (values, seconds)


def test_only_what_changed_is_told() -> None:
    parts, screen = Parts(MOST_SECONDS), Screen()
    parts.set("a", 1)
    parts.set("b", 1)
    assert screen.update(parts).whole
    parts.set("b", 2)
    parts.set("a", 1)
    parts.remove("c", 0)
    assert screen.update(parts) == Changes(whole=False, set={"b": 2}, gone=[], seconds=[])
    parts.remove("a", 0)
    parts.add_second([7])
    assert screen.update(parts) == Changes(whole=False, set={}, gone=["a"], seconds=[[7]])
    assert screen.update(parts) == Changes(whole=False, set={}, gone=[], seconds=[])


def test_what_is_gone_for_long_is_forgotten_and_late_screens_begin_anew() -> None:
    parts, late = Parts(MOST_SECONDS), Screen()
    parts.set("a", 1)
    late.update(parts)
    for number in range(1000):
        parts.set(f"passer-by {number}", 1)
        parts.remove(f"passer-by {number}", number * 10)
    assert len(parts._changed) <= FORGET_AFTER_S / 10 + 2
    assert late.update(parts).whole
    assert late.values == {"a": 1}


def test_an_unknown_version_gets_everything() -> None:
    parts = Parts(MOST_SECONDS)
    parts.set("a", 1)
    assert parts.since(parts.version + 1).whole
