"""A ClickHouse client for the streaming functions, on the connection that Moose itself is configured with."""

import re
import sys
import time
from collections.abc import Callable

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error as ClickHouseError
from moose_lib.config.runtime import config_registry

ANSWER_TIMEOUT_S = 150.0
"""How long ClickHouse may be away before the work goes on, or ends, without it; Kafka allows 300 s for a batch."""

_RETRY_S = 0.5

_CODE = re.compile(r"code: (\d+)", re.IGNORECASE)
_UNREADABLE = frozenset((32, 33, 40, 107, 226, 228, 246, 271, 432, 740))
"""ClickHouse's codes for data on its disk that cannot be read: it will not be later either."""


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


class Patience:
    """Asks ClickHouse again while it does not answer."""

    def __init__(self) -> None:
        self._away_since: float | None = None

    def ask[T](self, read: Callable[[], T], *, unreadable: Callable[[], T], away: Callable[[], T]) -> T:
        """The result of `read`; that of `unreadable` where what is asked for lies in a part that is corrupted.

        That of `away` once ClickHouse has not answered, or with errors only, for `ANSWER_TIMEOUT_S`.
        """
        while True:
            try:
                result = read()
            except ClickHouseError as error:
                if _unreadable(error):
                    print(f"history cannot be read: {error}", file=sys.stderr)  # noqa: T201 (the process's log; Moose drops what goes to stdout)
                    return unreadable()
                now = time.monotonic()
                self._away_since = self._away_since or now
                if now - self._away_since > ANSWER_TIMEOUT_S:
                    return away()
                time.sleep(_RETRY_S)
            else:
                self._away_since = None
                return result


def _unreadable(error: ClickHouseError) -> bool:
    found = _CODE.search(str(error))
    return found is not None and int(found[1]) in _UNREADABLE
