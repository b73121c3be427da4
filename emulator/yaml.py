"""A person's YAML, or a program's JSON, as the typed values a model asks for; every mistake with its place and what to write instead.

A document is read into nodes that know where they stand, and a node is built into the plain data that `msgspec.convert` takes: so a
mistake is told as `file:line:column: what, and what to write instead`, and all mistakes of a file are told at once.

A model is made of msgspec structs. Its annotations say more than types: `Meta.extra` may hold `text`, the form of a value (`duration`,
`share`), `write`, what to write where a pattern is missed, and `reads`, what makes of a text the one that is meant. A struct with `SHORT`
may be written as that one field's value alone. Of a union of tagged structs the one is meant whose tag is among the keys: `down: us-3` is
the struct tagged `down`.
"""

import difflib
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import or_
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from emulator.problems import in_words

MAX_FILE_OCTETS = 1 << 20
_MAX_DEPTH = 20
_MANY = 8
OTHERWISE = "otherwise"
"""In a model's JSON Schema: texts that are read as well as those of an `enum`."""
At = tuple[str, ...]
"""Where a value stands in its document: the keys, and the numbers in lists, that lead there."""


class Unusable(Exception):
    """A config, scenario or control input that can't be used: one line for a person, exit code 2."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}" if where else what)
        self.where = where
        self.what = what


# -- nodes --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value as text and where it stands; `quoted` text is never taken for null."""

    text: str
    place: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Map:
    """Keys and values, in the order of the document."""

    items: Sequence[tuple[Scalar, "Node"]]
    place: str

    def get(self, name: str) -> "Node | None":
        """The value of a key; None when it is not there."""
        return next((value for key, value in self.items if key.text == name), None)

    def without(self, *names: str) -> "Map":
        """The same, less some keys."""
        return Map([(key, value) for key, value in self.items if key.text not in names], self.place)


@dataclass(frozen=True, slots=True)
class List:
    """Values in order."""

    items: Sequence["Node"]
    place: str


Node = Scalar | Map | List


def read(path: str, subject: str = "config", octets: int = MAX_FILE_OCTETS) -> Node:
    """The one document of a file of at most `octets`; `subject` is what messages call it. Raises `Unusable`."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise Unusable(path, f"{in_words(error)}; name a file that can be read") from None
    if len(data) > octets:
        raise Unusable(path, f"{len(data)} octets; a {subject} has at most {octets}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unusable(path, f"octet {error.start} is not UTF-8; save the file as UTF-8") from None
    return parse(text, path, subject)


def parse(text: str, path: str, subject: str = "config") -> Node:
    """The one document of a text; `path` is what places begin with. Raises `Unusable`."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark is not None else path
        raise Unusable(place, f"{error.problem or error.context}; write YAML") from None
    except YAMLError as error:
        raise Unusable(path, f"{error}; write one YAML document") from None
    except RecursionError:
        raise Unusable(path, f"nested too deeply; write a flat {subject}") from None
    if node is None:
        return Map((), path)
    return _from_yaml(node, path, subject, 0)


def _from_yaml(node: Any, path: str, subject: str, depth: int) -> Node:
    place = _place(node, path)
    if node.anchor:
        raise Unusable(place, "an anchor; write the value out")  # aliases could make a small file huge
    if depth > _MAX_DEPTH:
        raise Unusable(place, f"nested too deeply; write a flat {subject}")
    if node.id == "mapping":
        items: list[tuple[Scalar, Node]] = []
        for key, value in node.value:
            if key.id != "scalar":
                if key.id == "mapping" and key.flow_style and node.flow_style:
                    raise Unusable(place, 'a key that is not plain text; write a placeholder in quotes, "{{name}}"')
                raise Unusable(place, "a key that is not plain text; write `name: value`")
            items.append((Scalar(key.value, _place(key, path)), _from_yaml(value, path, subject, depth + 1)))
        return Map(items, place)
    if node.id == "sequence":
        return List([_from_yaml(item, path, subject, depth + 1) for item in node.value], place)
    return Scalar(node.value, place, node.style is not None)


def _place(node: Any, path: str) -> str:
    mark = node.start_mark
    return f"{path}:{mark.line + 1}:{mark.column + 1}"


