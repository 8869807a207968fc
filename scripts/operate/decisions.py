"""What was decided about dead letters: a log, of which everybody who reads it concludes the same.

Letters lie on topics, which nothing can be taken out of, so decisions lie on a topic beside them. It has one partition,
so they have an order, and where two people decide at once, the first has it: whoever wants to retry a letter claims it,
reads the log up to there, and sends only what is theirs.

    open ── claimed ──┬── retried
     │  ▲             ├── (nothing for a minute: may be claimed anew)
     │  └── released ─┘
     └──── dropped
"""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

CLAIM_LASTS = timedelta(minutes=1)
"""A claim that nothing follows belongs to somebody who was cut off; then others may claim the letter."""


class Step(StrEnum):
    """What a decision says."""

    CLAIMED = "claimed"
    """Its record is about to be sent again."""
    RELEASED = "released"
    """It was not sent after all."""
    RETRIED = "retried"
    """It was sent. If it failed again, that is another letter."""
    DROPPED = "dropped"
    """It is not wanted any more."""


class State(StrEnum):
    """How things stand with a letter."""

    OPEN = "open"
    RETRYING = "retrying"
    RETRIED = "retried"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Decision:
    """A record of the stream `dead_letter_decision`."""

    letter_id: str
    queue: str
    letter_partition: int
    letter_offset: int
    letter_at: str
    """RFC 3339, UTC."""
    decision: Step
    reason: str
    decided_at: str
    """RFC 3339, UTC."""
    decided_by: str
    run_id: str
    """What tells one run of the command from another."""

    @classmethod
    def parse(cls, message: bytes) -> "Decision | None":
        """A message of the topic; None: it is no decision."""
        try:
            told = json.loads(message)
            decision = cls(
                letter_id=str(told["letter_id"]),
                queue=str(told["queue"]),
                letter_partition=int(told["letter_partition"]),
                letter_offset=int(told["letter_offset"]),
                letter_at=str(told["letter_at"]),
                decision=Step(told["decision"]),
                reason=str(told["reason"]),
                decided_at=str(told["decided_at"]),
                decided_by=str(told["decided_by"]),
                run_id=str(told["run_id"]),
            )
        except (ValueError, KeyError, TypeError):
            return None
        return decision if _is_moment(decision.decided_at) else None

    def record(self) -> dict[str, Any]:
        """As it goes on the stream."""
        return asdict(self)

    @property
    def at(self) -> datetime:
        """When it was made."""
        return datetime.fromisoformat(self.decided_at)


class Ledger:
    """What the decisions made so far amount to."""

    def __init__(self) -> None:
        self._last: dict[str, Decision] = {}

    def take(self, decision: Decision) -> None:
        """The next decision of the log. One that comes too late changes nothing."""
        before = self._last.get(decision.letter_id)
        if decision.decision in (Step.CLAIMED, Step.DROPPED):
            counts = before is None or before.decision is Step.RELEASED or _lapsed(before, decision.at)
        else:
            counts = before is not None and before.decision is Step.CLAIMED and before.run_id == decision.run_id
        if counts:
            self._last[decision.letter_id] = decision

    def state(self, letter_id: str, now: datetime | None = None) -> State:
        """How things stand with a letter."""
        last = self._last.get(letter_id)
        if last is None or last.decision is Step.RELEASED or _lapsed(last, now or datetime.now(UTC)):
            return State.OPEN
        return State.RETRYING if last.decision is Step.CLAIMED else State(last.decision)

    def last(self, letter_id: str) -> Decision | None:
        """The decision that stands."""
        return self._last.get(letter_id)

    def held_by(self, letter_id: str, run_id: str) -> bool:
        """Whether the decision that stands is of this run."""
        last = self._last.get(letter_id)
        return last is not None and last.run_id == run_id


def _lapsed(claim: Decision, now: datetime) -> bool:
    return claim.decision is Step.CLAIMED and now - claim.at > CLAIM_LASTS


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
