import time

from prometheus_client import CollectorRegistry, generate_latest

from scripts.operate.metrics import BeatstreamCollector
from scripts.operate.settings import load


def test_what_is_away_is_told_and_not_asked_twice_a_second() -> None:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(BeatstreamCollector(load(broker="127.0.0.1:1", clickhouse="http://127.0.0.1:1", environment={})))
    first = generate_latest(registry).decode()
    assert 'beatstream_up{part="broker"} 0.0' in first
    assert 'beatstream_up{part="clickhouse"} 0.0' in first
    began = time.monotonic()
    assert generate_latest(registry).decode() == first
    assert time.monotonic() - began < 0.5
