"""The broker's topics as a sink, past the ingest API's checks."""

from confluent_kafka import KafkaException, Producer

from scripts.delivery.sink import SinkError

GIVE_UP_AFTER_S = 60.0


class KafkaSink:
    """Puts records on the topics themselves."""

    def __init__(self, broker: str, give_up_after_s: float = GIVE_UP_AFTER_S) -> None:
        self.retries = 0
        self._broker = broker
        self._give_up_after_s = give_up_after_s
        self._producer = Producer(
            {
                "bootstrap.servers": broker,
                "enable.idempotence": False,  # Moose's in-memory broker does not know it
                "acks": "all",
                "max.in.flight.requests.per.connection": 1,
                "linger.ms": 20,
                "queue.buffering.max.messages": 1_000_000,
                "message.timeout.ms": int(give_up_after_s * 1000),
                "log_level": 0,  # what goes wrong is raised
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

    def settle(self) -> None:
        """As `Sink.settle`."""
        if self._producer.flush(self._give_up_after_s):
            raise SinkError(f"{self._broker} did not take everything within {self._give_up_after_s:.0f} s")
        self._check()

    def close(self) -> None:
        """As `Sink.close`."""
        self.settle()

    def _delivered(self, error: object, _message: object) -> None:
        if error is not None:
            self._failure = str(error)

    def _check(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise SinkError(f"{self._broker}: {failure}")
