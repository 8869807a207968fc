"""Who wore a strap at a moment: the history of assignments, and the question asked of it."""

from bisect import bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from app.heartrate.profiles import LARGEST_USER_ID, LONGEST_NAME
from app.heartrate.strap_id import check_strap_id

NOBODY = 0
"""The user_id of a strap that nobody is registered for."""


class InvalidAssignmentError(ValueError):
    """An assignment that cannot be used; its text says why."""


class Wearer(NamedTuple):
    """A person, as a beat needs to know them."""

    user_id: int
    user_name: str


@dataclass(frozen=True, slots=True)
class Assignment:
    """From `since_us` on (UTC, µs since 1970) the strap is worn by `wearer`.

    `explicit` tells whether somebody stated that moment, or whether it is just when the assignment was seen.
    `told_us` is when it was told, if that is known: one for tomorrow is told today.
    """

    since_us: int
    wearer: Wearer
    explicit: bool
    told_us: int | None = field(default=None, compare=False)

    def is_of_before(self, moment_us: int) -> bool:
        """Whether it was told up to a moment, or begins by then."""
        return self.since_us <= moment_us or (self.told_us is not None and self.told_us <= moment_us)


class Span(NamedTuple):
    """When a person wore a strap: µs since 1970 UTC, the end left out; None: open."""

    device_id: str
    since_us: int | None
    until_us: int | None


def check_assignment(device_id: str, user_id: int, user_name: str) -> None:
    """Raise `InvalidAssignmentError` or `InvalidDeviceId` if no strap or no person is meant."""
    check_strap_id(device_id)
    if user_id < NOBODY:
        raise InvalidAssignmentError(f"user_id: {user_id} is negative; people count from 1, 0 hands the strap back")
    if user_id > LARGEST_USER_ID:
        raise InvalidAssignmentError(f"user_id: {user_id}; the largest is {LARGEST_USER_ID}")
    if user_id != NOBODY and not user_name.strip():
        raise InvalidAssignmentError("user_name: empty; the person needs a name to be shown by")
    if len(user_name) > LONGEST_NAME:
        raise InvalidAssignmentError(f"user_name: {len(user_name)} characters; a name has {LONGEST_NAME} at most")


def _since_us(assignment: Assignment) -> int:
    return assignment.since_us


class WearerBook:
    """Every strap's assignments, ordered by time; of one moment, in the order told."""

    def __init__(self) -> None:
        self._assignments: dict[str, list[Assignment]] = {}
        self._forgotten: dict[int, int] = {}

    def forget(self, user_id: int, until_us: int) -> None:
        """Nobody wears what this person wears by assignments of before a moment, also by those that are added later."""
        self._forgotten[user_id] = max(until_us, self._forgotten.get(user_id, until_us))
        for history in self._assignments.values():
            history[:] = map(self._known, history)

    def _known(self, assignment: Assignment) -> Assignment:
        until_us = self._forgotten.get(assignment.wearer.user_id)
        if until_us is not None and assignment.is_of_before(until_us):
            return replace(assignment, wearer=Wearer(NOBODY, ""))
        return assignment

    def add(self, device_id: str, assignment: Assignment) -> None:
        """Note an assignment. The order of adding matters to those of one moment only: the last one wins."""
        assignment = self._known(assignment)
        history = [each for each in self._assignments.get(device_id, ()) if each != assignment]
        insort(history, assignment, key=_since_us)
        # In one step: another thread may ask meanwhile.
        self._assignments[device_id] = history

    def knows(self, device_id: str) -> bool:
        """Whether the strap was ever assigned."""
        return device_id in self._assignments

    def spans(self, user_id: int) -> Iterator[Span]:
        """When the person wore which strap."""
        for device_id, history in self._assignments.items():
            for place, assignment in enumerate(history):
                if assignment.wearer.user_id == user_id:
                    first = place == 0 and not assignment.explicit
                    until = history[place + 1].since_us if place + 1 < len(history) else None
                    yield Span(device_id, None if first else assignment.since_us, until)

    def wearer(self, device_id: str, at_us: int) -> Wearer:
        """Who wore the strap at a moment (UTC, µs since 1970).

        The newest assignment of that moment or before decides. Before the first one the strap is nobody's, unless that
        one names no moment: then it stands for all that is not known better, as where a recording is sent after its
        strap was registered.
        """
        history = self._assignments.get(device_id)
        if history:
            newest = bisect_right(history, at_us, key=_since_us) - 1
            if newest < 0 and not history[0].explicit:
                newest = 0
            if newest >= 0 and history[newest].wearer.user_id != NOBODY:
                return history[newest].wearer
        return Wearer(NOBODY, f"Strap {device_id}")
