"""A person's YAML, a program's JSON, or a line of text, as the typed values a model asks for; every mistake with its place and its mending.

Nodes (`emulator.yaml`) know where they stand, and are built into the plain data that `msgspec.convert` takes: so a mistake is told as
`file:line:column: what, and what to write instead`, and all mistakes of a document are told at once. What the annotations of a model say
beside types stands in `emulator.annotations`. Of a union of tagged structs the one is meant whose tag is among the keys: `down: us-3` is
the struct tagged `down`.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from emulator.annotations import fields, inside, is_struct, may_be_bare, noun, optional, peel, tagged, wanted
from emulator.did_you_mean import meant, suggest
from emulator.quantities import FORMS
from emulator.yaml import At, List, Map, Node, Scalar, Unusable, from_value, is_null, to_value

_MANY = 8
_Model = TypeVar("_Model")
_ENDLESS = 10_000


def read(value: object, kind: type[_Model]) -> _Model:
    """Plain data, or a node, as a `kind`; its places are the paths in it. Raises `Unusable` with every mistake, a line each."""
    return Reader().convert(value if isinstance(value, Scalar | Map | List) else from_value(value, root=""), kind)


class Reader:
    """Builds nodes; gathers every problem, and where each value stands."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.places: dict[At, str] = {}
        self.wrong: set[At] = set()
        """What could not be built, and what has lost something of that kind."""
        self._around: list[tuple[At, Mapping[str, Any]]] = []
        """The structs that are being built, from the outside in: where each stands, and the fields it has."""

    # -- the whole ------------------------------------------------------------------------------------------------

    def convert(self, node: Node, kind: type[_Model]) -> _Model:
        """A node as an instance of `kind`. Raises `Unusable` with every mistake, a line each."""
        values = self.build(node, kind)
        if not self.problems:
            try:
                return msgspec.convert(values, kind)
            except msgspec.ValidationError as error:
                self.problems.append(self.located(str(error), node.place))
        raise Unusable("", "\n".join(self.problems))

    def rest(self, values: Any, kind: type[_Model]) -> _Model | None:
        """What was built, without what is wrong in it, so that more can be said of what is left; None when nothing is.

        Places move along where something is taken out of a list.
        """
        for at in sorted(self.wrong, key=lambda at: (len(at), *(f"{part:>9}" for part in at)), reverse=True):
            self._take(values, at)
        for _ in range(_ENDLESS):
            try:
                return msgspec.convert(values, kind)
            except msgspec.ValidationError as error:
                if not self._take(values, _path(str(error))[1]):
                    break
        return None

    def _take(self, values: Any, at: At) -> bool:
        """Take a value out, or that which it is in; False when there is none."""
        inside: Any = values
        for key in at[:-1]:
            if isinstance(inside, dict):
                inside = inside.get(key)
            elif isinstance(inside, list) and int(key) < len(inside):
                inside = inside[int(key)]
        if isinstance(inside, dict) and at and at[-1] in inside:
            del inside[at[-1]]
            return True
        if not (isinstance(inside, list) and at and at[-1].isdigit() and int(at[-1]) < len(inside)):
            return False
        del inside[int(at[-1])]
        self.places = {moved: place for known, place in self.places.items() if (moved := _without(known, at)) is not None}
        self.wrong = {moved for known in self.wrong if (moved := _without(known, at)) is not None} | {at[:-1]}
        return True

    def judge(self, found: Iterable[tuple[At, str]], otherwise: str) -> None:
        """Note what is wrong with values that could be read; what is said of one that holds a wrong one follows from that alone."""
        for at, what in found:
            if not any(wrong[: len(at)] == at for wrong in self.wrong):
                self.problems.append(told(self.place(at, otherwise), what))

    def located(self, text: str, otherwise: str) -> str:
        """msgspec's message with the place of the value it speaks of."""
        what, at = _path(text)
        return told(self.place(at, otherwise), what)

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

    def problem(self, node: Node, at: At, what: str) -> None:
        """Note a mistake, and that the value there can't be used."""
        self.problems.append(told(node.place, what))
        self.wrong.add(at)

    # -- parts ----------------------------------------------------------------------------------------------------

    def build(self, node: Node, kind: Any, name: str = "", at: At = ()) -> Any:
        """A node as the plain data that `kind` is made from; mistakes go to `problems`. `name` is what messages call it."""
        self.places[at] = node.place
        if isinstance(node, Scalar) and node.wrong:
            self.wrong.add(at)
            return None
        plain, meta = inside(kind)
        if is_null(node) and optional(peel(kind)[0]):
            return None
        if is_struct(plain):
            return self._struct(node, plain, name, at)
        if members := tagged(plain):
            return self._one_of(node, members, noun(meta, name), at)
        origin = get_origin(plain)
        if origin is dict:
            return self._dict(node, plain, meta, name, at)
        if origin is tuple:
            return self._list(node, plain, meta, name, at)
        if plain is Any:
            self._note(node, at)
            return to_value(node)
        if not isinstance(node, Scalar):
            self.problem(node, at, f"{name} is a {'list' if isinstance(node, List) else 'mapping'}; write {_one(kind, meta)}")
            return None
        return self._leaf(node, plain, meta, kind, name, at)

    def _note(self, node: Node, at: At) -> None:
        """Where everything in a value stands that somebody else reads."""
        self.places[at] = node.place
        if isinstance(node, Map):
            for key, value in node.items:
                self._note(value, (*at, key.text))
        elif isinstance(node, List):
            for number, item in enumerate(node.items):
                self._note(item, (*at, str(number)))

    def _dict(self, node: Node, plain: Any, meta: Meta | None, name: str, at: At) -> dict[str, Any]:
        if not isinstance(node, Map):
            self.problem(node, at, f"{name} is {'a list' if isinstance(node, List) else 'one value'}; write `key: value` lines")
            return {}
        self._counted(node, len(node.items), meta, name, at)
        kind_of_key, kind_of_value = get_args(plain)
        made = {}
        for key, value in self._unique(node, at):
            if kind_of_key is not str:
                self.build(key, kind_of_key, name, (*at, key.text))
            made[key.text] = self.build(value, kind_of_value, key.text, (*at, key.text))
        return made

    def _list(self, node: Node, plain: Any, meta: Meta | None, name: str, at: At) -> list[Any]:
        item, *others = get_args(plain)
        if isinstance(node, Map) and not _takes_maps(item):
            self.problem(node, at, f"{name} is a mapping; write a list, `- value` or [a, b]")
            return []
        items: Sequence[Node] = node.items if isinstance(node, List) else [node]
        if isinstance(node, Scalar) and ((meta.extra or {}) if meta is not None else {}).get("commas"):
            items = [Scalar(text.strip(), node.place, node.quoted) for text in node.text.split(",")]
        if others and others[0] is not Ellipsis and len(items) != 1 + len(others):
            self.problem(node, at, f"{name} has {_values(len(items))}; write {1 + len(others)}")
        self._counted(node, len(items), meta, name, at)
        return [self.build(one, item, name, (*at, str(k))) for k, one in enumerate(items)]

    def _counted(self, node: Node, count: int, meta: Meta | None, name: str, at: At) -> None:
        least, most = (meta.min_length or 0, meta.max_length) if meta is not None else (0, None)
        if count < least:
            self.problem(node, at, f"{name} has {_values(count)}; write at least {least}")
        elif most is not None and count > most:
            self.problem(node, at, f"{name} has {_values(count)}; write at most {most}")

    def _struct(self, node: Node, kind: type[Struct], name: str, at: At, tag: str = "") -> dict[str, Any]:
        mapping = self._mapping(node, kind, name, at)
        if mapping is None:
            return {}
        known = fields(kind)
        values: dict[str, Any] = {}
        self._around.append((at, known))
        for key, value in self._unique(mapping, at):
            if key.wrong:
                self.wrong.add(at)
            elif key.text not in known:
                hint = self._misplaced(key.text, kind, mapping) or suggest(key.text, known)
                self.problem(key, (*at, key.text), f"unknown key {_shown(key.text)}{hint}")
            else:
                values[key.text] = self.build(value, known[key.text].type, key.text, (*at, key.text))
        self._around.pop()
        written = {key.text for key, _ in mapping.items}
        for field in known.values():
            if field.required and field.encode_name not in written:
                what = _one(field.type, peel(field.type)[1], f"`{field.encode_name}: …`")
                self.problem(mapping, at, f"{field.encode_name} is missing; write {what}")
        if tag and (tag_field := kind.__struct_config__.tag_field):
            values[tag_field] = tag
        return values

    def _misplaced(self, name: str, kind: type[Struct], mapping: Map) -> str:
        """Where a key belongs that is unknown in a mapping of this kind; most of those have the wrong indentation."""
        called: Mapping[str, str] = getattr(kind, "CALLED", {})
        if name in called:
            return f"; here it is called {called[name]!r}"
        at, known = self._around[-1]
        for key, value in mapping.items:
            if key.text in known and name in _keys_inside(known[key.text].type, value):
                return f"; it belongs inside {key.text}, one level deeper"
        for outer, around in reversed(self._around[:-1]):
            if outer and name in around:  # not beside what the whole is made of
                return f"; it belongs beside {at[len(outer)]}, not inside it"
        return ""

    def _mapping(self, node: Node, kind: type[Struct], name: str, at: At) -> Map | None:
        """The mapping that a node is, or is short for."""
        written: Callable[[Node], Node] | None = getattr(kind, "written", None)
        if written is not None:
            try:
                node = written(node)
            except Unusable as error:
                self.problems.append(str(error))
                self.wrong.add(at)
                return None
        if is_null(node):
            return Map((), node.place)
        if isinstance(node, Map):
            return node
        known, short = fields(kind), getattr(kind, "SHORT", "")
        text = node.text if isinstance(node, Scalar) else ""
        words: Mapping[str, Mapping[str, object]] = getattr(kind, "WORDS", {})
        if text in words:
            made = from_value(words[text], place=node.place)
            assert isinstance(made, Map)
            return made
        if text.lower() in ("true", "yes") and not any(field.required for field in known.values()):
            return Map((), node.place)
        if short:
            return Map([(Scalar(short, node.place), node)], node.place)
        if text in known and may_be_bare(known[text].type):
            return Map([(Scalar(text, node.place), Scalar("true", node.place))], node.place)
        write = ", ".join(f"`{one}: …`" for one in known) if 0 < len(known) <= _MANY else "`key: value` lines" if known else ""
        what = f"is not a mapping; write {write}" if known else "has nothing to be said about it; write true"
        self.problem(node, at, f"{name or ('the file' if node.place else 'this')} {what}")
        return None

    def _one_of(self, node: Node, members: Mapping[str, type[Struct]], noun: str, at: At) -> dict[str, Any]:
        """The member of a union whose tag is among the keys."""
        choices = ", ".join(members)
        if isinstance(node, List):
            self.problem(node, at, f"a list; write one {noun}, without - or [ ]")
            return {}
        if not isinstance(node, Map) or not node.items:
            alone = isinstance(node, Scalar) and node.text in members
            what = f"`{node.text}` alone" if alone and isinstance(node, Scalar) else f"no {noun}"
            write = f"`{node.text}: …`" if alone and isinstance(node, Scalar) else f"one of {choices}"
            self.problem(node, at, f"{what}; write {write}")
            return {}
        named = [key for key, _ in node.items if key.text in members]
        if not named:
            wrong = next((key for key, _ in node.items if difflib.get_close_matches(key.text, members, 1)), node.items[0][0])
            self.problem(wrong, at, f"unknown {noun} {_shown(wrong.text)}{suggest(wrong.text, members)}")
            return {}
        if len({key.text for key in named}) > 1:
            first = node.get(named[0].text)
            if first is not None and named[1].text in _keys_inside(fields(members[named[0].text])[named[0].text].type, first):
                self.problem(named[1], at, f"nothing stands below {named[0].text}; indent {named[1].text} further")
                return {}
            self.problem(named[1], at, f"{named[0].text} and {named[1].text} in one {noun}; write one {noun} each")
            return {}
        return self._struct(node, members[named[0].text], noun, at, named[0].text)

    def _unique(self, node: Map, at: At) -> Iterator[tuple[Scalar, Node]]:
        seen: set[str] = set()
        for key, value in node.items:
            if key.text in seen:
                self.problem(key, (*at, key.text), f"{key.text} stands here a second time; remove one")
            else:
                seen.add(key.text)
                yield key, value

    def _leaf(self, node: Scalar, plain: Any, meta: Meta | None, hint: Any, name: str, at: At) -> Any:
        extra = (meta.extra or {}) if meta is not None else {}
        reads: Callable[[str], str] = extra.get("reads", str)
        text = reads(node.text)
        value: Any = text
        if (form := extra.get("text")) is not None:
            converts, wants = FORMS[form]
            value = converts(text)
            if value is None:
                return self.problem(node, at, f"{name} {_shown(text)} is {wants}")
        elif plain is bool:
            value = _BOOLEANS.get(text.lower())
            if value is None:
                return self.problem(node, at, f"{name} {_shown(text)} is neither true nor false")
        elif get_origin(plain) is Literal:
            value = next((choice for choice in get_args(plain) if str(choice).lower() == text.lower()), None)
            if value is None:
                self.problem(node, at, f"{name} {_shown(text)} is {_none_of(text, [str(choice) for choice in get_args(plain)])}")
            return value
        try:
            return msgspec.convert(value, hint, strict=False)
        except msgspec.ValidationError as error:
            self.problem(node, at, f"{name} {_shown(node.text)}: {_to_write(hint, meta, str(error))}")
            return None


