"""The conditions of a fault: what is asked of a thing that may be struck, and how they are told to a person."""

import re
from collections.abc import Callable
from typing import Protocol

from emulator.scenario.spec import FaultSpec, Where
from emulator.scenario.terms import bare

_HEADER_OCTETS = 1000
"""Of a header's value that are looked at: a regular expression may take long over a long text."""


class Sight(Protocol):
    """Something that may be struck: a message, a call, a connection, a query."""

    @property
    def noun(self) -> str:
        """What it is, for a person: `INVITE`, `200 to INVITE`, `connection`."""

    @property
    def call_id(self) -> str:
        """The call it belongs to, empty when to none."""

    def value(self, condition: str) -> str:
        """What it has where a condition of that name asks: `yes` and `no` for a condition that is one of these; empty when unknown."""

    def header(self, name: str) -> str:
        """The values of a header, empty when it has none."""


Test = Callable[[Sight], str | None]
"""None when a condition is met, else what is there instead."""


class Match:
    """The conditions of a fault, those first that are cheapest and say most."""

    def __init__(self, where: Where) -> None:
        tests: dict[str, Test] = {}
        if where.direction is not None:
            tests["direction"] = _one_of("direction", (where.direction,))
        if where.status:
            tests["status"] = _status(where.status)
        if where.method:
            tests["method"] = _method(where.method, bool(where.status))
        if where.type:
            tests["type"] = _one_of("type", where.type)
        for name, flag in (("in-dialog", where.in_dialog), ("authenticated", where.authenticated)):
            if flag is not None:
                tests[name] = _one_of(name, ("yes" if flag else "no",))
        if where.proxy or where.site or where.region:
            tests["proxy"] = _one_of("proxy", where.proxies())
        if where.transport:
            tests["transport"] = _one_of("transport", where.transport)
        if where.name:
            tests["name"] = _below(where.name)
        if where.call is not None:
            tests["call"] = _one_of("call", (where.call,))
        for name, patterns in (("called", where.called), ("caller", where.caller)):
            if patterns:
                tests[name] = _number((name,), patterns)
        if where.number:
            tests["number"] = _number(("called", "caller"), where.number)
        if where.account:
            tests["account"] = _one_of("account", where.account)
        for header, regex in where.header.items():
            tests[f"header.{header}"] = _header(header, regex)
        self._tests = tuple(tests.items())

    def missed(self, sight: Sight) -> tuple[str, str] | None:
        """The first condition that is not met, and what is there instead; None when all are."""
        for name, test in self._tests:
            instead = test(sight)
            if instead is not None:
                return name, instead
        return None


def _one_of(name: str, wanted: tuple[str, ...]) -> Test:
    chosen = frozenset(wanted)

    def test(sight: Sight) -> str | None:
        value = sight.value(name)
        return None if value in chosen else value or "none"

    return test


def _status(wanted: tuple[str, ...]) -> Test:
    regex = re.compile("|".join(text.replace("x", "[0-9]") for text in wanted))

    def test(sight: Sight) -> str | None:
        value = sight.value("status")
        return None if value and regex.fullmatch(value) else sight.noun

    return test


def _method(wanted: tuple[str, ...], of_responses: bool) -> Test:
    """With a status the method of the request that is answered; without one requests alone."""
    chosen = frozenset(method.upper() for method in wanted)

    def test(sight: Sight) -> str | None:
        if sight.value("method") not in chosen or (not of_responses and sight.value("status")):
            return sight.noun
        return None

    return test


def _names(wanted: tuple[str, ...]) -> re.Pattern[str]:
    """Of these names and all below them; `*` stands for any octets."""
    names = "|".join(_glob(name.lower().rstrip(".")) for name in wanted)
    return re.compile(rf"(?:.*\.)?(?:{names})")


def _glob(text: str) -> str:
    """`*` stands for anything. What stands between two of them is matched where it comes first, and nowhere else: all other places would
    be tried too, for each `*` anew, and who calls chooses how many there are."""
    first, *others = re.escape(text).split(r"\*")
    if not others:
        return first
    between = "".join(f"(?>.*?{one})" for one in others[:-1] if one)
    return f"{first}{between}.*{others[-1]}"


def is_below(host: str, wanted: tuple[str, ...]) -> bool:
    """Whether a host name is one of these, or below one."""
    return _names(wanted).fullmatch(host.lower()) is not None


def _below(wanted: tuple[str, ...]) -> Test:
    regex = _names(wanted)

    def test(sight: Sight) -> str | None:
        value = sight.value("name").lower().rstrip(".")
        return None if regex.fullmatch(value) else value or "none"

    return test


def _number(names: tuple[str, ...], patterns: tuple[str, ...]) -> Test:
    regex = re.compile("|".join(_glob(bare(text)).replace(r"\?", ".") for text in patterns))

    def test(sight: Sight) -> str | None:
        values = [bare(sight.value(name)) for name in names]
        if any(value and regex.fullmatch(value) for value in values):
            return None
        return " and ".join(filter(None, values)) or "none"

    return test


def _header(name: str, regex: str) -> Test:
    compiled = re.compile(regex)

    def test(sight: Sight) -> str | None:
        value = sight.header(name)[:_HEADER_OCTETS]
        return None if compiled.search(value) else value[:40] or "none"

    return test


_NOUNS = {
    "answer": "call", "hang-up": "call", "hold": "call", "refresh": "call", "media": "call", "dtmf": "call",
    "half-open": "connection", "slow": "connection", "tls": "connection", "dns": "query",
}  # fmt: skip


def meant(spec: FaultSpec) -> str:
    """What the conditions of a fault are about: `BYE`, `5xx to INVITE`, `connection`."""
    where = spec.where
    methods = " or ".join(method.upper() for method in where.method)
    if where.status:
        return " or ".join(where.status) + (f" to {methods}" if methods else "")
    if methods:
        return methods
    return f"{where.type[0]} query" if where.type else _NOUNS.get(spec.kind, "message")


_PLACES = {"proxy": "to", "transport": "over", "name": "of", "account": "of", "called": "to", "caller": "from"}


def phrase(name: str, where: Where) -> str:
    """A condition for a person: `to eu-3-1`, `with number 4477…`."""
    if name == "proxy":
        return "to " + " or ".join(where.proxy or where.site or where.region)
    if name in ("in-dialog", "authenticated"):
        wanted = getattr(where, name.replace("-", "_"))
        return (
            {"in-dialog": "inside a call", "authenticated": "with good credentials"}[name]
            if wanted
            else ({"in-dialog": "outside calls", "authenticated": "without credentials"}[name])
        )
    if name.startswith("header."):
        return f"with {name.removeprefix('header.')} as {where.header[name.removeprefix('header.')]!r}"
    values = getattr(where, name)
    text = " or ".join(values) if isinstance(values, tuple) else str(values)
    return f"{_PLACES.get(name, f'with {name}')} {text}"
