"""What was heard and not yet confirmed, on disk: an append-only log in segments, bounded.

Each record is handed to the operating system as it is heard, so it survives kill -9. It is forced to the disk once a
second (`sync`), and when its segment is full, so a power cut costs at most the last second. What is confirmed is noted
after each batch; after a crash at most one batch is sent again, and the pipeline collapses it. When the log grows over
its limit the oldest segment goes, and is counted as dropped. Where the disk takes nothing (full, broken), records wait
in memory. A segment that it does not give back, however often it is asked, is set aside (`*.unreadable`) and counted as
dropped; what comes after it goes on.
"""

import contextlib
import errno
import fcntl
import os
import threading
import time
from collections import deque
from itertools import islice
from pathlib import Path
from typing import NamedTuple

SEGMENT_BYTES = 4_000_000
MEMORY_RECORDS = 200_000
SYNC_EVERY_S = 1.0
_TRIED_RECORDS = 500
"""So many of those that wait in memory are tried at once: all of them would be much, for a disk that takes nothing."""

READ_TRIES = 5
"""So often in a row the disk is asked before a segment is given up: it may only be away for a moment."""

_BLOCK_BYTES = 1 << 16
_CONFIRMED = "confirmed"
_SEGMENT, _UNREADABLE = ".log", ".unreadable"
_NUMBER = "[0-9]" * 16


class SpoolError(Exception):
    """The spool cannot be used; the text says why."""


class Batch(NamedTuple):
    """Records in the order heard, to be confirmed when they have arrived."""

    lines: list[str]
    segment: int | None
    """Where they end; None: they are from memory."""
    offset: int

    def by_destination(self) -> dict[str, list[str]]:
        """The records of each destination."""
        records: dict[str, list[str]] = {}
        for line in self.lines:
            destination, _, record = line.rstrip("\n").partition(" ")
            records.setdefault(destination, []).append(record)
        return records


