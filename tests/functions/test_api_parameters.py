"""Parameters of the APIs, as Moose has them checked before a query sees them."""

import inspect
from typing import get_args

import pytest
from moose_lib.dmv2.registry import get_apis
from pydantic import ValidationError

import app.main  # noqa: F401 (declares every API)
from app.apis.question import names

NECESSARY = {"timestamp": "2026-11-20T10:00:10Z", "user_id": "1"}

WHOLE_NUMBERS = [
    (name, parameter)
    for name, api in get_apis().items()
    for parameter, field in api.model_type.model_fields.items()
    if field.annotation is int or int in get_args(field.annotation)
]


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
    needed = {key: NECESSARY[key] for key, field in model.model_fields.items() if field.is_required()}
    with pytest.raises(ValidationError) as refused:
        model.model_validate({**needed, parameter: str(value)})
    assert [error["loc"] for error in refused.value.errors()] == [(parameter,)]


@pytest.mark.parametrize("name", [name for name, parameter in WHOLE_NUMBERS if parameter == "user_id"])
def test_every_person_of_the_column_may_be_asked_for(name: str) -> None:
    model = get_apis()[name].model_type
    for value in (1, 2**53 - 1):
        assert model.model_validate({"user_id": str(value)}).user_id == value


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
