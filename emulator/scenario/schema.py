"""The JSON Schema of the models of this package, which takes what people write: `30s`, `5%`, a bare value, one item for a list."""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_origin

import msgspec
from msgspec import Struct

from emulator.annotations import fields, form, may_be_bare, peel, struct_of
from emulator.schema import numerals


def schema(kind: type[Struct], ref_template: str = "#/$defs/{name}") -> tuple[dict[str, Any], dict[str, Any]]:
    """The JSON Schema of a model and of the models in it, with the short forms that are read."""
    (top,), components = msgspec.json.schema_components([kind], ref_template=ref_template)
    models = list(_models(kind, set()))
    # the longer name is that of one that shares the shorter with another
    found = [components.get(model.__name__) or components[f"{model.__module__}.{model.__qualname__}"] for model in models]
    strict = {model: dict(component["properties"]) for model, component in zip(models, found, strict=True)}
    for model, component in zip(models, found, strict=True):
        component["description"] = inspect.cleandoc(model.__doc__ or "")
        for name, field in fields(model).items():
            component["properties"][name] = _loosened(strict[model][name], field, strict)
    return top, components


def _models(kind: type[Struct], seen: set[type[Struct]]) -> Iterable[type[Struct]]:
    if kind not in seen:
        seen.add(kind)
        yield kind
        for field in fields(kind).values():
            inner = struct_of(field.type)
            if inner is not None:
                yield from _models(inner, seen)


def _loosened(strict: dict[str, Any], field: msgspec.structs.FieldInfo, models: Mapping[type[Struct], Mapping[str, Any]]) -> dict[str, Any]:
    """A property that also takes what people write: `30s`, `5%`, a bare value, one item for a list. `models` have their properties."""
    description = {key: strict[key] for key in ("description",) if key in strict}
    if form(field.type) == "duration":
        return {**description, "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^[0-9.]+ ?(ms|s|m|h)?$"}]}
    if form(field.type) == "share":
        return {**description, "anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "string", "pattern": "^[0-9.]+ ?%$"}]}
    model = struct_of(field.type)
    if model is not None:
        reference = {"$ref": strict["$ref"]} if "$ref" in strict else next(one for one in strict["anyOf"] if "$ref" in one)
        said = description.get("description") or inspect.cleandoc(model.__doc__ or "")
        return {"description": said, "anyOf": [reference, *_bare(model, models)]}
    plain = peel(field.type)[0]
    if get_origin(plain) is tuple:
        item = {key: value for key, value in strict["items"].items() if key != "description"}
        one = {"type": ["string", "integer"]} if item.get("type") == "string" and "enum" not in item else item
        return {**description, "anyOf": [one, {"type": "array", "items": one}]}
    return numerals({key: value for key, value in strict.items() if key != "default" or value not in (None, [], {})})


def _bare(model: type[Struct], models: Mapping[type[Struct], Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """What may stand for a whole model: nothing more than that it is there, a word, or the value of its main field."""
    known, short = fields(model), getattr(model, "SHORT", "")
    if not any(field.required for field in known.values()):
        yield {"type": ["boolean", "null"]}
    if words := [*getattr(model, "WORDS", {}), *(name for name, field in known.items() if not short and may_be_bare(field.type))]:
        yield {"enum": words}
    if short:
        value = _loosened(models[model][short], known[short], models)
        yield {name: part for name, part in value.items() if name not in ("description", "default")}
