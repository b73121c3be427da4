"""A person's YAML, or a program's JSON, as nodes that know where they stand; `emulator.reading` makes typed values of them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from emulator.problems import in_words

MAX_FILE_OCTETS = 1 << 20
_MAX_DEPTH = 20
_LONGEST_PLACE = 200
_LONGEST_NUMBER = 128
"""Bits."""
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
    """A single value as text and where it stands; `quoted` text is never taken for null. Of one that is `wrong` all is said already."""

    text: str
    place: str
    quoted: bool = False
    wrong: bool = False


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
        with open(path, "rb") as file:
            data = file.read(octets + 1)  # of what has no end, such as a device, too
    except OSError as error:
        raise Unusable(path, f"{in_words(error)}; name a file that can be read") from None
    if len(data) > octets:
        raise Unusable(path, f"too long; a {subject} has at most {octets} octets")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unusable(path, f"octet {error.start} is not UTF-8; save the file as UTF-8") from None
    return parse(text, path, subject)


def parse(text: str, path: str, subject: str = "config") -> Node:
    """The one document of a text; `path` is what places begin with. Raises `Unusable`."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError
    from ruamel.yaml.reader import ReaderError

    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        raise _no_yaml(error, text, path) from None
    except ReaderError as error:
        before = text[: error.position]
        place = f"{path}:{before.count(chr(10)) + 1}:{error.position - before.rfind(chr(10))}"
        raise Unusable(place, f"the character U+{error.character:04X}; leave it out") from None
    except YAMLError as error:
        raise Unusable(path, f"{error}; write one YAML document") from None
    except RecursionError:
        raise Unusable(path, f"nested too deeply; write a flat {subject}") from None
    if node is None:
        return Map((), path)
    return _from_yaml(node, path, subject, 0)


def _no_yaml(error: Any, text: str, path: str) -> Unusable:
    """What the parser could not go on with, for who has never seen a grammar."""
    problem, context = error.problem or "", error.context or ""
    mark, began = error.problem_mark, error.context_mark
    if mark is None:
        return Unusable(path, f"{problem or context}; write YAML")
    lines = text.splitlines()
    character = lines[mark.line][mark.column : mark.column + 1] if mark.line < len(lines) else ""
    what = f"{problem or context}; write YAML"
    if "another document" in problem:
        what = "a second document; write one in a file"
    elif character == "\t":
        what = "a tab; indent with blanks"
    elif context.endswith("quoted scalar") and "end of stream" in problem:
        mark, what = began, "a quote that is never closed; close it at the end of the text"
    elif context.endswith("double-quoted scalar"):
        what = "no letter or digits that may follow \\; write \\\\, or the text in single quotes"
    elif context.endswith(("an alias", "an anchor")):
        mark, sign = began, "*" if context.endswith("alias") else "&"
        what = f'{sign} begins no text; write it in quotes, "{sign}"'
    elif "cannot start any token" in problem or "expected the node content" in problem:
        what = f'{character} begins no text; write it in quotes, "{character}…"'
    elif context.endswith(("flow mapping", "flow sequence")):
        opened, closed = "{}" if context.endswith("mapping") else "[]"
        what = f"the {opened} of line {began.line + 1} is not closed before this; "
        what += f"write a comma between its values, and {closed} behind the last"
    elif "mapping values are not allowed" in problem:
        what = "a colon in text, or a key where none can be; write text in quotes, and a key on a line of its own"
    elif "could not find expected ':'" in problem:
        mark, what = began, "a line without a colon; write `key: value`, and text of several lines in quotes"
    elif "'<scalar>'" in problem and context.endswith("block mapping"):
        what = "more text behind a quote that was closed; write text with quotes in it between quotes of the other kind"
    elif "expected <block end>" in problem:
        what = "indented otherwise than what stands above; indent what belongs together alike, with blanks"
    return Unusable(f"{path}:{mark.line + 1}:{mark.column + 1}", what)


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
            made = _from_yaml(value, path, subject, depth + 1)
            if made == Scalar("", made.place):  # nothing: its mark is that of what comes next, maybe lines below
                made = Scalar("", _place(key, path))
            items.append((Scalar(key.value, _place(key, path)), made))
        return Map(items, place)
    if node.id == "sequence":
        return List([_from_yaml(item, path, subject, depth + 1) for item in node.value], place)
    return Scalar(node.value, place, node.style is not None)


def _place(node: Any, path: str) -> str:
    mark = node.start_mark
    return f"{path}:{mark.line + 1}:{mark.column + 1}"


def from_value(value: Any, where: str = "", root: str = "the document", place: str | None = None, depth: int = 0) -> Node:
    """A decoded JSON value as a node; its places are paths such as `steps.3.expect`, of the whole `root`, or all of them `place`.

    Raises `Unusable`.
    """
    here = place if place is not None else where or root
    if depth > _MAX_DEPTH:
        raise Unusable(here, "nested too deeply; write a flat document")
    inner = f"{where}." if where else ""

    def below(key: object, one: Any) -> Node:
        return from_value(one, f"{inner}{key}", root, place, depth + 1)

    if isinstance(value, dict):
        keys = [Scalar(str(key), place if place is not None else f"{inner}{key}"[:_LONGEST_PLACE]) for key in value]
        return Map([(key, below(key.text, one)) for key, one in zip(keys, value.values(), strict=True)], here)
    if isinstance(value, list | tuple):
        return List([below(number, one) for number, one in enumerate(value)], here)
    if value is None:
        return Scalar("null", here)
    if isinstance(value, bool):
        return Scalar("true" if value else "false", here)
    return Scalar(_text(value), here, isinstance(value, str))


def _text(value: Any) -> str:
    """A single value as people write it: a number without an exponent."""
    if isinstance(value, float) and "e" in repr(value):
        return f"{value:.15f}".rstrip("0") if abs(value) < 1 else f"{value:.0f}"
    if isinstance(value, int) and value.bit_length() > _LONGEST_NUMBER:
        return f"a number of {value.bit_length()} bits"  # Python writes out none of more than 4,300 digits
    return str(value)


def to_value(node: Node) -> Any:
    """A node as plain data, every value as text: what `from_value` takes."""
    if isinstance(node, Map):
        return {key.text: to_value(value) for key, value in node.items}
    if isinstance(node, List):
        return [to_value(item) for item in node.items]
    return None if is_null(node) else node.text


def is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and not node.quoted and node.text.lower() in ("", "~", "null", "none")


def in_order(problems: Iterable[str]) -> list[str]:
    """Mistakes by the line and column at which they stand, each once; behind them those that stand at none."""

    def place(problem: str) -> tuple[float, float]:
        match = _PLACE.match(problem)
        return (int(match[1]), int(match[2])) if match else (_NOWHERE, 0)

    return sorted(dict.fromkeys(problems), key=place)


_PLACE = re.compile(r"[^ ]*?:([0-9]+):([0-9]+): ")
_NOWHERE = float("inf")
