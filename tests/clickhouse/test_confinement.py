"""Files, programs and other hosts: out of SQL's reach by what the front recognises, and by what Linux allows it.

Each attempt is made four times: where neither holds it back, to show that it is one; where one of both does; and on the
server as it is.
"""

import ctypes
import errno
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from stack.clickhouse import confinement, statement
from stack.processes import MARK
from tests.clickhouse.bare_engine import Asked
from tests.clickhouse.conftest import running
from tests.clickhouse.server import Server

SECRET = "Hush-4711"
PROJECT = Path(__file__).parents[2]

LACKING = sys.platform != "linux" or ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1) < 4
"""The kernel has no Landlock, or one that knows nothing of TCP."""
needs_landlock = pytest.mark.skipif(LACKING, reason="this kernel has no Landlock, or an old one")

COLUMNS, IN_MEMORY = "(c1 String) PRIMARY KEY c1", "LAYOUT(COMPLEX_KEY_HASHED()) LIFETIME(0)"

ATTEMPTS: dict[str, list[str]] = {
    sqls[-1]: sqls
    for sqls in (
        # A path as a table.
        ["SELECT * FROM '@'"],
        ["SELECT * FROM `@`"],
        ['SELECT * FROM "@"'],
        ["SELECT * FROM \u201c@\u201d"],
        ["SELECT * FROM\n-- a comment\n'@'"],
        ["FROM '@' SELECT *"],
        ["SELECT * FROM (FROM '@')"],
        ["SELECT * FROM default.`@`"],
        ['SELECT * FROM default . /* or so */ "@"'],
        ["SELECT * FROM system.one, '@'"],
        ["SELECT * FROM system.one AS o, `@` AS f"],
        ["SELECT * FROM system.one AS a JOIN system.one AS b ON a.dummy = b.dummy, '@'"],
        ["SELECT * FROM system.one AS limit, '@'"],
        ["SELECT * FROM system.one values, '@'"],
        ["WITH values AS (SELECT 1) SELECT * FROM values, '@'"],
        ["SELECT c1 FROM system.settings, '@' LIMIT 1"],
        ["SELECT * FROM system.one JOIN '@' ON 1"],
        ['SELECT * FROM system.one CROSS JOIN "@"'],
        ["SELECT * FROM '$'"],
        ['SELECT * FROM "$"'],
        [r"SELECT * FROM `\x2f%`"],
        [r"SELECT * FROM '\x2f%'"],
        ["SELECT (SELECT * FROM '@')"],
        ["WITH w AS (SELECT * FROM `@`) SELECT * FROM w"],
        ["SELECT 'x' UNION ALL SELECT c1 FROM '@'"],
        [f"SELECT if('{SECRET}' IN `@`, 'Hush-' || '4711', '')"],
        ["SELECT 1; SELECT * FROM '@'"],
        ["SELECT * FROM view(SELECT * FROM '@')"],
        # Functions, in other letters.
        ["SELECT * FROM file('@')"],
        ["SELECT * FROM file /* or so */ ('@')"],
        ["SELECT * FROM file -- or so\n ('@')"],
        ["SELECT * FROM `file`('@')"],
        [r"SELECT * FROM `\x66ile`('@')"],
        [r"""SELECT * FROM "fi\x6ce"('@')"""],
        ["SELECT * FROM \u201cfile\u201d('@')"],
        ["SELECT * FROM \u200bfile\u200b('@')"],
        ["SELECT * FROM \u2060file\ufeff('@')"],
        ["SELECT * FROM file($$@$$)"],
        ["SELECT $x$ ' $x$, file('@') , ' '"],
        ["SELECT 1 // '\n, file('@') -- '"],
        ["SELECT 1 /* /* */ ' */, file('@') -- '"],
        ["SELECT file('@')"],
        ["SELECT * FROM url('file://@')"],
        ["SELECT * FROM url('file://' || '@')"],
        [r"SELECT * FROM eval('SELECT * FROM file(\'@\')') SETTINGS allow_experimental_eval_table_function = 1"],
        # SQL in what a table is made of.
        [r"SELECT * FROM format(Values, 'c1 String', '(file(\'@\'))')"],
        [r"SELECT * FROM `f\x6frmat` /* or so */ (Values, 'c1 String', '(file(\'@\'))')"],
        [r"SELECT * FROM system.one AS o, format(Values, 'c1 String', '(file(\'@\'))') AS f"],
        [r"SELECT * FROM system.one CROSS JOIN format(Values, 'c1 String', '(file(\'@\'))') AS f"],
        [
            r"CREATE TABLE formatted AS format(Values, 'c1 String', '(file(\'@\'))')",
            "SELECT * FROM formatted",
        ],
        ["CREATE FUNCTION reader AS (x) -> file(x)", "SELECT reader('@')"],
        ["SELECT file('/proc/self/environ')"],
        ["SELECT file('/proc/thread-self/root@')"],
        # What remembers where it reads.
        ["CREATE VIEW seen AS SELECT * FROM '@'", "SELECT * FROM seen"],
        ["CREATE TABLE filed ENGINE = File(TSV, '@')", "SELECT * FROM filed"],
        ["CREATE TABLE filed2 ENGINE File(TSV, '@')", "SELECT * FROM filed2"],
        [r"CREATE TABLE filed3 ENGINE = `Fil\x65`(TSV, '@')", "SELECT * FROM filed3"],
        ["CREATE TABLE buffered ENGINE = Buffer('default', '@', 1, 1, 1, 1, 1, 1, 1)", "SELECT * FROM buffered"],
        ["CREATE TABLE buffered2 ENGINE = Buffer(default, '' || '@', 1, 1, 1, 1, 1, 1, 1)", "SELECT * FROM buffered2"],
        ["CREATE TABLE aliased ENGINE = Alias('~')", "SELECT * FROM aliased"],
        ["CREATE TABLE copied (c1 String) ENGINE = Memory AS SELECT * FROM `@`", "SELECT * FROM copied"],
        ["CREATE DATABASE disk1 ENGINE = Filesystem('/')", "SELECT * FROM disk1.`%`"],
        [r"CREATE DATABASE disk2 ENGINE = `File\x73ystem`('/')", "SELECT * FROM disk2.`%`"],
        ["ATTACH DATABASE disk3 ENGINE = Filesystem('/')", "SELECT * FROM disk3.`@`"],
        [
            f"CREATE DICTIONARY told1 {COLUMNS} SOURCE(CLICKHOUSE(TABLE '@')) {IN_MEMORY}",
            "SELECT * FROM told1",
        ],
        [
            rf"CREATE DICTIONARY told2 {COLUMNS} SOURCE(CLICKHOUSE(QUERY 'SELECT * FROM file(\'@\')')) {IN_MEMORY}",
            "SELECT * FROM told2",
        ],
        # Settings.
        ["SELECT 'x' SETTINGS format_template_row = '@' FORMAT Template"],
        ["SELECT * FROM format('Template', 'x') SETTINGS max_threads = 1, format_template_row = '@'"],
        [r"SELECT * FROM format('Template', 'x') SETTINGS `format_template\x5frow` = '@'"],
        ["SELECT * FROM loop('default', '~') LIMIT 1"],
    )
}
"""@: the file's path; %: without its first slash; $: relative to the data folder; ~: of one without a dot."""

