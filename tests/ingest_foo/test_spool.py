"""The spool: everything once and in order, over crashes, full disks, and its own limit."""

import errno
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from scripts.ingest_foo import spool as spool_module
from scripts.ingest_foo.spool import READ_TRIES, SEGMENT_BYTES, Batch, Spool, SpoolError, cut_torn_line

LIMIT = 10_000_000


def take(spool: Spool, most: int) -> Batch | None:
    """As the sender does: what the disk does not give back is asked for again."""
    for _ in range(READ_TRIES - 1):
        try:
            return spool.take(most, 0)
        except OSError:
            continue
    return spool.take(most, 0)


def drain(spool: Spool, most: int = 7) -> Iterator[str]:
    while (batch := take(spool, most)) is not None:
        yield from (line.rstrip("\n") for line in batch.lines)
        spool.confirm(batch)


def trouble(spool: Spool) -> bool:
    return spool.trouble is not None


def crash(spool: Spool) -> None:
    """Let go of the folder as a killed process does: nothing more is written."""
    if not spool._lock.closed:
        spool._lock.close()
        spool._let_go()


@pytest.fixture
def opened() -> Iterator[Callable[..., Spool]]:
    """Opens spools that are let go of at the end."""
    spools: list[Spool] = []

    def opened(folder: Path, limit: int = LIMIT, segment: int = SEGMENT_BYTES) -> Spool:
        spools.append(Spool(folder, limit, segment))
        return spools[-1]

    yield opened
    for spool in spools:
        crash(spool)


class Machine(RuleBasedStateMachine):
    """Appending, sending and crashing in any order."""

    @initialize(folder=st.uuids(), segment=st.integers(20, 400))
    def begin(self, folder: object, segment: int) -> None:
        import tempfile

        self.folder = tempfile.TemporaryDirectory(prefix=f"spool-{folder}")
        self.segment = segment
        self.spool = self.open()
        self.appended: list[str] = []
        self.confirmed = 0

    def open(self) -> Spool:
        return Spool(Path(self.folder.name), LIMIT, self.segment)

    @rule(count=st.integers(1, 8))
    def append(self, count: int) -> None:
        for _ in range(count):
            record = f"{{{len(self.appended)}}}"
            self.spool.append("raw", record)
            self.appended.append(f"raw {record}")

    @rule(most=st.integers(1, 10), arrives=st.booleans())
    def send(self, most: int, *, arrives: bool) -> None:
        batch = self.spool.take(most, 0)
        if batch is None:
            assert self.confirmed == len(self.appended)
            return
        lines = [line.rstrip("\n") for line in batch.lines]
        assert lines == self.appended[self.confirmed : self.confirmed + len(lines)]
        if arrives:
            self.spool.confirm(batch)
            self.confirmed += len(lines)

    @rule()
    def crash(self) -> None:
        crash(self.spool)
        self.spool = self.open()

    @invariant()
    def counts(self) -> None:
        if hasattr(self, "spool"):
            assert self.spool.pending == len(self.appended) - self.confirmed
            assert self.spool.dropped == 0

    def teardown(self) -> None:
        if hasattr(self, "spool"):
            crash(self.spool)
            self.folder.cleanup()


Machine.TestCase.settings = settings(deadline=None, max_examples=60, stateful_step_count=30)
TestSpool = Machine.TestCase


