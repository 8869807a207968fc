"""Where dead letters are read and decided about."""

import getpass
import json
import socket
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from itertools import batched
from typing import NamedTuple

import httpx
from confluent_kafka import Message

from scripts.delivery.keys import without_password
from scripts.operate.broker import Broker, BrokerError, Place
from scripts.operate.decisions import Decision, Ledger, State, Step
from scripts.operate.letters import Letter, parse, same_record
from scripts.operate.pipeline import DEAD_LETTERS, DECISIONS, origin, streams
from scripts.operate.settings import Settings

CLAIM_AT_ONCE = 20
SEND_WITHIN_S = 30.0
"""What was claimed longer ago is not sent under that claim, which lasts for a minute."""

TIMEOUT_S = 10.0
LOOK_EVERY_S = 0.1


class Counts(NamedTuple):
    """How many letters of a queue stand how."""

    open: int
    retried: int
    dropped: int


_COLUMN = {State.OPEN: 0, State.RETRYING: 0, State.RETRIED: 1, State.DROPPED: 2}


class Outcome(Enum):
    """How a retry went."""

    TAKEN = auto()
    """Ingest, or the topic, has it."""
    REFUSED = auto()
    """Ingest says that it is wrong; that is a new letter."""
    ELSEWHERE = auto()
    """Somebody else is at it, or has decided before."""
    AWAY = auto()
    """It could not be sent, and stays open."""
    UNSURE = auto()
    """It was sent, and no answer came."""


@dataclass(frozen=True, slots=True)
class Retry:
    """What became of a letter that was to be retried."""

    letter: Letter
    outcome: Outcome
    why: str = ""


class Sequel(NamedTuple):
    """What became of records that were sent again."""

    again: dict[str, Letter]
    """Those that failed again: the new letter by the id of the old."""
    settled: bool
    """The functions have read all of them."""


