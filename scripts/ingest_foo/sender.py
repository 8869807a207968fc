"""From the spool to the server: in order, in batches, as often as it takes."""

import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import httpx

from scripts.delivery.http import HttpSink
from scripts.delivery.sink import DESTINATIONS, PACKETS, ServerGoneError, Sink, SinkError
from scripts.ingest_foo.spool import Batch, Spool

BATCH_RECORDS = 500
GATHER_S = 0.1
"""How long records wait for others: how fresh what is shown can be."""

PAUSE_S = 1.0
"""Between tries, where the sink itself has given up."""

REPEATED_S = 60.0
"""What arrived within so long before the last that did is sent again when a server that was gone is back: a broker that
keeps messages in memory has lost what was not stored yet. What it has not lost is told twice, which changes nothing."""

UNNOTICED_S = 5.0
"""So long without anything to send, the server may have been gone without anybody noticing."""

REPEATED_RECORDS = 100_000
"""At most so many of them, as they are kept in memory."""

REJECTED_BYTES = 10_000_000
"""When so much was rejected another file is begun; one that is full is kept."""

_LOOK_EVERY_S = 0.02
_LAST_REQUEST_S = 1.0


class Sender(threading.Thread):
    """Sends what is spooled, until `stop`.

    Args:
        spool: What to send.
        say: Takes one line a change, for people.
        on_damaged: Told each line that the disk has damaged, and why it is not sent.
    """

    def __init__(self, spool: Spool, say: Callable[[str], None], on_damaged: Callable[[str, str], None]) -> None:
        super().__init__(name="sender", daemon=True)
        self._spool = spool
        self._say = say
        self._on_damaged = on_damaged
        self.stopping = threading.Event()
        """Set: end, whatever is still to be sent."""
        self._sink: Sink | None = None
        self._arrived: deque[tuple[float, str, list[str]]] = deque()
        """When, where to and what, of the last `REPEATED_S`."""
        self._arrived_records = 0
        self._server_was_gone = False
        self.sent = 0
        """Packets that have arrived."""
        self.last_sent_at: float | None = None
        """Seconds since 1970 UTC; None: nothing has arrived yet."""
        self.trouble: str | None = None
        """Why nothing arrives; None: it does."""

    def begin(self, sink: Sink) -> None:
        """Send to `sink` from now on."""
        self._sink = sink
        self.start()

    def run(self) -> None:
        """As `threading.Thread.run`."""
        while not self.stopping.is_set():
            try:
                batch = self._spool.take(BATCH_RECORDS, GATHER_S)
                if batch is None:
                    continue
                if self._server_was_gone or self._silent_for_s() > UNNOTICED_S:
                    self._repeat()
                self._deliver(batch)
            except Exception as error:  # noqa: BLE001 (whatever goes wrong, what is spooled is tried again)
                if not self.stopping.is_set():
                    self._server_was_gone |= isinstance(error, ServerGoneError)
                    self.note_trouble(str(error) if isinstance(error, SinkError) else repr(error))
                    self.stopping.wait(PAUSE_S)
                continue
            self._note_success()
            if len(batch.lines) < BATCH_RECORDS:
                self.stopping.wait(GATHER_S)

    def _deliver(self, batch: Batch) -> None:
        assert self._sink is not None
        records_of = batch.by_destination()
        damaged = [records_of.pop(to) for to in list(records_of) if to not in DESTINATIONS]
        for destination, records in records_of.items():
            self._sink.send(destination, records)
        self._sink.settle()
        self._note_arrived(records_of)
        for record in chain.from_iterable(damaged):
            self._on_damaged(record, "damaged on the disk")
        self._spool.confirm(batch)
        self.sent += sum(len(records) for to, records in records_of.items() if to in PACKETS)
        self.last_sent_at = time.time()

    def _note_arrived(self, records_of: dict[str, list[str]]) -> None:
        now = time.monotonic()
        for destination, records in records_of.items():
            self._arrived.append((now, destination, records))
            self._arrived_records += len(records)
        while self._arrived and (self._arrived[0][0] < now - REPEATED_S or self._arrived_records > REPEATED_RECORDS):
            self._arrived_records -= len(self._arrived.popleft()[2])

    def _silent_for_s(self) -> float:
        return time.monotonic() - self._arrived[-1][0] if self._arrived else 0.0

    def _repeat(self) -> None:
        """Send again what had arrived, before what comes after it, however long the server has been gone."""
        assert self._sink is not None
        for _, destination, records in self._arrived:
            self._sink.send(destination, records)
        self._sink.settle()
        if self._server_was_gone:
            # It may be gone again before it has stored them.
            now = time.monotonic()
            self._arrived = deque((now, destination, records) for _, destination, records in self._arrived)
            self._server_was_gone = False

    def finish(self, within_s: float) -> bool:
        """Send what is left, for so long at most, and end; True: nothing is left."""
        deadline = time.monotonic() + within_s
        while self._spool.pending and self.trouble is None and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY_S)
        self.stopping.set()
        # A request that nobody answers is not waited for: what it carries stays in the spool.
        self.join(_LAST_REQUEST_S)
        return not self._spool.pending

    def note_trouble(self, reason: str) -> None:
        """The server takes nothing at the moment."""
        if self.trouble is None:
            self._say(f"not delivered, kept on disk until it is: {reason}")
        self.trouble = reason

    def _note_success(self) -> None:
        if self.trouble is not None:
            self.trouble = None
            self._say(f"delivering again; {self._spool.pending} records to catch up with")


class RejectedRecords:
    """Records that were not to be delivered, beside the spool, each with the reason."""

    def __init__(self, file: Path, say: Callable[[str], None]) -> None:
        self._file = file
        self._say = say
        self.count = 0

    def __call__(self, record: str, reason: str) -> None:
        """Keep one."""
        self.count += 1
        with contextlib.suppress(OSError):
            with self._file.open("a") as file:
                file.write(json.dumps({"reason": reason, "record": record}) + "\n")
                full = file.tell() > REJECTED_BYTES
            if full:
                self._file.replace(self._file.with_suffix(".old.jsonl"))
        if self.count == 1:
            self._say(f"a record was refused; kept in {self._file}: {reason}")


def http_sink(
    url: str, sender: Sender, on_rejected: Callable[[str, str], None], auth: httpx.Auth | None = None
) -> HttpSink:
    """What a sender delivers by over HTTP.

    One try a request: the sender itself tries again, as it has more to send where the server was away.
    """
    return HttpSink(url, on_rejected, give_up_after_s=0.0, stopping=sender.stopping, auth=auth)