def from_value(value: Any, where: str = "", depth: int = 0) -> Node:
    """A decoded JSON value as a node; its places are paths such as `steps.3.expect`. Raises `Unusable`."""
    place = where or "the document"
    if depth > _MAX_DEPTH:
        raise Unusable(place, "nested too deeply; write a flat document")
    inner = f"{where}." if where else ""
    if isinstance(value, dict):
        return Map([(Scalar(str(key), place), from_value(one, f"{inner}{key}", depth + 1)) for key, one in value.items()], place)
    if isinstance(value, list):
        return List([from_value(one, f"{inner}{number}", depth + 1) for number, one in enumerate(value)], place)
    if value is None:
        return Scalar("null", place)
    if isinstance(value, bool):
        return Scalar("true" if value else "false", place)
    return Scalar(str(value), place, isinstance(value, str))


def to_value(node: Node) -> Any:
    """A node as plain data, every value as text: what `from_value` takes."""
    if isinstance(node, Map):
        return {key.text: to_value(value) for key, value in node.items}
    if isinstance(node, List):
        return [to_value(item) for item in node.items]
    return None if is_null(node) else node.text


def is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and not node.quoted and node.text.lower() in ("", "~", "null", "none")


# -- building -----------------------------------------------------------------------------------------------------


class Reader:
    """Builds nodes; gathers every problem, and where each value stands."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.places: dict[At, str] = {}

    def build(self, node: Node, kind: Any, name: str = "", at: At = ()) -> Any:
        """A node as the plain data that `kind` is made from; mistakes go to `problems`. `name` is what messages call it."""
        self.places[at] = node.place
        plain, meta = peel(kind)
        if is_null(node) and optional(plain):
            return None
        if optional(plain):
            plain, inner = peel(not_none(plain))
            meta = inner if inner is not None and inner.extra else meta
        if _is_struct(plain):
            return self._struct(node, plain, name, at)
        if members := _tagged(plain):
            return self._one_of(node, members, _noun(meta, name), at)
        origin = get_origin(plain)
        if origin is dict:
            if not isinstance(node, Map):
                self.problems.append(f"{node.place}: {name} is one value; write `key: value` lines")
                return {}
            kind_of_key, kind_of_value = get_args(plain)
            made = {}
            for key, value in self._unique(node):
                if kind_of_key is not str:
                    self.build(key, kind_of_key, name, (*at, key.text))
                made[key.text] = self.build(value, kind_of_value, key.text, (*at, key.text))
            return made
        if origin is tuple:
            if isinstance(node, Map) and not _takes_maps(get_args(plain)[0]):
                self.problems.append(f"{node.place}: {name} is a mapping; write a list, `- value` or [a, b]")
                return []
            items = node.items if isinstance(node, List) else [node]
            return [self.build(item, get_args(plain)[0], name, (*at, str(k))) for k, item in enumerate(items)]
        if plain is Any:
            self._note(node, at)
            return to_value(node)
        if not isinstance(node, Scalar):
            self.problems.append(f"{node.place}: {name} is a {'list' if isinstance(node, List) else 'mapping'}; write one value")
            return None
        return self._leaf(node, plain, meta, kind, name)

    def _note(self, node: Node, at: At) -> None:
        """Where everything in a value stands that somebody else reads."""
        self.places[at] = node.place
        if isinstance(node, Map):
            for key, value in node.items:
                self._note(value, (*at, key.text))
        elif isinstance(node, List):
            for number, item in enumerate(node.items):
                self._note(item, (*at, str(number)))

    def convert(self, node: Node, kind: Any) -> Any:
        """A node as an instance of `kind`. Raises `Unusable` with every mistake, a line each."""
        values = self.build(node, kind)
        if not self.problems:
            try:
                return msgspec.convert(values, kind)
            except msgspec.ValidationError as error:
                self.problems.append(self.located(str(error), node.place))
        raise Unusable("", "\n".join(self.problems))

    def located(self, text: str, otherwise: str) -> str:
        """msgspec's message with the place of the value it speaks of."""
        what, _, at = text.partition(" - at `")
        names = tuple(re.findall(r"[A-Za-z_0-9]+", at))
        return f"{self.place(names, otherwise)}: {what}"

    def move(self, at: At, place: str) -> None:
        """A value, with all that is in it, has come from somewhere else."""
        for inner in [known for known in self.places if known[: len(at)] == at]:
            del self.places[inner]
        self.places[at] = place

    def place(self, at: At, otherwise: str) -> str:
        """Where a value stands, or what it is a part of."""
        while at and at not in self.places:
            at = at[:-1]
        return self.places.get(at, otherwise)

    def _struct(self, node: Node, kind: type[Struct], name: str, at: At, tag: str = "") -> dict[str, Any]:
        if is_null(node):
            node = Map((), node.place)
        short = getattr(kind, "SHORT", "")
        if short and not isinstance(node, Map):
            node = Map([(Scalar(short, node.place), node)], node.place)
        if not isinstance(node, Map):
            self.problems.append(f"{node.place}: {name or 'the file'} is not a mapping; write `key: value` lines")
            return {}
        hints = fields_of(kind)
        values: dict[str, Any] = {}
        for key, value in self._unique(node):
            if key.text not in hints:
                self.problems.append(f"{key.place}: unknown key {key.text!r}{suggest(key.text, hints)}")
                continue
            values[key.text] = self.build(value, hints[key.text], key.text, (*at, key.text))
        for field in msgspec.structs.fields(kind):
            if field.required and field.encode_name not in values:
                self.problems.append(f"{node.place}: {field.encode_name} is missing; write `{field.encode_name}: …`")
        if tag and (tag_field := kind.__struct_config__.tag_field):
            values[tag_field] = tag
        return values

    def _one_of(self, node: Node, members: Mapping[str, type[Struct]], noun: str, at: At) -> dict[str, Any]:
        """The member of a union whose tag is among the keys."""
        choices = ", ".join(members)
        if not isinstance(node, Map) or not node.items:
            alone = isinstance(node, Scalar) and node.text in members
            what = f"`{node.text}` alone" if alone and isinstance(node, Scalar) else f"no {noun}"
            write = f"`{node.text}: …`" if alone and isinstance(node, Scalar) else f"one of {choices}"
            self.problems.append(f"{node.place}: {what}; write {write}")
            return {}
        named = [key for key, _ in node.items if key.text in members]
        if not named:
            wrong = next((key for key, _ in node.items if difflib.get_close_matches(key.text, members, 1)), node.items[0][0])
            self.problems.append(f"{wrong.place}: unknown {noun} {wrong.text!r}{suggest(wrong.text, members)}")
            return {}
        if len({key.text for key in named}) > 1:
            self.problems.append(f"{named[1].place}: {named[0].text} and {named[1].text} in one {noun}; write one {noun} each")
            return {}
        return self._struct(node, members[named[0].text], noun, at, named[0].text)

    def _unique(self, node: Map) -> Iterator[tuple[Scalar, Node]]:
        seen: set[str] = set()
        for key, value in node.items:
            if key.text in seen:
                self.problems.append(f"{key.place}: {key.text} stands here a second time; remove one")
            else:
                seen.add(key.text)
                yield key, value

    def _leaf(self, node: Scalar, kind: Any, meta: Meta | None, annotated: Any, name: str) -> Any:
        extra = (meta.extra or {}) if meta is not None else {}
        reads: Callable[[str], str] = extra.get("reads", str)
        text = reads(node.text)
        if (form := extra.get("text")) is not None:
            converts, wants = FORMS[form]
            value = converts(text)
            if value is None:
                self.problems.append(f"{node.place}: {name} {text!r} is {wants}")
            return value
        if kind is bool:
            known = _BOOLEANS.get(text.lower())
            if known is None:
                self.problems.append(f"{node.place}: {name} {text!r} is neither true nor false")
            return known
        if get_origin(kind) is Literal and all(isinstance(choice, int) for choice in get_args(kind)):
            choices = {str(choice): choice for choice in get_args(kind)}
            if text not in choices:
                self.problems.append(f"{node.place}: {name} {text!r} is none of {', '.join(choices)}")
            return choices.get(text)
        if get_origin(kind) is Literal:
            choice = next((choice for choice in get_args(kind) if choice.lower() == text.lower()), None)
            if choice is None:
                self.problems.append(f"{node.place}: {name} {text!r} is {_none_of(text, get_args(kind))}")
            return choice
        try:
            return msgspec.convert(text, annotated, strict=False)
        except msgspec.ValidationError as error:
            self.problems.append(f"{node.place}: {name} {text!r}: {extra.get('write') or _plainly(str(error))}")
            return None


