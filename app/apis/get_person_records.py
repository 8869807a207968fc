"""GET /api/getPersonRecords: all that is held of one person, a table at a time and page by page."""

import time
from typing import Annotated, Any, NamedTuple, Optional, Self

from moose_lib import Api, MooseClient, OlapTable
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from app.apis.question import Claims, ask, no_secrets_told
from app.datamodels.integers import Int64, UInt64
from app.heartrate.profiles import LARGEST_USER_ID
from app.heartrate.wearers import Span
from app.storage.person_rows import OF_STRAPS, TABLES, rows_of
from app.storage.wearer_directory import stored_assignments


class _KeyPart(NamedTuple):
    """A column of a table's key."""

    column: str
    as_text: str
    """In SQL."""
    given: str
    """In SQL: a value of it that the parameter `{}` brings."""
    kind: Any
    """What such a value has to be."""
    nullable: bool


_MICROSECONDS = Annotated[int, Field(ge=-(2**51), le=2**53)]
"""Over the years that a DateTime64 holds, and no further than it can be compared."""


def _key_part(column: str, data_type: str, *, nullable: bool) -> _KeyPart:
    told, given = column, f"{{{{{{}}:{data_type}}}}}"
    kind: Any = str
    match data_type:
        case "DateTime(6)":
            told, given = f"toUnixTimestamp64Micro({column})", "fromUnixTimestamp64Micro({{{}:Int64}})"
            kind = _MICROSECONDS
        case "DateTime":
            told, given = f"toUnixTimestamp({column})", "toDateTime({{{}:UInt32}}, 'UTC')"
            kind = Annotated[int, Field(ge=0, lt=2**32)]
        case "Int64":
            kind = Int64
        case "UInt64":
            kind = UInt64
        case "Float64":
            kind = Annotated[float, Field(allow_inf_nan=False)]
    return _KeyPart(column, f"toString({told})", given, Optional[kind] if nullable else kind, nullable)


def _key_of(table: OlapTable[Any]) -> tuple[_KeyPart, ...]:
    columns = {column.name: column for column in table._column_list}  # noqa: SLF001 (it has no other list of them)
    names = table.config.order_by_fields
    return tuple(_key_part(name, str(columns[name].data_type), nullable=not columns[name].required) for name in names)


_KEYS = {name: _key_of(table) for name, table in TABLES.items()}


def _require_table(value: str) -> str:
    if value not in TABLES:
        raise ValueError(f"no such table; there are {', '.join(TABLES)}")
    return value


class RecordsParams(BaseModel):
    """A person, a table, and which of its rows."""

    user_id: int = Field(ge=1, le=LARGEST_USER_ID, description="The person")
    table: Annotated[str, AfterValidator(_require_table)] = Field(description="Which table")
    after: Optional[str] = Field(default=None, description="Only what follows the entry with this key")
    limit: int = Field(default=1000, ge=1, le=10_000, description="At most so many")

    @model_validator(mode="after")
    def _after_an_entry(self) -> Self:
        self.key_before()
        return self

    def key_before(self) -> tuple[Any, ...]:
        """The values of the key that `after` is; none: the first page is asked for. Raises `ValueError`."""
        if self.after is None:
            return ()
        kinds = tuple(part.kind for part in _KEYS[self.table])
        try:
            key: tuple[Any, ...] = TypeAdapter(tuple[*kinds]).validate_json(self.after)  # type: ignore[valid-type]
        except ValidationError:
            raise ValueError(f"after: no key of an entry of {self.table}") from None
        return key


class RecordEntry(BaseModel):
    """A row."""

    key: str = Field(description="Its place in the table: the `after` of the next page")
    record: dict[str, Any] = Field(description="Its columns; moments are RFC 3339, UTC")


class RecordsAnswer(BaseModel):
    """The person's rows in the order of the table's key; fewer than `limit`: there are no more."""

    entries: list[RecordEntry]


class _Row(BaseModel):
    model_config = ConfigDict(extra="allow")

    key: str


def get_person_records(client: MooseClient, params: RecordsParams, _claims: Claims = None) -> RecordsAnswer:
    """Read a page of what an erasure would remove."""
    spans: list[Span] = []
    if params.table in OF_STRAPS:
        with no_secrets_told():
            spans += stored_assignments().spans(params.user_id)
    rows = rows_of(params.table, params.user_id, spans, time.time_ns() // 1000)
    if rows is None:
        return RecordsAnswer(entries=[])
    condition, parameters = rows
    table, key, before = TABLES[params.table], _KEYS[params.table], params.key_before()
    if before:
        condition = f"({condition}) AND ({_follows(key, before)})"
        parameters |= {f"key{number}": value for number, value in enumerate(before)}
    columns = ", ".join(table.model_type.model_fields)
    told = ask(
        client,
        # PREWHERE: the person's rows are merged, as they are what an erasure removes, and nobody else's is looked at.
        f"""
        SELECT toJSONString([{", ".join(part.as_text for part in key)}]) AS key, {columns}
        FROM {params.table} FINAL
        PREWHERE {condition}
        ORDER BY {", ".join(part.column for part in key)}
        LIMIT {{limit:UInt32}}
        SETTINGS date_time_output_format = 'iso', output_format_json_quote_64bit_integers = 0
        """,  # noqa: S608 (own names)
        {**parameters, "limit": params.limit},
        _Row,
    )
    return RecordsAnswer(entries=[RecordEntry(key=row.key, record=row.model_extra or {}) for row in told])


def _follows(key: tuple[_KeyPart, ...], before: tuple[Any, ...], number: int = 0) -> str:
    """In SQL, that a row has a greater key: part by part, as ClickHouse finds no place in a table by a tuple."""
    part, given = key[number], key[number].given.format(f"key{number}")
    # Null is the greatest, as in the table.
    if before[number] is None:
        greater, same = "false", f"{part.column} IS NULL"
    else:
        greater, same = f"{part.column} > {given}", f"{part.column} = {given}"
        greater += f" OR {part.column} IS NULL" if part.nullable else ""
    if number + 1 == len(key):
        return greater
    return f"{greater} OR ({same} AND ({_follows(key, before, number + 1)}))"


get_person_records_api = Api[RecordsParams, RecordsAnswer]("getPersonRecords", query_function=get_person_records)