BY_PARAMETERS: list[Asked] = [
    ("SELECT * FROM {table:Identifier}", {"table": "@"}, {}),
    ("SELECT * FROM default.{ table : Identifier }", {"table": "$"}, {}),
    ("SELECT * FROM format('Template', 'x')", {}, {"format_template_row": "@"}),
    ("SELECT *", {}, {"implicit_table_at_top_level": "`@`"}),
]


class Place:
    """A folder with a server's data, and secrets beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        self.secret, self.dotless = folder / "secret.tsv", folder / "secret"
        for file in (self.secret, self.dotless):
            file.write_text(f"{SECRET}\n")

    def attempt(self, sqls: list[str]) -> list[Asked]:
        return [(self._filled(sql), {}, {}) for sql in sqls]

    def by_parameters(self, asked: Asked) -> Asked:
        sql, parameters, settings = asked
        return (
            sql,
            {name: self._filled(value) for name, value in parameters.items()},
            {name: self._filled(value) for name, value in settings.items()},
        )

    def _filled(self, text: str) -> str:
        pieces = {"%": str(self.secret)[1:], "~": str(self.dotless), "@": str(self.secret)}
        if "$$" not in text and "$x$" not in text:
            pieces["$"] = "../secret.tsv"
        for mark, path in pieces.items():
            text = text.replace(mark, path)
        return text


def bare(place: Place, how: str, attempts: list[list[Asked]]) -> list[str]:
    """What an engine answers that nothing stands before."""
    (place.data / "tmp").mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "tests.clickhouse.bare_engine", str(place.data), how],
        input=json.dumps(attempts),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=place.data,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "TMPDIR": str(place.data / "tmp"), "TOLD": SECRET},
    )
    assert done.returncode == 0, done.stderr
    answers: list[str] = json.loads(done.stdout)
    return answers


class Unconfined(Server):
    """A server on a system without Landlock."""

    def command(self) -> list[str]:
        program = (
            "import sys; from stack.clickhouse import __main__, confinement; "
            "confinement._is_linux = lambda: False; sys.exit(__main__.main())"
        )
        return [sys.executable, "-c", program, *super().command()[3:]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="module", params=[Server, Unconfined], ids=["as it is", "without Landlock"])
def guarded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Place]]:
    place = Place(tmp_path_factory.mktemp("guarded"))
    os.environ["TOLD"] = SECRET
    try:
        for server in running(place.folder, request.param):
            yield server, place
    finally:
        del os.environ["TOLD"]


def everything(place: Place) -> list[list[Asked]]:
    return [*map(place.attempt, ATTEMPTS.values()), *([place.by_parameters(asked)] for asked in BY_PARAMETERS)]


def test_every_attempt_is_one(tmp_path: Path) -> None:
    place = Place(tmp_path)
    attempts = everything(place)
    assert len(attempts) >= 40
    answers = bare(place, "open", attempts)
    harmless = {attempt[-1][0]: text for attempt, text in zip(attempts, answers, strict=True) if SECRET not in text}
    assert harmless == {}


@needs_landlock
def test_landlock_alone_keeps_files_unread(tmp_path: Path) -> None:
    place = Place(tmp_path)
    attempts = everything(place)
    answers = bare(place, "confined", attempts)
    read = {attempt[-1][0]: text for attempt, text in zip(attempts, answers, strict=True) if SECRET in text}
    assert read == {}


class Listening:
    """A host that says the secret to whoever asks, and how many did."""

    def __init__(self) -> None:
        self.asked = 0
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host.asked += 1
                self.send_response(200)
                self.send_header("Content-Length", str(len(SECRET)))
                self.end_headers()
                self.wfile.write(SECRET.encode())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def host() -> Iterator[Listening]:
    listening = Listening()
    yield listening
    listening.close()


@pytest.mark.parametrize("how", ["open", pytest.param("confined", marks=needs_landlock)])
def test_landlock_alone_keeps_hosts_programs_and_other_folders_untouched(
    tmp_path: Path, host: Listening, how: str
) -> None:
    place = Place(tmp_path)
    program = place.data / "user_scripts" / "tell"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho {SECRET}\n")
    program.chmod(0o755)
    written = [tmp_path / "written.tsv", tmp_path / "written too.tsv", tmp_path / "database"]
    attempts = [
        [f"SELECT * FROM url('{host.url}', LineAsString) SETTINGS http_max_tries = 1"],
        ["SELECT * FROM executable('tell', TSV, 'x String')"],
        [f"INSERT INTO FUNCTION file('{written[0]}') SELECT 1"],
        [f"SELECT 1 INTO OUTFILE '{written[1]}'"],
        [f"CREATE TABLE far (a String) ENGINE = EmbeddedRocksDB(0, '{written[2]}') PRIMARY KEY a"],
    ]
    answers = bare(place, how, [place.attempt(sqls) for sqls in attempts])
    done = [SECRET in answers[0], host.asked > 0, SECRET in answers[1], *(path.exists() for path in written)]
    assert done == [how == "open"] * len(done), answers


@needs_landlock
def test_landlock_leaves_the_engine_what_it_needs(tmp_path: Path) -> None:
    place = Place(tmp_path)
    sqls = [
        "CREATE TABLE t (a Int64, at DateTime('Europe/Berlin')) ENGINE = MergeTree ORDER BY a",
        "INSERT INTO t SELECT number, number FROM numbers(100000)",
        "ALTER TABLE t DELETE WHERE a = 3 SETTINGS mutations_sync = 2",
        "OPTIMIZE TABLE t FINAL",
        "ALTER TABLE t DETACH PARTITION ALL",
        "ALTER TABLE t ATTACH PARTITION ALL",
        "RENAME TABLE t TO u",
        "SELECT count(), max(at) FROM (SELECT * FROM u ORDER BY at DESC SETTINGS max_bytes_before_external_sort = 1)",
        "DROP TABLE u SYNC",
    ]
    (answer,) = bare(place, "confined", [place.attempt(sqls)])
    assert answer.split() == ["99999", "1970-01-02", "04:46:39"]


@needs_landlock
def test_landlock_leaves_the_engine_its_auxiliary_vector(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys; from stack.clickhouse import confinement; "
        "assert confinement.confine(pathlib.Path(sys.argv[1])) is None; "
        "assert pathlib.Path('/proc/self/auxv').read_bytes()"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, cwd=PROJECT, timeout=30)


def test_a_system_without_landlock_is_told_and_served(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for server in running(tmp_path, Unconfined):
        assert server.text("SELECT 7") == "7"
    told = [line for line in capfd.readouterr().err.splitlines() if "recognition" in line]
    assert len(told) == 1
    assert told[0].startswith("clickhouse: only recognition keeps SQL from files, programs and other hosts: ")


def test_a_kernel_that_refuses_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(confinement, "_call", refuse)
    assert "Function not implemented" in str(confinement.confine(tmp_path))


@needs_landlock
def test_a_system_with_landlock_has_nothing_to_say(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for server in running(tmp_path):
        assert server.text("SELECT 7") == "7"
    assert "clickhouse:" not in capfd.readouterr().err


def test_the_server_forgets_keys_that_its_environment_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/proc/self/environ").exists():
        pytest.skip("no /proc to look into")
    monkeypatch.setenv("BEATSTREAM_API_TOKEN", SECRET)
    monkeypatch.setenv(MARK, "kept")
    for server in running(tmp_path):
        assert server.process is not None
        environment = Path(f"/proc/{server.process.pid}/environ").read_bytes().split(b"\0")
        assert f"{MARK}=kept".encode() in environment
        assert SECRET.encode() not in b"".join(environment)


def ask(server: Server, asked: Asked) -> httpx.Response:
    sql, parameters, settings = asked
    return server.ask(sql, None, **{f"param_{name}": value for name, value in parameters.items()}, **settings)


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_file_s_content_is_out_of_reach(guarded: tuple[Server, Place], attempt: str) -> None:
    server, place = guarded
    answers = [ask(server, asked) for asked in place.attempt(ATTEMPTS[attempt])]
    assert answers[-1].status_code >= 400
    assert (answers[0].status_code, answers[0].headers["X-ClickHouse-Exception-Code"]) == (403, "497")
    assert SECRET not in "".join(answer.text for answer in answers)


@pytest.mark.parametrize("asked", BY_PARAMETERS, ids=lambda asked: asked[0])
def test_a_file_s_content_is_out_of_reach_by_parameters(guarded: tuple[Server, Place], asked: Asked) -> None:
    server, place = guarded
    answer = ask(server, place.by_parameters(asked))
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (403, "497")
    assert SECRET not in answer.text


def test_values_are_no_sql(guarded: tuple[Server, Place]) -> None:
    server, place = guarded
    server.text("CREATE OR REPLACE TABLE valued (c1 String) ENGINE = Memory")
    for form in ("VALUES", "FORMAT Values", "FORMAT vaLues", "SETTINGS max_threads = 1 VALUES"):
        answer = server.ask(f"INSERT INTO valued {form}", f"('a'), (file('{place.secret}')), ('a' || 'b')".encode())
        assert answer.status_code >= 400
        assert SECRET not in answer.text
    assert server.text("SELECT count() FROM valued") == "0"
    settings = {"input_format_values_interpret_expressions": "1"}
    sql = "INSERT INTO valued SETTINGS input_format_values_interpret_expressions = 1 VALUES"
    assert server.ask(sql, b"('a' || 'b')", **settings).status_code >= 400


def test_a_number_that_its_column_does_not_hold_stops_no_neighbour(guarded: tuple[Server, Place]) -> None:
    """As with ClickHouse's own defaults: Moose would send the batch again for ever."""
    server, place = guarded
    server.text("CREATE OR REPLACE TABLE odd (id UInt8, n Nullable(UInt16), s String) ENGINE = Memory")
    for number in ("-1", "1e30", "60.5", "-.5E-3"):
        server.text("TRUNCATE TABLE odd")
        server.text(f"INSERT INTO odd VALUES (1, 60, 'it\\'s (file'), (2, {number}, '-- ''x'), (3, NULL, '')")
        assert server.ask("INSERT INTO odd VALUES", f"(4, {number}, ''), (5, 61, '')".encode()).status_code == 200
        assert server.text("SELECT id FROM odd ORDER BY id").split() == ["1", "2", "3", "4", "5"]
    for expression in (
        f"length(file('{place.secret}'))",
        "-1 AS n",
        "(SELECT 1)",
        "1::UInt8",
        "1 || 2",
        "`n`",
        "1 -- ",
    ):
        answer = server.ask("INSERT INTO odd VALUES", f"(6, -1, ''), (7, {expression}, '')".encode())
        assert answer.status_code >= 400, expression
    assert server.text("SELECT count() FROM odd WHERE id > 5") == "0"


