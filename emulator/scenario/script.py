"""A scenario file as it is written: variables, matrix and templates are put in, and what is left is one scenario a run.

Everything happens on nodes that know where they stand, before any of it is typed: a mistake in what a variable or a template brought is
told at the line that it stands in.
"""

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from emulator.config import Config
from emulator.config_sources import problems as config_problems
from emulator.did_you_mean import suggest
from emulator.reading import Reader
from emulator.scenario.check import check
from emulator.scenario.model import MAX_FILE_OCTETS, MAX_RUNS, MAX_STEPS, Scenario
from emulator.scenario.placeholders import Filling, Values
from emulator.yaml import At, List, Map, Node, Scalar, Unusable, from_value, in_order, read, to_value

MAX_DEPTH = 5
"""Of templates in templates."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_PORT = "port."
_MADE_UP_PORT = "5999"
"""Stands for a port that is chosen when the scenario runs."""
_KINDS = ("scenario", "config")
_ENDLESS = 1e9
"""Seconds, in place of a deadline that could not be read."""


class _Any:
    """Holds every name: steps are missing, and nobody knows what they would have been called."""

    def __contains__(self, name: object) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Run:
    """One scenario, ready to run. `places` says where each value stands, by the keys that lead to it."""

    scenario: Scenario
    node: Map
    places: Mapping[At, str]
    variables: Mapping[str, str]

    def value(self) -> dict[str, Any]:
        """What POST /v1/scenarios takes."""
        value: dict[str, Any] = to_value(self.node)
        return value

    def place(self, at: At) -> str:
        """Where a value stands, as file:line; empty for one that the file has not got."""
        where = self.places.get(at, "")
        return where.rpartition(":")[0] if where.count(":") >= 2 else where


class Script:
    """A file with one scenario and the runs that its matrix makes of it."""

    def __init__(self, node: Node, settings: Mapping[str, str] | None = None) -> None:
        """`settings` win over the file's variables. Raises `Unusable` for what stands above the runs."""
        self._reader = Reader()
        if not isinstance(node, Map):
            raise Unusable(node.place, "not a mapping; write `name: …` and `steps: …`")
        self._node = node
        self.settings = self._settings = dict(settings or {})
        self._sure, self._lost = True, False
        self._unsure: set[str] = set()
        """Variables whose values could not be read."""
        problems = self._reader.problems
        self._templates = dict(self._mapping("templates"))
        self._variables = list(self._mapping("variables"))
        self.variants = self._narrowed(self._matrix())
        self.names = {name.text for name, _ in self._variables} | {name for variant in self.variants for name in variant}
        """What may be set from outside."""
        self.names |= {_PORT + name for name in self.ports}
        problems.extend(
            f"--set {name}: no such variable in {node.place.partition(':')[0]}{suggest(name, self.names)}"
            for name in self._settings
            if name not in self.names
        )
        if problems:
            problems.extend(self._problems())
            raise Unusable("", "\n".join(in_order(problems)))

    @property
    def ports(self) -> tuple[str, ...]:
        """Names of the ports that must be chosen before a run."""
        given = self._node.get("given")
        ports = given.get("ports") if isinstance(given, Map) else None
        items = ports.items if isinstance(ports, List) else [ports] if ports is not None else []
        return tuple(item.text for item in items if isinstance(item, Scalar))

    @property
    def ports_set(self) -> dict[str, str]:
        """Those that are chosen from outside."""
        return {name.removeprefix(_PORT): port for name, port in self._settings.items() if name.startswith(_PORT)}

    def run(self, variant: Mapping[str, str] | None = None, ports: Mapping[str, str] | None = None) -> Run:
        """The scenario of one variant. Raises `Unusable` with every mistake, a line each."""
        reader = Reader()
        filling = Filling(reader.problems, self._sure)
        self._lost = False
        values = self._values(variant or {}, ports or {}, filling)
        node = self._expanded(values, filling)
        built = reader.build(node, Scenario)
        unsure = self._unsure_names(node, reader.wrong)
        scenario = reader.rest(_judged(built, reader.wrong), Scenario)
        if scenario is not None:
            reader.judge(check(scenario, reader.places, unsure), "the scenario")
        reader.problems.extend(_config_problems(node))
        if scenario is None or reader.problems:
            raise Unusable("", "\n".join(in_order(reader.problems)))
        said = {name: text for name, text in values.items() if text is not None and not name.startswith(_PORT)}
        return Run(scenario, node, reader.places, said)

    def runs(self) -> list[Run]:
        """Every run, with made-up ports; raises `Unusable` with the mistakes of all of them, each once."""
        problems = self._problems()
        if problems:
            raise Unusable("", "\n".join(in_order(problems)))
        return [self.run(variant) for variant in self.variants]

    def _problems(self) -> list[str]:
        """The mistakes of all runs."""
        problems: list[str] = []
        for variant in self.variants:
            try:
                self.run(variant)
            except Unusable as error:
                problems.extend(str(error).splitlines())
        return problems

    def _unsure_names(self, node: Map, wrong: set[At]) -> Container[str]:
        """What may be the name of something that could not be read."""
        steps = node.get("steps")
        if self._lost or not isinstance(steps, List):
            return _Any()
        numbers = {int(at[1]) for at in wrong if at[:1] == ("steps",) and len(at) > 1}
        return {name for number in numbers for name in _names_in(steps.items[number])}

    # -- what stands above the runs -------------------------------------------------------------------------------

    def _mapping(self, name: str) -> Iterator[tuple[Scalar, Node]]:
        node = self._node.get(name)
        if node is None:
            return
        if not isinstance(node, Map):
            self._reader.problems.append(f"{node.place}: {name} is not a mapping; write `name: …` lines")
            self._sure = False
            return
        seen: set[str] = set()
        for key, value in node.items:
            if name != "templates" and not _NAME.fullmatch(key.text):
                self._reader.problems.append(f"{key.place}: {key.text!r} is no name; write letters, digits, - and _, with a letter first")
            elif key.text in seen:
                self._reader.problems.append(f"{key.place}: {key.text} stands here a second time; remove one")
            else:
                seen.add(key.text)
                yield key, value

    def _matrix(self) -> list[dict[str, str]]:
        """The values of each run's own variables: all combinations of lists, or a list of mappings as it stands."""
        node, problems = self._node.get("matrix"), self._reader.problems
        if node is None:
            return [{}]
        variants: list[dict[str, str]] = []
        if isinstance(node, List):
            for item in node.items:
                if not isinstance(item, Map) or not all(isinstance(value, Scalar) for _, value in item.items):
                    problems.append(f"{item.place}: a combination is a mapping of single values; write {{codec: PCMA, transport: UDP}}")
                    self._unsure |= {key.text for key, _ in item.items} if isinstance(item, Map) else set()
                    self._sure = self._sure and isinstance(item, Map)
                    continue
                variants.append({key.text: value.text for key, value in item.items if isinstance(value, Scalar)})
        else:
            axes: list[tuple[str, list[str]]] = []
            for key, value in self._mapping("matrix"):
                items = value.items if isinstance(value, List) else [value]
                if not items or not all(isinstance(item, Scalar) for item in items):
                    problems.append(f"{value.place}: {key.text} is no list of single values; write [a, b]")
                    self._unsure.add(key.text)
                    continue
                axes.append((key.text, [item.text for item in items if isinstance(item, Scalar)]))
            count = 1
            for _, texts in axes:
                count *= len(texts)
            if count > MAX_RUNS:
                problems.append(f"{node.place}: {count} combinations; {MAX_RUNS} are the most")
                return [{name: texts[0] for name, texts in axes}]
            variants = [dict(zip([name for name, _ in axes], texts, strict=True)) for texts in product(*(texts for _, texts in axes))]
        if len(variants) > MAX_RUNS:
            problems.append(f"{node.place}: {len(variants)} combinations; {MAX_RUNS} are the most")
            del variants[1:]
        if not variants and not problems:
            problems.append(f"{node.place}: no combination; write at least one, or leave matrix out")
            self._sure = False
        return variants or [{}]

    def _narrowed(self, variants: list[dict[str, str]]) -> list[dict[str, str]]:
        """The variants that have what is set, or with it in place of their own where none has it; each once."""
        for name, text in self._settings.items():
            if any(name in variant for variant in variants):
                having = [variant for variant in variants if variant.get(name) == text]
                variants = having or [{**variant, name: text} if name in variant else variant for variant in variants]
        return [variant for at, variant in enumerate(variants) if variant not in variants[:at]]

    # -- one run --------------------------------------------------------------------------------------------------

    def _values(self, variant: Mapping[str, str], ports: Mapping[str, str], filling: Filling) -> dict[str, str | None]:
        """Every placeholder of one run, and its value."""
        values: dict[str, str | None] = {_PORT + name: self.ports_set.get(name) or ports.get(name, _MADE_UP_PORT) for name in self.ports}
        values.update({name: text for name, text in self._settings.items() if not name.startswith(_PORT)})
        for name, text in variant.items():
            values.setdefault(name, text)
        for key, node in self._variables:
            if key.text in values:
                continue
            if not isinstance(node, Scalar):
                filling.problems.append(f"{node.place}: {key.text} is not a single value; write text")
                values[key.text] = None
                continue
            values[key.text] = _text(filling.text(node, values))
        for name in self._unsure:
            values.setdefault(name, None)
        return values

    def _expanded(self, values: Values, filling: Filling) -> Map:
        """The file without variables, matrix and templates, which are put in."""
        node = self._node.without("variables", "matrix", "templates")
        items: list[tuple[Scalar, Node]] = []
        for key, value in node.items:
            if key.text == "steps" and isinstance(value, List):
                items.append((key, List(list(self._steps(value.items, values, filling, ())), value.place)))
            else:
                items.append((key, filling.node(value, values)))
        return Map(items, node.place)

    def _steps(self, steps: Sequence[Node], values: Values, filling: Filling, within: tuple[str, ...]) -> Iterator[Node]:
        """Steps with their placeholders filled in, and those of a template in place of each `use`."""
        made = 0
        for step in steps:
            use = step.get("use") if isinstance(step, Map) else None
            for one in [filling.node(step, values)] if use is None else self._used(use, values, filling, within):
                made += 1
                if made > MAX_STEPS:
                    filling.problems.append(f"{step.place}: more than {MAX_STEPS} steps; split the story")
                    return
                yield one

    def _used(self, use: Node, values: Values, filling: Filling, within: tuple[str, ...]) -> Iterator[Node]:
        """`use: NAME`, or `use: {template: NAME, with: {variable: value}}`."""
        place, given, before = use.place, dict(values), len(filling.problems)
        name: str | None = ""
        if isinstance(use, Map):
            for key, value in use.items:
                if key.text == "template" and isinstance(value, Scalar):
                    name = _text(filling.text(value, values))
                elif key.text == "with" and isinstance(value, Map):
                    for variable, text in value.items:
                        if isinstance(text, Scalar):
                            given[variable.text] = _text(filling.text(text, values))
                        else:
                            filling.problems.append(f"{text.place}: {variable.text} is not a single value; write text")
                else:
                    what = f"{key.text!r} does not belong here; write {{template: NAME, with: {{variable: value}}}}"
                    filling.problems.append(f"{key.place}: {what}")
        elif isinstance(use, Scalar):
            name = _text(filling.text(use, values))
        template = next((node for key, node in self._templates.items() if key.text == name), None)
        if len(filling.problems) > before or name is None:
            template = None
        elif template is None:
            known = [key.text for key in self._templates]
            filling.problems.append(f"{place}: no template {name!r}{suggest(name, known) if known else '; write it under `templates:`'}")
        elif name in within or len(within) >= MAX_DEPTH:
            filling.problems.append(f"{place}: template {name!r} is used within {' → '.join(within)}; write the steps out")
        elif not isinstance(template, List):
            filling.problems.append(f"{template.place}: template {name!r} is no list of steps; write `- step` lines")
        if isinstance(template, List) and len(filling.problems) == before:
            yield from self._steps(template.items, given, filling, (*within, name or ""))
        else:
            self._lost = True
            yield Scalar("", place, wrong=True)


