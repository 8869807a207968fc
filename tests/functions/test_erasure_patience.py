"""An erasure goes on where ClickHouse was away, or slower than its client waits."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from clickhouse_connect.driver.exceptions import OperationalError

from app.heartrate.wearers import WearerBook
from app.storage import erasure

AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
PEOPLE = "unified_hr_packet"


class Engine:
    """A ClickHouse with two rows of somebody; it fails as often as told. Its clock goes on as one sleeps."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.rows = {PEOPLE: 2}
        self.away = self.slow = 0
        """How often it will not be there; how often it will do what it is told after its client has gone."""
        self.timeouts: set[float] = set()

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def stored_assignments(self) -> WearerBook:
        self._answer()
        return WearerBook()

    def connect(self, answer_timeout_s: float) -> "Engine":
        self.timeouts.add(answer_timeout_s)
        return self

    def query(self, sql: str, _parameters: object) -> SimpleNamespace:
        self._answer()
        return SimpleNamespace(result_rows=[(self.rows.get(sql.split()[3], 0),)])

    def command(self, sql: str, _parameters: object, **_options: object) -> None:
        self._answer()
        self.rows[sql.split()[2]] = 0
        if self.slow:
            self.slow -= 1
            raise OperationalError("Read timed out.")

    def close(self) -> None:
        pass

    def _answer(self) -> None:
        if self.away:
            self.away -= 1
            raise OperationalError("Connection refused")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    engine = Engine()
    monkeypatch.setattr(erasure, "time", SimpleNamespace(sleep=engine.sleep, monotonic=lambda: engine.now_s))
    monkeypatch.setattr(erasure, "stored_assignments", engine.stored_assignments)
    monkeypatch.setattr(erasure, "connect", engine.connect)
    monkeypatch.setattr(erasure, "_await_stored", lambda _deadline: None)
    return engine


@pytest.mark.parametrize("times", [1, 20])
def test_what_is_away_for_a_while_is_asked_again(engine: Engine, times: int) -> None:
    engine.away = times
    assert erasure.erase(7, AT)[PEOPLE] == 2
    assert engine.rows[PEOPLE] == 0


def test_what_outlasts_its_client_is_done_all_the_same(engine: Engine) -> None:
    engine.slow = 1
    erasure.erase(7, AT)
    assert engine.rows[PEOPLE] == 0


def test_an_erasure_ends_in_the_time_that_kafka_allows(engine: Engine) -> None:
    began_s, engine.away = engine.now_s, 1_000_000
    with pytest.raises(OperationalError):
        erasure.erase(7, AT)
    assert engine.rows[PEOPLE] == 2
    took_s, engine.away = engine.now_s - began_s, 0
    erasure.erase(7, AT)
    # The last attempt may hang until its client has waited long enough.
    assert 200 < took_s < 300 - erasure.FLUSH_S - max(engine.timeouts)