def _none_of(text: str, choices: Sequence[str]) -> str:
    """A long list helps less than the one that was meant."""
    hint = meant(text, choices)
    return f"unknown{hint}" if hint and len(choices) > _MANY else f"none of {', '.join(choices)}{hint}"


_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def _plainly(text: str) -> str:
    """msgspec's words for a mistake, in the user's terms."""
    return (
        text.partition(" - at ")[0]
        .replace("Expected `str`", "write text")
        .replace("Expected `int`", "write a whole number")
        .replace("Expected `int | null`", "write a whole number")
        .replace("Expected `float`", "write a number")
        .replace("Expected `float | null`", "write a number")
        .replace("`", "")
        .replace(", got str", "")
    )


def duration(text: str) -> float | None:
    """Seconds of `500ms`, `10s`, `2m`, `1h` or a plain number; None for anything else."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(ms|s|m|h)?", text.strip())
    return float(match[1]) * {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}[match[2]] if match else None


def share(text: str) -> float | None:
    """`5%` or `0.05` as a fraction from 0 to 1; None for anything else."""
    match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)\s*(%)?", text.strip())
    value = float(match[1]) / (100 if match[2] else 1) if match else 2.0
    return value if value <= 1 else None


FORMS: Mapping[str, tuple[Callable[[str], float | None], str]] = {
    "duration": (duration, "no time; write seconds, or text such as 500ms, 10s, 2m"),
    "share": (share, "no share; write a fraction from 0 to 1, or text such as 5%"),
}
"""Values with a way of writing of their own: how they are read, and what to say of one that can't be."""


