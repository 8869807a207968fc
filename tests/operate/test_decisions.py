from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from scripts.operate.decisions import CLAIM_LASTS, Decision, Ledger, State, Step

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
LATER = NOW + CLAIM_LASTS + timedelta(seconds=1)


def decision(step: Step, run: str = "mine", at: datetime = NOW, letter: str = "a1b2") -> Decision:
    return Decision(
        letter_id=letter,
        queue="raw_ant_hr_packetDeadLetterQueue",
        letter_partition=0,
        letter_offset=3,
        letter_at=NOW.isoformat(),
        decision=step,
        reason="",
        decided_at=at.isoformat(),
        decided_by="ada@here",
        run_id=run,
    )


def state(*decisions: Decision, now: datetime = NOW) -> State:
    ledger = Ledger()
    for each in decisions:
        ledger.take(each)
    return ledger.state("a1b2", now)


def test_a_letter_is_open_until_something_is_decided() -> None:
    assert state() is State.OPEN
    assert state(decision(Step.CLAIMED)) is State.RETRYING
    assert state(decision(Step.CLAIMED), decision(Step.RETRIED)) is State.RETRIED
    assert state(decision(Step.CLAIMED), decision(Step.RELEASED)) is State.OPEN
    assert state(decision(Step.DROPPED)) is State.DROPPED
    assert state(decision(Step.DROPPED, letter="ffff")) is State.OPEN


def test_the_first_claim_has_it() -> None:
    both = decision(Step.CLAIMED, "first"), decision(Step.CLAIMED, "second")
    ledger = Ledger()
    for each in (*both, decision(Step.RETRIED, "second"), decision(Step.DROPPED, "second")):
        ledger.take(each)
    assert ledger.held_by("a1b2", "first")
    assert ledger.state("a1b2", NOW) is State.RETRYING


def test_what_is_decided_stays() -> None:
    retried = decision(Step.CLAIMED), decision(Step.RETRIED)
    for late in (Step.CLAIMED, Step.DROPPED, Step.RELEASED):
        assert state(*retried, decision(late, "other", LATER), now=LATER) is State.RETRIED
        assert state(decision(Step.DROPPED), decision(late, "other", LATER), now=LATER) is State.DROPPED


def test_a_claim_that_nothing_follows_lapses() -> None:
    cut_off = decision(Step.CLAIMED, "cut off")
    assert state(cut_off, now=LATER) is State.OPEN
    assert state(cut_off, decision(Step.CLAIMED, "next", LATER), now=LATER) is State.RETRYING
    assert state(cut_off, decision(Step.DROPPED, "next", LATER), now=LATER) is State.DROPPED
    # One that was only slow, and that nobody has come before, has it after all.
    assert state(cut_off, decision(Step.RETRIED, "cut off", LATER), now=LATER) is State.RETRIED


def _run(log: list[Decision], run: str, sent: list[str]) -> Iterator[None]:
    """What a retry does, with a pause wherever another may come between."""
    log.append(decision(Step.CLAIMED, run))
    yield
    ledger = Ledger()
    for each in log:
        ledger.take(each)
    yield
    if ledger.held_by("a1b2", run):
        sent.append(run)
        yield
        log.append(decision(Step.RETRIED, run))


@given(st.lists(st.integers(min_value=0, max_value=3), max_size=40))
def test_it_is_sent_once_whoever_comes_between(order: list[int]) -> None:
    log: list[Decision] = []
    sent: list[str] = []
    runs = [_run(log, str(number), sent) for number in range(4)]
    for number in (*order, *range(4), *range(4), *range(4), *range(4)):
        next(runs[number], None)
    assert len(sent) == 1
    assert state(*log) is State.RETRIED


def test_a_message_is_read_as_it_was_written() -> None:
    import json

    written = decision(Step.DROPPED)
    assert Decision.parse(json.dumps(written.record()).encode()) == written


@given(st.binary() | st.just(b"{}") | st.just(b'{"letter_id": 1}'))
def test_what_is_no_decision_is_passed_over(message: bytes) -> None:
    assert Decision.parse(message) is None


def test_a_decision_without_a_moment_is_none() -> None:
    import json

    for at in ("yesterday", "2026-11-25T12:00:00"):
        record = decision(Step.DROPPED).record() | {"decided_at": at}
        assert Decision.parse(json.dumps(record).encode()) is None
