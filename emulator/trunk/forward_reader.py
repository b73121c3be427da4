"""Reads a "Forward to SIP" field: one pass that goes on after a mistake, from the commas to what no single target can know."""

import re
from collections.abc import Iterator
from itertools import pairwise

from emulator.sip.grammar import QUOTED_STRING
from emulator.trunk.forward_field import BLANKS, Field, Span
from emulator.trunk.forward_parameters import LAST
from emulator.trunk.forward_target import Problem, Target
from emulator.trunk.forward_uri import read_target

MAX_LENGTH = 4096
"""Characters of a field; vsim's own bound."""
MAX_TARGETS = 50
"""Targets of a field; vsim's own bound."""
_NEXT_URI = re.compile(r"(?:;[ \t]*|(?<=[^ \t<;])[ \t]+)(?=sips?[ \t]*:)", re.I)
_DISPLAY_OR_USER = re.compile(r"@|[ \t]*<")  # what follows a quoted string that was meant as one
_AT = re.compile("@")


def read(text: str, clamp: bool, most: int) -> tuple[tuple[Target, ...] | None, tuple[Problem, ...]]:
    """The targets in the order in which they are tried, None when the field can't be used, and its problems by position.

    `clamp` brings a timeout out of its range into it, with a warning. `most` is how many targets it may have.
    """
    field = Field(text, clamp)
    targets = _targets(field, most)
    problems = tuple(sorted(field.problems, key=lambda problem: problem.position))
    return (None if field.errors else targets), problems


def _targets(field: Field, most: int) -> tuple[Target, ...]:
    if len(field.text) > MAX_LENGTH:
        what = f"{len(field.text)} characters, more than the {MAX_LENGTH} that vsim takes"
        field.error("too-long", (MAX_LENGTH, len(field.text)), what, "list fewer targets")
        return ()
    field.make_ascii()
    if not field.clean.strip(BLANKS):
        field.error("empty", (0, len(field.text)), "the field is empty", "write a target such as sip:1234@pbx.example.net")
        return ()
    spans = [part for element in _elements(field) for part in _divided(field, *element)]
    if len(spans) > most:
        what = f"{len(spans)} targets, more than the {most} that vsim takes; from here on they were not read"
        field.error("too-many", spans[most], what, "list fewer targets")
    targets = []
    for span in spans[:most]:
        target = read_target(field, *span)
        if target is not None:
            targets.append(target)
    _compare(field, targets)
    return tuple(sorted(targets, key=lambda target: LAST + 1 if target.priority is None else target.priority))


def _elements(field: Field) -> list[Span]:
    """What stands between commas; empty elements are reported and left out."""
    commas = list(_commas(field))
    bounds = [-1, *commas, len(field.text)]
    pieces = [field.trim(before + 1, after) for before, after in pairwise(bounds)]
    found: list[Span] = []
    index = 0
    while index < len(pieces):
        if pieces[index][0] < pieces[index][1]:
            found.append(pieces[index])
            index += 1
            continue
        first = index
        while index < len(pieces) and pieces[index][0] >= pieces[index][1]:
            index += 1
        span = commas[max(first - 1, 0)], commas[min(index, len(commas)) - 1] + 1
        where = "before the comma" if first == 0 else "after the comma" if index == len(pieces) else "between the commas"
        field.error("empty-target", span, f"no target {where}", "write one there, or remove the comma")
    return found


def _commas(field: Field) -> Iterator[int]:
    """Where the field is split: not in a quoted string that stands where people write one, nor after a backslash.

    Both are mistakes, and are reported as such; splitting there would only add others.
    """
    at = 0
    while at < len(field.clean):
        character = field.clean[at]
        if character == "\\":
            at += 1
        elif character == '"':
            quoted = QUOTED_STRING.match(field.clean, at)
            if quoted and (field.clean[at - 1 : at] == "=" or _DISPLAY_OR_USER.match(field.clean, quoted.end())):
                at = quoted.end() - 1
        elif character == ",":
            yield at
        at += 1


def _divided(field: Field, start: int, end: int) -> Iterator[Span]:
    """An element cut where it holds a second URI, which only a comma may separate from the first."""
    cuts = [match.span() for match in _NEXT_URI.finditer(field.clean, start, end)]
    ats = [] if "<" in field.clean[start:end] else [match.start() for match in _AT.finditer(field.clean, start, end)]
    for before, after in pairwise(ats):  # `1234@a;1234@b`: no host or parameter holds an @
        at = field.clean.rfind(";", before, after)
        if at < 0:
            at = field.clean.rfind(" ", before, after)
        if at >= 0 and not any(before < cut[1] <= after for cut in cuts):
            cuts.append((at, at + 1))
    for cut in sorted(cuts):
        mark = cut[0], cut[0] + 1
        if cut[0] == start:
            field.error("semicolon", mark, "a semicolon before a target", "remove it")
        elif field.clean[cut[0]] == ";":
            field.error("semicolon", mark, "a semicolon between two targets", "write a comma (an @ elsewhere in a URI is %40)")
        else:
            field.error("blank", cut, "a blank between two targets", "write a comma")
        piece = field.trim(start, cut[0])
        if piece[0] < piece[1]:
            yield piece
        start = cut[1]
    piece = field.trim(start, end)
    if piece[0] < piece[1]:
        yield piece


def _compare(field: Field, targets: list[Target]) -> None:
    """What no single target can know."""
    seen: dict[tuple[str, str], int] = {}
    priorities: dict[int, int] = {}
    for target in targets:
        span = target.position, target.position + len(target.text)
        at = seen.setdefault((target.transport, str(_folded(target))), target.position)
        if at != target.position:
            field.warn("duplicate", span, f"the same target as at column {at + 1}", "remove it, or name another")
        if target.priority is not None:
            at = priorities.setdefault(target.priority, target.position)
            if at != target.position:
                what = f"priority={target.priority} as at column {at + 1}, where Vonage guarantees no order"
                field.warn("priority-order", span, what, "give each target a priority of its own")
    for target in targets:
        if priorities and target.priority is None:
            span = target.position, target.position + len(target.text)
            field.warn("priority-order", span, "no priority where others have one: it is tried after them", "give it one")


def _folded(target: Target) -> tuple[str | None, str, int | None, str]:
    """What makes two targets the same one; case matters in the user only (19.1.4)."""
    return target.user, target.host.lower().rstrip("."), target.port, target.parameters.lower()
