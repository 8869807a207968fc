"""The load: sixty people, heard live, delivered as `ingest-foo` delivers: spool, sender, HTTP."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from chaos.group import SECOND_US, Comparison, Group
from chaos.stack import Stack
from harness.waiting import wait_for
from scripts.delivery.sink import ASSIGNMENT, RAW
from scripts.ingest_foo.sender import Sender, http_sink
from scripts.ingest_foo.spool import Spool

STRAPS = 60
DELIVERED_WITHIN_S = 120.0
SPOOL_BYTES = 1_000_000_000
_TICK_S = 0.02


class Load:
    """A group whose packets go to a stack. `copies`: each packet is sent so often."""

    def __init__(
        self, stack: Stack, folder: Path, *, behind_s: float = 0.0, pace: float = 1.0, copies: int = 1
    ) -> None:
        self.stack = stack
        self.group = Group(STRAPS, round((time.time() - behind_s) * SECOND_US))
        self.rejected: list[str] = []
        self.said: list[str] = []
        """What a person before `ingest-foo` would have read."""
        self._pace = pace
        self._copies = copies
        self._records = self.group.records()
        self._spool = Spool(folder, SPOOL_BYTES)
        self._sender = Sender(self._spool, self.said.append, self._reject)
        self._sink = http_sink(stack.url, self._sender, self._reject)
        self._ending = threading.Event()
        self._feeder = threading.Thread(target=self._feed, daemon=True)
        self._fed_us = self.group.start_us
        self.texts: list[str] = []
        """All packets, as they were sent."""

    def start(self) -> None:
        """Begin to be heard."""
        for person in self.group.people:
            self._spool.append(ASSIGNMENT, person.assignment)
        self._sender.begin(self._sink)
        self._feeder.start()

    def await_heard(self, seconds: float) -> None:
        """Wait until so much more has been heard, in the packets' own time."""
        until = self._fed_us + seconds * SECOND_US
        wait_for(lambda: self._fed_us >= until, f"{seconds} s of packets", seconds / self._pace + 30)

    def send_again(self) -> None:
        """Everything that was sent, once more: who wears what, too."""
        for person in self.group.people:
            self._spool.append(ASSIGNMENT, person.assignment)
        for text in self.texts.copy():
            self._spool.append(RAW, text)

    def newest_beat(self) -> float:
        """The newest beat of the group that the API shows; 0: none, or no answer."""
        return self.stack.newest_beat(users=",".join(person.name for person in self.group.people))

    def stop_hearing(self) -> None:
        """No packet comes any more."""
        self._ending.set()
        self._feeder.join(10)

    def finish(self) -> None:
        """Stop hearing; wait until all has been delivered, processed and stored. Nobody else may be heard then."""
        self.stop_hearing()
        wait_for(lambda: self._spool.pending == 0, "the spool to be empty", DELIVERED_WITHIN_S)
        self.stack.await_settled()

    def compare(self) -> Comparison:
        """The tables beside the truth."""
        devices = [person.device_id for person in self.group.people]
        return self.group.compare(
            (str(row[0]), float(row[1]), row[2], row[3], int(row[4]))
            for row in self.stack.rows(
                "SELECT device_id, hr_timestamp_seconds, hr_value, rr_interval_ms, user_id "
                "FROM unified_hr_packet FINAL WHERE device_id IN {devices:Array(String)}",
                devices=devices,
            )
        )

    def close(self) -> None:
        """Leave nothing behind."""
        self.stop_hearing()
        self._sender.stopping.set()
        self._sender.join(15)
        self._spool.close()
        self._sink.close()

    def _reject(self, record: str, reason: str) -> None:
        self.rejected.append(f"{reason}: {record}")

    def _feed(self) -> None:
        began = time.monotonic()
        record = next(self._records)
        while True:
            now_us = self.group.start_us + round((time.monotonic() - began) * self._pace * SECOND_US)
            while record.at_us <= now_us:
                self._append(record.text)
                record = next(self._records)
            self._fed_us = now_us
            if self._ending.wait(_TICK_S):
                break
        self._append(record.text)  # taken, so it counts as sent

    def _append(self, text: str) -> None:
        self.texts.append(text)
        for _ in range(self._copies):
            self._spool.append(RAW, text)


@contextmanager
def running(stack: Stack, *, behind_s: float = 0.0, pace: float = 1.0, copies: int = 1) -> Iterator[Load]:
    """A load that has begun, and ends in any case."""
    with TemporaryDirectory(prefix="beatstream-chaos-spool-") as folder:
        load = Load(stack, Path(folder), behind_s=behind_s, pace=pace, copies=copies)
        try:
            load.start()
            yield load
        finally:
            load.close()
