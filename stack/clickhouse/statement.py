"""What the server must know of a statement before the engine sees it. A scanner of tokens, no parser of SQL."""

import re
from dataclasses import dataclass
from functools import lru_cache

LONGEST_REMEMBERED = 8192
"""Characters of a statement that is kept to be recognised."""

_TOKEN = re.compile(
    r"""
      (?P<skip> \s+ | --[^\n]* | \#[!\ ][^\n]* | /\*.*?\*/ )
    | (?P<text> '(?:[^'\\]|\\.|'')*' )
    | (?P<quoted> `(?:[^`\\]|\\.)*` | "(?:[^"\\]|\\.)*" )
    | (?P<word> [A-Za-z_][A-Za-z_0-9]* )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)

REFUSED_FUNCTIONS = frozenset(
    [
        "file",
        "filecluster",
        "url",
        "urlcluster",
        "s3",
        "s3cluster",
        "s3queue",
        "gcs",
        "azureblobstorage",
        "azureblobstoragecluster",
        "azurequeue",
        "hdfs",
        "hdfscluster",
        "remote",
        "remotesecure",
        "cluster",
        "clusterallreplicas",
        "mysql",
        "postgresql",
        "mongodb",
        "redis",
        "sqlite",
        "odbc",
        "jdbc",
        "executable",
        "executablepool",
        "iceberg",
        "icebergs3",
        "icebergs3cluster",
        "icebergazure",
        "icebergazurecluster",
        "iceberghdfs",
        "iceberghdfscluster",
        "iceberglocal",
        "deltalake",
        "deltalakecluster",
        "deltalakelocal",
        "deltalakes3",
        "deltalakeazure",
        "hudi",
        "hudicluster",
        "paimon",
        "paimons3",
        "paimonlocal",
        "paimonazure",
        "paimonhdfs",
        "input_file",
        "python",
        "kafka",
        "nats",
        "rabbitmq",
        "ytsaurus",
        "arrowflight",
        "prometheusquery",
        "filesystem",
        "http",
        "backup",
        "disk",
        "catboostevaluate",
    ]
)
"""Table functions, engines, dictionary sources and places that reach files, programs or other hosts."""

_REWRITTEN = {
    ("system", "row_policies"): "beatstream_system.row_policies",
    ("system", "zookeeper"): "beatstream_system.zookeeper",
}
"""System tables that the engine as a library lacks, and what stands for them (`engine.py` creates it)."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement, ready for the engine."""

    sql: str
    refused: str | None
    """What in it is not allowed here; None: nothing."""
    insert_format: str | None
    """An INSERT that expects its data from elsewhere: the data's format. `sql` then ends before that clause."""
    reads_only: bool
    """It begins as a query, so it may be sent with GET."""


def read(sql: str) -> Statement:
    """Look through a statement."""
    return _read_again(sql) if len(sql) <= LONGEST_REMEMBERED else _read(sql)


def _read(sql: str) -> Statement:
    tokens = [(match.lastgroup, match.group(), match.start()) for match in _TOKEN.finditer(sql)]
    tokens = [token for token in tokens if token[0] != "skip"]
    words = [text.lower() if kind == "word" else "" for kind, text, _ in tokens]
    first = words[0] if words else ""
    insert_format = None
    if first == "insert" and (cut := _data_clause(words)) is not None:
        insert_format = "Values" if words[cut] == "values" else tokens[cut + 1][1]
        sql = sql[: tokens[cut][2]].rstrip()
        tokens, words = tokens[:cut], words[:cut]
    return Statement(
        sql=_rewritten(sql, tokens),
        refused=_refused(tokens, words),
        insert_format=insert_format,
        reads_only=first in {"select", "with", "show", "describe", "desc", "exists", "explain", "(", "values", "check"}
        or (not first and bool(tokens) and tokens[0][1] == "("),
    )


_read_again = lru_cache(maxsize=1024)(_read)
"""The APIs ask the same over and over: what differs comes as parameters."""


def _data_clause(words: list[str]) -> int | None:
    """Where `VALUES` or `FORMAT name` ends an INSERT, with nothing behind it."""
    if len(words) >= 2 and words[-1] == "values":
        return len(words) - 1
    if len(words) >= 3 and words[-2] == "format":
        return len(words) - 2
    return None


def _refused(tokens: list[tuple[str | None, str, int]], words: list[str]) -> str | None:
    for at, (kind, text, _) in enumerate(tokens):
        name = text.strip('`"').lower() if kind in ("word", "quoted") else ""
        following = tokens[at + 1][1] if at + 1 < len(tokens) else ""
        if name in REFUSED_FUNCTIONS and following == "(":
            return f"{name}(…)"
        if name in ("infile", "outfile") and at and words[at - 1] in ("from", "into"):
            return f"{words[at - 1].upper()} {name.upper()}"
        if name in REFUSED_FUNCTIONS and at and (words[at - 1] == "engine" or tokens[at - 1][1] == "="):
            return f"ENGINE = {text}"
    return None


def _rewritten(sql: str, tokens: list[tuple[str | None, str, int]]) -> str:
    pieces, done = [], 0
    for (_, schema, start), (_, dot, _), (_, table, end) in zip(tokens, tokens[1:], tokens[2:], strict=False):
        key = (schema.strip('`"').lower(), table.strip('`"').lower())
        if dot == "." and key in _REWRITTEN and start >= done:
            pieces += [sql[done:start], _REWRITTEN[key]]
            done = end + len(table)
    return "".join(pieces) + sql[done:]
