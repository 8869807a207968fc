"""What the server must know of a statement before the engine sees it. A scanner of tokens, no parser of SQL."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

LONGEST_REMEMBERED = 8192
"""Characters of a statement that is kept to be recognised."""

_TOKEN = re.compile(
    r"""
      (?P<skip> [\s\u180e\u200b-\u200f\u2060-\u2064\ufeff]+ | (?:--|//|\#[!\ ])[^\n]* | /\*(?:(?!/\*|\*/).)*\*/ )
    | (?P<text> '(?:[^'\\]|\\.|'')*' | \u2018[^\u2019]*\u2019 )
    | (?P<quoted> `(?:[^`\\]|\\.|``)*` | "(?:[^"\\]|\\.|"")*" | \u201c[^\u201d]*\u201d )
    | (?P<word> [A-Za-z_][A-Za-z_0-9]* )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_LITERALS = re.compile(
    rb"""(?:
        [\s,:()\[\]{}]++
      | '(?:[^'\\]|\\.|'')*+'
      | [-+]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][-+]?\d++)?(?![\w.])
      | [-+]?\b(?:null|true|false|nan|inf)\b
    )*+""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_ESCAPE = re.compile(r"\\x([0-9A-Fa-f]{2})|\\(.)", re.DOTALL)


def _names(*lists: str) -> frozenset[str]:
    return frozenset(name for each in lists for name in each.split())


REFUSED_FUNCTIONS = _names(
    # Files, programs, and SQL in a text, which nobody looks through.
    "file filecluster filelog filesystem input_file disk backup sqlite embeddedrocksdb python library yamlregexptree",
    "executable executablepool executable_pool catboostevaluate eval queryrunner clickhouse",
    # Tables by a name that may be a path, in a text.
    "alias buffer loop",
    # A table behind ELSE, where any word may stand.
    "viewifpermitted",
    # Other hosts: by HTTP and of ClickHouse,
    "http url urlcluster remote remotesecure cluster clusterallreplicas distributed jdbc odbc",
    "aiclassify aiembed aiextract aifilter aigenerate airedact aisimilarity aitranslate",
    # databases,
    "mysql postgresql materializedpostgresql mongodb redis cassandra ytsaurus bigquery prometheusquery",
    "prometheusqueryrange datalakecatalog",
    # streams,
    "kafka nats rabbitmq arrowflight arrowstream s3queue azurequeue",
    # and stores of objects and tables in them.
    "s3 s3cluster gcs cosn oss azureblobstorage azureblobstoragecluster hdfs hdfscluster hudi hudicluster",
    "deltalake deltalakecluster deltalakelocal deltalakes3 deltalakes3cluster deltalakeazure deltalakeazurecluster",
    "iceberg icebergcluster iceberglocal iceberglocalcluster icebergs3 icebergs3cluster icebergazure",
    "icebergazurecluster iceberghdfs iceberghdfscluster",
    "paimon paimoncluster paimonlocal paimons3 paimons3cluster paimonazure paimonazurecluster paimonhdfs",
    "paimonhdfscluster",
)
"""Table functions, engines, dictionary sources and places that reach files, programs or other hosts."""

REFUSED_SETTINGS = _names(
    # Files, and where a relative URL leads.
    "format_schema format_schema_source output_format_schema format_template_row format_template_resultset",
    "input_format_record_errors_file_path rename_files_after_processing format_avro_schema_registry_url",
    "url_base s3_base",
    # Other languages than the one that is looked through here, and SQL in a text.
    "dialect polyglot_dialect implicit_table_at_top_level additional_table_filters additional_result_filter",
    "select filter order sort parallel_replicas_custom_key",
    "allow_experimental_eval_table_function allow_python_table_function",
)
"""Settings that name files, or in which SQL may stand that nobody looks through."""

_REFUSED_STATEMENTS = frozenset(("backup", "restore", "copy"))
_SYSTEM_COMMANDS = frozenset(("drop", "flush", "restart", "start", "stop", "sync"))
"""Those of a server's tables; others concern its process, its files and its ports."""

_NOTICED = REFUSED_FUNCTIONS | REFUSED_SETTINGS | _REFUSED_STATEMENTS | {"infile", "outfile", "system"}

_READING = _names("select from with show describe desc exists explain values check")

_BEFORE_TABLES = _names(
    "from join into insert table describe desc exists create check truncate optimize update use to in",
)
_BEFORE_TABLE_FUNCTIONS = _names("from join into table function describe desc as")
"""And so before `format`, which is a harmless function elsewhere: as a table it calls what its text says."""
_AFTER_TABLES = _names(
    "select where prewhere group having window qualify order limit offset settings format union intersect except set",
    "values",
)
"""Words that end the list of tables behind a FROM."""
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
    insert_settings: str
    """The SETTINGS clause of such an INSERT, which `sql` is without, too; empty: none."""
    reads_only: bool
    """It begins as a query and nothing that is none can follow, so it may be sent with GET."""
    leaves_something: bool
    """On its connection: a setting, a database, a temporary table."""
    identifiers: frozenset[str]
    """The parameters that stand for names, as in `{table:Identifier}`."""

    def refused_value(self, values: Mapping[str, str]) -> str | None:
        """What in the parameters' values is not allowed here; None: nothing."""
        paths = sorted(name for name in self.identifiers if "/" in values.get(name, ""))
        return f"a path as {paths[0]}" if paths else None


class _Token(NamedTuple):
    kind: str | None
    text: str
    start: int
    word: str
    """In lower case; of a quoted name: none."""
    name: str
    """In lower case, quoted or not."""


_NOTHING = _Token(None, "", 0, "", "")


def _token(match: re.Match[str]) -> _Token:
    kind, text, start = match.lastgroup, match.group(), match.start()
    if kind == "word":
        word = text.lower()
        return _Token(kind, text, start, word, word)
    return _Token(kind, text, start, "", _said(text).lower() if kind == "quoted" else "")


def _said(quoted: str) -> str:
    """What a text or a quoted name says."""
    inside = quoted[1:-1].replace(2 * quoted[0], quoted[0])
    if "\\" not in inside:
        return inside
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else found[2], inside)


def read(sql: str) -> Statement:
    """Look through a statement."""
    return _read_again(sql) if len(sql) <= LONGEST_REMEMBERED else _read(sql)


def _read(sql: str) -> Statement:
    tokens = [_token(match) for match in _TOKEN.finditer(sql) if match.lastgroup != "skip"]
    words = [token.word for token in tokens]
    first = words[0] if words else ""
    insert_format, insert_settings = None, ""
    if first == "insert" and (cut := _data_clause(words)) is not None:
        insert_format = "Values" if words[cut] == "values" else tokens[cut + 1].text
        sql = sql[: tokens[cut].start].rstrip()
        tokens = tokens[:cut]
        if settings := _settings_clause(tokens):
            sql, insert_settings = sql[:settings].rstrip(), sql[settings:]
    return Statement(
        sql=_rewritten(sql, tokens),
        refused=_refused(tokens),
        insert_format=insert_format,
        insert_settings=insert_settings,
        reads_only=bool(tokens)
        and (first in _READING or tokens[0].text == "(")
        and "insert" not in words
        and all(token.text != ";" for token in tokens[:-1]),
        leaves_something="temporary" in words
        or any(
            before.text in ("", ";") and token.word in ("set", "use") for before, token in pairwise((_NOTHING, *tokens))
        ),
        identifiers=frozenset(
            _said(name.text) if name.kind == "quoted" else name.text
            for opening, name, colon, kind in zip(tokens, tokens[1:], tokens[2:], tokens[3:], strict=False)
            if (opening.text, colon.text, kind.word) == ("{", ":", "identifier")
        ),
    )


_read_again = lru_cache(maxsize=1024)(_read)
"""The APIs ask the same over and over: what differs comes as parameters."""


def are_literals(values: bytes) -> bool:
    """Whether data in the format Values calls nothing: numbers, texts, NULL, and lists and tuples of them."""
    return _LITERALS.fullmatch(values) is not None


def _data_clause(words: list[str]) -> int | None:
    """Where `VALUES` or `FORMAT name` ends an INSERT, with nothing behind it."""
    if len(words) >= 3 and words[-2] == "format" and words[-3] not in ("into", "table"):
        return len(words) - 2
    if len(words) >= 2 and words[-1] == "values":
        return len(words) - 1
    return None


def _settings_clause(tokens: list[_Token]) -> int | None:
    """Where the SETTINGS of an INSERT begin: behind its table, and no column of that name."""
    depth = 0
    for before, token in pairwise(tokens):
        depth += (token.text == "(") - (token.text == ")")
        if token.word == "settings" and not depth and before.word not in ("into", "table") and before.text != ".":
            return token.start
    return None


def _refused(tokens: list[_Token]) -> str | None:
    # For each open bracket, the innermost last: whether a comma is followed by a table.
    lists_tables = [False]
    padded = [_NOTHING, _NOTHING, *tokens, _NOTHING]
    for earlier, before, token, after in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        refused = None
        if token.name in _NOTICED:
            refused = _refused_name(earlier, before, token, after) or _refused_word(before, token, after)
        elif token.name == "format" and after.text == "(":
            if before.word in _BEFORE_TABLE_FUNCTIONS or (before.text == "," and lists_tables[-1]):
                refused = "format(…) as a table"
        elif token.kind == "other":
            refused = _refused_sign(token, after)
        elif _is_path_as_table(before, token, lists_tables=lists_tables[-1]):
            refused = f"a path as a table ({token.text})"
        if refused is not None:
            return refused
        _follow(lists_tables, before, token, after)
    return None


def _follow(lists_tables: list[bool], before: _Token, token: _Token, after: _Token) -> None:
    if token.text in ("(", "["):
        lists_tables.append(False)
    elif token.text in (")", "]") and len(lists_tables) > 1:
        lists_tables.pop()
    elif token.word in ("from", "join"):
        lists_tables[-1] = True
    elif token.word in _AFTER_TABLES and not _is_name(before, after):
        lists_tables[-1] = False


def _is_name(before: _Token, after: _Token) -> bool:
    """Whether a word between them is a table's name or alias, whatever else it means."""
    return before.word in ("from", "join", "as") or before.text in (".", ",") or after.text == ","


def _refused_name(earlier: _Token, before: _Token, token: _Token, after: _Token) -> str | None:
    if token.name in REFUSED_FUNCTIONS and after.text == "(":
        return f"{token.name}(…)"
    if token.name in REFUSED_FUNCTIONS and "engine" in (before.word, earlier.word if before.text == "=" else ""):
        return f"ENGINE = {token.text}"
    if token.name in REFUSED_SETTINGS and (
        before.word in ("set", "settings") or (before.text == "," and after.text == "=")
    ):
        return f"the setting {token.name}"
    return None


def _refused_word(before: _Token, token: _Token, after: _Token) -> str | None:
    if token.word in ("infile", "outfile") and before.word in ("from", "into"):
        return f"{before.word.upper()} {token.word.upper()}"
    if before.text in ("", ";"):
        if token.word in _REFUSED_STATEMENTS:
            return token.word.upper()
        if token.word == "system" and after.word not in _SYSTEM_COMMANDS:
            return f"SYSTEM {after.text}"
    return None


def _refused_sign(token: _Token, after: _Token) -> str | None:
    if token.text == "$":
        # A heredoc; what the engine takes for one depends on what stands before it.
        return "$"
    if token.text == "/" and after.text == "*":
        # The engine counts how many are open, which this scanner does not.
        return "a comment in a comment"
    return None


def _is_path_as_table(before: _Token, token: _Token, *, lists_tables: bool) -> bool:
    if token.kind not in ("text", "quoted") or "/" not in _said(token.text):
        return False
    return (
        (before.word in _BEFORE_TABLES and (before.word != "in" or token.kind == "quoted"))
        or before.text == "."
        or (before.text == "," and lists_tables)
    )


def _rewritten(sql: str, tokens: list[_Token]) -> str:
    pieces, done = [], 0
    for schema, dot, table in zip(tokens, tokens[1:], tokens[2:], strict=False):
        key = (schema.name, table.name)
        if dot.text == "." and key in _REWRITTEN and schema.start >= done:
            pieces += [sql[done : schema.start], _REWRITTEN[key]]
            done = table.start + len(table.text)
    return "".join(pieces) + sql[done:]
