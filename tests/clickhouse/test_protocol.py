"""ClickHouse's HTTP interface, as its clients use it."""

import gzip
import random
import signal
import subprocess
import threading
import uuid
from typing import Any

import clickhouse_connect
import httpx
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from stack.clickhouse import wire
from stack.clickhouse.server import LARGEST_STATEMENT_BYTES
from tests.clickhouse.encodings import FRAMES
from tests.clickhouse.server import PASSWORD, USER, Server


@pytest.fixture
def client(server: Server) -> Any:
    client = clickhouse_connect.get_client(host="127.0.0.1", port=server.port, username=USER, password=PASSWORD)
    yield client
    client.close()


@pytest.mark.parametrize(
    "text", ["a" * 20_000, "'" * 5000, "a\nb\r\nc\rd\t\\ " * 1000 + "e", "\u00e9\u2713\U0001f493" * 3000]
)
def test_parameters_too_long_for_a_url_come_as_a_form(client: Client, text: str) -> None:
    assert client.query("SELECT {text:String}", {"text": text}).result_rows == [(text,)]


@pytest.fixture
def table(server: Server) -> str:
    name = f"t_{uuid.uuid4().hex}"
    server.text(f"CREATE TABLE {name} (id Int64, name String) ENGINE = MergeTree ORDER BY id")
    return name


def test_clickhouse_connect_inserts_and_queries(client: Client, table: str) -> None:
    client.insert(table, [[1, "a"], [2, "b"], [3, "ü"]], column_names=["id", "name"])
    result = client.query(f"SELECT id, name FROM {table} WHERE id >= {{least:Int64}} ORDER BY id", {"least": 2})
    assert result.result_rows == [(2, "b"), (3, "ü")]
    listed = client.query("SELECT {a:Array(String)}, {n:Nullable(Int64)}", {"a": ["x", "y'z"], "n": None})
    assert listed.result_rows == [(["x", "y'z"], None)]


@pytest.mark.parametrize("packed", ["lz4", "zstd"])
def test_clickhouse_connect_inserts_more_than_one_block(
    server: Server, client: Client, table: str, packed: str
) -> None:
    # It packs some megabytes at a time, each into a frame of its own.
    noise = random.Random(1)
    rows = [[number, noise.randbytes(500).hex()] for number in range(12_000)]
    with clickhouse_connect.get_client(
        host="127.0.0.1", port=server.port, username=USER, password=PASSWORD, compress=packed
    ) as packing:
        packing.insert(table, rows, column_names=["id", "name"])
    result = client.query(f"SELECT count(), sum(id), sum(length(name)) FROM {table}")
    assert result.result_rows == [(12_000, 71_994_000, 12_000_000)]


def test_clickhouse_connect_sees_errors_and_goes_on(client: Client) -> None:
    with pytest.raises(DatabaseError, match="UNKNOWN_TABLE"):
        client.query("SELECT * FROM nowhere")
    assert client.command("SELECT 7") == 7


@pytest.mark.parametrize("session", [{}, {"session_id": "fails"}])
def test_what_a_statement_put_out_before_it_failed_is_in_nobody_s_answer(
    server: Server, session: dict[str, str]
) -> None:
    sql = "SELECT number, throwIf(number = 90000) FROM numbers(100000) SETTINGS max_block_size = 1000"
    for _ in range(3):
        assert server.ask(sql, None, **session).status_code == 500
        assert server.text("SELECT 1", **session) == "1"


def test_clickhouse_rs_gets_compressed_blocks(server: Server) -> None:
    answer = server.ask(
        "SELECT toUInt8(7) AS seven, 'x' AS text",
        default_format="RowBinaryWithNamesAndTypes",
        compress="1",
        wait_end_of_query="1",
    )
    assert b"".join(wire.decompress_blocks([answer.content])) == b"\x02\x05seven\x04text\x05UInt8\x06String\x07\x01x"


def test_a_large_answer_is_many_blocks(server: Server) -> None:
    answer = server.ask("SELECT number FROM numbers(500000)", default_format="RowBinary", compress="1")
    plain = b"".join(wire.decompress_blocks([answer.content]))
    assert plain == b"".join(n.to_bytes(8, "little") for n in range(500_000))


