"""A fault on one line: `refuse 503 headers.Retry-After=5 where site=us-3 method=INVITE times=2 for=30s`.

The kind comes first, a bare value after it is the kind's main one. `name=value` is what the kind has, or says when it strikes; behind
`where` it is a condition, or says when. No kind has a field that is named like a time, so every order reads the same. Dots are
nesting, commas make lists, a bare word is a yes, quotes are a shell's.
"""

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from emulator.annotations import fields, form, struct_of, wanted
from emulator.did_you_mean import suggest
from emulator.scenario.kinds import KINDS
from emulator.yaml import Unusable

if TYPE_CHECKING:
    from emulator.scenario.spec import FaultSpec

_LONGEST = 4000


def parse(text: str, place: str = "") -> dict[str, Any]:
    """The mapping that a line stands for; its values are text still. Raises `Unusable`."""
    from emulator.scenario.spec import CONDITIONS, TIMING, FaultSpec, Where

    try:
        words = shlex.split(text[:_LONGEST])
    except ValueError as error:
        raise Unusable(place, f"{str(error).lower()}; close the quotes") from None
    if not words:
        raise Unusable(place, f"an empty line; write one of {', '.join(KINDS)}")
    kind, *rest = words
    if kind not in KINDS:
        raise Unusable(place, f"{kind!r:.60} is no fault{suggest(kind, KINDS)}")
    model = KINDS[kind]
    own: dict[str, Any] = {}
    fault: dict[str, Any] = {kind: own}
    where: dict[str, Any] = {}
    conditions = False
    for word in rest:
        if word == "where":
            conditions = True
            fault["where"] = where
            continue
        name, equals, value = word.partition("=")
        first = name.partition(".")[0]
        if first in TIMING and equals:
            _set(fault, FaultSpec, name, value, place)
        elif conditions:
            if not equals or first not in CONDITIONS:
                raise Unusable(place, f"where.{first:.60}: unknown{suggest(first, (*CONDITIONS, *TIMING))}")
            _set(where, Where, name, value, place)
        elif equals:
            if first not in fields(model):
                hint = "; write it behind `where`" if first in CONDITIONS else suggest(first, (*fields(model), *TIMING))
                raise Unusable(place, f"{kind}.{first:.60}: unknown{hint}")
            _set(own, model, name, value, place)
        elif word in model.WORDS:
            own.update(model.WORDS[word])
        elif model.SHORT and model.SHORT not in own:
            own[model.SHORT] = word
        elif word in fields(model):
            own[word] = True
        else:
            raise Unusable(place, f"{kind}: {word!r:.60} is one word too many; write name=value")
    main = fields(model).get(model.SHORT)
    if main is not None and main.required and model.SHORT not in own:
        raise Unusable(place, f"{kind}: {model.SHORT} is missing; write {wanted(main.type)}")
    return fault


def _set(into: dict[str, Any], model: type[Struct], dotted: str, value: str, place: str) -> None:
    """Put a value at a dotted name; `jitter=30ms jitter.deviation=9ms` has both."""
    first, dot, rest = dotted.partition(".")
    inner = struct_of(fields(model)[first].type)
    main: str = getattr(inner, "SHORT", "")
    below = into.get(first)
    if not dot:
        if isinstance(below, dict) and main and main not in below:
            below[main] = value
        elif first not in into:
            into[first] = value
        else:
            raise Unusable(place, f"{first} stands there twice; write it once")
        return
    if not isinstance(below, dict):
        if below is not None and not main:
            raise Unusable(place, f"{first} is one value and yet has parts; write one of them")
        below = into[first] = {} if below is None else {main: below}
    if inner is not None and rest.partition(".")[0] in fields(inner):
        _set(below, inner, rest, value, place)
    else:
        below[rest] = value


# -- writing ------------------------------------------------------------------------------------------------------


def write(spec: "FaultSpec") -> str:
    """The line that `parse` reads to the same fault."""
    from emulator.scenario.spec import FaultSpec, Where

    kind = spec.kind
    model = KINDS[kind]
    said = msgspec.to_builtins(spec)
    own = dict(said.pop(kind))
    where = said.pop("where", {})
    words = [kind]
    for word, meant in model.WORDS.items():
        if meant.items() <= own.items():
            words.append(word)
            own = {name: value for name, value in own.items() if name not in meant}
    if model.SHORT and model.SHORT in own:
        words.append(_quoted(_value(own.pop(model.SHORT), model, model.SHORT)))
    elif kind in SHOWN:
        words.append(_value(getattr(spec.what, model.SHORT), model, model.SHORT))
    words += _pairs(own, model, "")
    if where:
        words += ["where", *_pairs(where, Where, "")]
    words += _pairs(said, FaultSpec, "")
    return " ".join(words)


SHOWN = frozenset({"down", "hang-up", "redirect", "challenge", "refresh"})
"""Kinds whose main value is told even where it is the default."""


def _pairs(said: dict[str, Any], model: type[Struct], before: str) -> Iterator[str]:
    for name, value in said.items():
        field = fields(model).get(name)
        inner = struct_of(field.type) if field is not None else None
        if not isinstance(value, dict):
            yield (
                f"{before}{name}"
                if value is True and before == "" and model in KINDS.values()
                else _pair(before + name, value, model, name)
            )
        elif inner is None:
            yield from (f"{before}{name}.{key}={_quoted(str(item))}" for key, item in value.items())
        elif not value:
            yield f"{before}{name}"
        else:
            main = getattr(inner, "SHORT", "")
            if main in value:
                yield _pair(before + name, value[main], inner, main)
                value = {key: item for key, item in value.items() if key != main}
            yield from _pairs(value, inner, f"{before}{name}.")


def _pair(name: str, value: Any, model: type[Struct], field: str) -> str:
    return f"{name}={_quoted(_value(value, model, field))}"


def _value(value: Any, model: type[Struct], name: str) -> str:
    field = fields(model).get(name)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ",".join(str(item) for item in value)
    if isinstance(value, float) and field is not None:
        if form(field.type) == "duration":
            return time(value)
        if form(field.type) == "share":
            return f"{value * 100:.10g}%"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def time(value: float) -> str:
    """Seconds as people write them."""
    return f"{value * 1000:.10g}ms" if value and value < 1 else f"{value:.10g}s"


def _quoted(text: str) -> str:
    return shlex.quote(text) if set(text) - set(_PLAIN) or not text else text


_PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.,:/%+=@*^#?<>;()"
"""What needs no quotes here; a shell may want some round the whole line."""
