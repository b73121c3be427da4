"""The OpenAPI description, made from the routes and models of `emulator.control.api`."""

import json
import re
from functools import cache
from typing import Any

import msgspec

from emulator import __version__
from emulator.annotations import fields, form
from emulator.control.api import ROUTES
from emulator.control.model import Problem
from emulator.control.routes import JSON
from emulator.scenario.schema import schema as loosened
from emulator.scenario.spec import DownSpec, FaultSpec, UpSpec
from emulator.trunk.callers import Ring

_TEMPLATE = "#/components/schemas/{name}"
_FAULTS_TEMPLATE = "#/components/schemas/faults.{name}"
"""A fault is told with some words that are other models' names."""


_READ_BY_HAND = {"ring": "Ring", "add_fault": "faults.FaultSpec", "down": "faults.DownSpec", "up": "faults.UpSpec"}
"""Bodies whose times may be text, and what they are."""


_STREAM = {"schema": {"type": "string", "description": "each event with `id`, `event`, its kind, and `data`, the event as JSON"}}


@cache
def encoded() -> bytes:
    """`document` as JSON: it stays the same, and takes long to make."""
    return json.dumps(document()).encode()


def document() -> dict[str, Any]:
    """OpenAPI 3.1."""
    kinds = [*(route.result for route in ROUTES), Problem]
    bodies = [*(route.takes for route in ROUTES if route.takes is not None), Ring]
    schemas, components = msgspec.json.schema_components([*kinds, *bodies], ref_template=_TEMPLATE)
    for kind in (FaultSpec, DownSpec, UpSpec):
        components.update({f"faults.{name}": one for name, one in loosened(kind, _FAULTS_TEMPLATE)[1].items()})
    _take_text(components["Ring"])
    taken = iter(schemas[len(kinds) :])
    schemas = schemas[: len(kinds)]
    error = {
        "description": "RFC 9457 problem",
        "content": {"application/problem+json": {"schema": schemas[-1]}},
    }
    paths: dict[str, dict[str, Any]] = {}
    for route, schema in zip(ROUTES, schemas[:-1], strict=True):
        parameters: list[dict[str, Any]] = [
            {
                "name": name,
                "in": "query",
                "required": False,
                "description": text,
                "schema": {"type": "string"},
            }
            for name, text in route.query
        ]
        for name in re.findall(r"\{(\w+)\}", route.path):
            parameters.append({"name": name, "in": "path", "required": True, "schema": {"type": "string"}})
        operation: dict[str, Any] = {
            "operationId": route.handler.strip("_"),
            "summary": route.summary,
            "parameters": parameters,
            "responses": {
                str(route.status): {"description": "done", "content": {route.gives: {"schema": schema} if route.gives == JSON else {}}},
                "default": error,
            },
        }
        if route.handler == "_readyz":
            operation["responses"]["503"] = {"description": "not yet", "content": {JSON: {"schema": schema}}}
        elif route.handler == "_events":
            operation["responses"]["200"]["content"]["text/event-stream"] = _STREAM
        if route.takes is not None:
            body = next(taken)
            if route.handler in _READ_BY_HAND:
                body = {"$ref": _TEMPLATE.format(name=_READ_BY_HAND[route.handler])}
            operation["requestBody"] = {
                "required": True,
                "content": {JSON: {"schema": body, "example": json.loads(route.example)}},
            }
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "vsim control API",
            "version": __version__,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {"schemas": components},
    }


def _take_text(ring: dict[str, Any]) -> None:
    """Times of a ring may be text, such as 500ms."""
    for name, field in fields(Ring).items():
        if form(field.type) == "duration":
            time = ring["properties"][name]
            kinds = time.pop("anyOf", None) or [{key: time.pop(key) for key in ("type", "minimum", "maximum")}]
            time["anyOf"] = [*kinds, {"type": "string", "pattern": r"^[0-9.]+ ?(ms|s|m|h)?$"}]
