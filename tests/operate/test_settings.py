from scripts.operate.settings import load


def test_options_before_environment_before_this_machine() -> None:
    assert load(environment={}).moose_url == "http://localhost:4000"
    environment = {
        "MOOSE_HTTP_SERVER_CONFIG__PORT": "4100",
        "MOOSE_REDPANDA_CONFIG__BROKER": "red:9092",
        "MOOSE_REDPANDA_CONFIG__NAMESPACE": "gym",
        "MOOSE_REDPANDA_CONFIG__SASL_PASSWORD": "secret",
        "MOOSE_CLICKHOUSE_CONFIG__HOST": "db",
        "MOOSE_CLICKHOUSE_CONFIG__USE_SSL": "true",
        "MOOSE_CLICKHOUSE_CONFIG__HOST_PORT": "8443",
        "BEATSTREAM_LIVE_PORT": "4180",
    }
    settings = load(environment=environment)
    assert settings.moose_url == "http://localhost:4100"
    assert settings.clickhouse_url == "https://db:8443"
    assert settings.live_url == "http://localhost:4180"
    assert settings.kafka == {"bootstrap.servers": "red:9092", "sasl.password": "secret"}
    assert settings.topic("erasure_request") == "gym.erasure_request"
    assert settings.stream("gym.erasure_request") == "erasure_request"
    assert settings.stream("gymnasium.erasure_request") is settings.stream("erasure_request") is None
    assert load(environment={}).stream("erasure_request") == "erasure_request"
    assert "secret" not in repr(settings)
    assert load(url="http://there", broker="blue:1", environment=environment).broker == "blue:1"