REFUSED = [
    "SELECT * FROM remote('127.0.0.2', system.one)",
    "SELECT * FROM s3('http://127.0.0.1/x')",
    "SELECT * FROM executable('id', 'LineAsString', 'x String')",
    "SELECT aiGenerate('x')",
    "SELECT * FROM python(parameters)",
    "CREATE TABLE f (x String) ENGINE = URL('http://127.0.0.1/', TSV)",
    "CREATE TABLE f (x String) ENGINE = MergeTree ORDER BY x SETTINGS disk = disk(type = local, path = '/')",
    "CREATE DICTIONARY d (x String) PRIMARY KEY x SOURCE(EXECUTABLE(COMMAND 'id' FORMAT TSV)) LAYOUT(FLAT())",
    "ATTACH TABLE t FROM '/etc' (a Int64) ENGINE = MergeTree ORDER BY a",
    "INSERT INTO FUNCTION file('/tmp/x') SELECT 1",
    "INSERT INTO FUNCTION format(Values, 'a Int8', '(1)') SELECT 1",
    "DESCRIBE TABLE format(Values, '(1)')",
    "DESC format(Values, '(1)')",
    "SELECT * FROM viewIfPermitted(SELECT 1 ELSE format(Values, 'a Int8', '(1)'))",
    "INSERT INTO '/tmp/x' SELECT 1",
    "INSERT INTO t FROM INFILE '/etc/passwd' FORMAT TSV",
    "SELECT 1 INTO OUTFILE '/tmp/x'",
    "DESCRIBE TABLE '/etc/passwd'",
    'DESC "/etc/passwd"',
    "EXPLAIN SELECT * FROM '/etc/passwd'",
    "SHOW CREATE TABLE `/etc/passwd`",
    "BACKUP TABLE t TO File('/tmp/x')",
    "BACKUP TABLE t TO Memory('x')",
    "RESTORE TABLE t FROM Disk('x', 'y')",
    "COPY t FROM '/etc/passwd'",
    "SYSTEM SHUTDOWN",
    "SELECT 1; SYSTEM KILL",
    "SET dialect = 'prql'",
    "SELECT 1 SETTINGS format_schema = '/etc/passwd:X', format_schema_source = 'file'",
]


