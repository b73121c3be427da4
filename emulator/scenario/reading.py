"""Plain values from YAML, JSON or a command line into the typed models of this package: every mistake with its path and its remedy.

A model is a msgspec struct. What msgspec alone can't say stands beside it: `MAIN` is the field that a bare value means
(`refuse: 503`), `WORDS` are bare words and the fields they stand for (`answer: never`); `span` and `share` mark fields that
take text such as 30s and 5%.
"""

import difflib
import math
import re
import types
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from emulator.config import duration

Path = tuple[str | int, ...]
_Model = TypeVar("_Model", bound=Struct)

_FORMAT = "format"
_WRITE = "write"
_READS = "reads"
_SECONDS, _SHARE = "seconds", "share"
_LONGEST_TEXT = 1000
_MOST_ITEMS = 100


class Problem(NamedTuple):
    """One mistake: where in the value, and what with what to write instead."""

    path: Path
    text: str

    def __str__(self) -> str:
        return f"{dotted(self.path)}: {self.text}" if self.path else self.text


class Unreadable(ValueError):
    """The value is no model; its text has a line for each of the `problems`."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def dotted(path: Path) -> str:
    """`where.method`; places in a list are counted from 1."""
    return ".".join(str(part + 1) if isinstance(part, int) else part for part in path)


# -- what is said of a field ---------------------------------------------------------------------------------------


def meta(description: str, write: str = "", reads: Callable[[str], str] = str, **constraints: Any) -> Meta:
    """`write` says what to write instead of something that does not fit, `reads` makes of a text the one that is meant."""
    return Meta(description=description, extra={_WRITE: write, _READS: reads}, **constraints)


def span(description: str, **constraints: Any) -> Meta:
    constraints.setdefault("ge", 0)
    constraints.setdefault("le", 86400)
    return Meta(description=description, extra={_FORMAT: _SECONDS}, **constraints)


def share(description: str) -> Meta:
    return Meta(description=description, extra={_FORMAT: _SHARE}, ge=0, le=1)


# -- reading -------------------------------------------------------------------------------------------------------


def read(value: object, kind: type[_Model], path: Path = ()) -> _Model:
    """`value` as a `kind`. Raises `Unreadable`; `path` stands before the path of each problem."""
    problems: list[Problem] = []
    made = _build(value, kind, path, problems)
    if not problems and made is not None:
        try:
            return msgspec.convert(made, kind)  # what a model's own __post_init__ says
        except msgspec.ValidationError as error:
            problems.append(Problem(path, str(error).partition(" - at ")[0]))
    raise Unreadable(problems or [Problem(path, "nothing; write a mapping")])


def _build(value: object, hint: Any, path: Path, problems: list[Problem]) -> Any:
    """`value` as what msgspec makes a `hint` of; None, with something in `problems`, when it can't be."""
    plain, about = peel(hint)
    if _optional(plain):
        if value is None:
            return None
        (plain,) = (arg for arg in get_args(plain) if arg is not types.NoneType)
        plain, inner = peel(plain)
        about = about if inner is None else inner
    if isinstance(plain, type) and issubclass(plain, Struct):
        return _build_struct(value, plain, path, problems)
    origin = get_origin(plain)
    if origin is dict:
        if not isinstance(value, Mapping) or len(value) > _MOST_ITEMS:
            return _wrong(problems, path, value, f"write `name: value`, at most {_MOST_ITEMS} times")
        return {str(key): _build(item, get_args(plain)[1], (*path, str(key)), problems) for key, item in value.items()}
    if origin is tuple:
        items = value.split(",") if isinstance(value, str) else value if isinstance(value, list | tuple) else [value]
        if not items or len(items) > _MOST_ITEMS:
            return _wrong(problems, path, value, f"write from 1 to {_MOST_ITEMS} values")
        spread = len(items) > 1
        return [
            _build(item.strip() if isinstance(item, str) else item, get_args(plain)[0], (*path, k) if spread else path, problems)
            for k, item in enumerate(items)
        ]
    return _leaf(value, plain, about, path, problems)


def _build_struct(value: object, kind: type[Struct], path: Path, problems: list[Problem]) -> Any:
    known = fields(kind)
    if value is None or value is True or (isinstance(value, str) and value.lower() in ("", "true", "yes")):
        given: Mapping[Any, object] = {}
    elif isinstance(value, Mapping):
        given = value
    else:
        words: Mapping[str, Mapping[str, object]] = getattr(kind, "WORDS", {})
        main: str = getattr(kind, "MAIN", "")
        if isinstance(value, str) and value in words:
            given = words[value]
        elif main:
            given = {main: value}
        elif isinstance(value, str) and value in known and _may_be_bare(known[value]):
            given = {value: True}
        elif known:
            return _wrong(problems, path, value, f"write a mapping with {', '.join(known)}")
        else:
            return _wrong(problems, path, value, "write true, for there is nothing to say about it")
    made: dict[str, Any] = {}
    short = given is not value
    for name, item in given.items():
        if name not in known:
            problems.append(Problem((*path, str(name)), f"unknown; {suggestion(str(name), known)}"))
            continue
        made[name] = _build(item, known[name].type, path if short else (*path, name), problems)
    for name, field in known.items():
        if field.required and name not in given:
            problems.append(Problem(path, f"{name} is missing; write {_wanted(field.type)}"))
    return made


def _may_be_bare(field: msgspec.structs.FieldInfo) -> bool:
    """Whether the name of a field alone says enough: `media: one-way`."""
    model = struct_of(field.type)
    if model is None:
        return peel(field.type)[0] is bool
    return not any(inner.required for inner in fields(model).values())