# -- models -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def fields_of(kind: type[Struct]) -> Mapping[str, Any]:
    """The annotations of a struct by the names that a document uses."""
    hints = get_type_hints(kind, include_extras=True)
    return {field.encode_name: hints[field.name] for field in msgspec.structs.fields(kind)}


def peel(kind: Any) -> tuple[Any, Meta | None]:
    """An annotated type as the type and what is said of it: the last description, and all that is extra."""
    if get_origin(kind) is not Annotated:
        return kind, None
    plain, *said = get_args(kind)
    metas = [one for one in said if isinstance(one, Meta)]
    if len(metas) < 2:
        return plain, metas[0] if metas else None
    extra = {name: value for meta in metas for name, value in (meta.extra or {}).items()}
    return plain, Meta(description=next((meta.description for meta in reversed(metas) if meta.description), None), extra=extra or None)


def optional(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType) and type(None) in get_args(kind)


def not_none(kind: Any) -> Any:
    """A type without None."""
    if not optional(kind):
        return kind
    inner = tuple(arg for arg in get_args(kind) if arg is not type(None))
    return reduce(or_, inner)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _tagged(kind: Any) -> Mapping[str, type[Struct]]:
    """The members of a union of tagged structs by their tags; empty for any other type."""
    if get_origin(kind) not in (Union, types.UnionType):
        return {}
    members = get_args(kind)
    if not all(_is_struct(member) for member in members):
        return {}
    return {str(member.__struct_config__.tag): member for member in members}


def _takes_maps(kind: Any) -> bool:
    """Whether an item of a list may be a mapping, so that one mapping may stand for a list of one."""
    plain, _ = peel(kind)
    return plain is Any or _is_struct(plain) or bool(_tagged(plain)) or get_origin(plain) is dict


def _noun(meta: Meta | None, name: str) -> str:
    return str(((meta.extra or {}) if meta is not None else {}).get("noun") or name)


def meant(text: str, known: Iterable[object]) -> str:
    """`; did you mean 'x'?` where something known is close, else nothing."""
    close = difflib.get_close_matches(text, [str(name) for name in known], 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def suggest(text: str, known: Iterable[object]) -> str:
    """`; did you mean 'x'?`, or all that is known where nothing is close."""
    names = sorted(str(name) for name in known)
    return meant(text, names) or f"; known here: {', '.join(names)}"
