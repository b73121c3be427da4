"""Which of all that happens a fault strikes, and what it narrowly missed: conditions, counts, chance and windows of time."""

import re
from collections.abc import Callable
from typing import Protocol

from emulator.chance import Chance
from emulator.clock import Clock, Timer
from emulator.scenario.spec import FaultSpec, Where

_CALLS_COUNTED = 10000
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

_NATURE = ("direction", "status", "method", "type")
"""Conditions that say what kind of thing is meant: whatever fails these is no near miss."""


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
    names = "|".join(re.escape(name.lower().rstrip(".")).replace(r"\*", ".*") for name in wanted)
    return re.compile(rf"(?:.*\.)?(?:{names})")


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
    regex = re.compile("|".join(re.escape(bare(text)).replace(r"\*", ".*").replace(r"\?", ".") for text in patterns))

    def test(sight: Sight) -> str | None:
        values = [bare(sight.value(name)) for name in names]
        if any(value and regex.fullmatch(value) for value in values):
            return None
        return " and ".join(filter(None, values)) or "none"

    return test


def bare(number: str) -> str:
    """A number without what people write before its country code."""
    number = number.removeprefix("+")
    return number.removeprefix("00")


def _header(name: str, regex: str) -> Test:
    compiled = re.compile(regex)

    def test(sight: Sight) -> str | None:
        value = sight.header(name)[:_HEADER_OCTETS]
        return None if compiled.search(value) else value[:40] or "none"

    return test


class Schedule:
    """Which of those that match are struck: by count, by chance, and at which times.

    The window opens `from` seconds after this was made; what matches before or after it is not counted.
    """

    def __init__(self, spec: FaultSpec, clock: Clock, chance: Chance) -> None:
        self._clock = clock
        self._chance = chance
        self._nth = frozenset(spec.nth)
        self._first = spec.first
        self._after = spec.after
        self._every = spec.every
        self._times = spec.times
        self._probability = spec.probability
        self._per_call = spec.per is not None
        self._flapping = spec.flapping
        self.opens = clock.seconds() + spec.from_
        self.closes = self.opens + spec.for_ if spec.for_ is not None else float("inf")
        self._counts: dict[str, list[int]] = {}  # matched and struck, by call; the empty Call-ID has all of them

    @property
    def open(self) -> bool:
        """Whether now is a time at which it strikes."""
        return self.why_not() is None

    def why_not(self) -> str | None:
        """Why it does not strike now whatever comes; None when it does."""
        now = self._clock.seconds()
        if now < self.opens:
            return f"it begins in {self.opens - now:.1f} s"
        if now >= self.closes:
            return "its time is over"
        if self._flapping is not None:
            at = (now - self.opens) % (self._flapping.down + self._flapping.up)
            if at >= self._flapping.down:
                return "it is away for a moment"
        return None

    def next_change(self) -> float | None:
        """When `open` will be another, in `clock.seconds`; None for never."""
        now = self._clock.seconds()
        if now < self.opens:
            return self.opens
        if now >= self.closes:
            return None
        if self._flapping is None:
            return self.closes if self.closes != float("inf") else None
        period = self._flapping.down + self._flapping.up
        begun = self.opens + (now - self.opens) // period * period
        change = begun + self._flapping.down if now < begun + self._flapping.down else begun + period
        return min(change, self.closes)

    def strikes(self, call_id: str) -> str | None:
        """Count one that matches within the window: None when it is struck, else why it is spared."""
        closed = self.why_not()
        if closed is not None:
            return closed
        counts = self._counts_of(call_id if self._per_call else "")
        counts[0] += 1
        matched = counts[0]
        if self._times is not None and counts[1] >= self._times:
            return f"it has struck {self._times} times"
        if self._nth and matched not in self._nth:
            return f"it was number {matched}"
        if self._first is not None and matched > self._first:
            return f"it was number {matched}"
        if matched <= self._after or (matched - self._after) % self._every:
            return f"it was number {matched}"
        if self._probability < 1 and not self._chance.happens(self._probability):
            return "chance spared it"
        counts[1] += 1
        return None

    def _counts_of(self, call_id: str) -> list[int]:
        counts = self._counts.get(call_id)
        if counts is None:
            if len(self._counts) >= _CALLS_COUNTED:
                del self._counts[next(iter(self._counts))]
            counts = self._counts[call_id] = [0, 0]
        return counts

    @property
    def spent(self) -> bool:
        """Whether it can never strike again."""
        if self._clock.seconds() >= self.closes:
            return True
        counts = self._counts.get("")
        if self._per_call or counts is None:
            return False
        matched, struck = counts
        return (
            (self._times is not None and struck >= self._times)
            or (self._first is not None and matched >= self._first)
            or (bool(self._nth) and matched >= max(self._nth))
        )