class BadDisk(RuleBasedStateMachine):
    """The same on a disk that loses segments, and at times takes none: each record is delivered, or counted, once."""

    @initialize(segment=st.integers(20, 200))
    def begin(self, segment: int) -> None:
        import tempfile

        self.folder = tempfile.TemporaryDirectory(prefix="spool-")
        self.segment = segment
        self.spool = self.open()
        self.appended = self.unknown = 0
        self.delivered: list[int] = []

    def open(self) -> Spool:
        return Spool(Path(self.folder.name), LIMIT, self.segment)

    @rule(count=st.integers(1, 8), full=st.booleans())
    def append(self, count: int, *, full: bool) -> None:
        for _ in range(count):
            with broken_disk() if full else nullcontext():
                self.spool.append("raw", f"{self.appended}")
            self.appended += 1

    @rule(most=st.integers(1, 10), arrives=st.booleans(), meanwhile=st.integers(0, 3))
    def send(self, most: int, *, arrives: bool, meanwhile: int) -> None:
        batch = take(self.spool, most)
        self.append(meanwhile, full=False)
        if batch is not None and arrives:
            self.spool.confirm(batch)
            self.delivered += [int(line.split()[1]) for line in batch.lines]

    @rule(which=st.integers(0, 20), how=st.sampled_from(["removed", "no file", "errors", "cut"]))
    def lose(self, which: int, how: str) -> None:
        segments = sorted(Path(self.folder.name).glob("*.log"))
        if how == "cut":
            segments = [path for path in segments[:-1] if path.is_file()]
        for segment in segments[which : which + 1]:
            break_segment(segment, how)

    @rule()
    def crash(self) -> None:
        crash(self.spool)
        self.spool = self.open()
        self.unknown = self.appended - len(self.delivered) - self.spool.pending - self.spool.dropped

    @invariant()
    def counts(self) -> None:
        if hasattr(self, "spool"):
            assert self.spool.pending + self.spool.dropped + len(self.delivered) + self.unknown == self.appended
            assert self.delivered == sorted(set(self.delivered))

    def teardown(self) -> None:
        if hasattr(self, "spool"):
            list(drain(self.spool))
            assert self.spool.pending == 0
            crash(self.spool)
            self.folder.cleanup()


BadDisk.TestCase.settings = settings(deadline=None, max_examples=100, stateful_step_count=30)
TestBadDisk = BadDisk.TestCase


def break_segment(segment: Path, how: str) -> None:
    """Make a segment unreadable."""
    if how == "cut":
        os.truncate(segment, 0)
        return
    if segment.is_dir():
        segment.rmdir()
    else:
        segment.unlink(missing_ok=True)
    if how == "no file":
        segment.mkdir()
    elif how == "errors":
        segment.symlink_to("/proc/self/mem")  # of which nothing is at its beginning: EIO


def test_a_torn_line_is_left_out(tmp_path: Path, opened: Callable[..., Spool]) -> None:
    spool = opened(tmp_path)
    spool.append("raw", "{1}")
    crash(spool)
    with (tmp_path / "0000000000000001.log").open("a") as file:
        file.write('raw {"device_id": "86')
    again = opened(tmp_path)
    again.append("raw", "{2}")
    assert list(drain(again)) == ["raw {1}", "raw {2}"]


def test_a_torn_note_of_what_arrived_sends_again(tmp_path: Path, opened: Callable[..., Spool]) -> None:
    spool = opened(tmp_path)
    spool.append("raw", "{1}")
    list(drain(spool))
    crash(spool)
    (tmp_path / "confirmed").write_text("1")
    assert list(drain(opened(tmp_path))) == ["raw {1}"]


def test_the_oldest_goes_when_it_is_full(tmp_path: Path, opened: Callable[..., Spool]) -> None:
    spool = opened(tmp_path, 4000)
    for number in range(1000):
        spool.append("raw", f"{number:06d}")
    kept = [int(line.split()[1]) for line in drain(spool)]
    assert kept == list(range(spool.dropped, 1000))
    assert 250 < len(kept) <= 4000 // len("raw 000000\n")
    assert sum(file.stat().st_size for file in tmp_path.glob("*.log")) <= 4000


def test_a_batch_that_is_dropped_while_it_is_under_way(tmp_path: Path, opened: Callable[..., Spool]) -> None:
    spool = opened(tmp_path, 4000)
    for number in range(100):
        spool.append("raw", f"{number:06d}")
    batch = spool.take(50, 0)
    assert batch is not None
    for number in range(100, 1000):
        spool.append("raw", f"{number:06d}")
    pending = spool.pending
    spool.confirm(batch)
    assert spool.pending == pending == len(list(drain(spool)))


def test_what_is_confirmed_is_removed(tmp_path: Path, opened: Callable[..., Spool]) -> None:
    spool = opened(tmp_path, LIMIT, 1000)
    for number in range(500):
        spool.append("raw", f"{number:06d}")
    assert len(list(tmp_path.glob("*.log"))) > 5
    assert len(list(drain(spool))) == 500
    assert len(list(tmp_path.glob("*.log"))) == 1


