"""The OpenAPI document of what the wall answers to programs, from its routes and the models of what it takes."""

from collections.abc import Callable, Iterable, Mapping
from inspect import getdoc
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.routing import BaseRoute, Route

from app.heartrate.profiles import LARGEST_USER_ID
from live.data import Span

PATHS = ("/data/", "/actions/", "/events", "/health", "/openapi.json")
"""The rest is pages, and what they are made of."""

_STRING = {"type": "string"}
_IN_PATHS = {
    "user_id": {"type": "integer", "minimum": 1, "maximum": LARGEST_USER_ID},
    "session_id": _STRING,
    "kind": {"enum": ["csv", "fit"]},
}
_ERROR = {
    "description": "What is wrong, in a sentence, and the field, if it is one",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {"error": _STRING, "field": {"type": ["string", "null"]}},
                "required": ["error", "field"],
            }
        }
    },
}
_ENTER = {
    "summary": "Gives a room token; answered with a cookie. Only where there are tokens.",
    "requestBody": {
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {"type": "object", "properties": {"token": _STRING}, "required": ["token"]}
            }
        }
    },
    "responses": {"303": {"description": "Let in"}, "default": {"description": "The form, and what is wrong"}},
}


def document(
    routes: Iterable[BaseRoute], actions: Mapping[str, tuple[type[BaseModel], Callable[..., Any]]]
) -> dict[str, Any]:
    """OpenAPI 3.1."""
    taken = {f"/actions/{name}": action for name, action in actions.items()}
    schemas, definitions = models_json_schema(
        [(model, "validation") for model, _ in taken.values()], ref_template="#/components/schemas/{model}"
    )
    queries = {
        "/events": [{"name": "last_event_id", "in": "query", "schema": _STRING}],
        "/data/people/{user_id}/history": _query(Span),
    }
    paths: dict[str, Any] = {"/enter": {"post": _ENTER}}
    for route in routes:
        if not isinstance(route, Route) or not route.path.startswith(PATHS):
            continue
        model, act = taken.get(route.path, (None, route.endpoint))
        operation: dict[str, Any] = {
            "summary": (getdoc(act) or "").partition("\n")[0],
            "parameters": [
                {"name": name, "in": "path", "required": True, "schema": _IN_PATHS[name]}
                for name in route.param_convertors
            ]
            + queries.get(route.path_format, []),
            "responses": {
                "200": {"description": "Done" if model else "As asked for"},
                "default": {"$ref": "#/components/responses/Error"},
            },
        }
        if model is not None:
            body = {"application/json": {"schema": schemas[model, "validation"]}}
            operation["requestBody"] = {"required": True, "content": body}
        paths[route.path_format] = {"get" if model is None else "post": operation}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Beatstream: the wall", "version": "1"},
        "paths": paths,
        "components": {"schemas": definitions["$defs"], "responses": {"Error": _ERROR}},
    }


def _query(model: type[BaseModel]) -> list[dict[str, Any]]:
    """Parameters in a query, where absent says what null would."""
    fields = model.model_json_schema()["properties"]
    return [
        {"name": name, "in": "query", "schema": next(iter(field.get("anyOf", [field])))}
        for name, field in fields.items()
    ]