class Rule:
    """One fault's conditions and schedule, with what came of them."""

    def __init__(self, spec: FaultSpec, clock: Clock, chance: Chance) -> None:
        self.spec = spec
        self.schedule = Schedule(spec, clock, chance)
        self._match = Match(spec.where)
        self._clock = clock
        self.others = 0
        """What was looked at and was of another nature than what is meant."""
        self.last_other = ""
        self.matched = 0
        """What met every condition."""
        self.hits = 0
        self.spared: dict[str, int] = {}
        """How many met every condition and were not struck, by the reason."""
        self.missed: dict[str, tuple[int, str]] = {}
        """How many failed at which condition, and what the last one had instead."""
        self.on_spent: Callable[[], None] | None = None
        """Called once, when it can't strike any more, and never while it is asked."""
        self._end_due: Timer | None = None
        self._end: Timer | None = None
        if self.schedule.closes != float("inf"):
            self._end = clock.call_later(self.schedule.closes - clock.seconds(), self._check)

    def strikes(self, sight: Sight) -> bool:
        """Whether this one is struck; it is counted in any case."""
        missed = self._match.missed(sight)
        if missed is not None:
            name, instead = missed
            if name in _NATURE:
                self.others += 1
                self.last_other = instead
            else:
                self.missed[name] = (self.missed.get(name, (0, ""))[0] + 1, instead[:80])
            return False
        self.matched += 1
        why = self.schedule.strikes(sight.call_id)
        if why is None:
            self.hits += 1
        elif why in self.spared or len(self.spared) < _REASONS:
            self.spared[why] = self.spared.get(why, 0) + 1
        if self.on_spent is not None and self._end_due is None and self.schedule.spent:
            self._end_due = self._clock.call_later(0.0, self._check)  # not now: whoever asks is busy with this one
        return why is None

    def _check(self) -> None:
        if self.schedule.spent and self.on_spent is not None:
            told, self.on_spent = self.on_spent, None
            told()

    def close(self) -> None:
        """The fault is taken away."""
        self.on_spent = None
        for timer in (self._end, self._end_due):
            if timer is not None:
                timer.cancel()

    def near_misses(self) -> list[str]:
        """What came close, a sentence each; the closest first."""
        noun = _meant(self.spec)
        said: list[str] = []
        if self.spared:
            why, count = next(reversed(self.spared.items()))
            said.append(
                f"{sum(self.spared.values())} matched and {'was' if sum(self.spared.values()) == 1 else 'were'} spared; the last: {why}"
            )
        for name, (count, instead) in self.missed.items():
            said.append(
                f"{_count(count, noun)} came, {'not' if count == 1 else 'none'} {_phrase(name, self.spec.where)}; the last: {instead}"
            )
        if not self.matched and not self.missed:
            if self.others:
                said.append(f"no {noun} came; {_count(self.others, 'other')} did, the last: {self.last_other}")
            elif self.schedule.why_not() is not None:
                said.append(str(self.schedule.why_not()))
        return said


_REASONS = 100


_NOUNS = {
    "answer": "call", "hang-up": "call", "hold": "call", "refresh": "call", "media": "call", "dtmf": "call",
    "half-open": "connection", "slow": "connection", "tls": "connection", "dns": "query",
}  # fmt: skip


def _meant(spec: FaultSpec) -> str:
    """What the conditions are about."""
    where = spec.where
    methods = " or ".join(method.upper() for method in where.method)
    if where.status:
        return " or ".join(where.status) + (f" to {methods}" if methods else "")
    if methods:
        return methods
    return f"{where.type[0]} query" if where.type else _NOUNS.get(spec.kind, "message")


def _count(count: int, noun: str) -> str:
    """`1 INVITE`, `3 INVITEs`."""
    return f"{count} {noun}" if count == 1 or " " in noun else f"{count} {noun}s"


_PLACES = {"proxy": "to", "transport": "over", "name": "of", "account": "of", "called": "to", "caller": "from"}


def _phrase(name: str, where: Where) -> str:
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
