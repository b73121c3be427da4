"""The architecture holds: imports point inward, and only wires know Twisted."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent / "emulator"

SEPARATE = ("sip", "media", "dns")
RINGS = ("words", "machines", "wires")


def drawn() -> Iterator[tuple[str, int]]:
    """Each file on the map in the docstring of `emulator`, with its ring: lines of a ring, files, and what these are about."""
    text = ast.get_docstring(ast.parse((ROOT / "__init__.py").read_text()), clean=False) or ""
    folder, number = "", 0
    for line in text.partition("Each line:")[2].splitlines():
        if headline := re.match(r"    (\w+)/ ", line):
            folder = headline[1] + "/"
        elif row := re.match(r"    (?:(words|machines|wires) +| {11})(\w+(?: \w+)*)(?:  |$)", line):
            number = RINGS.index(row[1]) if row[1] else number
            yield from ((f"{folder}{name}.py", number) for name in row[2].split())


DRAWN = list(drawn())
RING = dict(DRAWN)


def ring(path: str) -> int:
    """0 words, 1 machines, 2 wires."""
    if path.endswith("__init__.py") and not path.startswith("cli/"):
        return 0
    return 2 if path.startswith("cli/") else RING[path]


def files() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def imports(path: Path) -> frozenset[str]:
    """Dotted names of what a file imports, those for type checking alone left out."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def ours(path: Path) -> set[str]:
    """The files of ours that a file imports."""
    found = set()
    for name in imports(path):
        if name.startswith("emulator."):
            candidate = name.removeprefix("emulator.").replace(".", "/") + ".py"
            if (ROOT / candidate).is_file():
                found.add(candidate)
    return found


@pytest.mark.parametrize("path", files(), ids=relative)
def test_imports_point_inward(path: Path) -> None:
    own = relative(path)
    outward = {other for other in ours(path) if ring(other) > ring(own)}
    assert not outward, f"{own} must not import {sorted(outward)}"


@pytest.mark.parametrize("path", files(), ids=relative)
def test_only_wires_know_twisted(path: Path) -> None:
    if ring(relative(path)) < 2:
        assert not {name for name in imports(path) if name.split(".")[0] in ("twisted", "zope", "OpenSSL", "socket")}


@pytest.mark.parametrize("path", files(), ids=relative)
def test_sip_media_and_dns_never_meet_outside_the_trunk(path: Path) -> None:
    own = relative(path).split("/")[0]
    if own in SEPARATE:
        foreign = {other for other in ours(path) if other.split("/")[0] in (*SEPARATE, "trunk") and other.split("/")[0] != own}
        assert not foreign


@pytest.mark.parametrize("path", files(), ids=relative)
def test_the_phone_is_a_stranger_to_the_trunk(path: Path) -> None:
    """It shares the parts of SIP, media and DNS. Of the trunk, its journal and its control API it knows nothing, nor they of it."""
    own = relative(path)
    apart = ("trunk/", "control/", "scenario/", "journal/journal.py", "journal/record.py", "phone/")
    others = {other for other in ours(path) if other.startswith(apart)}
    if own.startswith("phone/"):
        assert not {other for other in others if not other.startswith("phone/")}
    elif not own.startswith("cli/"):
        assert not {other for other in others if other.startswith("phone/")}


@pytest.mark.parametrize("path", files(), ids=relative)
def test_nobody_imports_the_composition_root_or_the_command_line(path: Path) -> None:
    own = relative(path)
    if not own.startswith("cli/") and own != "__main__.py":
        assert not {other for other in ours(path) if other == "service.py" or other.startswith("cli/")}


def test_every_file_is_on_the_map_once() -> None:
    there = [relative(path) for path in files() if path.name != "__init__.py" and not relative(path).startswith("cli/")]
    assert sorted(path for path, _ in DRAWN) == sorted(there)
