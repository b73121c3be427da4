"""The config of vsim.yaml, VSIM_* variables and flags, and where a mistake in any of them stands."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_origin

from emulator.annotations import fields, inside
from emulator.config import Config
from emulator.config_rules import check
from emulator.reading import Reader
from emulator.settings import settings
from emulator.yaml import At, List, Map, Node, Scalar, Unusable, in_order, read


def load(path: str | None = None, environ: Mapping[str, str] | None = None, flags: Mapping[str, Any] | None = None) -> Config:
    """The config of a file, the environment and flags, the later ones winning.

    `path` None reads `vsim.yaml` if there is one. `flags` maps dotted setting names to text, lists of text, or None for "not given".
    Raises `Unusable` with every mistake, a line each, as `place: what, and what to write instead`.
    """
    reader = Reader()
    values: dict[str, Any] = {}
    if path is not None or Path("vsim.yaml").is_file():
        values = reader.build(read(path or "vsim.yaml"), Config)
    for names, node in _overlays(environ or {}, flags or {}, reader.problems):
        _overlay(reader, values, tuple(names.split(".")), node)
    config = _checked(reader, values, path or "config")
    if config is None or reader.problems:
        raise Unusable("", "\n".join(in_order(reader.problems)))
    return config


def problems(node: Node) -> list[str]:
    """The mistakes in a part of a config, such as a scenario gives."""
    reader = Reader()
    _checked(reader, reader.build(node, Config, "config"), node.place)
    return reader.problems


def _checked(reader: Reader, values: dict[str, Any], otherwise: str) -> Config | None:
    """What could be read of a config; what is wrong with it, as a whole too, is told to its reader."""
    config = reader.rest(values, Config)
    if config is not None:
        beside = {at[:-1] for at in reader.wrong}
        reader.judge(((at, what) for at, what in check(config) if at[0] not in _TOGETHER or at[:-1] not in beside), otherwise)
    return config


_TOGETHER = ("registrar", "bind")
"""Settings that are judged by those beside them, which must be right for that."""


def _overlays(environ: Mapping[str, str], flags: Mapping[str, Any], problems: list[str]) -> Iterator[tuple[str, Node]]:
    """The settings of the environment, then those of the flags, as dotted names and nodes."""
    by_variable = {setting.variable: setting.name for setting in settings() if setting.variable}
    for variable, text in environ.items():
        if variable in by_variable:
            yield by_variable[variable], _listed(text, variable)
        elif variable == "VSIM_ACCOUNT":
            yield "accounts", _accounts(text.split(","), variable, problems)
        elif variable.startswith("VSIM_") and variable not in _NOT_SETTINGS and not variable.startswith("VSIM_SIP_"):
            close = difflib.get_close_matches(variable, by_variable, 1, 0.88)
            if close:
                problems.append(f"{variable}: no such setting; did you mean {close[0]}?")
    for name, value in flags.items():
        flag = "--" + name.replace(".", "-").replace("_", "-")
        if value is None or value == ():
            continue
        if name == "accounts":
            yield name, _accounts(list(value), "--account", problems)
        else:
            yield name, _listed(str(value).lower() if isinstance(value, bool) else str(value), flag)


_NOT_SETTINGS = frozenset({"VSIM_URL", "VSIM_DNS", "VSIM_CA", "VSIM_CONFIG", "VSIM_KEY", "VSIM_SECRET", "VSIM_NUMBER"})
"""What `vsim env` prints, and what clients read."""


def _listed(text: str, place: str) -> Scalar:
    return Scalar(text, place)


def _accounts(texts: Sequence[str], place: str, problems: list[str]) -> List:
    """KEY:SECRET[:NUMBER…] each; without numbers the account gets the default one."""
    items: list[Node] = []
    for text in texts:
        key, colon, rest = text.partition(":")
        secret, *numbers = rest.split(":")
        if not (key and colon and secret):
            problems.append(f"{place}: an account without a secret; write KEY:SECRET or KEY:SECRET:NUMBER")
            items.append(Scalar("", place, wrong=True))
            continue
        pairs: list[tuple[Scalar, Node]] = [
            (Scalar("key", place), Scalar(key, place, True)),
            (Scalar("secret", place), Scalar(secret, place, True)),
            (
                Scalar("numbers", place),
                List([Scalar(n, place) for n in numbers or ["447700900000"]], place),
            ),
        ]
        items.append(Map(pairs, place))
    return List(items, place)


def _overlay(reader: Reader, values: dict[str, Any], at: At, node: Node) -> None:
    """Put one setting over what a file said."""
    kind: Any = Config
    for part in at[:-1]:
        kind = inside(fields(kind)[part].type)[0]
        values = values.setdefault(part, {})
    hint = fields(kind)[at[-1]].type
    if isinstance(node, Scalar) and get_origin(inside(hint)[0]) is tuple:
        node = List([Scalar(text.strip(), node.place) for text in node.text.split(",")], node.place)
    reader.wrong -= {known for known in reader.wrong if known[: len(at)] == at}
    reader.move(at, node.place)
    values[at[-1]] = reader.build(node, hint, at[-1], at)
