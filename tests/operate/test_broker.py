"""The broker's client, on a broker that librdkafka plays itself."""

from dataclasses import replace

import pytest

from scripts.operate.broker import Broker, BrokerError
from scripts.operate.settings import load


def broker(timeout_s: float, **kafka: str) -> Broker:
    settings = load(broker="127.0.0.1:1", environment={})
    return Broker(replace(settings, kafka={**settings.kafka, "queue.buffering.max.messages": "10", **kafka}), timeout_s)


def test_more_is_put_than_the_client_holds() -> None:
    broker(10.0, **{"test.mock.num.brokers": "1"}).put("decisions", ({"n": number} for number in range(1000)))


def test_what_nobody_takes_is_given_up_however_much_it_is() -> None:
    with pytest.raises(BrokerError, match=r"the broker at 127\.0\.0\.1:1 did not take what was put on decisions"):
        broker(1.0).put("decisions", ({"n": number} for number in range(100)))
