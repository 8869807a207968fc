"""The way from the spool to the server goes on, whatever the disk does to it."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.waiting import wait_for
from scripts.delivery.sink import PROFILE, RAW, ServerGoneError, SinkError
from scripts.ingest_foo import sender as sender_module
from scripts.ingest_foo.sender import RejectedRecords, Sender
from scripts.ingest_foo.spool import Batch, Spool


class Taken:
    """A sink that takes everything it knows."""

    def __init__(self) -> None:
        self.retries = 0
        self.records: list[tuple[str, str]] = []

    def send(self, destination: str, batch: list[str]) -> None:
        self.records += [(destination, text) for text in batch]

    def settle(self) -> None:
        pass

    def close(self) -> None:
        pass


class Way:
    """A spool, a sender and a sink."""

    def __init__(self, folder: Path) -> None:
        self.lines: list[str] = []
        self.spool = Spool(folder, 10_000_000)
        self.rejected = RejectedRecords(folder / "rejected.jsonl", self.lines.append)
        self.sink = Taken()
        self.sender = Sender(self.spool, self.lines.append, self.rejected)

    def await_delivered(self, count: int) -> list[str]:
        wait_for(lambda: self.spool.pending == 0 and len(self.sink.records) >= count, "the records", 10, every_s=0.01)
        return [text for _, text in self.sink.records]


class Leaving(Taken):
    """A server that is there, or is not."""

    gone = False

    def send(self, destination: str, batch: list[str]) -> None:
        if self.gone:
            raise ServerGoneError
        super().send(destination, batch)


@pytest.fixture
def way(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], Way]]:
    monkeypatch.setattr(sender_module, "PAUSE_S", 0.01)
    ways: list[Way] = []

    def make(folder: Path) -> Way:
        ways.append(Way(folder))
        return ways[-1]

    yield make
    for each in ways:
        if each.sender.is_alive():
            each.sender.finish(1)
        each.spool.close()


@pytest.mark.parametrize("act", ["take", "confirm"])
def test_a_disk_that_cannot_be_read_ends_nothing(
    tmp_path: Path, way: Callable[[Path], Way], monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    it = way(tmp_path)
    tries = []
    real = getattr(it.spool, act)

    def failing(*arguments: object) -> Batch | None:
        tries.append(1)
        if len(tries) == 1:
            raise OSError(5, "Input/output error")
        batch: Batch | None = real(*arguments)
        return batch

    monkeypatch.setattr(it.spool, act, failing)
    it.spool.append(RAW, "{1}")
    it.sender.begin(it.sink)
    it.spool.append(RAW, "{2}")
    assert set(it.await_delivered(2)) == {"{1}", "{2}"}
    wait_for(lambda: len(it.lines) == 2, "it to be said", 5, every_s=0.01)
    assert "Input/output error" in it.lines[0]
    assert it.lines[1].startswith("delivering again")
    assert it.sender.trouble is None


def test_a_line_that_the_disk_has_damaged_stops_nothing(tmp_path: Path, way: Callable[[Path], Way]) -> None:
    with (tmp_path / "0000000000000001.log").open("wb") as file:
        file.write(b"raw_ant_hr_packet {1}\n\0\0\0\xff\n\nraw_ant_hr_packet {2}\n")
    it = way(tmp_path)
    it.sender.begin(it.sink)
    assert it.await_delivered(2) == ["{1}", "{2}"]
    assert it.rejected.count == 2
    assert "damaged on the disk" in (tmp_path / "rejected.jsonl").read_text()
    wait_for(lambda: it.sender.sent == 2, "them to be counted", 5, every_s=0.01)
    assert it.sender.sent == 2


def test_a_segment_that_the_disk_does_not_give_back_stops_nothing(tmp_path: Path, way: Callable[[Path], Way]) -> None:
    it = way(tmp_path)
    it.spool.append(RAW, "{1}")
    (tmp_path / "0000000000000001.log").unlink()
    it.sender.begin(it.sink)
    wait_for(lambda: it.spool.dropped == 1, "it to be given up", 10, every_s=0.01)
    it.spool.append(RAW, "{2}")
    assert it.await_delivered(1) == ["{2}"]


def test_what_is_rejected_takes_no_more_than_two_files(
    tmp_path: Path, way: Callable[[Path], Way], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_module, "REJECTED_BYTES", 1000)
    it = way(tmp_path)
    for number in range(100):
        it.rejected(f"{number:06d}", "wrong")
    kept = [(tmp_path / name).read_text().splitlines() for name in ("rejected.old.jsonl", "rejected.jsonl")]
    assert [json.loads(line)["record"] for lines in kept for line in lines] == [
        f"{number:06d}" for number in range(100 - sum(map(len, kept)), 100)
    ]
    assert len(kept[0]) > len(kept[1]) > 0
    assert {file.name for file in tmp_path.glob("rejected*")} == {"rejected.jsonl", "rejected.old.jsonl"}


def test_only_packets_are_counted_as_sent(tmp_path: Path, way: Callable[[Path], Way]) -> None:
    it = way(tmp_path)
    it.spool.append(PROFILE, "{}")
    it.spool.append(RAW, "{}")
    it.sender.begin(it.sink)
    it.await_delivered(2)
    wait_for(lambda: it.sender.sent == 1, "it to be counted", 5, every_s=0.01)
    assert [to for to, _ in it.sink.records] == [PROFILE, RAW]


class Restarted(Taken):
    """A server that takes some, is away once, and comes back without what it held in memory."""

    def __init__(self, takes: int, failure: type[SinkError]) -> None:
        super().__init__()
        self._takes = takes
        self._failure: type[SinkError] | None = failure

    def send(self, destination: str, batch: list[str]) -> None:
        if self._failure is not None and len(self.records) >= self._takes:
            self.records.clear()
            failure, self._failure = self._failure, None
            raise failure("away")
        super().send(destination, batch)


def test_a_server_that_was_gone_while_there_was_nothing_to_send_gets_it_again(
    tmp_path: Path, way: Callable[[Path], Way], monkeypatch: pytest.MonkeyPatch
) -> None:
    it = way(tmp_path)
    it.sender.begin(it.sink)
    it.spool.append(RAW, "{1}")
    it.await_delivered(1)
    wait_for(lambda: it.sender.sent == 1, "it to be counted", 5, every_s=0.01)
    it.sink.records.clear()
    monkeypatch.setattr(sender_module, "UNNOTICED_S", 0.0)
    it.spool.append(RAW, "{2}")
    assert it.await_delivered(2) == ["{1}", "{2}"]


@pytest.mark.parametrize(
    ("failure", "had"), [(ServerGoneError, ["{1}", "{2}", "{3}"]), (SinkError, ["{3}"])], ids=["gone", "busy"]
)
def test_what_a_restarted_server_may_have_lost_is_sent_again_first(
    tmp_path: Path, way: Callable[[Path], Way], failure: type[SinkError], had: list[str]
) -> None:
    it = way(tmp_path)
    it.sink = Restarted(2, failure)
    it.sender.begin(it.sink)

    def send(text: str) -> None:
        it.spool.append(RAW, text)
        wait_for(lambda: (RAW, text) in it.sink.records, "it to arrive", 5, every_s=0.01)

    for text in ("{1}", "{2}", "{3}"):
        send(text)
    assert [text for _, text in it.sink.records] == had
    wait_for(lambda: it.sender.sent == 3, "it to be counted", 5, every_s=0.01)


def test_what_arrived_before_the_server_was_gone_is_sent_again_however_long_and_often_it_was(
    tmp_path: Path, way: Callable[[Path], Way], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock_s = 0.0
    monkeypatch.setattr(sender_module, "time", SimpleNamespace(monotonic=lambda: clock_s, time=time.time))
    it = way(tmp_path)
    it.sink = sink = Leaving()
    it.sender.begin(sink)

    def send(text: str) -> None:
        counted = it.sender.sent
        it.spool.append(RAW, text)
        wait_for(lambda: it.sender.sent > counted, "it to be counted", 5, every_s=0.01)

    send("{1}")
    for text, had in (("{2}", ["{1}", "{2}"]), ("{3}", ["{1}", "{2}", "{3}"])):
        sink.records.clear()
        sink.gone = True
        it.spool.append(RAW, text)
        wait_for(lambda: it.sender.trouble is not None, "the server to be missed", 5, every_s=0.01)
        clock_s += 3600
        sink.gone = False
        it.await_delivered(len(had))
        assert [record for _, record in sink.records] == had
        wait_for(lambda: it.sender.trouble is None, "all to be well again", 5, every_s=0.01)
        clock_s += sender_module.REPEATED_S - 1
