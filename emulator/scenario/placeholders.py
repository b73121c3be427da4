"""Placeholders, `{{name}}`, in the nodes of a scenario file, and what stands in their place."""

import re
from collections.abc import Mapping

from emulator.did_you_mean import suggest
from emulator.yaml import List, Map, Node, Scalar

MAX_TEXT = 8192
"""Characters of a value once its placeholders are filled in."""
_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z][A-Za-z0-9_.-]*)\s*\}\}")

Values = Mapping[str, str | None]
"""By name; None for one that has been found wrong."""


class Filling:
    """Fills placeholders in; mistakes go to `problems`. With `sure` False there may be names that could not be read."""

    def __init__(self, problems: list[str], sure: bool = True) -> None:
        self.problems = problems
        self._sure = sure

    def node(self, node: Node, values: Values) -> Node:
        """A node with every placeholder in it filled in."""
        if isinstance(node, Map):
            return Map([(self.text(key, values), self.node(value, values)) for key, value in node.items], node.place)
        if isinstance(node, List):
            return List([self.node(item, values) for item in node.items], node.place)
        return self.text(node, values)

    def text(self, node: Scalar, values: Values) -> Scalar:
        """A single value with every placeholder in it filled in; it is wrong where one can't be."""
        if "{{" not in node.text:
            return node
        wrong = False

        def value(match: "re.Match[str]") -> str:
            nonlocal wrong
            name = match[1]
            if name not in values and self._sure:
                hint = suggest(name, values) if values else "; write it under `variables:`"
                self.problems.append(f"{node.place}: no variable {name!r}{hint}")
            text = values.get(name)
            wrong = wrong or text is None
            return text or ""

        text = _PLACEHOLDER.sub(value, node.text)
        if len(text) > MAX_TEXT:
            self.problems.append(f"{node.place}: {len(text)} characters once its placeholders are filled in; {MAX_TEXT} are the most")
            text, wrong = "", True
        return Scalar(text, node.place, node.quoted, wrong)