def test_a_disk_that_takes_nothing(tmp_path: Path, opened: Callable[..., Spool]) -> None:
    spool = opened(tmp_path)
    spool.append("raw", "{0}")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
        for number in range(1, 20):
            spool.append("raw", f"{{{number}}}")
        assert trouble(spool)
        assert spool.pending == 20
        first = spool.take(3, 0)
        assert first is not None
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    spool.confirm(first)
    spool.append("raw", "{20}")
    assert not trouble(spool)
    sent = [line.rstrip("\n") for line in first.lines] + list(drain(spool))
    assert sent == [f"raw {{{number}}}" for number in range(21)]


@contextmanager
def broken_disk() -> Iterator[None]:
    """The disk takes nothing."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_that_is_back_takes_also_what_is_under_way(tmp_path: Path, opened: Callable[..., Spool]) -> None:
    spool = opened(tmp_path)
    with broken_disk():
        for number in range(5):
            spool.append("raw", f"{{{number}}}")
        batch = spool.take(2, 0)
    assert batch is not None
    spool.append("raw", "{5}")
    assert (tmp_path / "0000000000000001.log").read_text() == "".join(f"raw {{{number}}}\n" for number in range(6))
    spool.append("raw", "{6}")
    spool.confirm(batch)
    assert spool.pending == 5
    assert list(drain(spool)) == [f"raw {{{number}}}" for number in range(2, 7)]
    assert spool.pending == 0


def test_what_was_under_way_and_did_not_arrive_is_taken_again(tmp_path: Path, opened: Callable[..., Spool]) -> None:
    spool = opened(tmp_path)
    with broken_disk():
        for number in range(5):
            spool.append("raw", f"{{{number}}}")
        assert spool.take(2, 0) is not None
        assert spool.take(2, 0) is not None
    spool.append("raw", "{5}")
    assert list(drain(spool)) == [f"raw {{{number}}}" for number in range(6)]
    assert spool.pending == 0


def test_memory_has_a_limit_while_a_batch_is_under_way(
    tmp_path: Path, opened: Callable[..., Spool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.ingest_foo.spool.MEMORY_RECORDS", 20)
    spool = opened(tmp_path)
    with broken_disk():
        for number in range(10):
            spool.append("raw", f"{{{number}}}")
        batch = spool.take(3, 0)
        for number in range(10, 100):
            spool.append("raw", f"{{{number}}}")
        assert batch is not None
        assert (spool.pending, spool.dropped) == (20, 80)
        spool.confirm(batch)
        assert [line.rstrip("\n") for line in batch.lines] == ["raw {0}", "raw {1}", "raw {2}"]
        assert list(drain(spool)) == [f"raw {{{number}}}" for number in range(83, 100)]


def test_a_disk_that_takes_nothing_is_tried_with_little(
    tmp_path: Path, opened: Callable[..., Spool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits may be much; each packet that is heard tries the disk."""
    spool = opened(tmp_path)
    tried: list[int] = []

    def refuse(_file: int, data: bytes) -> int:
        tried.append(len(data))
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        for number in range(5000):
            spool.append("raw", f"{number:06d}")
    assert max(tried) < 20_000
    spool.append("raw", "005000")
    assert list(drain(spool)) == [f"raw {number:06d}" for number in range(5001)]


