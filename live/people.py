"""Who is who, and who wears what, as the topics and the stored tables tell."""

from dataclasses import replace

from app.heartrate.profiles import Profile
from app.heartrate.wearers import NOBODY, Assignment, Wearer, WearerBook

MOST_GIVEN_OUT = 2**31
"""Whoever gives out larger numbers counts in a way of their own, and may have given out the largest that there is."""


class People:
    """Everybody known. The order in which things are noted does not matter: the newest counts."""

    def __init__(self) -> None:
        self._profiles: dict[int, tuple[int, Profile]] = {}
        self._names: dict[int, tuple[int, str]] = {}
        self._book = WearerBook()
        self._ignored: dict[str, tuple[int, bool]] = {}
        self._erased: dict[int, int] = {}
        self._underway: set[int] = set()
        self._devices: set[str] = set()
        self._reserved = 0

    def note_profile(self, profile: Profile, at_us: int) -> None:
        """A profile as of a moment, µs since 1970 UTC."""
        if at_us <= self._erased.get(profile.user_id, -1):
            return
        self._note_name(profile.user_id, profile.user_name, at_us)
        known = self._profiles.get(profile.user_id)
        if known is None or at_us >= known[0]:
            self._profiles[profile.user_id] = (at_us, profile)

    def note_assignment(self, device_id: str, assignment: Assignment, *, ignored: bool) -> None:
        """Somebody, or nobody, wears a strap."""
        self._devices.add(device_id)
        self._book.add(device_id, assignment)
        since_us, wearer = assignment.since_us, assignment.wearer
        if since_us >= self._ignored.get(device_id, (0, False))[0]:
            self._ignored[device_id] = (since_us, ignored and wearer.user_id == NOBODY)
        if wearer.user_id == NOBODY or assignment.is_of_before(self._erased.get(wearer.user_id, -1)):
            return
        self._note_name(wearer.user_id, wearer.user_name, since_us)
        # Nothing but a name is known; any profile is better than that.
        self._profiles.setdefault(wearer.user_id, (-1, Profile(wearer.user_id, wearer.user_name)))

    def _note_name(self, user_id: int, name: str, at_us: int) -> None:
        if at_us >= self._names.get(user_id, (at_us, ""))[0]:
            self._names[user_id] = (at_us, name)

    def note_erasure(self, user_id: int, at_us: int) -> None:
        """A person's data was removed."""
        self._erased[user_id] = max(at_us, self._erased.get(user_id, -1))
        self._book.forget(user_id, at_us)
        self._underway.discard(user_id)
        for known in (self._profiles, self._names):
            if user_id in known and known[user_id][0] <= at_us:
                del known[user_id]

    def begin_erasure(self, user_id: int) -> None:
        """A person's data is being removed: until that is told to be done, nothing new may be said of them."""
        self._underway.add(user_id)

    def end_erasure(self, user_id: int) -> None:
        """It could not be asked for."""
        self._underway.discard(user_id)

    def being_erased(self, user_id: int) -> bool:
        """Whether that goes on."""
        return user_id in self._underway

    def everybody(self) -> list[Profile]:
        """All profiles, by user_id."""
        return [profile for user_id in sorted(self._profiles) if (profile := self.profile(user_id)) is not None]

    def profile(self, user_id: int) -> Profile | None:
        """A person under their newest name; None: not known."""
        known = self._profiles.get(user_id)
        if known is None:
            return None
        name = self._names.get(user_id, (0, known[1].user_name))[1]
        return known[1] if name == known[1].user_name else replace(known[1], user_name=name)

    def has_profile(self, user_id: int) -> bool:
        """Whether more than a name is known."""
        return self._profiles.get(user_id, (-1, None))[0] >= 0

    def known_since_us(self, user_id: int) -> int:
        """The moment of a person's profile or newer name, µs since 1970 UTC."""
        return max(0, self._profiles.get(user_id, (0, None))[0], self._names.get(user_id, (0, ""))[0])

    def profile_since_us(self, user_id: int) -> int:
        """The moment of a person's newest profile, µs since 1970 UTC; 0: there is none."""
        return max(0, self._profiles.get(user_id, (0, None))[0])

    def new_user_id(self) -> int:
        """A number that nobody has or had, given out once."""
        taken = (user_id for each in (self._profiles, self._names, self._erased) for user_id in each)
        self._reserved = max(self._reserved, *(user_id for user_id in taken if user_id < MOST_GIVEN_OUT), 0) + 1
        return self._reserved

    def devices(self) -> set[str]:
        """Straps that were ever assigned or ignored."""
        return self._devices

    def wearer(self, device_id: str, at_us: int) -> Wearer | None:
        """Who wears a strap; None: nothing was ever said of it."""
        return self._book.wearer(device_id, at_us) if self._book.knows(device_id) else None

    def is_ignored(self, device_id: str) -> bool:
        """Whether a strap is a stranger's, not to be shown."""
        return self._ignored.get(device_id, (0, False))[1]

    def straps_of(self, at_us: int) -> dict[int, list[str]]:
        """Who wears which straps at a moment."""
        worn: dict[int, list[str]] = {}
        for device_id in sorted(self._devices):
            user_id = self._book.wearer(device_id, at_us).user_id
            if user_id != NOBODY:
                worn.setdefault(user_id, []).append(device_id)
        return worn
