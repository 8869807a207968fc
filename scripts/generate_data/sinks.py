"""Where records go. A sink takes batches of JSON texts for one destination and keeps their order."""

import json
import sys
from pathlib import Path
from typing import IO, Protocol

import httpx
from confluent_kafka import KafkaException, Producer
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

RAW, ASSIGNMENT = "raw_ant_hr_packet", "strap_assignment"
"""Destinations: the ingest API's names, which are the topics' names."""

GIVE_UP_AFTER_S = 60.0
_SHOWN_REASONS = 5


class SinkError(Exception):
    """What was to be sent could not be delivered; the text says why."""


class Sink(Protocol):
    """Takes records."""

    rejected: list[str]
    """Why single records were refused; the others of their batch arrived."""
    retries: int
    """How often something had to be sent again."""

    def send(self, destination: str, batch: list[str]) -> None:
        """Deliver a batch. Raises `SinkError` if it is not to be delivered."""

    def close(self) -> None:
        """Deliver what is still under way. Raises `SinkError`."""


class _Unavailable(Exception):  # noqa: N818 (a state of the server)
    """The server did not take a request, and may take it later."""


class HttpSink:
    """POSTs arrays to the ingest API over a kept-alive connection; retries with backoff, isolates what is refused."""

    def __init__(self, url: str, give_up_after_s: float = GIVE_UP_AFTER_S) -> None:
        self.rejected: list[str] = []
        self.retries = 0
        self._url = url
        self._client = httpx.Client(base_url=url, timeout=10.0)
        self._retrying = Retrying(
            retry=retry_if_exception_type((_Unavailable, httpx.TransportError)),
            wait=wait_random_exponential(multiplier=0.1, max=5.0),
            stop=stop_after_delay(give_up_after_s),
            before_sleep=self._count_retry,
            reraise=True,
        )

    def send(self, destination: str, batch: list[str]) -> None:
        """As `Sink.send`. A refused array is halved until the record that is wrong stands alone."""
        if not batch:
            return
        try:
            refusal = self._retrying(self._post, destination, batch)
        except (_Unavailable, httpx.TransportError) as error:
            raise SinkError(f"{self._url} took nothing for {GIVE_UP_AFTER_S:.0f} s: {error}") from error
        if refusal is None:
            return
        if len(batch) == 1:
            self.rejected.append(refusal)
            return
        half = len(batch) // 2
        self.send(destination, batch[:half])
        self.send(destination, batch[half:])

    def close(self) -> None:
        """As `Sink.close`."""
        self._client.close()

    def _post(self, destination: str, batch: list[str]) -> str | None:
        answer = self._client.post(
            f"/ingest/{destination}", content=f"[{','.join(batch)}]", headers={"Content-Type": "application/json"}
        )
        if answer.status_code in (httpx.codes.BAD_REQUEST, httpx.codes.REQUEST_ENTITY_TOO_LARGE):
            return answer.text.strip()
        if answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise _Unavailable(f"HTTP {answer.status_code}: {answer.text.strip()[:200]}")
        if not answer.is_success:
            raise SinkError(f"{answer.url}: HTTP {answer.status_code}: {answer.text.strip()[:200]}")
        return None

    def _count_retry(self, _state: RetryCallState) -> None:
        self.retries += 1


class KafkaSink:
    """Puts records on the topics themselves, past the ingest API's checks."""

    def __init__(self, broker: str) -> None:
        self.rejected: list[str] = []
        self.retries = 0
        self._broker = broker
        self._producer = Producer(
            {
                "bootstrap.servers": broker,
                "enable.idempotence": False,  # Moose's in-memory broker does not know it
                "acks": "all",
                "max.in.flight.requests.per.connection": 1,
                "linger.ms": 20,
                "queue.buffering.max.messages": 1_000_000,
                "message.timeout.ms": int(GIVE_UP_AFTER_S * 1000),
            }
        )
        self._failure: str | None = None

    def send(self, destination: str, batch: list[str]) -> None:
        """As `Sink.send`."""
        for text in batch:
            while True:
                try:
                    self._producer.produce(destination, text, on_delivery=self._delivered)
                    break
                except BufferError:
                    self._producer.poll(1.0)
                except KafkaException as error:
                    raise SinkError(f"{self._broker}: {error}") from error
        self._producer.poll(0)
        self._check()

    def close(self) -> None:
        """As `Sink.close`."""
        if self._producer.flush(GIVE_UP_AFTER_S):
            raise SinkError(f"{self._broker} did not take everything within {GIVE_UP_AFTER_S:.0f} s")
        self._check()

    def _delivered(self, error: object, _message: object) -> None:
        if error is not None:
            self._failure = str(error)

    def _check(self) -> None:
        if self._failure is not None:
            raise SinkError(f"{self._broker}: {self._failure}")


class LineSink:
    """Writes JSON lines to a file or to standard output; assignments only beside, as they are no packets."""

    def __init__(self, output: Path | None) -> None:
        self.rejected: list[str] = []
        self.retries = 0
        self._output = output
        self._file: IO[str] = sys.stdout
        if output is not None:
            try:
                self._file = output.open("w")
            except OSError as error:
                raise SinkError(str(error)) from error

    def send(self, destination: str, batch: list[str]) -> None:
        """As `Sink.send`; assignments go to `<output>.people.jsonl`, and to nowhere from standard output."""
        if destination == RAW:
            self._file.write("".join(f"{text}\n" for text in batch))
        elif self._output is not None:
            people = self._output.with_suffix(".people.jsonl")
            people.write_text("".join(f"{json.dumps(json.loads(text))}\n" for text in batch))

    def close(self) -> None:
        """As `Sink.close`."""
        self._file.flush()
        if self._output is not None:
            self._file.close()
