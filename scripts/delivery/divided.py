"""A sink that divides radio packets among Beatstream's shards."""

import json

from app.heartrate.device_number import InvalidDeviceId, parse_device_id
from app.heartrate.sharding import stream_of_strap
from scripts.delivery.sink import RAW, Sink


class DividedSink:
    """Hands each strap's packets to the stream of its shard, all else on as it is.

    Args:
        sink: Takes them.
        shards: As many as Beatstream runs with (BEATSTREAM_SHARDS).
    """

    def __init__(self, sink: Sink, shards: int) -> None:
        self._sink = sink
        self._shards = shards
        self._stream: dict[str, str] = {}

    @property
    def retries(self) -> int:
        """As `Sink.retries`."""
        return self._sink.retries

    def send(self, destination: str, batch: list[str]) -> None:
        """As `Sink.send`; where it raises, a part of the batch may have been handed on."""
        if destination != RAW or self._shards == 1:
            self._sink.send(destination, batch)
            return
        divided: dict[str, list[str]] = {}
        for text in batch:
            divided.setdefault(self._stream_of(text), []).append(text)
        for stream, texts in divided.items():
            self._sink.send(stream, texts)

    def _stream_of(self, text: str) -> str:
        try:
            device_id = str(json.loads(text)["device_id"])
            stream = self._stream.get(device_id)
            if stream is None:
                stream = self._stream[device_id] = stream_of_strap(parse_device_id(device_id), self._shards)
        except (ValueError, KeyError, TypeError, InvalidDeviceId):
            return RAW  # Beatstream says what is wrong with it
        return stream

    def settle(self) -> None:
        """As `Sink.settle`."""
        self._sink.settle()

    def close(self) -> None:
        """As `Sink.close`."""
        self._sink.close()
