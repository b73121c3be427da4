"""The OpenAPI description, made from the routes and models of `emulator.control.api`."""

from typing import Any

import msgspec

from emulator import __version__
from emulator.control.api import ROUTES
from emulator.control.model import Problem

_TEMPLATE = "#/components/schemas/{name}"


def document() -> dict[str, Any]:
    """OpenAPI 3.1."""
    kinds = [*(route.result for route in ROUTES), Problem]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_TEMPLATE)
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
        if "{id}" in route.path:
            parameters.append({"name": "id", "in": "path", "required": True, "schema": {"type": "string"}})
        paths.setdefault(route.path, {})[route.method.lower()] = {
            "operationId": route.handler.strip("_"),
            "summary": route.summary,
            "parameters": parameters,
            "responses": {
                "200": {"description": "done", "content": {"application/json": {"schema": schema}}},
                "default": error,
            },
        }
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