def _text(node: Scalar) -> str | None:
    return None if node.wrong else node.text


def _judged(values: dict[str, Any], wrong: set[At]) -> dict[str, Any]:
    """What was built, so that the rest of it can be judged where its name or its time is wrong."""
    if ("name",) in wrong or "name" not in values:
        values["name"] = "?"
    if ("deadline",) in wrong:
        values["deadline"] = _ENDLESS
    wrong -= {("name",), ("deadline",)}
    return values


def _names_in(node: Node) -> Iterator[str]:
    """What is named anywhere in a node."""
    if isinstance(node, Map):
        for key, value in node.items:
            if key.text == "as" and isinstance(value, Scalar):
                yield value.text
            else:
                yield from _names_in(value)
    elif isinstance(node, List):
        for item in node.items:
            yield from _names_in(item)


def _config_problems(node: Map) -> list[str]:
    """What is wrong with `given.config`."""
    given = node.get("given")
    config = given.get("config") if isinstance(given, Map) else None
    return config_problems(config) if config is not None else []


def load(path: str, settings: Mapping[str, str] | None = None) -> Script:
    """The script of a file. Raises `Unusable`."""
    return Script(read(path, "scenario", MAX_FILE_OCTETS), settings)


def from_json(value: Any) -> Run:
    """The one run of a decoded JSON document. Raises `Unusable`."""
    script = Script(from_value(value))
    if len(script.variants) != 1:
        raise Unusable("matrix", f"{len(script.variants)} runs; send them one by one, or use `vsim run`")
    return script.run(script.variants[0])


def kind_of(node: Node) -> str:
    """Whether a document is a `scenario` or a `config`, by its keys."""
    keys = {key.text for key, _ in node.items} if isinstance(node, Map) else set()
    ours = keys & {"steps", "given", "never", "deadline", "matrix", "variables", "templates", "description", "name"}
    theirs = keys & {field for field in Config.__struct_fields__ if field != "seed"}
    return _KINDS[0] if "steps" in keys or len(ours) > len(theirs) else _KINDS[1]
