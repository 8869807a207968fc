"""Times of packets: monotonic, never later than the arrival, close to the truth, whatever the system's clock does."""

from hypothesis import given
from hypothesis import strategies as st

from scripts.ingest_foo.clock import STEP_NS, ReceiverClock, StickClock, kernel_synchronised, steady_ns

S = 1_000_000_000
START_NS = 1_790_000_000 * S


class Machine:
    """A machine whose clocks the test moves."""

    def __init__(self, *, synchronised: bool = True) -> None:
        self.steady = 5 * S
        self.step = 0
        self.synchronised = synchronised
        self.notices: list[tuple[float, bool]] = []
        self.clock = ReceiverClock(
            wall_ns=lambda: START_NS + self.steady + self.step,
            steady=lambda: self.steady,
            synchronised=lambda: self.synchronised,
            notice=lambda step, follows: self.notices.append((step, follows)),
        )

    def now(self) -> float:
        """How far the clock says that it is past the truth, seconds."""
        self.steady += 2 * S
        self.clock.watch()
        return (self.clock.now_us() * 1000 - START_NS - self.steady) / S


def test_a_step_of_the_systems_clock_changes_nothing() -> None:
    for step in (3600 * S, -3600 * S):
        machine = Machine()
        assert machine.now() == 0
        machine.step = step
        assert machine.now() == 0
        assert machine.notices == [(step / S, False)]
        assert machine.now() == 0
        assert len(machine.notices) == 1


def test_drift_is_no_step() -> None:
    machine = Machine()
    machine.step = STEP_NS - 1
    machine.now()
    assert machine.notices == []


def test_a_machine_that_learns_the_time_from_the_network_is_followed_once() -> None:
    machine = Machine(synchronised=False)
    machine.step = 86_400 * S
    machine.synchronised = True
    assert machine.now() == 86_400
    assert machine.notices == [(86_400.0, True)]
    machine.step += 3600 * S
    assert machine.now() == 86_400
    assert machine.notices[1:] == [(3600.0, False)]


def test_a_machine_whose_clock_became_right_without_a_step_is_not_followed_later() -> None:
    machine = Machine(synchronised=False)
    machine.now()
    machine.synchronised = True
    assert machine.now() == 0
    machine.step = 3600 * S
    assert machine.now() == 0
    assert machine.notices == [(3600.0, False)]


def test_times_never_go_back_to_follow_the_network() -> None:
    machine = Machine(synchronised=False)
    machine.step = -100 * S
    machine.synchronised = True
    assert machine.now() == 0


def test_the_real_clocks_can_be_asked() -> None:
    before = steady_ns()
    assert isinstance(kernel_synchronised(), bool)
    assert steady_ns() >= before
    clock = ReceiverClock()
    first = clock.now_us()
    clock.watch()
    assert clock.now_us() >= first


@given(
    gaps_us=st.lists(st.integers(0, 900_000), min_size=1, max_size=60),
    delays_us=st.lists(st.integers(0, 80_000), min_size=60, max_size=60),
    first_stamp=st.integers(0, 65_535),
    ppm=st.integers(-60, 60),
)
def test_the_sticks_stamp_takes_the_delay_out(
    gaps_us: list[int], delays_us: list[int], first_stamp: int, ppm: int
) -> None:
    clock = StickClock()
    air_us, told_before, arrived_us = START_NS // 1000, 0, 0
    smallest_delay = 1_000_000
    drift_us = 60 * 60 + 100  # a minute of it, and the stamp's own step
    for gap_us, delay_us in zip(gaps_us, delays_us, strict=False):
        air_us += gap_us
        arrived_us = max(arrived_us, air_us + delay_us)  # one packet cannot overtake another on the way
        smallest_delay = min(smallest_delay, arrived_us - air_us)
        elapsed_us = air_us - START_NS // 1000
        stamp = (first_stamp + round(elapsed_us * (1 + ppm / 1e6) * 32_768 / 1e6)) % 65_536
        told = clock.received_us(stamp, arrived_us)
        assert told_before <= told <= arrived_us
        assert air_us - drift_us <= told <= max(told_before, air_us + smallest_delay + drift_us)
        told_before = told


@given(st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 65_535)), st.integers(0, 10_000_000)), max_size=50))
def test_any_stamps_give_ordered_times(packets: list[tuple[int | None, int]]) -> None:
    clock = StickClock()
    arrived_us, before = START_NS // 1000, 0
    for stamp, gap_us in packets:
        arrived_us += gap_us
        told = clock.received_us(stamp, arrived_us)
        assert before <= told <= arrived_us
        before = told


def test_without_stamps_the_arrival_counts() -> None:
    clock = StickClock()
    assert [clock.received_us(None, at) for at in (1000, 2000)] == [1000, 2000]