ENCODINGS = {"identity": lambda data: data, **FRAMES}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_insert_body_in_every_encoding(server: Server, table: str, encoding: str) -> None:
    records = [b'{"id": %d, "name": "n"}\n' % n for n in range(1000)]
    frames = [ENCODINGS[encoding](b"".join(half)) for half in (records[:500], records[500:])]
    answer = server.http.post(
        "/",
        params={"query": f"INSERT INTO {table} FORMAT JSONEachRow"},
        content=b"".join(frames),
        headers={"Content-Encoding": encoding},
    )
    assert answer.status_code == 200, answer.text
    assert '"written_rows": "1000"' in answer.headers["X-ClickHouse-Summary"]
    assert server.text(f"SELECT count(), sum(id) FROM {table}") == "1000\t499500"


FORMATS = {
    "Values": b"(1, 'a'), (2, 'b;)')",
    "JSONEachRow": b'{"id":1,"name":"a"}\n{"id":2,"name":"b;)"}',
    "CSV": b'1,"a"\n2,"b;)"\n',
    "TabSeparated": b"1\ta\n2\tb;)\n",
    "RowBinary": (1).to_bytes(8, "little") + b"\x01a" + (2).to_bytes(8, "little") + b"\x03b;)",
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("where", ["url", "body"])
def test_an_insert_in_every_format(server: Server, table: str, name: str, where: str) -> None:
    statement = f"INSERT INTO {table} (id, name) " + ("VALUES" if name == "Values" else f"FORMAT {name}")
    if where == "url":
        answer = server.ask(statement, FORMATS[name])
    else:
        answer = server.http.post("/", content=statement.encode() + b"\n" + FORMATS[name])
    assert answer.status_code == 200, answer.text
    assert server.text(f"SELECT * FROM {table} ORDER BY id FORMAT TSV") == "1\ta\n2\tb;)"


@pytest.mark.parametrize(
    "statement", ["INSERT INTO {} VALUES", "INSERT INTO {} SETTINGS max_threads = 1 -- so\nVALUES"]
)
@pytest.mark.parametrize("form", ["VALUES", "FORMAT Values", "FORMAT values"])
def test_values_of_every_kind(server: Server, statement: str, form: str) -> None:
    name = f"t_{uuid.uuid4().hex}"
    server.text(
        f"CREATE TABLE {name} (n Nullable(Int64), m Nullable(Int64), f Float64, s String, a Array(String), "
        "m1 Map(String, Int8), d Date, at DateTime64(3, 'UTC'), t Tuple(Int8, String), u UUID, b Bool, "
        "l LowCardinality(String)) ENGINE = Memory"
    )
    row = (
        "(NULL, -7, -1.5e3, 'it''s \\'(now())\\'', ['a', 'b'], {'k': 1, 'l': 2}, '2026-01-02', "
        "'2026-01-02 03:04:05.678', (1, 'x'), '61f0c404-5cb3-11e7-907b-a6006ad3dba0', true, 'ü')"
    )
    answer = server.ask(statement.replace("VALUES", form).format(name), f"{row},\n {row}".encode())
    assert answer.status_code == 200, answer.text
    shown = (
        "\\N\t-7\t-1500\tit\\'s \\'(now())\\'\t['a','b']\t{'k':1,'l':2}\t2026-01-02\t2026-01-02 03:04:05.678"
        "\t(1,'x')\t61f0c404-5cb3-11e7-907b-a6006ad3dba0\ttrue\tü"
    )
    assert server.text(f"SELECT * FROM {name}").split("\n") == [shown, shown]


def test_an_insert_may_hold_any_number_of_months(server: Server) -> None:
    name = f"t_{uuid.uuid4().hex}"
    server.text(f"CREATE TABLE {name} (at Date) ENGINE = MergeTree ORDER BY at PARTITION BY toYYYYMM(at)")
    days = "\n".join(f"{year}-{month:02}-01" for year in range(2010, 2020) for month in range(1, 13))
    assert server.ask(f"INSERT INTO {name} FORMAT TSV", days.encode()).status_code == 200
    assert server.text(f"SELECT count() FROM {name}") == "120"


def test_a_chunked_insert_of_compressed_blocks(server: Server, table: str) -> None:
    blocks = wire.compress_blocks(b"".join(b"%d\tx\n" % n for n in range(300_000)))
    chunks = (blocks[at : at + 7777] for at in range(0, len(blocks), 7777))
    answer = server.http.post(
        "/", params={"query": f"INSERT INTO {table} FORMAT TSV", "decompress": "1"}, content=chunks
    )
    assert answer.status_code == 200, answer.text
    assert server.text(f"SELECT count() FROM {table}") == "300000"


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x"])
def test_a_statement_that_unpacks_to_too_much_is_refused(server: Server, kind: str) -> None:
    bomb = FRAMES["zstd"](b"SELECT 1" + b" " * LARGEST_STATEMENT_BYTES)
    answer = server.http.post("/", content=bomb, headers={"Content-Encoding": "zstd", "Content-Type": kind})
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (400, "62")
    assert "too long" in answer.text


@pytest.mark.parametrize("encoding", [name for name in ENCODINGS if name != "identity"])
def test_a_body_that_is_cut_off_inserts_nothing(server: Server, table: str, encoding: str) -> None:
    body = ENCODINGS[encoding](b"".join(b"%d\tx\n" % n for n in range(1000)))
    answer = server.http.post(
        "/",
        params={"query": f"INSERT INTO {table} FORMAT TSV"},
        content=body[: len(body) * 2 // 3],
        headers={"Content-Encoding": encoding},
    )
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (400, "271")
    assert server.text(f"SELECT count() FROM {table}") == "0"


def test_a_bad_row_refuses_the_insert(server: Server, table: str) -> None:
    answer = server.ask(f"INSERT INTO {table} FORMAT JSONEachRow", b'{"id":1,"name":"a"}\n{"id":"x"}')
    assert answer.status_code == 400
    assert answer.headers["X-ClickHouse-Exception-Code"] in answer.text
    assert server.text(f"SELECT count() FROM {table}") == "0"


@pytest.mark.parametrize(
    ("sql", "status", "code"),
    [
        ("SELEC 1", 400, 62),
        ("SELECT * FROM nowhere", 404, 60),
        ("SELECT nofunction()", 404, 46),
        ("SELECT no", 404, 47),
    ],
)
def test_errors_carry_code_and_status(server: Server, sql: str, status: int, code: int) -> None:
    answer = server.ask(sql)
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (status, str(code))
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ")


def test_parameters_settings_and_database(server: Server) -> None:
    assert server.text("SELECT {x:String} FORMAT TSVRaw", param_x="it's") == "it's"
    assert server.text("SELECT getSetting('max_threads')", max_threads="1") == "1"
    assert server.ask("SELECT 1", no_such_setting="1").headers["X-ClickHouse-Exception-Code"] == "115"
    server.text("CREATE DATABASE IF NOT EXISTS other")
    assert server.text("SELECT currentDatabase()", database="other") == "other"
    assert server.text("SELECT currentDatabase()") == "default"
    assert server.ask("SELECT 1", database="missing").headers["X-ClickHouse-Exception-Code"] == "81"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("asked", [{}, *({"readonly": value} for value in ("0", "1", "2", "00", "3", "", "x"))])
def test_get_is_readonly(server: Server, table: str, method: str, asked: dict[str, str]) -> None:
    assert server.http.request(method, "/", params={"query": "SELECT 1", **asked}).status_code == 200
    refused = server.http.request(method, "/", params={"query": f"INSERT INTO {table} SELECT 1, 'x'", **asked})
    assert refused.headers["X-ClickHouse-Exception-Code"] == "164"
    assert server.text(f"SELECT count() FROM {table}") == "0"


@pytest.mark.parametrize("asked", [{}, {"readonly": "0"}, {"readonly": "1"}])
def test_a_session_that_was_read_goes_on(server: Server, asked: dict[str, str]) -> None:
    session = uuid.uuid4().hex

    def get(sql: str) -> httpx.Response:
        return server.http.get("/", params={"query": sql, "session_id": session, **asked})

    server.text("CREATE TEMPORARY TABLE mine (x Int8)", session_id=session)
    assert [get("SELECT count() FROM mine").text for _ in range(2)] == ["0\n"] * 2
    server.text("INSERT INTO mine VALUES (5)", session_id=session)
    for sql in (
        "INSERT INTO mine VALUES (6)",
        "SELECT 1; INSERT INTO mine VALUES (6)",
        "WITH 6 AS x INSERT INTO mine SELECT x",
        "TRUNCATE TABLE mine",
        "SET max_threads = 7",
    ):
        assert get(sql).headers["X-ClickHouse-Exception-Code"] == "164"
    assert get("SELECT groupArray(x) FROM mine").text == "[5]\n"


def test_a_session_whose_settings_cannot_be_taken_back_ends(server: Server) -> None:
    session = uuid.uuid4().hex
    assert server.text("SET readonly = 1", session_id=session, max_threads="7") == ""
    assert server.ask("SELECT 1", session_id=session, session_check="1").status_code == 404
    assert server.text("SELECT getSetting('readonly')", session_id=session) == "0"


@pytest.mark.parametrize(
    "sql",
    [
        "SET max_threads = 7",
        "USE system",
        "CREATE TEMPORARY TABLE mine (x Int8)",
        "SELECT 1; SET max_threads = 7",
    ],
)
def test_what_a_statement_leaves_behind_reaches_nobody(server: Server, sql: str) -> None:
    # With them nobody else's connection is met.
    settings = {"max_block_size": str(uuid.uuid4().int % 10_000 + 50_000)}
    left = (
        "SELECT currentDatabase(), getSetting('max_threads') = 7, "
        "(SELECT count() FROM system.tables WHERE is_temporary)"
    )
    server.text(sql, **settings)
    assert server.text(left, **settings) == "default\t0\t0"


def test_a_session_remembers_and_settings_do_not_leak(server: Server) -> None:
    session = uuid.uuid4().hex
    server.text("CREATE TEMPORARY TABLE mine (x Int8)", session_id=session)
    server.text("INSERT INTO mine VALUES (5)", session_id=session, max_threads="1")
    assert server.text("SELECT x FROM mine", session_id=session) == "5"
    assert server.text("SELECT getSetting('max_threads')", session_id=session) != "1"
    assert server.ask("SELECT x FROM mine").status_code == 404
    unknown = server.ask("SELECT 1", session_id="never", session_check="1")
    assert unknown.headers["X-ClickHouse-Exception-Code"] == "372"


@pytest.mark.parametrize(
    ("headers", "parameters", "status"),
    [
        ({"X-ClickHouse-User": USER, "X-ClickHouse-Key": PASSWORD}, {}, 200),
        ({}, {"user": USER, "password": PASSWORD}, 200),
        ({}, {"user": "hashed", "password": "123"}, 200),
        ({}, {"user": "hashed", "password": "124"}, 403),
        ({}, {"user": USER, "password": "x"}, 403),
        ({}, {}, 403),
        ({"Authorization": "Basic ???"}, {}, 403),
        ({"Host": "evil.example", "X-ClickHouse-User": USER, "X-ClickHouse-Key": PASSWORD}, {}, 403),
    ],
)
def test_who_may_ask(server: Server, headers: dict[str, str], parameters: dict[str, str], status: int) -> None:
    answer = httpx.post(server.url, content=b"SELECT 1", headers=headers, params=parameters)
    assert answer.status_code == status
    if status == 200:
        assert answer.text == "1\n"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null", "Sec-Fetch-Site": "none"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_web_page_may_ask(server: Server, table: str, method: str, headers: dict[str, str], status: int) -> None:
    # All that a page can do without a preflight.
    sql = f"SELECT count() FROM {table}" if method == "GET" else f"INSERT INTO {table} VALUES (1, 'x')"
    asked = {"user": USER, "password": PASSWORD, "query": sql}
    assert httpx.request(method, server.url, params=asked, headers=headers).status_code == status
    assert server.text(f"SELECT count() FROM {table}") == str(int((method, status) == ("POST", 200)))


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({"session_id": "s", "session_timeout": "x"}, 400, "374"),
        ({"session_id": "s", "session_timeout": "nan"}, 400, "374"),
        ({"session_id": "s", "session_timeout": "-1"}, 400, "374"),
        ({"default_format": "DataFrame"}, 404, "73"),
        ({"default_format": "ArrowTable"}, 404, "73"),
        ({"default_format": "DataStore"}, 404, "73"),
        ({"database": "a\\`; SELECT 1 -- "}, 404, "81"),
        ({"param_x": "1", "a b": "1"}, 404, "115"),
    ],
)
def test_odd_parameters_are_refused(server: Server, parameters: dict[str, str], status: int, code: str) -> None:
    answer = server.ask("SELECT 1", None, **parameters)
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (status, code)