def _without(at: At, gone: At) -> At | None:
    """Where a value stands once an item of a list has gone; None when it went with it."""
    length = len(gone)
    if len(at) < length or at[: length - 1] != gone[:-1]:
        return at
    number, last = int(at[length - 1]), int(gone[-1])
    return at if number < last else None if number == last else (*gone[:-1], str(number - 1), *at[length:])


def told(place: str, what: str) -> str:
    """A mistake with its place; a path in JSON ends with the name of what it leads to, which need not be said again."""
    name = place.rpartition(".")[2]
    if name and what.startswith(name + " "):
        return place.removesuffix(name) + what
    return f"{place}: {what}" if place else what


def _path(text: str) -> tuple[str, At]:
    """What msgspec says, and of which value."""
    what, _, at = text.partition(" - at `")
    return what, tuple(re.findall(r"[A-Za-z_0-9-]+", at))


def _shown(text: str) -> str:
    return f"{text!r:.80}"


def _values(count: int) -> str:
    return "one value" if count == 1 else f"{count or 'no'} values"


def _one(hint: Any, meta: Meta | None, otherwise: str = "one value") -> str:
    """What to write, where the model says it in words of its own."""
    extra = (meta.extra or {}) if meta is not None else {}
    return wanted(hint, meta) if extra.get("write") else otherwise


