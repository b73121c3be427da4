"""What the annotations of a msgspec model say beside its types, and how to look them up.

`Meta.extra` may hold `text`, the form in which a value is written (`duration`, `share`); `write`, what to write where something does not
fit; `reads`, what makes of a text the one that is meant; `commas`, that one text may hold several values; `noun`, what a member of a union
is called. A struct with `SHORT` may be written as that one field's value alone, one with `WORDS` as one of those words; `CALLED` has the
names that its fields bear elsewhere.
"""

import types
from collections.abc import Mapping
from functools import cache, reduce
from operator import or_
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import FieldInfo

OTHERWISE = "otherwise"
"""In a model's JSON Schema: texts that are read as well as those of an `enum`."""
_CONSTRAINTS = ("gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length")
_LONG = 86400


@cache
def fields(kind: type[Struct]) -> Mapping[str, FieldInfo]:
    """The fields of a model by the names that people write."""
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


def peel(hint: Any) -> tuple[Any, Meta | None]:
    """An annotated type as the type and what is said of it: of several descriptions the last, and all that is extra."""
    if get_origin(hint) is not Annotated:
        return hint, None
    plain, *said = get_args(hint)
    metas = [one for one in said if isinstance(one, Meta)]
    if len(metas) < 2:
        return plain, metas[0] if metas else None
    extra = {name: value for meta in metas for name, value in (meta.extra or {}).items()}
    last = {name: next((getattr(one, name) for one in reversed(metas) if getattr(one, name) is not None), None) for name in _CONSTRAINTS}
    description = next((one.description for one in reversed(metas) if one.description), None)
    return plain, Meta(description=description, extra=extra or None, **last)


def optional(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint)


def not_none(hint: Any) -> Any:
    """A type without None."""
    if not optional(hint):
        return hint
    return reduce(or_, (arg for arg in get_args(hint) if arg is not type(None)))


def inside(hint: Any) -> tuple[Any, Meta | None]:
    """What a field holds where it holds anything, and what is said of that: of the field itself, or of the type that may be None."""
    plain, own = peel(hint)
    if not optional(plain):
        return plain, own
    plain, inner = peel(not_none(plain))
    if inner is None or own is None or inner.extra:
        return plain, inner or own
    return plain, peel(Annotated[plain, own, inner])[1]


def about(field: FieldInfo) -> Meta | None:
    """What is said of a field."""
    return peel(field.type)[1] or inside(field.type)[1]


def form(hint: Any) -> str | None:
    """The form in which a value is written: `duration`, `share`, or None."""
    meta = inside(hint)[1]
    return (meta.extra or {}).get("text") if meta is not None else None


def struct_of(hint: Any) -> type[Struct] | None:
    """The model that a field holds; None for any other field."""
    plain = inside(hint)[0]
    return plain if is_struct(plain) else None


def may_be_bare(hint: Any) -> bool:
    """Whether the name of a field alone says enough: `media: one-way`."""
    model = struct_of(hint)
    if model is None:
        return inside(hint)[0] is bool
    return not any(field.required for field in fields(model).values())


def is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def tagged(kind: Any) -> Mapping[str, type[Struct]]:
    """The members of a union of tagged structs by their tags; empty for any other type."""
    members = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else ()
    if not all(is_struct(member) for member in members):
        return {}
    return {str(member.__struct_config__.tag): member for member in members}


def noun(meta: Meta | None, name: str) -> str:
    """What a member of a union is called."""
    return str(((meta.extra or {}) if meta is not None else {}).get("noun") or name)


def wanted(hint: Any, meta: Meta | None = None) -> str:
    """What a field takes, for a person."""
    plain, own = inside(hint)
    meta = own or meta
    extra = (meta.extra or {}) if meta is not None else {}
    if extra.get("write"):
        return str(extra["write"])
    if extra.get("text") == "duration":
        return "a time such as 500ms, 10s, 2m" + _bounds(meta, " s")
    if extra.get("text") == "share":
        return "a share such as 5% or 0.05"
    if plain in (int, float):
        return ("a whole number" if plain is int else "a number") + _bounds(meta, "")
    if plain is bool:
        return "true or false"
    if get_origin(plain) is Literal:
        return " or ".join(map(str, get_args(plain)))
    if get_origin(plain) is tuple:
        return wanted(get_args(plain)[0])
    if plain is str and meta is not None and meta.max_length is not None:
        return f"text of at most {meta.max_length} characters"
    return "text" if plain is str else "`key: value` lines"


def _bounds(meta: Meta | None, unit: str) -> str:
    least, most = (meta.ge, meta.le) if meta is not None else (None, None)
    if unit and not least and (most is None or most >= _LONG):
        return ""
    if least is not None and most is not None:
        return f" from {_figure(least)} to {_figure(most)}{unit}"
    return f" of at least {_figure(least)}{unit}" if least is not None else f" of at most {_figure(most)}{unit}" if most is not None else ""


def _figure(bound: float) -> str:
    """Whole numbers have all their digits."""
    return str(bound) if isinstance(bound, int) else f"{bound:.15g}"