def test_a_query_s_name_makes_no_headers(server: Server) -> None:
    answer = server.ask("SELECT 1", None, query_id="a\r\nX-More: \u2713")
    assert (answer.status_code, answer.headers["X-ClickHouse-Query-Id"]) == (200, "a??X-More: ?")


@pytest.mark.parametrize(
    ("content_type", "head"),
    [
        ("multipart/form-data; boundary=';x*", b"\r[--x--name=?utf-8?q?"),
        ("multipart/form-data; boundary=x", b"Content-Disposition: form-data; name*=''"),
        ("multipart/form-data", b"Content-Disposition:"),
        ("multipart/form-data; boundary*=x", b"\xff\xfe"),
    ],
)
def test_a_form_that_is_none_is_refused(server: Server, content_type: str, head: bytes) -> None:
    answer = server.http.post(
        "/",
        params={"query": "SELECT {x:UInt8}"},
        content=b"--x\r\n" + head + b"\r\n\r\n1\r\n--x--\r\n",
        headers={"Content-Type": content_type},
    )
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO {} VALUES (1, 'New FORMAT HIIT!')",
        "INSERT INTO {} SELECT 1, 'New FORMAT HIIT!'",
        "INSERT INTO {} -- it's FORMAT CSV\nVALUES (1, 'New FORMAT HIIT!')",
        "INSERT INTO {} /* 'format CSV */ FORMAT TSV\n1\tNew FORMAT HIIT!\n",
    ],
)
def test_a_text_that_speaks_of_a_format_is_a_text(server: Server, table: str, statement: str) -> None:
    assert server.ask(statement.format(table)).status_code == 200
    assert server.text(f"SELECT * FROM {table} FORMAT TSV") == "1\tNew FORMAT HIIT!"


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO {} FORMAT TSV",
        "/* why */ INSERT INTO {} (id, name) FORMAT TSV -- so",
        "INSERT INTO {} SETTINGS max_threads = 1 FORMAT TSV\n",
        "INSERT INTO {} -- so\nFORMAT TSV",
        "INSERT INTO {} SETTINGS max_threads = 1 -- so\nFORMAT TSV",
        "INSERT INTO TABLE {}",
    ],
)
@pytest.mark.parametrize("packed", ["blocks", "gzip", "blocks in gzip"])
def test_packed_data_behind_a_statement_in_the_url_arrives(
    server: Server, table: str, statement: str, packed: str
) -> None:
    body = b"1\ta\n2\tb\n" if "FORMAT" in statement else b"VALUES (1, 'a'), (2, 'b')"
    if "blocks" in packed:
        body = wire.compress_blocks(body)
    answer = server.http.post(
        "/",
        params={"query": statement.format(table), "decompress": "1" if "blocks" in packed else "0"},
        content=gzip.compress(body) if "gzip" in packed else body,
        headers={"Content-Encoding": "gzip"} if "gzip" in packed else {},
    )
    assert answer.status_code == 200, answer.text
    assert server.text(f"SELECT * FROM {table} ORDER BY id") == "1\ta\n2\tb"


