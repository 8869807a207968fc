"""Figures for Prometheus that Moose's own /metrics (on its management port) does not have."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from scripts.operate.broker import Broker, BrokerError, Place
from scripts.operate.database import Database, DatabaseError
from scripts.operate.desk import Desk
from scripts.operate.lag import look
from scripts.operate.pipeline import BEATS, streams
from scripts.operate.settings import Settings
from scripts.operate.stages import stages

FRESH_S = 1.0
TIMEOUT_S = 2.0
"""Of each question; Prometheus waits for ten seconds by default."""


class BeatstreamCollector(Collector):
    """Asks the broker and ClickHouse when it is scraped, at most once a second. What is away leaves its figures out."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._broker = Broker(settings, TIMEOUT_S)
        self._database = Database(settings, TIMEOUT_S)
        self._desk = Desk(settings, self._broker, keep_records=False)
        self._lock = threading.Lock()
        self._metrics: list[Metric] = []
        self._asked_at = float("-inf")

    def describe(self) -> Iterable[Metric]:
        """Nothing: to register it must not ask anybody."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """All figures, as old as a second at most."""
        with self._lock:
            if time.monotonic() - self._asked_at >= FRESH_S:
                self._metrics = self._ask()
                self._asked_at = time.monotonic()
            return self._metrics

    def _ask(self) -> list[Metric]:
        up = GaugeMetricFamily("beatstream_up", "Whether a part answers.", labels=["part"])
        metrics: list[Metric] = [up]
        parts: dict[str, Callable[[], list[Metric]]] = {"broker": self._of_broker, "clickhouse": self._of_clickhouse}
        for part, figures in parts.items():
            try:
                metrics += figures()
            except (BrokerError, DatabaseError):
                up.add_metric([part], 0)
            else:
                up.add_metric([part], 1)
        return metrics

    def _of_broker(self) -> list[Metric]:
        places = self._broker.places()
        offsets = self._broker.ends(place for at in places.values() for place in at)
        ends = self._by_stream(offsets)
        packets = CounterMetricFamily(
            "beatstream_packets", "Packets put on a stream since the broker started.", labels=["stream"]
        )
        for stream in streams(ends):
            if stream.packets and stream.name in ends:
                packets.add_metric([stream.name], ends[stream.name])
        beats = CounterMetricFamily(
            "beatstream_beats", "Beats put on unified_hr_packet since the broker started; one sent again counts again."
        )
        beats.add_metric([], ends.get(BEATS, 0))
        lag = GaugeMetricFamily(
            "beatstream_consumer_lag", "Messages that a function has not read yet.", labels=["group", "stream"]
        )
        sync = GaugeMetricFamily(
            "beatstream_sync_lag", "Messages that are not in their table yet.", labels=["table", "stream"]
        )
        for reading in look(self._settings, self._broker):
            if reading.table is None:
                lag.add_metric([reading.group, reading.stream], reading.lag)
            else:
                sync.add_metric([reading.table, reading.stream], reading.lag)
        self._desk.read()
        letters = GaugeMetricFamily(
            "beatstream_dead_letters", "Dead letters by what was decided.", labels=["queue", "decision"]
        )
        for queue, counts in self._desk.counts().items():
            for decision, number in counts._asdict().items():
                letters.add_metric([queue, decision], number)
        seconds = GaugeMetricFamily(
            "beatstream_stage_latency_seconds",
            "From when a packet was heard, or its beat put on the topic before, to its beat on the next topic; of the "
            "newest beats of ANT+ straps within a minute.",
            labels=["stage", "quantile"],
        )
        for stage, quantiles in stages(self._settings, self._broker, offsets).items():
            for share, value in quantiles.items():
                seconds.add_metric([stage, str(share)], value)
        return [packets, beats, lag, sync, letters, seconds]

    def _by_stream(self, offsets: dict[Place, int]) -> dict[str, int]:
        """How many messages were put on each stream."""
        ends: Counter[str] = Counter()
        for place, offset in offsets.items():
            if (name := self._settings.stream(place.topic)) is not None:
                ends[name] += offset
        return ends

    def _of_clickhouse(self) -> list[Metric]:
        reception, latency, age = self._database.reception(), self._database.latency(), self._database.newest_age_s()
        metrics: list[Metric] = [
            _gauge("beatstream_packets_last_minute", "ANT+ packets heard within the last minute.", reception.packets),
            _gauge("beatstream_beats_last_minute", "Beats within the last minute.", self._database.beats()),
        ]
        if age is not None:
            metrics.append(_gauge("beatstream_newest_beat_age_seconds", "How long ago the newest beat was.", age))
        loss = GaugeMetricFamily(
            "beatstream_loss_ratio",
            "Of the last minute, radio: share of the slots of straps without a packet stored; "
            "delivery: share of the packets that receivers numbered and that are not stored.",
            labels=["where"],
        )
        for where, share in (("radio", reception.radio_loss), ("delivery", reception.delivery_loss)):
            if share is not None:
                loss.add_metric([where], share)
        seconds = GaugeMetricFamily(
            "beatstream_latency_seconds",
            "From a packet's received_at to its beat's processed_timestamp, of the last minute's beats of ANT+ straps.",
            labels=["quantile"],
        )
        for share, value in latency.quantiles.items():
            seconds.add_metric([str(share)], value)
        return [*metrics, loss, seconds]


def _gauge(name: str, told: str, value: Any) -> Metric:
    return GaugeMetricFamily(name, told, value=float(value))