def _leaf(value: object, kind: Any, about: Meta | None, path: Path, problems: list[Problem]) -> Any:
    if isinstance(value, Mapping | list | tuple) or value is None:
        return _wrong(problems, path, value, f"write {_wanted(kind, about)}")
    if kind is bool:
        known = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
        answer = value if isinstance(value, bool) else known.get(str(value).lower())
        return _wrong(problems, path, value, "write true or false") if answer is None else answer
    if get_origin(kind) is Literal:
        return _choice(value, get_args(kind), path, problems)
    made: Any = value
    if kind in (int, float):
        made = _number(value, kind, about)
        if made is None:
            return _wrong(problems, path, value, f"write {_wanted(kind, about)}")
    elif isinstance(value, bool):
        made = "true" if value else "false"
    else:
        made = ((about.extra or {}) if about is not None else {}).get(_READS, str)(str(value))
        if len(made) > _LONGEST_TEXT:
            return _wrong(problems, path, value, f"write at most {_LONGEST_TEXT} characters")
    try:
        return msgspec.convert(made, Annotated[kind, about] if about is not None else kind)
    except msgspec.ValidationError:
        return _wrong(problems, path, value, f"write {_wanted(kind, about)}")


def _choice(value: object, choices: tuple[object, ...], path: Path, problems: list[Problem]) -> Any:
    text = str(value).lower()
    for choice in choices:
        if str(choice).lower() == text:
            return choice
    return _wrong(problems, path, value, suggestion(str(value), map(str, choices)))


_WHOLE = re.compile(r"-?[0-9]{1,15}")
_DECIMAL = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?")
_PER_CENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)\s*%")


def _number(value: object, kind: type, about: Meta | None) -> float | int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        if not math.isfinite(value) or (kind is int and value != int(value)):
            return None
        return int(value) if kind is int else float(value)
    text = str(value).strip()
    form = (about.extra or {}).get(_FORMAT) if about is not None else None
    if form == _SECONDS:
        return duration(text)
    if form == _SHARE and (match := _PER_CENT.fullmatch(text)):
        return float(match[1]) / 100
    if (_WHOLE if kind is int else _DECIMAL).fullmatch(text):
        return int(text) if kind is int else float(text)
    return None


def _wanted(hint: Any, about: Meta | None = None) -> str:
    """What a field takes, for a person."""
    plain, own = peel(hint)
    about = own or about
    if _optional(plain):
        return _wanted(next(arg for arg in get_args(plain) if arg is not types.NoneType), about)
    extra = (about.extra or {}) if about is not None else {}
    if extra.get(_WRITE):
        return str(extra[_WRITE])
    if extra.get(_FORMAT) == _SECONDS:
        return "a time such as 500ms, 10s, 2m" + _bounds(about, " s")
    if extra.get(_FORMAT) == _SHARE:
        return "a share such as 5% or 0.05"
    if plain in (int, float):
        return ("a whole number" if plain is int else "a number") + _bounds(about, "")
    if plain is bool:
        return "true or false"
    if get_origin(plain) is Literal:
        return " or ".join(map(str, get_args(plain)))
    if get_origin(plain) is tuple:
        return _wanted(get_args(plain)[0])
    return "text" if plain is str else "a mapping"


def _bounds(about: Meta | None, unit: str) -> str:
    if about is None or about.ge is None or about.le is None:
        return ""
    if unit and about.ge == 0 and about.le >= 86400:
        return ""
    return f" from {about.ge:g} to {about.le:g}{unit}"


def _wrong(problems: list[Problem], path: Path, value: object, remedy: str) -> Any:
    """Note a mistake; None stands for the value."""
    shown = "a mapping" if isinstance(value, Mapping) else "a list" if isinstance(value, list | tuple) else f"{value!r:.60}"
    problems.append(Problem(path, f"{shown}; {remedy}"))
    return None


def suggestion(text: str, known: Iterable[str]) -> str:
    """`did you mean …?`, or all that is known."""
    names = list(known)
    lower = {name.lower(): name for name in names}
    close = difflib.get_close_matches(text.lower().replace("_", "-"), lower, 1, 0.6)
    return f"did you mean {lower[close[0]]!r}?" if close else f"write one of {', '.join(names)}"


# -- what a model consists of --------------------------------------------------------------------------------------


@cache
def fields(kind: type[Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """The fields of a model by the names that people write."""
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


def about(field: msgspec.structs.FieldInfo) -> Meta | None:
    """What is said of a field."""
    plain, own = peel(field.type)
    if own is None and _optional(plain):
        return peel(next(arg for arg in get_args(plain) if arg is not types.NoneType))[1]
    return own


def in_seconds(field: msgspec.structs.FieldInfo) -> bool:
    """Whether a field is a time."""
    return _format(field) == _SECONDS


def is_share(field: msgspec.structs.FieldInfo) -> bool:
    """Whether a field is a share of 1."""
    return _format(field) == _SHARE


def _format(field: msgspec.structs.FieldInfo) -> object:
    said = about(field)
    return (said.extra or {}).get(_FORMAT) if said is not None else None


def struct_of(hint: Any) -> type[Struct] | None:
    """The model that a field holds, None for any other field."""
    plain = peel(hint)[0]
    if _optional(plain):
        plain = peel(next(arg for arg in get_args(plain) if arg is not types.NoneType))[0]
    return plain if isinstance(plain, type) and issubclass(plain, Struct) else None


def peel(hint: Any) -> tuple[Any, Meta | None]:
    """A type without its annotations, and the last of them that is ours."""
    if get_origin(hint) is Annotated:
        args = get_args(hint)
        return args[0], next((arg for arg in reversed(args[1:]) if isinstance(arg, Meta)), None)
    return hint, None


def _optional(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType) and types.NoneType in get_args(hint)
