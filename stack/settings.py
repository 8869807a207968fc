"""Where the stack listens and keeps its state: moose.config.toml, overridden by Moose's own environment variables."""

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Port:
    """A TCP port of the stack: who listens there, and the environment variable that moves it (None: fixed)."""

    number: int
    part: str
    variable: str | None


@dataclass(frozen=True, slots=True)
class Settings:
    """The project folder and the addresses of the stack's parts."""

    project: Path
    ports: tuple[Port, ...]
    moose_url: str
    clickhouse_url: str
    broker: str
    live_url: str

    @property
    def state(self) -> Path:
        """Where all state lives: data, logs, the Moose command's home."""
        return self.project / ".beatstream"

    @property
    def moose_log(self) -> Path:
        """The log of Moose and of all that it runs."""
        return self.state / "logs" / "moose.log"


def _reached(listens: str) -> str:
    """Where something that listens there is reached from this machine."""
    if listens in ("", "0.0.0.0", "::"):
        return "127.0.0.1"
    return f"[{listens}]" if ":" in listens else listens


def load(project: Path) -> Settings:
    """Read the project's settings. Raises `OSError` without a moose.config.toml."""
    config = tomllib.loads((project / "moose.config.toml").read_text())

    def value(section: str, key: str, default: Any) -> Any:
        variable = f"MOOSE_{section}__{key}".upper()
        return os.environ.get(variable) or config.get(section, {}).get(key, default)

    def port(section: str, key: str, default: int, part: str) -> Port:
        return Port(int(value(section, key, default)), part, f"MOOSE_{section}__{key}".upper())

    live = Port(int(os.environ.get("BEATSTREAM_LIVE_PORT") or 4080), "live display", "BEATSTREAM_LIVE_PORT")
    broker = str(value("redpanda_config", "broker", "localhost:19092"))
    http = port("http_server_config", "port", 4000, "Moose HTTP")
    clickhouse = port("clickhouse_config", "host_port", 18123, "ClickHouse HTTP")
    return Settings(
        project=project,
        ports=(
            http,
            port("http_server_config", "management_port", 5001, "Moose management"),
            port("http_server_config", "proxy_port", 4001, "consumption APIs"),
            clickhouse,
            port("clickhouse_config", "native_port", 9000, "ClickHouse native"),
            port("clickhouse_config", "keeper_port", 9181, "ClickHouse Keeper"),
            port("clickhouse_config", "keeper_raft_port", 9234, "ClickHouse Keeper raft"),
            Port(int(broker.rpartition(":")[2]), "broker", "MOOSE_REDPANDA_CONFIG__BROKER"),
            # Moose's own Redis listens there whatever redis_config.url says (moose-cli 0.6.533).
            Port(6379, "Redis", None),
            live,
        ),
        moose_url=f"http://127.0.0.1:{http.number}",
        clickhouse_url=f"http://127.0.0.1:{clickhouse.number}",
        broker=broker,
        live_url=f"http://{_reached(os.environ.get('BEATSTREAM_LIVE_HOST', ''))}:{live.number}",
    )
