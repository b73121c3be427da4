"""The JSON Schema of the models of this package, which takes what people write: `30s`, `5%`, a bare value, one item for a list."""

import inspect
from collections.abc import Iterable
from typing import Any, get_origin

import msgspec
from msgspec import Struct

from emulator.annotations import fields, form, peel, struct_of


def schema(kind: type[Struct], ref_template: str = "#/$defs/{name}") -> tuple[dict[str, Any], dict[str, Any]]:
    """The JSON Schema of a model and of the models in it, with the short forms that are read."""
    (top,), components = msgspec.json.schema_components([kind], ref_template=ref_template)
    for model in _models(kind, set()):
        component = components.get(model.__name__) or components[f"{model.__module__}.{model.__qualname__}"]  # where two share a name
        component["description"] = inspect.cleandoc(model.__doc__ or "")
        properties = component["properties"]
        for name, field in fields(model).items():
            properties[name] = _loosened(properties[name], field)
    return top, components


def _models(kind: type[Struct], seen: set[type[Struct]]) -> Iterable[type[Struct]]:
    if kind not in seen:
        seen.add(kind)
        yield kind
        for field in fields(kind).values():
            inner = struct_of(field.type)
            if inner is not None:
                yield from _models(inner, seen)


def _loosened(strict: dict[str, Any], field: msgspec.structs.FieldInfo) -> dict[str, Any]:
    """A property that also takes what people write: `30s`, `5%`, a bare value, one item for a list."""
    description = {key: strict[key] for key in ("description",) if key in strict}
    if form(field.type) == "duration":
        return {**description, "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^[0-9.]+ ?(ms|s|m|h)?$"}]}
    if form(field.type) == "share":
        return {**description, "anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "string", "pattern": "^[0-9.]+ ?%$"}]}
    model = struct_of(field.type)
    if model is not None:
        bare: list[dict[str, Any]] = []
        if not any(inner.required for inner in fields(model).values()):
            bare.append({"type": ["boolean", "null"]})
        if getattr(model, "SHORT", ""):
            bare.append({"type": ["string", "number"]})
        reference = {"$ref": strict["$ref"]} if "$ref" in strict else next(one for one in strict["anyOf"] if "$ref" in one)
        return {"description": description.get("description") or inspect.cleandoc(model.__doc__ or ""), "anyOf": [reference, *bare]}
    plain = peel(field.type)[0]
    if get_origin(plain) is tuple:
        item = {key: value for key, value in strict["items"].items() if key != "description"}
        one = {"type": ["string", "integer"]} if item.get("type") == "string" and "enum" not in item else item
        return {**description, "anyOf": [one, {"type": "array", "items": one}]}
    return {key: value for key, value in strict.items() if key != "default" or value not in (None, [], {})}
