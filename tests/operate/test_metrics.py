from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from scripts.operate import metrics
from scripts.operate.broker import Broker, Place
from scripts.operate.lag import Reading
from scripts.operate.metrics import FRESH_S, BeatstreamCollector
from scripts.operate.settings import load


def registered(**environment: str) -> CollectorRegistry:
    """The figures of parts that are away."""
    settings = load(broker="127.0.0.1:1", clickhouse="http://127.0.0.1:1", environment=environment)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(BeatstreamCollector(settings))
    return registry


def test_what_is_away_is_told_and_not_asked_twice_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 0.0
    monkeypatch.setattr(metrics, "time", SimpleNamespace(monotonic=lambda: now_s))
    asked_at = []
    places = Broker.places

    def counted(self: Broker) -> dict[str, list[Place]]:
        asked_at.append(now_s)
        return places(self)

    monkeypatch.setattr(Broker, "places", counted)
    registry = registered()
    for now_s in (0.0, FRESH_S - 0.1, FRESH_S):  # noqa: B007 (the clock above)
        told = generate_latest(registry).decode()
        assert 'beatstream_up{part="broker"} 0.0' in told
        assert 'beatstream_up{part="clickhouse"} 0.0' in told
    assert asked_at == [0.0, FRESH_S]


def test_shards_of_a_namespace_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    topics = ("gym.raw_ant_hr_packet", "gym.shard_1_raw_ant_hr_packet", "other.raw_ant_hr_packet")
    monkeypatch.setattr(Broker, "places", lambda _self: {name: [Place(name, 0)] for name in topics})
    monkeypatch.setattr(Broker, "ends", lambda _self, at: dict.fromkeys(at, 3))
    monkeypatch.setattr(Broker, "begins", lambda _self, at: dict.fromkeys(at, 0))

    def nobody(*_: object) -> list[Reading]:
        return []

    def slow(_settings: object, _broker: object, ends: dict[Place, int]) -> dict[str, dict[float, float]]:
        return {"received_to_processed": {0.5: sum(ends.values())}}

    monkeypatch.setattr(metrics, "look", nobody)
    monkeypatch.setattr(metrics, "stages", slow)
    told = generate_latest(registered(MOOSE_REDPANDA_CONFIG__NAMESPACE="gym")).decode()
    assert 'beatstream_packets_total{stream="raw_ant_hr_packet"} 3.0' in told
    assert 'beatstream_stage_latency_seconds{quantile="0.5",stage="received_to_processed"} 9.0' in told
    assert 'beatstream_packets_total{stream="shard_1_raw_ant_hr_packet"} 3.0' in told