class Desk:
    """The letters on the dead letter queues, and the decisions. `read` before asking.

    Args:
        settings: Where all is.
        broker: Its client.
        keep_records: Else letters come without their records, for those who only count.
    """

    def __init__(self, settings: Settings, broker: Broker, *, keep_records: bool = True) -> None:
        self._settings = settings
        self._broker = broker
        self._keep_records = keep_records
        self._moose = without_password(settings.moose_url)
        self._run = uuid.uuid4().hex
        self._topics: set[str] = set()
        self._forget()

    def _forget(self) -> None:
        self._next: dict[Place, int] = {}
        self.letters: dict[str, Letter] = {}
        """By id, a queue's in order."""
        self.ledger = Ledger()

    def read(self) -> None:
        """Read on up to now. Raises `BrokerError`; then nothing is known until it succeeds."""
        try:
            self._read()
        except BrokerError:
            # An in-memory broker that comes back has forgotten everything.
            self._forget()
            raise

    def _read(self) -> None:
        topics = self._broker.places()
        self._topics = {name for topic in topics if (name := self._settings.stream(topic)) is not None}
        wanted = [
            place
            for name in self._topics
            if name.endswith(DEAD_LETTERS) or name == DECISIONS
            for place in topics[self._settings.topic(name)]
        ]
        begins, ends = self._broker.begins(wanted), self._broker.ends(wanted)
        if self._next.keys() - ends.keys() or any(end < self._next.get(place, 0) for place, end in ends.items()):
            self._forget()
        self._broker.read({at: (max(self._next.get(at, 0), begins[at]), ends[at]) for at in wanted}, self._take)
        self._next = ends
        gone = [
            letter.id
            for letter in self.letters.values()
            if letter.offset < begins.get(Place(self._settings.topic(letter.queue), letter.partition), 0)
        ]
        for letter_id in gone:
            del self.letters[letter_id]

    def _take(self, message: Message) -> None:
        name, value = self._settings.stream(message.topic() or "") or "", message.value() or b""
        if name == DECISIONS:
            decision = Decision.parse(value)
            if decision is not None:
                self.ledger.take(decision)
            return
        partition, offset = message.partition() or 0, message.offset() or 0
        letter = parse(name, partition, offset, message.timestamp()[1], value, keep_record=self._keep_records)
        self.letters[letter.id] = letter

    @property
    def queues(self) -> list[str]:
        """All dead letter queues that there are."""
        return sorted(name for name in self._topics if name.endswith(DEAD_LETTERS))

    def state(self, letter: Letter) -> State:
        """How things stand with a letter."""
        return self.ledger.state(letter.id)

    def counts(self) -> dict[str, Counts]:
        """By queue. What is being retried counts as open."""
        found = {queue: [0, 0, 0] for queue in self.queues}
        for letter in self.letters.values():
            found[letter.queue][_COLUMN[self.state(letter)]] += 1
        return {queue: Counts(*numbers) for queue, numbers in found.items()}

    def find(self, beginning: str) -> list[Letter]:
        """The letters whose id begins so."""
        return [letter for letter_id, letter in self.letters.items() if letter_id.startswith(beginning.lower())]

    def choose(self, queue: str | None, text: str | None, states: Collection[State]) -> list[Letter]:
        """The letters of a queue (None: of all), with a text, in one of some states; the oldest first."""
        return sorted(
            (
                letter
                for letter in self.letters.values()
                if (queue is None or letter.queue == queue)
                and (text is None or letter.matches(text))
                and self.state(letter) in states
            ),
            key=lambda letter: letter.at_ms,
        )

    def drop(self, letters: Sequence[Letter], reason: str) -> list[Letter]:
        """Mark letters as not wanted; return those that were open, and so were. Raises `BrokerError`."""
        wanted = [letter for letter in letters if self.state(letter) is State.OPEN]
        self._decide([(letter, Step.DROPPED, reason) for letter in wanted])
        self.read()
        return [letter for letter in wanted if self.ledger.held_by(letter.id, self._run)]

    def retry(self, letters: Iterable[Letter]) -> Iterator[Retry]:
        """Send letters' records again to where they came from, each of them once whoever else does the same.

        Goes no further than the first one that cannot be sent. Raises `BrokerError`.
        """
        with httpx.Client(
            base_url=self._settings.moose_url, timeout=TIMEOUT_S, auth=self._settings.ingest_auth
        ) as moose:
            for some in batched(letters, CLAIM_AT_ONCE):
                claimed_at = time.monotonic()
                self._decide([(each, Step.CLAIMED, "") for each in some if self.state(each) is State.OPEN])
                self.read()
                results: list[Retry] = []
                try:
                    for letter in some:
                        results.append(self._retry(moose, letter, claimed_at, _trouble(results)))
                finally:
                    self._decide([decided for result in results if (decided := _step(result)) is not None])
                yield from results
                if _trouble(results):
                    break
        self.read()

    def _retry(self, moose: httpx.Client, letter: Letter, claimed_at: float, trouble: str) -> Retry:
        if not self._claimed(letter):
            return Retry(letter, Outcome.ELSEWHERE)
        if trouble:
            return Retry(letter, Outcome.AWAY, trouble)
        if time.monotonic() - claimed_at > SEND_WITHIN_S:
            return Retry(letter, Outcome.AWAY, "it went too slowly; try again")
        return self._send(moose, letter)

    def follow(self, sent: Sequence[Letter], known: Collection[str], wait_s: float) -> Sequel:
        """See what becomes of letters whose records were sent: wait until their functions have read so far.

        Args:
            sent: The letters.
            known: The ids of all letters that were there before.
            wait_s: At most so long.
        """
        settled = self._await_functions({origin(each.queue, each.record, self._topics) for each in sent}, wait_s)
        self.read()
        new = [letter for letter in self.letters.values() if letter.id not in known]
        again: dict[str, Letter] = {}
        for letter in sent:
            for other in new:
                if other.queue == letter.queue and same_record(letter.record, other.record):
                    again[letter.id] = other
                    new.remove(other)
                    break
        return Sequel(again, settled)

    def _await_functions(self, names: set[str], wait_s: float) -> bool:
        places = self._broker.places()
        deadline = time.monotonic() + wait_s
        for stream in streams(self._topics):
            group = stream.group(self._settings.namespace)
            if group is None or stream.name not in names:
                continue
            ends = self._broker.ends(places[self._settings.topic(stream.name)])
            while any(at < ends[place] for place, at in self._broker.committed(group, ends.keys()).items()):
                if time.monotonic() > deadline:
                    return False
                time.sleep(LOOK_EVERY_S)
        return True

    def _claimed(self, letter: Letter) -> bool:
        return self.ledger.held_by(letter.id, self._run) and self.state(letter) is State.RETRYING

    def _send(self, moose: httpx.Client, letter: Letter) -> Retry:
        name = origin(letter.queue, letter.record, self._topics)
        if any(stream.name == name and stream.ingest for stream in streams(self._topics)):
            return self._post(moose, name, letter)
        try:
            self._broker.put(self._settings.topic(name), [letter.record])
        except BrokerError as error:
            return Retry(letter, Outcome.UNSURE, str(error))
        return Retry(letter, Outcome.TAKEN)

    def _post(self, moose: httpx.Client, name: str, letter: Letter) -> Retry:
        try:
            # As ASCII: half a surrogate pair, which a record may hold, has no UTF-8.
            answer = moose.post(
                f"/ingest/{name}",
                content=json.dumps(letter.record),
                headers={"Content-Type": "application/json"},
            )
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            return Retry(letter, Outcome.AWAY, f"Moose at {self._moose} does not answer: {error}")
        except httpx.HTTPError as error:
            return Retry(letter, Outcome.UNSURE, f"Moose at {self._moose} did not answer: {error!r}")
        said = answer.text.strip()[:300]
        if answer.is_success:
            return Retry(letter, Outcome.TAKEN)
        if answer.status_code in (httpx.codes.BAD_REQUEST, httpx.codes.REQUEST_ENTITY_TOO_LARGE):
            return Retry(letter, Outcome.REFUSED, said)
        # With 500 the broker did not answer Moose: it may have the record.
        unsure = answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR
        return Retry(letter, Outcome.UNSURE if unsure else Outcome.AWAY, f"HTTP {answer.status_code}: {said}")

    def _decide(self, decided: Sequence[tuple[Letter, Step, str]]) -> None:
        if not decided:
            return
        if DECISIONS not in self._topics:
            raise BrokerError(f"there is no topic {DECISIONS}: is Moose running, and this version of the app?")
        now = datetime.now(UTC).isoformat()
        self._broker.put(
            self._settings.topic(DECISIONS),
            [
                Decision(
                    letter_id=letter.id,
                    queue=letter.queue,
                    letter_partition=letter.partition,
                    letter_offset=letter.offset,
                    letter_at=letter.at.isoformat(),
                    decision=step,
                    reason=reason,
                    decided_at=now,
                    decided_by=_who(),
                    run_id=self._run,
                ).record()
                for letter, step, reason in decided
            ],
        )


def _trouble(results: Sequence[Retry]) -> str:
    """Why nothing more is to be sent; empty: go on."""
    return next((each.why for each in results if each.outcome in (Outcome.AWAY, Outcome.UNSURE)), "")


def _step(result: Retry) -> tuple[Letter, Step, str] | None:
    """What is to be written down of a retry."""
    match result.outcome:
        case Outcome.TAKEN | Outcome.REFUSED:
            return result.letter, Step.RETRIED, result.why
        case Outcome.AWAY:
            return result.letter, Step.RELEASED, result.why
        case _:
            return None


def _who() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):  # a user without a name, as in a container
        return socket.gethostname()
