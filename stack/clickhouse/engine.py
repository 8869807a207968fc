"""The engine: chDB connections to one data folder.

One connection runs one query at a time; several run in parallel. Connections are kept by the database and the settings
that were made on them, so a setting of one request never reaches another. A session has a connection of its own.
"""

import fcntl
import re
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chdb

from stack.clickhouse.config import TEMPORARY
from stack.clickhouse.statement import are_literals

KEPT_CONNECTIONS = 32
INSERTING = "insert-"

_OBJECTS_OF_PYTHON = frozenset(("arrowtable", "dataframe", "datastore"))
"""Output formats of chDB that are no bytes, and so none of ClickHouse's."""

_EXPRESSIONS_IN_VALUES = (
    "input_format_values_interpret_expressions = {0}, input_format_values_deduce_templates_of_expressions = {0}"
)
"""What stands in data is only looked through for what it calls where ClickHouse takes it for an expression."""

_IS_EXPRESSION = 344
_ROWS_AT_ONCE = 1_000_000
"""So many rows ClickHouse reads before it writes any (`max_insert_block_size`)."""

_MONTHS_IN_ONE_INSERT = "max_partitions_per_insert_block"
"""Of 100, an INSERT of older recordings would be refused as a whole, and Moose would send it again for ever."""

_CODE = re.compile(r"Code: (\d+)\.")

Scope = tuple[str, tuple[tuple[str, str], ...]]
"""What a connection was set up with: database, settings."""


