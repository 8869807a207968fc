"""Parameters of the APIs, as Moose has them checked before a query sees them."""

import inspect
import json
import re
from typing import get_args

import pytest
from moose_lib.dmv2.registry import get_apis
from pydantic import BaseModel, ValidationError

import app.main  # noqa: F401 (declares every API)
from app.apis.question import names

NECESSARY = {"timestamp": "2026-11-20T10:00:10Z", "user_id": "1", "table": "unified_hr_packet"}

WHOLE_NUMBERS = [
    (name, parameter)
    for name, api in get_apis().items()
    for parameter, field in api.model_type.model_fields.items()
    if field.annotation is int or int in get_args(field.annotation)
]


def needed(model: type[BaseModel]) -> dict[str, str]:
    """What it cannot do without."""
    return {key: NECESSARY[key] for key, field in model.model_fields.items() if field.is_required()}


def test_no_whole_number_is_forgotten() -> None:
    assert {parameter for _, parameter in WHOLE_NUMBERS} >= {"user_id", "limit", "window_seconds"}
    assert len([name for name, parameter in WHOLE_NUMBERS if parameter == "user_id"]) >= 4


@pytest.mark.parametrize("name", get_apis())
def test_an_api_may_be_told_what_a_token_said(name: str) -> None:
    """Moose hands the claims of a valid JWT on, whether an API wants them or not."""
    inspect.signature(get_apis()[name].query_function).bind(None, None, {"sub": "Ada"})
    inspect.signature(get_apis()[name].query_function).bind(None, None)


@pytest.mark.parametrize(("name", "parameter"), WHOLE_NUMBERS)
@pytest.mark.parametrize("value", [2**64 + 7, 2**53, -(2**64) + 7, -1])
def test_what_no_column_holds_is_refused_by_name(name: str, parameter: str, value: int) -> None:
    model = get_apis()[name].model_type
    with pytest.raises(ValidationError) as refused:
        model.model_validate({**needed(model), parameter: str(value)})
    assert [error["loc"] for error in refused.value.errors()] == [(parameter,)]


@pytest.mark.parametrize("name", [name for name, parameter in WHOLE_NUMBERS if parameter == "user_id"])
def test_every_person_of_the_column_may_be_asked_for(name: str) -> None:
    model = get_apis()[name].model_type
    for value in (1, 2**53 - 1):
        assert model.model_validate({**needed(model), "user_id": str(value)}).user_id == value


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"table": "erasure_report"}, "no such table; there are raw_ant_hr_packet, "),
        ({"table": "unified_hr_packet FINAL"}, "no such table; there are "),
        *(
            ({"table": "unified_hr_packet", "after": after}, "after: no key of an entry of unified_hr_packet")
            for after in (
                "863436",
                "[]",
                '["863436"]',
                '["863436", "now"]',
                '["863436", "nan"]',
                '["863436", 1, 2]',
                '{"0": "863436", "1": 1}',
            )
        ),
        *(
            ({"table": "raw_ant_hr_packet", "after": json.dumps(["863436", *after])}, "after: no key of an entry")
            for after in (
                (2**63 - 1, 17, None, ""),
                (0, -1, "", ""),
                (0, 2**64, "", ""),
                (0, 17, "", None),
                (0, "17 OR 1", "", ""),
            )
        ),
        *(
            ({"table": "per_second_heart_rate_aggregate", "after": json.dumps(after)}, "after: no key of an entry")
            for after in ((-1, 1, "Ada"), (2**32, 1, "Ada"), (0, 2**63, "Ada"), (0, 1, 2))
        ),
    ],
)
def test_what_is_no_table_or_no_place_in_it_is_refused_by_name(parameters: dict[str, str], told: str) -> None:
    model = get_apis()["getPersonRecords"].model_type
    with pytest.raises(ValidationError, match=re.escape(told)):
        model.model_validate({"user_id": "1", **parameters})


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (None, set()),
        ("Ada", {"Ada"}),
        (" Ada ,Bo", {" Ada ", "Ada", "Bo", " Ada ,Bo", "Ada ,Bo"}),
        (" ", set()),
        ("Doe, Ada", {"Doe", " Ada", "Ada", "Doe, Ada"}),
        ("Doe,Ada,Bo", {"Doe", "Ada", "Bo", "Doe,Ada", "Ada,Bo", "Doe,Ada,Bo"}),
    ],
)
def test_names_may_have_commas(given: str | None, meant: set[str]) -> None:
    assert set(names(given)) == meant
