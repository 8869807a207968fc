"""Where the other parts are; Moose's own environment variables count."""

import os
from dataclasses import dataclass, field

from app.heartrate.sharding import parse_shards, stream_of_shard
from live.access import Tokens

DEFAULT_PORT = 4080


@dataclass(frozen=True, slots=True)
class Settings:
    """Addresses."""

    moose_url: str
    broker: str
    namespace: str = ""
    """What Moose puts before its topics' names, if anything."""
    tokens: Tokens = field(default_factory=Tokens, repr=False)
    ingest_token: str | None = field(default=None, repr=False)
    """Moose's key for what the wall writes."""
    api_token: str | None = field(default=None, repr=False)
    """Moose's key for what it reads."""

    @property
    def raw_streams(self) -> list[str]:
        """The streams that radio packets come by."""
        return [stream_of_shard(number) for number in range(parse_shards(os.environ.get("BEATSTREAM_SHARDS")))]

    def topic(self, name: str) -> str:
        """The topic of a stream."""
        return f"{self.namespace}.{name}" if self.namespace else name

    def kafka(self) -> dict[str, str]:
        """Settings of a Kafka client that reaches the broker."""
        asked = {
            "security.protocol": "SECURITY_PROTOCOL",
            "sasl.mechanism": "SASL_MECHANISM",
            "sasl.username": "SASL_USERNAME",
            "sasl.password": "SASL_PASSWORD",
        }
        given = {name: os.environ.get(f"MOOSE_REDPANDA_CONFIG__{variable}") for name, variable in asked.items()}
        return {"bootstrap.servers": self.broker} | {name: value for name, value in given.items() if value}
