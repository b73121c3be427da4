"""The JSON Schema of a model as people write it (see `emulator.annotations`): a time as text, one value for a list of one, short forms."""

from collections.abc import Iterable, Iterator
from typing import Any, get_args, get_origin

import msgspec
from msgspec import Struct

from emulator.annotations import OTHERWISE, fields, inside

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PLACEHOLDER = {"type": "string", "pattern": r"\{\{"}
_AMOUNT = {"type": "string", "pattern": r"^ *[0-9]+(\.[0-9]+)? *(ms|s|m|h|%)? *$"}
"""A time, a share or a number as text."""


def document(kind: type[Struct], title: str, more: Iterable[type[Struct]] = (), placeholders: bool = False) -> dict[str, Any]:
    """The schema of files that hold a `kind`; `more` are kinds that it refers to by name alone. With `placeholders` `{{name}}` may stand
    for any single value."""
    kinds = [kind, *more]
    (top, *_), components = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    structs = {name: struct for one in kinds for struct in _structs(one, set()) for name in _names(struct)}
    defs: dict[str, Any] = {}
    for name, component in components.items():
        struct = structs.get(name)
        if struct is not None and struct.__struct_config__.tag is not None:
            _untag(component, str(struct.__struct_config__.tag_field))
        defs[name] = made = loosened(component, placeholders)
        short = getattr(struct, "SHORT", "")
        if short:
            description = {"description": made.pop("description", "")}
            defs[name] = {
                **description,
                "anyOf": [made, {key: value for key, value in made["properties"][short].items() if key != "default"}],
            }
    return {"$schema": _DIALECT, "title": title, **top, "$defs": defs}


def loosened(part: Any, placeholders: bool = False) -> Any:
    """A schema that takes what a reader of text takes."""
    return _Loosened(placeholders).part(part)


def numerals(part: dict[str, Any]) -> dict[str, Any]:
    """A schema whose choices may be numbers too: `how: 503` is one to YAML."""
    if "anyOf" in part:
        return {**part, "anyOf": [numerals(one) for one in part["anyOf"]]}
    choices = part.get("enum", [])
    more = [int(choice) for choice in choices if isinstance(choice, str) and choice.isdecimal() and int(choice) not in choices]
    return {**part, "enum": [*choices, *more]} if more else part


def _names(struct: type[Struct]) -> tuple[str, str]:
    """What msgspec may call it: the second where two share the first."""
    return struct.__name__, f"{struct.__module__}.{struct.__qualname__}"


def _structs(kind: Any, seen: set[type[Struct]]) -> Iterator[type[Struct]]:
    """Every struct of a model."""
    plain = inside(kind)[0]
    if isinstance(plain, type) and issubclass(plain, Struct):
        if plain not in seen:
            seen.add(plain)
            yield plain
            for field in fields(plain).values():
                yield from _structs(field.type, seen)
    elif get_origin(plain) is not None:
        for inner in get_args(plain):
            if inner is not Ellipsis:
                yield from _structs(inner, seen)


def _untag(component: dict[str, Any], tag_field: str) -> None:
    """A struct of a union is known by its first key; the tag is how it is told from others in here only."""
    component["properties"].pop(tag_field, None)
    component["required"] = [name for name in component.get("required", ()) if name != tag_field]


class _Loosened:
    """What a reader of text takes where msgspec takes one type: `5s` for a number, `447700900000` for text."""

    def __init__(self, placeholders: bool) -> None:
        self._anywhere = [_PLACEHOLDER] if placeholders else []

    def part(self, part: Any) -> Any:
        if isinstance(part, list):
            return [self.part(one) for one in part]
        if not isinstance(part, dict):
            return part
        if "properties" in part:
            properties = {name: self.part(value) for name, value in part["properties"].items()}
            rest = {name: value for name, value in part.items() if name != "properties"}
            return {**rest, "properties": properties, "additionalProperties": False}
        kept = {name: part[name] for name in ("description", "title", "default") if name in part}
        loose = {name: self.part(value) for name, value in part.items() if name not in (*kept, "discriminator")}
        return {**kept, **self._loose(loose)}

    def _loose(self, loose: dict[str, Any]) -> dict[str, Any]:
        if OTHERWISE in loose:
            also = {"enum": loose.pop(OTHERWISE)}
            return {"anyOf": [loose, also, *self._anywhere]}
        kind = loose.get("type")
        if kind == "number":
            return {"anyOf": [loose, _AMOUNT, *self._anywhere]}
        if kind == "array":
            one = loose.get("items") or (loose.get("prefixItems") or [{}])[0]
            return {"anyOf": [loose, one]}
        if kind == "string" and "pattern" in loose:
            return {"anyOf": [loose, {"type": "number"}, *self._anywhere]}
        if kind == "string":
            return {**loose, "type": ["string", "number", "boolean"]}
        loose = numerals(loose)
        if self._anywhere and (kind in ("integer", "boolean") or "enum" in loose):
            return {"anyOf": [loose, *self._anywhere]}
        return loose
