"""Who is who, and who wears what, as the topics and the stored tables tell."""

from dataclasses import replace

from app.heartrate.profiles import Profile
from app.heartrate.wearers import NOBODY, Assignment, Wearer, WearerBook


class People:
    """Everybody known. The order in which things are noted does not matter: the newest counts."""

    def __init__(self) -> None:
        self._profiles: dict[int, tuple[int, Profile]] = {}
        self._book = WearerBook()
        self._ignored: dict[str, tuple[int, bool]] = {}
        self._erased: dict[int, int] = {}
        self._devices: set[str] = set()
        self._reserved = 0

    def note_profile(self, profile: Profile, at_us: int) -> None:
        """A profile as of a moment, µs since 1970 UTC."""
        known = self._profiles.get(profile.user_id)
        if at_us > self._erased.get(profile.user_id, -1) and (known is None or at_us >= known[0]):
            self._profiles[profile.user_id] = (at_us, profile)

    def note_assignment(self, device_id: str, assignment: Assignment, *, ignored: bool) -> None:
        """Somebody, or nobody, wears a strap."""
        self._devices.add(device_id)
        self._book.add(device_id, assignment)
        since_us, wearer = assignment.since_us, assignment.wearer
        if since_us >= self._ignored.get(device_id, (0, False))[0]:
            self._ignored[device_id] = (since_us, ignored and wearer.user_id == NOBODY)
        if wearer.user_id == NOBODY or since_us <= self._erased.get(wearer.user_id, -1):
            return
        known = self._profiles.get(wearer.user_id)
        if known is None:
            # Nothing but a name is known; any profile is better than that.
            self._profiles[wearer.user_id] = (-1, Profile(wearer.user_id, wearer.user_name))
        elif since_us > known[0] and wearer.user_name != known[1].user_name:
            self._profiles[wearer.user_id] = (known[0], replace(known[1], user_name=wearer.user_name))

    def note_erasure(self, user_id: int, at_us: int) -> None:
        """A person's data was removed."""
        self._erased[user_id] = max(at_us, self._erased.get(user_id, -1))
        known = self._profiles.get(user_id)
        if known is not None and known[0] <= at_us:
            del self._profiles[user_id]

    def everybody(self) -> list[Profile]:
        """All profiles, by user_id."""
        return [profile for _, (_, profile) in sorted(self._profiles.items())]

    def profile(self, user_id: int) -> Profile | None:
        """A person; None: not known."""
        known = self._profiles.get(user_id)
        return None if known is None else known[1]

    def known_since_us(self, user_id: int) -> int:
        """The moment of a person's profile, µs since 1970 UTC."""
        known = self._profiles.get(user_id)
        return 0 if known is None else known[0]

    def new_user_id(self) -> int:
        """A number that nobody has, given out once."""
        highest = max(self._profiles, default=0)
        self._reserved = max(self._reserved, highest, *self._erased, 0) + 1
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