def _to_write(hint: Any, meta: Meta | None, error: str) -> str:
    """The mending of a value that msgspec refuses."""
    plain = inside(hint)[0]
    said = ((meta.extra or {}) if meta is not None else {}).get("write")
    if said or plain in (int, float) or (plain is str and meta is not None and meta.pattern is None):
        return f"write {wanted(hint, meta)}"
    return error.partition(" - at ")[0].replace("`", "")


def _none_of(text: str, choices: Sequence[str]) -> str:
    """A long list helps less than the one that was meant."""
    hint = meant(text, choices)
    return f"unknown{hint}" if hint and len(choices) > _MANY else f"none of {', '.join(choices)}{hint}"


_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def _keys_inside(hint: Any, node: Node) -> Iterable[str]:
    """The keys that a field may hold; of a union those of the member that is written, or the members' where nothing is."""
    plain = inside(hint)[0]
    if is_struct(plain):
        return fields(plain)
    members = tagged(plain)
    if is_null(node):
        return members
    return next((fields(members[key.text]) for key, _ in node.items if key.text in members), ()) if isinstance(node, Map) else ()


def _takes_maps(kind: Any) -> bool:
    """Whether an item of a list may be a mapping, so that one mapping may stand for a list of one."""
    plain, _ = peel(kind)
    return plain is Any or is_struct(plain) or bool(tagged(plain)) or get_origin(plain) is dict
