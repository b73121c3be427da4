"""The reference part of docs/scenarios.md, made from the model: every step and expectation, and every key.

python -m emulator.scenario.reference
"""

import inspect
import sys
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import Struct

from emulator.annotations import fields, form, inside, peel, struct_of
from emulator.scenario import expectation as e
from emulator.scenario import model as m
from emulator.scenario.spec import FaultSpec
from emulator.scenario.wording import time_in_words

_KINDS = {str: "text", int: "whole number", float: "number", bool: "true, false", Any: "any"}


def reference() -> str:
    """Markdown."""
    lines = ["## Reference", "", "### A file", "", *_table(m.Scenario), *_FILE, "", "### given", "", *_table(m.Given)]
    lines += ["", "### Steps", "", "Every step is a mapping with its verb as the key."]
    for tag, kind in _members(m.Step):
        lines += ["", f"#### {tag}", "", *_told(kind, tag)]
    lines += ["", "### Expectations", "", inspect.cleandoc(e.__doc__ or "").partition("\n\n")[2].replace("\n", " ")]
    shared = {name: hint for _, kind in _members(e.Expectation) for name, hint in _hints(kind).items() if name in _SHARED}
    lines += ["", "Keys that many expectations share:", "", *_rows(e.ExpectCall, {name: shared[name] for name in _SHARED})]
    for tag, kind in _members(e.Expectation):
        lines += ["", f"#### expect: {tag}", "", *_told(kind, tag, _SHARED)]
    kinds = ", ".join(f"`{tag}`" for tag, _ in _members(e.Never))
    lines += ["", "### never", "", *_NEVER, "", f"Its kinds are {kinds}.", "", *_rows(e.NeverCall, _beside(e.NeverCall, "call"))]
    return "\n".join(lines) + "\n"


_FILE = (
    "| `variables` | texts by name | | `{{name}}` stands for one, in any value and any key of the file; `--set NAME=VALUE` wins. |",
    "| `matrix` | lists by name, or a list of mappings | | One run for each combination, or each mapping; its names are variables. |",
    "| `templates` | lists of steps by name | | `use: NAME`, or `use: {template: NAME, with: {variable: value}}`, stands for them. |",
)
_NEVER = (
    "What must not happen. It is matched like the expectation of the same kind. Without `for` it holds for the whole scenario, for what",
    "came before the step too; `since` narrows that. With `for` the step waits, and looks back to the last step that did something.",
)
_SHARED = ("count", "within", "as", "since")
"""Keys that stand beside many an expectation."""


def _members(union: Any) -> Iterator[tuple[str, type[Struct]]]:
    for kind in get_args(peel(union)[0]):
        yield str(kind.__struct_config__.tag), kind


def _beside(kind: type[Struct], tag: str) -> dict[str, Any]:
    return {name: hint for name, hint in _hints(kind).items() if name != tag}


def _hints(kind: type[Struct]) -> dict[str, Any]:
    return {name: field.type for name, field in fields(kind).items()}


def _told(kind: type[Struct], tag: str, shared: tuple[str, ...] = ()) -> Iterator[str]:
    """What a step or an expectation is, and its keys: those of what its tag holds, and those beside it."""
    yield (kind.__doc__ or "").replace("\n", " ").strip()
    yield ""
    hints = _hints(kind)
    inner = struct_of(hints[tag])
    if inner is None or inner is FaultSpec:
        value = _value(hints[tag]) or "one of those below"
        yield f"`{tag}` is {value}. {_description(hints[tag])}".rstrip()
    else:
        short = getattr(inner, "SHORT", "")
        if short:
            yield f"Short form: `{tag}: …` is `{tag}: {{{short}: …}}`."
            yield ""
        yield from _table(inner)
    common = ", ".join(f"`{name}`" for name in hints if name in shared)
    beside = {name: hint for name, hint in hints.items() if name != tag and name not in shared}
    if common or beside:
        yield ""
        yield f"Beside `{tag}`: {common}{' and' if common and beside else ''}".rstrip()
    if beside:
        yield ""
        yield from _rows(kind, beside)


def _table(kind: type[Struct]) -> Iterator[str]:
    yield from _rows(kind, _hints(kind))


def _rows(kind: type[Struct], hints: dict[str, Any]) -> Iterator[str]:
    defaults = {field.encode_name: _default(field) for field in msgspec.structs.fields(kind)}
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    for name, hint in hints.items():
        yield f"| `{name}` | {_value(hint)} | {defaults[name]} | {_description(hint)} |"


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default
    if value in (None, "", (), msgspec.NODEFAULT) or isinstance(value, Struct):
        return ""
    if _value(field.type) == "time":
        return time_in_words(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _description(hint: Any) -> str:
    plain, meta = peel(hint)
    inner = struct_of(plain)
    if meta is None and inner is not None:
        return (inner.__doc__ or "").replace("\n", " ").strip()
    text = (meta.description or "") if meta is not None else ""
    for way in (" Seconds, or text such as 500ms, 10s, 2m.", " A fraction, or text such as 5%."):
        text = text.removesuffix(way)
    return text.replace("|", "\\|")


def _value(hint: Any) -> str:
    """What may be written."""
    plain, written = inside(hint)[0], form(hint)
    if written is not None:
        return {"duration": "time", "share": "share"}[written]
    origin = get_origin(plain)
    if origin is Literal:
        choices = get_args(plain)
        return ", ".join(str(choice) for choice in choices) if len(choices) <= 8 else "proxy, site, region" if "all" in choices else "proxy"
    if origin is tuple:
        item = _value(get_args(plain)[0])
        return f"{item}; one or a list" if item else "a list"
    if origin is dict:
        return "mapping"
    if plain is FaultSpec:
        return "a mapping or text"
    if struct_of(plain) is not None:
        return "mapping"
    return _KINDS.get(plain, "" if get_args(plain) else "text")


if __name__ == "__main__":
    sys.stdout.write(reference())