class EngineError(Exception):
    """ClickHouse's own error. `code` as in its list of error codes; the text is what ClickHouse says."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Result:
    """What a statement gave."""

    data: bytes
    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    elapsed_ns: int = 0


class _Connection:
    """The one place that speaks to chDB."""

    def __init__(self, path: Path) -> None:
        connect: Any = chdb.connect  # untyped
        self._chdb = connect(str(path))
        self._chdb.query(f"SET {_MONTHS_IN_ONE_INSERT} = 0", "Null")
        self._path = path
        self.spoilt = False
        """Not to be used any more."""

    def query(self, sql: str, output_format: str, parameters: Mapping[str, str]) -> Result:
        if output_format.lower() in _OBJECTS_OF_PYTHON:
            raise EngineError(73, f"Code: 73. DB::Exception: Unknown format {output_format}. (UNKNOWN_FORMAT)")
        began = time.monotonic_ns()
        with self._errors():
            result = self._chdb.query(sql, output_format, params=dict(parameters))
            return Result(
                bytes(result.bytes()),
                read_rows=int(result.storage_rows_read() or 0),
                read_bytes=int(result.storage_bytes_read() or 0),
                elapsed_ns=time.monotonic_ns() - began,
            )

    def insert(self, sql: str, settings: str, input_format: str, chunks: Iterable[bytes]) -> Result:
        # By way of a file: chDB's own stream (`send_insert`, 4.4.0) tells of no error when it commits, so what came
        # while the disk was full was gone, and its sender was told that all is well.
        with _file_of(chunks, self._path / TEMPORARY) as file:
            if input_format.lower() != "values":
                return self._insert(sql, settings, input_format, file)
            settings = f"{settings}\n," if settings else "SETTINGS"
            try:
                return self._insert(sql, f"{settings} {_EXPRESSIONS_IN_VALUES.format(0)}", input_format, file)
            except EngineError as error:
                if error.code != _IS_EXPRESSION or not _is_harmless(file.read_bytes()):
                    raise
                # Such as a number that the column does not hold: what ClickHouse makes of it is better than a batch
                # that Moose sends again for ever.
                return self._insert(sql, f"{settings} {_EXPRESSIONS_IN_VALUES.format(1)}", input_format, file)

    def _insert(self, sql: str, settings: str, input_format: str, file: Path) -> Result:
        name = str(file).replace("\\", "\\\\").replace("'", "\\'")
        # On lines of their own, as what stands before them may end with a comment.
        statement = f"{sql}\nFROM INFILE '{name}'\n{settings}\nFORMAT {input_format}"
        began = time.monotonic_ns()
        with self._errors():
            done = self._chdb.query(statement, "Null")
            return Result(
                b"",
                written_rows=int(done.rows_read()),
                written_bytes=int(done.bytes_read()),
                elapsed_ns=time.monotonic_ns() - began,
            )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (chdb.ChdbError, RuntimeError) as error:
            self._drain()
            text = str(error)
            found = _CODE.search(text)
            raise EngineError(int(found.group(1)) if found else 1001, text) from error

    def _drain(self) -> None:
        # What a statement had put out before it failed would come before the answer of the next one (chDB 4.4.0).
        try:
            self._chdb.query("SELECT 1", "Null")
        except (chdb.ChdbError, RuntimeError):
            self.spoilt = True

    def close(self) -> None:
        self._chdb.close()


def _is_harmless(values: bytes) -> bool:
    # Of more rows some are written by now.
    return values.count(b"(") < _ROWS_AT_ONCE and are_literals(values)


@contextmanager
def _file_of(chunks: Iterable[bytes], folder: Path) -> Iterator[Path]:
    file = folder / f"{INSERTING}{uuid.uuid4()}"
    try:
        with file.open("xb") as data:
            for chunk in chunks:
                data.write(chunk)
        yield file
    except OSError as error:
        raise EngineError(
            243, f"Code: 243. DB::Exception: Cannot keep the data: {error}. (NOT_ENOUGH_SPACE)"
        ) from error
    finally:
        file.unlink(missing_ok=True)


class Session:
    """A connection that remembers, for one client at a time."""

    def __init__(self, connection: _Connection) -> None:
        self.connection = connection
        self.lock = threading.Lock()
        self.expires = 0.0


class Engine:
    """A data folder, opened. Raises `EngineError` where another server has it open."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock_file = (path / "beatstream.lock").open("w")
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise EngineError(76, f"{path} is in use by another server") from error
        (path / TEMPORARY).mkdir(exist_ok=True)
        for left in (path / TEMPORARY).glob(f"{INSERTING}*"):
            left.unlink()
        self._idle: OrderedDict[Scope, list[_Connection]] = OrderedDict()
        self._sessions: dict[str, Session] = {}
        self._mutex = threading.Lock()
        # An idle connection that is never given away keeps the engine loaded.
        self._anchor = _Connection(path)
        self._stand_ins()

    def _stand_ins(self) -> None:
        """System tables that this engine lacks: a single node without policies and without a Keeper tree."""
        self._anchor.query("CREATE DATABASE IF NOT EXISTS beatstream_system ENGINE = Memory", "Null", {})
        self._anchor.query(
            "CREATE TABLE IF NOT EXISTS beatstream_system.zookeeper "
            "(name String, value String, path String) ENGINE = Memory",
            "Null",
            {},
        )
        self._anchor.query("TRUNCATE TABLE beatstream_system.zookeeper", "Null", {})
        self._anchor.query("INSERT INTO beatstream_system.zookeeper VALUES ('', '', '/')", "Null", {})
        self._anchor.query(
            "CREATE TABLE IF NOT EXISTS beatstream_system.row_policies "
            "(name String, short_name String, database String, table String, id UUID, storage String, "
            "select_filter Nullable(String), is_restrictive UInt8, apply_to_all UInt8, apply_to_list Array(String), "
            "apply_to_except Array(String)) ENGINE = Memory",
            "Null",
            {},
        )

    def query(self, sql: str, output_format: str, parameters: Mapping[str, str], scope: Scope) -> Result:
        """Run a statement in a scope. Raises `EngineError`."""
        with self._connection(scope) as connection:
            return connection.query(sql, output_format, parameters)

    def insert(self, sql: str, settings: str, input_format: str, chunks: Iterable[bytes], scope: Scope) -> Result:
        """Insert what the chunks hold, or nothing. Raises `EngineError`; what the chunks raise passes through.

        Args:
            sql: The statement up to where its data would be described.
            settings: Its SETTINGS clause; empty: none.
            input_format: As FORMAT names it.
            chunks: The data.
            scope: Where it runs.
        """
        with self._connection(scope) as connection:
            return connection.insert(sql, settings, input_format, chunks)

    @contextmanager
    def apart(self, scope: Scope) -> Iterator["SessionEngine"]:
        """A connection that nobody gets afterwards, for what leaves something on it. Raises `EngineError`."""
        connection = self._opened(scope)
        try:
            yield SessionEngine(connection)
        finally:
            connection.close()

    @contextmanager
    def _connection(self, scope: Scope) -> Iterator[_Connection]:
        with self._mutex:
            kept = self._idle.get(scope)
            connection = kept.pop() if kept else None
        if connection is None:
            connection = self._opened(scope)
        healthy = False
        try:
            yield connection
            healthy = True
        except EngineError:
            healthy = not connection.spoilt
            raise
        finally:
            self._give_back(scope, connection, healthy=healthy)

    def _opened(self, scope: Scope) -> _Connection:
        connection = _Connection(self._path)
        try:
            _set_up(connection, scope)
        except EngineError:
            connection.close()
            raise
        return connection

    def _give_back(self, scope: Scope, connection: _Connection, *, healthy: bool) -> None:
        if not healthy:
            connection.close()
            return
        with self._mutex:
            self._idle.setdefault(scope, []).append(connection)
            self._idle.move_to_end(scope)
            surplus = sum(map(len, self._idle.values())) - KEPT_CONNECTIONS
            closing = []
            while surplus > 0:
                oldest = next(iter(self._idle))
                closing.append(self._idle[oldest].pop())
                if not self._idle[oldest]:
                    del self._idle[oldest]
                surplus -= 1
        for old in closing:
            old.close()

    @contextmanager
    def session(
        self, name: str, timeout_s: float, scope: Scope, *, must_exist: bool
    ) -> Iterator["Engine | SessionEngine"]:
        """A named session's connection, with this request's settings for its duration. Raises `EngineError`."""
        with self._mutex:
            now = time.monotonic()
            for gone in [
                key for key, session in self._sessions.items() if session.expires < now and not session.lock.locked()
            ]:
                self._sessions.pop(gone).connection.close()
            session = self._sessions.get(name)
            if session is None:
                if must_exist:
                    raise EngineError(372, f"Code: 372. DB::Exception: Session {name} not found. (SESSION_NOT_FOUND)")
                session = self._sessions[name] = Session(_Connection(self._path))
            if not session.lock.acquire(blocking=False):
                raise EngineError(
                    373,
                    f"Code: 373. DB::Exception: Session {name} is locked by a concurrent client. (SESSION_IS_LOCKED)",
                )
            session.expires = now + timeout_s
        try:
            _set_up(session.connection, scope)
            yield SessionEngine(session.connection)
        finally:
            try:
                _take_back(session.connection, scope)
            finally:
                # A spoilt one ends as if it had run out: the next request that names it begins anew.
                session.expires = 0.0 if session.connection.spoilt else time.monotonic() + timeout_s
                session.lock.release()

    def close(self) -> None:
        """Close every connection; the data folder is free for another server then."""
        with self._mutex:
            for connections in self._idle.values():
                for connection in connections:
                    connection.close()
            for session in self._sessions.values():
                session.connection.close()
            self._idle.clear()
            self._sessions.clear()
        self._anchor.close()
        self._lock_file.close()


class SessionEngine:
    """A session's connection, asked as an engine is."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    def query(self, sql: str, output_format: str, parameters: Mapping[str, str], _scope: Scope) -> Result:
        """As `Engine.query`."""
        return self._connection.query(sql, output_format, parameters)

    def insert(self, sql: str, settings: str, input_format: str, chunks: Iterable[bytes], _scope: Scope) -> Result:
        """As `Engine.insert`."""
        return self._connection.insert(sql, settings, input_format, chunks)


def _set_up(connection: _Connection, scope: Scope) -> None:
    database, settings = scope
    if database:
        escaped = database.replace("\\", "\\\\").replace("`", "\\`")
        connection.query(f"USE `{escaped}`", "Null", {})
    for name, value in settings:
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        connection.query(f"SET {name} = '{escaped}'", "Null", {})


def _take_back(connection: _Connection, scope: Scope) -> None:
    """Unmake a request's settings; where that cannot be, the connection is spoilt."""
    try:
        for name, _ in () if connection.spoilt else scope[1]:
            connection.query(f"SET {name} = DEFAULT", "Null", {})
    except EngineError:
        # As where a statement made the session read-only.
        connection.spoilt = True