@pytest.mark.parametrize("sql", REFUSED)
def test_what_leads_outside_is_refused_by_name(guarded: tuple[Server, Place], sql: str) -> None:
    answer = guarded[0].ask(sql)
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (403, "497")


ALL_RIGHT = [
    "SELECT 'file(1)', 1 AS url -- remote('x')",
    "SELECT url FROM t WHERE file = url",
    "SELECT formatDateTime(now(), '%d/%m/%Y'), 'a/b' AS `km/h` FROM t WHERE x IN ('a/b', 'c/d') AND y = 'e/f'",
    "SELECT 'a', 'b/c' FROM t UNION ALL SELECT 'a', 'b/c'",
    "SELECT splitByChar('/', x), toTimeZone(at, 'Europe/Berlin') FROM t ORDER BY x, 'a/b'",
    "CREATE TABLE `t` (at DateTime('Europe/Berlin') COMMENT 'a/b') ENGINE = MergeTree ORDER BY at COMMENT 'c/d'",
    "INSERT INTO `t` (`a`, `b`) VALUES ('from', '/etc/passwd')",
    "ALTER TABLE t MODIFY COLUMN a String COMMENT 'km/h'",
    "SYSTEM STOP MERGES t",
    "SET max_threads = 1",
    "SELECT format('{}/{}', a, 'x'), 1, format(b) AS format FROM t WHERE a IN format('{}', a) FORMAT TSV",
    "SELECT dialect, filter FROM t WHERE sort = 'x/y'",
]


