"""The JSON Schema of scenario files, for editors."""

import json
import re
from typing import Any

from emulator.config import Config
from emulator.scenario.model import Scenario
from emulator.scenario.schema import schema as schema_of
from emulator.scenario.spec import FaultSpec
from emulator.schema import document, loosened

_SCALAR = {"type": ["string", "number", "boolean"]}
_VARIABLES = {"type": "object", "description": "Texts by name; {{name}} stands for one anywhere below.", "additionalProperties": _SCALAR}
_MATRIX = {
    "description": "Variables with several values: one run for each combination, or for each entry of a list.",
    "anyOf": [
        {"type": "object", "additionalProperties": {"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR}]}},
        {"type": "array", "items": {"type": "object", "additionalProperties": _SCALAR}},
    ],
}
_USED = {
    "type": "object",
    "properties": {
        "template": {"type": "string", "description": "Its name."},
        "with": {"type": "object", "description": "Variables for it.", "additionalProperties": _SCALAR},
    },
    "required": ["template"],
    "additionalProperties": False,
}
_USE = {
    "type": "object",
    "description": "The steps of a template stand in its place.",
    "properties": {"use": {"anyOf": [{"type": "string", "description": "The name of a template."}, _USED]}},
    "required": ["use"],
    "additionalProperties": False,
}


def schema() -> dict[str, Any]:
    """With `variables`, `matrix` and `templates`, which are put in before a scenario is typed."""
    made = document(Scenario, "vsim scenario", (Config,), placeholders=True)
    defs = made["$defs"]
    steps = defs["Scenario"]["properties"]["steps"]["anyOf"]
    step = {"anyOf": [*steps[0]["items"]["anyOf"], {"$ref": "#/$defs/Use"}]}
    defs["Step"], defs["Use"] = step, _USE
    steps[0]["items"] = steps[1] = {"$ref": "#/$defs/Step"}
    given = defs["Given"]["properties"]
    given["config"] = {"$ref": "#/$defs/Config"}
    top, components = schema_of(FaultSpec, "#/$defs/fault.{name}")
    defs.update({f"fault.{name}": loosened(component, placeholders=True) for name, component in components.items()})
    defs["Fault"] = {"anyOf": [top, {"type": "string", "description": "The same on one line."}]}
    defs["FaultStep"]["properties"]["fault"] = {"$ref": "#/$defs/Fault"}
    given["faults"] = {
        "description": given["faults"]["description"],
        "anyOf": [{"type": "array", "items": {"$ref": "#/$defs/Fault"}}, {"$ref": "#/$defs/Fault"}],
    }
    defs["Scenario"]["properties"].update(
        variables=_VARIABLES,
        matrix=_MATRIX,
        templates={
            "type": "object",
            "description": "Steps by name, for `use`.",
            "additionalProperties": {"type": "array", "items": {"$ref": "#/$defs/Step"}},
        },
    )
    made["$defs"] = _needed(made)
    return made


def _needed(document: dict[str, Any]) -> dict[str, Any]:
    """The definitions that are referred to; faults have others in place of those made first."""
    defs, found = document["$defs"], dict[str, Any]()
    waiting = [{name: part for name, part in document.items() if name != "$defs"}]
    while waiting:
        for name in re.findall(r'"#/\$defs/([^"]+)"', json.dumps(waiting.pop())):
            if name not in found:
                found[name] = defs[name]
                waiting.append(defs[name])
    return {name: part for name, part in defs.items() if name in found}
