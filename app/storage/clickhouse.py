"""A ClickHouse client for the streaming functions, on the connection that Moose itself is configured with."""

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from moose_lib.config.runtime import config_registry


def connect(answer_timeout_s: float = 30) -> Client:
    """Connect to Moose's ClickHouse. Raises `clickhouse_connect.driver.exceptions.OperationalError` if it is away."""
    config = config_registry.get_clickhouse_config()
    return clickhouse_connect.get_client(
        host=config.host,
        port=int(config.port),
        username=config.username,
        password=config.password,
        database=config.database,
        secure=config.use_ssl,
        # No session: one would serialise the queries of a worker's threads.
        autogenerate_session_id=False,
        connect_timeout=5,
        send_receive_timeout=answer_timeout_s,
    )