@pytest.mark.parametrize("sql", ALL_RIGHT)
def test_what_stays_inside_is_not_refused(sql: str) -> None:
    assert statement.read(sql).refused is None


HARMLESS = {
    # Rows out of nothing, of what the statement itself holds, or of the data folder's tables.
    "table_functions": "sqlstandardvalues dictionary format fuzzjson fuzzquery generaterandom generateseries "
    "generate_series input merge mergetreeanalyzeindexes mergetreeanalyzeindexesuuid mergetreecodecblockcounts "
    "mergetreeindex mergetreeprojection mergetreetextindex null numbers numbers_mt primes timeseriesdata "
    "timeseriesmetricfamilies timeseriesmetrics timeseriessamples timeseriesselector timeseriestags values view "
    "viewexplain zeros zeros_mt",
    "table_engines": "dictionary fuzzjson fuzzquery generaterandom join keepermap log "
    "materializedview memory merge null set stripelog timeseries tinylog view",
    # Replicated: between servers that a Keeper knows, and there is none.
    "database_engines": "atomic dictionary memory ordinary replicated",
    "dictionary_sources": "null",
}


@pytest.mark.parametrize("kind", HARMLESS)
def test_whatever_the_engine_has_is_judged(server: Server, kind: str) -> None:
    names = {name.lower() for name in server.text(f"SELECT name FROM system.{kind}").split("\n")}
    judged = statement.REFUSED_FUNCTIONS.union(HARMLESS[kind].split())
    assert {name for name in names - judged if not name.endswith("mergetree")} == set()