class Spool:
    """The log in a folder, which one process uses at a time. Safe to append to from several threads.

    Raises:
        SpoolError: Another process uses it, or the folder cannot be written.
    """

    def __init__(self, folder: Path, limit_bytes: int, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder
        self._limit = limit_bytes
        self._segment_bytes = min(segment_bytes, max(1, limit_bytes // 4))
        self._changed = threading.Condition()
        self._memory: deque[str] = deque()
        self._taken = 0
        """So many of them are under way."""
        self._taken_until: tuple[int, int] | None = None
        """Where those that are under way end on the disk, if they came there meanwhile."""
        self._synced = 0.0
        self._dirty = False
        self._sizes: dict[int, int] = {}
        self._lines: dict[int, int] = {}
        """Of each segment: records that are not confirmed."""
        self._file, self._writing, self._size = -1, 0, 0
        self._confirmed = (0, 0)
        self._failed_reads = 0
        """In a row."""
        self.dropped = 0
        """Records that were given up because the log was full, or the disk did not give them back."""
        self.trouble: str | None = None
        """Why the disk takes nothing; None: it does."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = (folder / "lock").open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise SpoolError(f"another ingest-foo uses {folder}; name another one with --spool") from error
        except OSError as error:
            raise SpoolError(f"cannot write {folder}: {error.strerror}") from error
        try:
            self._recover()
        except OSError as error:
            self._lock.close()
            raise SpoolError(f"cannot use {error.filename or folder}: {error.strerror}") from error

    @property
    def pending(self) -> int:
        """Records that are not confirmed."""
        return sum(self._lines.values()) + len(self._memory)

    @property
    def in_memory(self) -> int:
        """Those of them that the disk has not taken."""
        return len(self._memory)

    def append(self, destination: str, record: str) -> None:
        """Keep a record; it is with the operating system when this returns. Never raises."""
        with self._changed:
            self._memory.append(f"{destination} {record}\n")
            self._to_disk()
            if len(self._memory) > MEMORY_RECORDS:
                del self._memory[self._taken]
                self.dropped += 1
            self._changed.notify_all()

    def take(self, most: int, timeout_s: float) -> Batch | None:
        """The oldest records that are not confirmed; None: there were none in that time.

        Raises:
            OSError: The disk does not give them back; try again.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self.pending, timeout_s):
                return None
            self._taken, self._taken_until = 0, None
            batch = self._read(most)
            if batch is None and self._memory:
                batch = Batch(list(islice(self._memory, most)), None, 0)
                self._taken = len(batch.lines)
            return batch

    def confirm(self, batch: Batch) -> None:
        """The records of a batch have arrived."""
        with self._changed:
            until = self._taken_until if batch.segment is None else (batch.segment, batch.offset)
            if until is None:
                for _ in batch.lines:
                    self._memory.popleft()
                self._taken = 0
                return
            if until <= self._confirmed:
                return  # dropped meanwhile
            self._confirmed = until
            self._lines[until[0]] -= len(batch.lines)
            self._forget_confirmed()

    def sync(self, *, now: bool = False) -> None:
        """Force to the disk what is new, if it is time. Call it now and then, from a thread that may wait."""
        file = self._file
        # A segment that was let go has been forced to the disk already.
        if file < 0 or not self._dirty or not (now or time.monotonic() - self._synced >= SYNC_EVERY_S):
            return
        self._dirty, self._synced = False, time.monotonic()
        with contextlib.suppress(OSError):
            os.fdatasync(file)

    def close(self) -> None:
        """Let go of the folder."""
        self._let_go()
        self._lock.close()

    # --- writing

    def _to_disk(self) -> None:
        """Write what waits in memory; leave it there where the disk takes nothing."""
        while self._memory and self._write(list(islice(self._memory, max(_TRIED_RECORDS, self._taken)))):
            pass

    def _write(self, lines: list[str]) -> bool:
        data = "".join(lines).encode()
        try:
            if self._file < 0 or (self._size + len(data) > self._segment_bytes and self._size):
                self._begin(self._writing + 1)
            if os.write(self._file, data) != len(data):
                raise OSError(28, "the disk is full")  # noqa: TRY301 (a short write is the same as a failing one)
        except OSError as error:
            self.trouble = error.strerror
            try:
                if os.fstat(self._file).st_size > self._size:
                    os.ftruncate(self._file, self._size)
            except OSError:
                self._let_go()  # or the next line would be glued to what is left of this one
            return False
        self.trouble = None
        if self._taken:
            self._taken_until = self._writing, self._size + len("".join(lines[: self._taken]).encode())
            self._taken = 0
        self._size += len(data)
        self._sizes[self._writing] = self._size
        self._lines[self._writing] += len(lines)
        for _ in lines:
            self._memory.popleft()
        self._dirty = True
        while sum(self._sizes.values()) > self._limit and len(self._sizes) > 1:
            self._drop_oldest()
        return True

    def _begin(self, segment: int) -> None:
        file = os.open(self._path(segment), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            _sync_folder(self._folder)
        except OSError:
            os.close(file)
            raise
        self._let_go()
        self._file, self._writing, self._size = file, segment, 0
        self._sizes[segment] = self._lines[segment] = 0

    def _let_go(self) -> None:
        """Close the segment that is written, forced to the disk; the next record begins another one."""
        file, self._file = self._file, -1
        for finish in (os.fdatasync, os.close) if file >= 0 else ():
            with contextlib.suppress(OSError):
                finish(file)

    def _drop_oldest(self) -> None:
        oldest = min(self._sizes)
        self.dropped += self._lines[oldest]
        self._remove(oldest)
        self._confirmed = max(self._confirmed, (oldest + 1, 0))

    # --- reading

    def _read(self, most: int) -> Batch | None:
        for segment in sorted(self._sizes):
            if segment < self._confirmed[0]:
                continue
            start = self._confirmed[1] if segment == self._confirmed[0] else 0
            if start >= self._sizes[segment]:
                continue
            try:
                data = _read_lines(self._path(segment), start, self._sizes[segment], most)
            except OSError:
                self._failed_reads += 1
                if self._failed_reads < READ_TRIES:
                    raise
                self._set_aside(segment)
                continue
            self._failed_reads = 0
            return Batch([line.decode(errors="replace") for line in data], segment, start + sum(map(len, data)))
        return None

    def _set_aside(self, segment: int) -> None:
        """What the disk does not give back keeps what comes after it from nobody."""
        if segment == self._writing:
            self._let_go()
        _rename_unreadable(self._path(segment))
        self.dropped += self._lines.pop(segment)
        del self._sizes[segment]
        self._confirmed = (segment + 1, 0)

    def _forget_confirmed(self) -> None:
        segment, offset = self._confirmed
        for old in [old for old in self._sizes if old < segment]:
            self._remove(old)
        if offset >= self._sizes[segment] and segment != self._writing:
            self._remove(segment)
            self._confirmed = (segment + 1, 0)
        self._note_confirmed()

    def _note_confirmed(self) -> None:
        # A torn note is no harm: everything that is left is sent again.
        target, draft = self._folder / _CONFIRMED, self._folder / f"{_CONFIRMED}.new"
        with contextlib.suppress(OSError):
            draft.write_text("{} {}\n".format(*self._confirmed))
            draft.replace(target)

    # --- starting

    def _recover(self) -> None:
        try:
            segment, offset = map(int, (self._folder / _CONFIRMED).read_text().split())
        except (OSError, ValueError):
            segment, offset = 0, 0
        numbers = self._numbers(_SEGMENT)
        for number in numbers:
            path, start = self._path(number), offset if number == segment else 0
            try:
                self._sizes[number] = 0 if number < segment else cut_torn_line(path)
                self._lines[number] = _count_lines(path, start) if self._sizes[number] else 0
            except PermissionError:
                raise  # a person can help
            except OSError:
                self._sizes.pop(number, None)
                _rename_unreadable(path)
                self.dropped += 1  # how many it had nobody knows
        for old in [old for old in self._sizes if not self._sizes[old]]:
            self._remove(old)
        self._confirmed = (segment, min(offset, self._sizes.get(segment, 0)))
        self._begin(max([segment, *numbers, *self._numbers(_UNREADABLE)]) + 1)

    def _numbers(self, suffix: str) -> list[int]:
        return [int(path.stem) for path in self._folder.glob(f"{_NUMBER}{suffix}")]

    def _remove(self, segment: int) -> None:
        with contextlib.suppress(OSError):  # the next start removes it
            self._path(segment).unlink(missing_ok=True)
        del self._sizes[segment], self._lines[segment]

    def _path(self, segment: int) -> Path:
        return self._folder / f"{segment:016d}{_SEGMENT}"


def cut_torn_line(path: Path) -> int:
    """Cut off what a crash left of a line; tell how long the rest is. Raises `OSError`."""
    with path.open("rb") as file:
        size = whole = file.seek(0, os.SEEK_END)
        while whole:
            begin = max(0, whole - _BLOCK_BYTES)
            file.seek(begin)
            newline = file.read(whole - begin).rfind(b"\n")
            if newline >= 0:
                whole = begin + newline + 1
                break
            whole = begin
    if whole < size:
        os.truncate(path, whole)
    return whole


def _read_lines(path: Path, start: int, end: int, most: int) -> list[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        lines = list(islice(file, most))
    read = start + sum(map(len, lines))
    while read > end:  # what is left of a line that failed
        read -= len(lines.pop())
    if not lines:
        raise OSError(errno.EIO, "ends too early", str(path))
    return lines


def _rename_unreadable(path: Path) -> None:
    with contextlib.suppress(OSError):  # it is given up all the same
        path.rename(path.with_suffix(_UNREADABLE))


def _sync_folder(folder: Path) -> None:
    """Force the folder's own entries to the disk: a new file is not there without its name."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(opened)
    finally:
        os.close(opened)


def _count_lines(path: Path, offset: int) -> int:
    with path.open("rb") as file:
        file.seek(offset)
        return sum(1 for _ in file)
