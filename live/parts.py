"""What the screens show, as versioned parts: whoever knows version n asks for what has changed since.

Nothing is kept for a client, so a slow or absent one costs nothing: it later gets the newest value of each part.
"""

from collections import OrderedDict, deque
from typing import Any, NamedTuple

Part = Any
"""Something that is JSON; None is a value, too."""

FORGET_AFTER_S = 600.0


class Changes(NamedTuple):
    """What a client must know to be up to date."""

    whole: bool
    """It replaces all that the client holds; else it adds to it."""
    set: dict[str, Part]
    gone: list[str]
    seconds: list[list[Any]]


class Parts:
    """Keyed values with a version each, and the group's seconds. Version 0 is before everything."""

    def __init__(self, most_seconds: int) -> None:
        self.version = 0
        self._values: dict[str, Part] = {}
        self._changed: OrderedDict[str, int] = OrderedDict()
        """Version of each key's last change, the newest last; keys that are gone stay for a while."""
        self._gone: deque[tuple[float, int, str]] = deque()
        self._forgotten = 0
        self._seconds: deque[tuple[int, list[Any]]] = deque(maxlen=most_seconds)

    def get(self, key: str) -> Part:
        """A value; None, too, where there is none."""
        return self._values.get(key)

    def keys(self, prefix: str) -> list[str]:
        """Keys that begin so."""
        return [key for key in self._values if key.startswith(prefix)]

    def set(self, key: str, value: Part) -> None:
        """Put a value. An equal one is no change."""
        if key in self._values and self._values[key] == value:
            return
        self._values[key] = value
        self._touch(key)

    def remove(self, key: str, now_s: float) -> None:
        """Take a key away, if it is there. `now_s`: any clock that goes forward."""
        if key in self._values:
            del self._values[key]
            self._touch(key)
            self._gone.append((now_s, self.version, key))
        while self._gone and self._gone[0][0] < now_s - FORGET_AFTER_S:
            _, version, old = self._gone.popleft()
            if old not in self._values and self._changed.get(old) == version:
                del self._changed[old]
                self._forgotten = version

    def add_second(self, entry: list[Any]) -> None:
        """A second of the group is complete."""
        self.version += 1
        if len(self._seconds) == self._seconds.maxlen:
            self._forgotten = max(self._forgotten, self._seconds[0][0])
        self._seconds.append((self.version, entry))

    def seconds(self) -> list[list[Any]]:
        """The seconds that are kept."""
        return [entry for _, entry in self._seconds]

    def since(self, version: int) -> Changes:
        """What has changed since a version; all, where that is too long ago or was never."""
        if not max(1, self._forgotten) <= version <= self.version:
            return Changes(whole=True, set=dict(self._values), gone=[], seconds=self.seconds())
        keys = []
        for key in reversed(self._changed):
            if self._changed[key] <= version:
                break
            keys.append(key)
        seconds: list[list[Any]] = []
        for changed, entry in reversed(self._seconds):
            if changed <= version:
                break
            seconds.insert(0, entry)
        return Changes(
            whole=False,
            set={key: self._values[key] for key in reversed(keys) if key in self._values},
            gone=[key for key in reversed(keys) if key not in self._values],
            seconds=seconds,
        )

    def _touch(self, key: str) -> None:
        self.version += 1
        self._changed[key] = self.version
        self._changed.move_to_end(key)