def test_system_tables_that_moose_asks_for(server: Server) -> None:
    assert server.text("SELECT 1 FROM system.zookeeper WHERE path = '/' LIMIT 1") == "1"
    assert server.text("SELECT count() FROM `system`.`row_policies` WHERE name = 'system.row_policies'") == "0"
    assert server.text("SELECT 'system.zookeeper'") == "system.zookeeper"


def test_many_at_once(server: Server) -> None:
    wrong: list[object] = []

    def ask(number: int) -> None:
        for turn in range(20):
            value = number * 100 + turn
            answer = server.ask(f"SELECT {value}, getSetting('max_block_size')", max_block_size=str(1000 + number))
            if answer.text != f"{value}\t{1000 + number}\n":
                wrong.append(answer.text)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_acknowledged_rows_survive_kill_9(own_server: Server) -> None:
    own_server.text("CREATE TABLE kept (n Int64) ENGINE = MergeTree ORDER BY n")
    for number in range(50):
        assert own_server.ask("INSERT INTO kept FORMAT TSV", b"%d\n" % number).status_code == 200
    own_server.end(signal.SIGKILL)
    own_server.start()
    assert own_server.text("SELECT count(), sum(n) FROM kept") == "50\t1225"
    assert own_server.text("SELECT 1 FROM system.zookeeper WHERE path = '/'") == "1"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_asked(own_server: Server, number: signal.Signals) -> None:
    own_server.text("SELECT 1")
    assert own_server.end(number) in (0, -number)


def test_a_second_server_on_the_same_data_says_so(own_server: Server) -> None:
    second = subprocess.run(own_server.command(), capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 1
    assert "is in use by another server" in second.stderr