@pytest.mark.parametrize("restarted", [False, True])
def test_nothing_is_glued_to_what_is_left_of_a_line_that_failed(
    tmp_path: Path, opened: Callable[..., Spool], monkeypatch: pytest.MonkeyPatch, *, restarted: bool
) -> None:
    spool = opened(tmp_path)
    spool.append("raw", "{0}")
    real = os.write

    def torn(file: int, data: bytes) -> int:
        real(file, data[:4])
        raise OSError(errno.EIO, "Input/output error")

    def refuse(_file: int, _size: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", torn)
        patch.setattr(os, "ftruncate", refuse)
        spool.append("raw", "{1}")
    assert trouble(spool)
    spool.append("raw", "{2}")
    assert (trouble(spool), spool.in_memory) == (False, 0)
    if restarted:
        crash(spool)
        spool = opened(tmp_path)
    assert list(drain(spool)) == ["raw {0}", "raw {1}", "raw {2}"]
    assert (spool.pending, spool.dropped) == (0, 0)


def test_a_disk_that_takes_nothing_and_cuts_nothing_gets_no_segment_a_record(
    tmp_path: Path, opened: Callable[..., Spool], monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = opened(tmp_path)
    spool.append("raw", "{0}")

    def refuse(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        patch.setattr(os, "ftruncate", refuse)
        for number in range(1, 10):
            spool.append("raw", f"{{{number}}}")
    spool.append("raw", "{10}")
    assert len(list(tmp_path.glob("*.log"))) == 1
    assert list(drain(spool)) == [f"raw {{{number}}}" for number in range(11)]


def test_a_segment_that_cannot_be_begun_keeps_no_file_open(
    tmp_path: Path, opened: Callable[..., Spool], monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = opened(tmp_path, LIMIT, 20)
    spool.append("raw", "000000")
    before = len(list(Path("/proc/self/fd").iterdir()))

    def refuse(_folder: Path) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(spool_module, "_sync_folder", refuse)
        for number in range(1, 20):
            spool.append("raw", f"{number:06d}")
        assert (spool.trouble, spool.in_memory) == ("Too many open files", 19)
        assert len(list(Path("/proc/self/fd").iterdir())) == before
    spool.append("raw", "000020")
    assert list(drain(spool)) == [f"raw {number:06d}" for number in range(21)]


def test_a_segment_that_is_full_is_forced_to_the_disk(
    tmp_path: Path, opened: Callable[..., Spool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sync` only sees the newest segment; what the one before got since must not be forgotten."""
    synced: dict[int, int] = {}
    real = os.fdatasync

    def fdatasync(file: int) -> None:
        real(file)
        synced[os.fstat(file).st_ino] = os.fstat(file).st_size

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    spool = opened(tmp_path, LIMIT, 100)
    for number in range(100):
        spool.append("raw", f"{number:06d}")
    spool.sync(now=True)
    segments = [path.stat() for path in tmp_path.glob("*.log")]
    assert len(segments) > 5
    assert {segment.st_ino: segment.st_size for segment in segments} == synced


def test_a_spool_that_cannot_be_read_is_set_aside_and_what_comes_after_it_is_delivered(
    tmp_path: Path, opened: Callable[..., Spool]
) -> None:
    (tmp_path / "0000000000000003.log").mkdir()
    (tmp_path / "0000000000000004.log").write_text("raw {4}\n")
    (tmp_path / "0000000000000009.unreadable").touch()
    spool = opened(tmp_path)
    assert (spool.pending, spool.dropped) == (1, 1)
    spool.append("raw", "{5}")
    assert list(drain(spool)) == ["raw {4}", "raw {5}"]
    assert (spool.pending, spool.dropped) == (0, 1)
    assert sorted(path.name for path in tmp_path.glob("*[0-9].*")) == [
        "0000000000000003.unreadable",
        "0000000000000009.unreadable",
        "0000000000000010.log",
    ]


@pytest.mark.parametrize("how", ["removed", "no file", "errors", "cut"])
def test_a_segment_that_becomes_unreadable_is_set_aside(tmp_path: Path, opened: Callable[..., Spool], how: str) -> None:
    spool = opened(tmp_path, LIMIT, 110)
    for number in range(50):
        spool.append("raw", f"{number:06d}")
    batch = spool.take(3, 0)
    assert batch is not None
    spool.confirm(batch)
    for segment in (1, 3):
        break_segment(tmp_path / f"{segment:016d}.log", how)
    kept = [int(line.split()[1]) for line in drain(spool)]
    assert kept == [*range(10, 20), *range(30, 50)]
    assert (spool.pending, spool.dropped) == (0, 17)
    aside = [int(path.stem) for path in tmp_path.glob("*.unreadable")]
    assert sorted(aside) == ([] if how == "removed" else [1, 3])


def test_a_disk_that_is_away_for_a_moment_costs_nothing(tmp_path: Path, opened: Callable[..., Spool]) -> None:
    spool = opened(tmp_path)
    spool.append("raw", "{1}")
    away = tmp_path / "away"
    (tmp_path / "0000000000000001.log").rename(away)
    for _ in range(READ_TRIES - 1):
        with pytest.raises(FileNotFoundError):
            spool.take(1, 0)
    away.rename(tmp_path / "0000000000000001.log")
    assert list(drain(spool)) == ["raw {1}"]
    assert spool.dropped == 0


def test_the_segment_that_is_written_is_replaced(tmp_path: Path, opened: Callable[..., Spool]) -> None:
    spool = opened(tmp_path)
    spool.append("raw", "{1}")
    batch = spool.take(1, 0)
    assert batch is not None
    break_segment(tmp_path / "0000000000000001.log", "removed")
    assert take(spool, 1) is None
    assert (spool.pending, spool.dropped) == (0, 1)
    spool.confirm(batch)
    spool.append("raw", "{2}")
    assert (tmp_path / "0000000000000002.log").read_text() == "raw {2}\n"
    assert list(drain(spool)) == ["raw {2}"]
    assert (spool.pending, spool.dropped) == (0, 1)


def test_where_no_segment_can_be_begun_either_records_go_on_from_memory(
    tmp_path: Path, opened: Callable[..., Spool], monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = opened(tmp_path)
    spool.append("raw", "{1}")
    break_segment(tmp_path / "0000000000000001.log", "removed")

    def refuse(_segment: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(spool, "_begin", refuse)
        assert take(spool, 1) is None
        spool.append("raw", "{2}")
        spool.append("raw", "{3}")
        assert (spool.trouble, spool.in_memory) == ("Input/output error", 2)
        batch = take(spool, 1)
    assert batch is not None
    spool.append("raw", "{4}")
    assert (trouble(spool), spool.in_memory) == (False, 0)
    spool.confirm(batch)
    assert [line.rstrip("\n") for line in batch.lines] + list(drain(spool)) == ["raw {2}", "raw {3}", "raw {4}"]
    assert (spool.pending, spool.dropped) == (0, 1)


def test_records_that_a_person_can_make_readable_are_not_set_aside(
    tmp_path: Path, opened: Callable[..., Spool], monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = tmp_path / "0000000000000001.log"
    segment.write_text("raw {1}\n")

    def forbid(path: Path) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(spool_module, "cut_torn_line", forbid)
        with pytest.raises(SpoolError, match=rf"cannot use {segment}: Permission denied"):
            opened(tmp_path)
    assert list(drain(opened(tmp_path))) == ["raw {1}"]


def test_the_oldest_goes_without_being_read(tmp_path: Path, opened: Callable[..., Spool]) -> None:
    spool = opened(tmp_path, 400, 110)
    for number in range(10):
        spool.append("raw", f"{number:06d}")
    break_segment(tmp_path / "0000000000000001.log", "removed")
    for number in range(10, 50):
        spool.append("raw", f"{number:06d}")
    kept = [int(line.split()[1]) for line in drain(spool)]
    assert kept == list(range(spool.dropped, 50))


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("", ""),
        ("no line", ""),
        ("x" * 200_000, ""),
        ("one\ntwo\n", "one\ntwo\n"),
        ("one\n" + "x" * 200_000, "one\n"),
        ("one\n" + "x" * (1 << 16), "one\n"),
        ("one\n" + "x" * ((1 << 16) - 1), "one\n"),
    ],
    ids=["empty", "no line", "long", "whole", "long after a line", "a block", "less than a block"],
)
def test_what_is_torn_is_cut_off_however_long_it_is(tmp_path: Path, text: str, rest: str) -> None:
    file = tmp_path / "log"
    file.write_text(text)
    assert cut_torn_line(file) == len(rest)
    assert file.read_text() == rest


def test_one_process_at_a_time(tmp_path: Path, opened: Callable[..., Spool]) -> None:
    spool = opened(tmp_path)
    with pytest.raises(SpoolError, match="another ingest-foo"):
        opened(tmp_path)
    spool.close()
    opened(tmp_path).close()


def test_a_folder_that_cannot_be(tmp_path: Path, opened: Callable[..., Spool]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpoolError, match="cannot write"):
        opened(tmp_path / "file")


def test_what_is_sent_is_grouped_by_destination(tmp_path: Path, opened: Callable[..., Spool]) -> None:
    spool = opened(tmp_path)
    for number in range(4):
        spool.append("raw" if number % 2 else "bluetooth", f'{{"n": {number}}}')
    batch = spool.take(10, 0)
    assert batch is not None
    assert batch.by_destination() == {"bluetooth": ['{"n": 0}', '{"n": 2}'], "raw": ['{"n": 1}', '{"n": 3}']}
    spool.close()
