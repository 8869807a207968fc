"""The spool: everything once and in order, over crashes, full disks, and its own limit."""

import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from scripts.ingest_foo.spool import SEGMENT_BYTES, Spool, SpoolError

LIMIT = 10_000_000


def drain(spool: Spool, most: int = 7) -> Iterator[str]:
    while (batch := spool.take(most, 0)) is not None:
        yield from (line.rstrip("\n") for line in batch.lines)
        spool.confirm(batch)


def trouble(spool: Spool) -> bool:
    return spool.trouble is not None


def crash(spool: Spool) -> None:
    """Let go of the folder as a killed process does: nothing more is written."""
    if not spool._lock.closed:
        spool._lock.close()
        os.close(spool._file)


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


def test_a_spool_that_cannot_be_read_is_one_clear_line(tmp_path: Path, opened: Callable[..., Spool]) -> None:
    (tmp_path / "0000000000000001.log").mkdir()
    with pytest.raises(SpoolError, match="cannot read"):
        opened(tmp_path)
    (tmp_path / "0000000000000001.log").rmdir()
    opened(tmp_path).close()


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
