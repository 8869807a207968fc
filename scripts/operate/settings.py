"""Where Beatstream's parts are; Moose's own environment variables count."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from scripts.delivery.keys import API, INGEST, key
from scripts.operate.pipeline import full_name


@dataclass(frozen=True, slots=True)
class Settings:
    """Addresses."""

    moose_url: str
    live_url: str
    clickhouse_url: str
    database: str
    user: str
    password: str = field(repr=False)
    kafka: dict[str, str] = field(repr=False)
    """Settings of a Kafka client."""
    namespace: str
    """What Moose puts before its topics' names, if anything."""
    logs: Path
    ingest_auth: httpx.Auth | None = field(default=None, repr=False)
    """Moose's key to send."""
    api_auth: httpx.Auth | None = field(default=None, repr=False)
    """Moose's key to ask."""

    @property
    def broker(self) -> str:
        """Where the broker is."""
        return self.kafka["bootstrap.servers"]

    def topic(self, stream: str) -> str:
        """The topic of a stream."""
        return full_name(stream, self.namespace)

    def stream(self, topic: str) -> str | None:
        """The stream of a topic; None: it is another application's."""
        before = full_name("", self.namespace)
        return topic.removeprefix(before) if topic.startswith(before) else None


def load(
    *,
    url: str | None = None,
    broker: str | None = None,
    clickhouse: str | None = None,
    wall: str | None = None,
    logs: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Settings:
    """What is given; else what the environment says; else this machine. Raises `KeyFormatError`."""

    def said(variable: str, default: str) -> str:
        return environment.get(variable) or default

    scheme = "https" if said("MOOSE_CLICKHOUSE_CONFIG__USE_SSL", "false").lower() == "true" else "http"
    host = said("MOOSE_CLICKHOUSE_CONFIG__HOST", "localhost")
    kafka = {
        "bootstrap.servers": broker or said("MOOSE_REDPANDA_CONFIG__BROKER", "localhost:19092"),
        "security.protocol": said("MOOSE_REDPANDA_CONFIG__SECURITY_PROTOCOL", ""),
        "sasl.mechanism": said("MOOSE_REDPANDA_CONFIG__SASL_MECHANISM", ""),
        "sasl.username": said("MOOSE_REDPANDA_CONFIG__SASL_USERNAME", ""),
        "sasl.password": said("MOOSE_REDPANDA_CONFIG__SASL_PASSWORD", ""),
    }
    return Settings(
        moose_url=url or f"http://localhost:{said('MOOSE_HTTP_SERVER_CONFIG__PORT', '4000')}",
        live_url=wall or f"http://localhost:{said('BEATSTREAM_LIVE_PORT', '4080')}",
        clickhouse_url=clickhouse or f"{scheme}://{host}:{said('MOOSE_CLICKHOUSE_CONFIG__HOST_PORT', '18123')}",
        database=said("MOOSE_CLICKHOUSE_CONFIG__DB_NAME", "local"),
        user=said("MOOSE_CLICKHOUSE_CONFIG__USER", "panda"),
        password=said("MOOSE_CLICKHOUSE_CONFIG__PASSWORD", "pandapass"),
        kafka={name: value for name, value in kafka.items() if value},
        namespace=said("MOOSE_REDPANDA_CONFIG__NAMESPACE", ""),
        logs=logs or Path(".beatstream") / "logs",
        ingest_auth=key(INGEST, environment),
        api_auth=key(API, environment),
    )
