"""The running ingest: sources on one side, the spool in the middle, the sender on the other."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import IO, Protocol

from scripts.delivery.sink import Sink, SinkError
from scripts.ingest_foo import health
from scripts.ingest_foo.clock import ReceiverClock
from scripts.ingest_foo.display import REFRESH_S, Counters, Display
from scripts.ingest_foo.names import Names
from scripts.ingest_foo.sender import RejectedRecords, Sender
from scripts.ingest_foo.spool import Spool
from scripts.ingest_foo.stick.supervisor import Supervisor
from scripts.ingest_foo.straps import Straps

FINISH_S = 3.0
"""How long the end waits for what is still to be sent."""

_TICK_S = 0.1


class Source(Protocol):
    """What hears straps."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End."""


class Keeper:
    """Takes each record: to the spool, and to the raw log if there is one."""

    def __init__(self, spool: Spool, record: IO[str] | None, say: Callable[[str], None]) -> None:
        self._spool = spool
        self._record = record
        self._say = say

    def __call__(self, destination: str, text: str) -> None:
        """Keep a record."""
        self._spool.append(destination, text)
        if self._record is not None:
            try:
                self._record.write(f"{text}\n")
            except OSError as error:
                self._record = None
                self._say(f"the raw log ends here: {error.strerror}")


class Intake(threading.Thread):
    """Takes packets off the sources' hands at once, so that a slow disk never keeps a source from listening."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(name="intake", daemon=True)
        self._say = say
        self._said: str | None = None
        self._waiting: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

    def into[T](self, take: Callable[[T], None]) -> Callable[[T], None]:
        """A function that takes what `take` does, and leaves it to this thread."""
        return lambda heard: self._waiting.put(lambda: take(heard))

    def run(self) -> None:
        """As `threading.Thread.run`."""
        while (job := self._waiting.get()) is not None:
            try:
                job()
            except Exception as error:  # noqa: BLE001 (the next packet may be kept)
                line = f"a packet could not be kept: {error!r}"
                if line != self._said:
                    self._said = line
                    self._say(line)

    def finish(self) -> None:
        """Return when all that was taken has been passed on."""
        self._waiting.put(None)
        self.join()


class Service:
    """Runs until it is asked to end.

    Args:
        clock: Where times come from.
        intake: Where the sources deliver.
        straps: What becomes of it.
        spool: What `straps` keeps records in.
        sender, sink: Where they go from there.
        rejected: What the server refused.
        display: What a person sees.
        health_file: Where health is written.
        names: Who wears the straps, as asked now and then.
        supervisor: The sticks, if there are to be any.
    """

    def __init__(
        self,
        *,
        clock: ReceiverClock,
        intake: Intake,
        straps: Straps,
        spool: Spool,
        sender: Sender,
        sink: Sink,
        rejected: RejectedRecords,
        display: Display,
        health_file: Path,
        names: Names,
        supervisor: Supervisor | None,
    ) -> None:
        self._clock = clock
        self._intake = intake
        self._straps = straps
        self._spool = spool
        self._sender = sender
        self._sink = sink
        self._rejected = rejected
        self._display = display
        self._health_file = health_file
        self._names = names
        self._supervisor = supervisor
        self._spool_trouble: str | None = None

    def run(self, sources: list[Source], stopping: threading.Event, *, seconds: float | None, wait: bool) -> bool:
        """Run until `stopping` is set, or for so many seconds; True: everything has been delivered.

        Raises:
            StickError: No stick could be used at first, and it is not to `wait` for one.
        """
        self._intake.start()
        self._sender.begin(self._sink)
        self._names.start()
        for source in sources:
            source.start()
        try:
            self._watch(stopping, seconds, wait=wait)
        finally:
            for source in sources:
                source.stop()
            self._intake.finish()
            delivered = self._sender.finish(FINISH_S)
            try:
                self._sink.close()
            except SinkError:
                delivered = False
            self._spool.close()
            self._write_health("ended")
            health.tell_systemd("STOPPING=1")
        return delivered

    def report(self) -> None:
        """The reception report, at the end."""
        self._display.report(self._straps.views(self._clock.now_us()), self._names.by_device, self._counters())

    def _watch(self, stopping: threading.Event, seconds: float | None, *, wait: bool) -> None:
        began = time.monotonic()
        ready = False
        every = [
            _Every(REFRESH_S, self._show),
            _Every(health.WRITE_EVERY_S, lambda: self._write_health("running")),
        ]
        while not stopping.wait(_TICK_S):
            error = None if wait or self._supervisor is None else self._supervisor.failed_at_start
            if error is not None:
                raise error
            if not ready:
                health.tell_systemd("READY=1")
                ready = True
            self._clock.watch()
            self._spool.sync()
            self._note_spool()
            for job in every:
                job.if_due()
            if seconds is not None and time.monotonic() - began >= seconds:
                return

    def _show(self) -> None:
        self._display.show(self._straps.views(self._clock.now_us()), self._names.by_device, self._counters())
        health.tell_systemd("WATCHDOG=1")

    def _note_spool(self) -> None:
        if self._spool.trouble != self._spool_trouble:
            self._spool_trouble = self._spool.trouble
            self._display.say(
                "the spool's disk takes records again"
                if self._spool_trouble is None
                else f"the spool's disk takes nothing ({self._spool_trouble}); records wait in memory"
            )

    def _counters(self) -> Counters:
        return Counters(
            heard=self._straps.packets,
            sent=self._sender.sent,
            waiting=self._spool.pending,
            rejected=self._rejected.count,
            dropped=self._spool.dropped,
        )

    def _write_health(self, state: str) -> None:
        views = self._straps.views(self._clock.now_us())
        health.write(
            self._health_file,
            {
                "state": state,
                "written_at": time.time(),
                "records": asdict(self._counters()),
                "straps_heard": sum(view.age_s < REACHED_S for view in views),
                "last_sent_at": self._sender.last_sent_at,
                "delivery_trouble": self._sender.trouble,
                "spool_trouble": self._spool.trouble,
                "sticks": [] if self._supervisor is None else [asdict(stick) for stick in self._supervisor.states],
            },
        )


REACHED_S = 5.0
"""A strap that was heard so recently counts as heard."""


class _Every:
    """Does something every so many seconds."""

    def __init__(self, seconds: float, act: Callable[[], None]) -> None:
        self._seconds = seconds
        self._act = act
        self._done = 0.0

    def if_due(self) -> None:
        if time.monotonic() - self._done >= self._seconds:
            self._done = time.monotonic()
            self._act()
