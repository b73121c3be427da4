"""What expectations look at, and what they find."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from emulator.clock import Clock
from emulator.counting import counted
from emulator.journal.findings import printable
from emulator.journal.journal import Journal
from emulator.journal.record import CallRecord
from emulator.scenario.terms import matches
from emulator.scenario.witness import Try, Witness
from emulator.sip.headers import HeaderError, NameAddr
from emulator.sip.message import Request
from emulator.sip.uri import Uri, UriError

_SHOWN = 5
"""Near misses that are told; of more only their number."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When something began: `number` in the witness's count, `wall` as Unix time in seconds."""

    number: int
    wall: float


@dataclass(slots=True)
class Outlook:
    """How an expectation stands."""

    met: bool = False
    for_now: bool = False
    """Met, but what is still to come may undo it: it must hold until its time is over."""
    hopeless: bool = False
    """Not met, and nothing that is still to come can change that."""
    came: str = ""
    """What is there: what met it, or what came instead."""
    calls: tuple[str, ...] = ()
    """The journal's numbers of the calls concerned."""
    binds: CallRecord | None = None
    """The call that its name stands for from here on."""
    claims: tuple[int, ...] = ()
    """The tries that meet it and no other expectation."""
    number: int = 0
    """When what met it began, in the witness's count."""


class Watch(Protocol):
    """One expectation under watch."""

    timed: bool
    """Whether it must be looked at again though nothing was seen, for counters change without a word."""

    def look(self) -> Outlook:
        """How it stands now."""


class Unnamed(LookupError):
    """No call has the name, for the step that should have named one failed."""


class World:
    """The emulator as a scenario sees it."""

    def __init__(self, clock: Clock, journal: Journal, witness: Witness) -> None:
        self.clock = clock
        self.journal = journal
        self.witness = witness
        self.calls: dict[str, CallRecord] = {}
        """By the names that the story gives them."""
        self.claimed: set[int] = set()
        """Tries that have met an expectation."""

    def call(self, name: str) -> CallRecord:
        """Raises `Unnamed`."""
        try:
            return self.calls[name]
        except KeyError:
            raise Unnamed(f"no call is called {name!r}: the step that names it was not met") from None

    def now(self) -> Moment:
        return Moment(self.witness.number, self.clock.wall())

    def record(self, tried: Try) -> CallRecord | None:
        """The call of an INVITE, when it is this INVITE that the call was taken or refused with."""
        record = self.journal.find(tried.call_id)
        return record if record is not None and record.proxy == tried.proxy else None

    def number_of(self, tried: Try) -> str | None:
        """The journal's number of the call."""
        record = self.journal.find(tried.call_id)
        return record.id if record is not None else None


def named(request: Request) -> tuple[str, str]:
    """Number or name, and host, of a Request-URI; empty where it can't be read."""
    return _parts(request.uri)


@lru_cache(maxsize=4096)
def _parts(text: str) -> tuple[str, str]:
    try:
        uri = Uri.parse(text)
    except UriError:
        return "", ""
    return uri.number, uri.host


def caller_of(request: Request) -> str:
    """Who calls, by P-Asserted-Identity or else by From."""
    for name in ("p-asserted-identity", "from"):
        value = request.get(name)
        if value is not None:
            try:
                return Uri.parse(NameAddr.parse(value).uri).number
            except (HeaderError, UriError):
                continue
    return ""


def header_mismatch(request: Request, wanted: Iterable[tuple[str, str | None]]) -> str | None:
    """The first header that does not hold what it should; None when all do."""
    for name, pattern in wanted:
        values = request.headers.get(name.lower(), [])
        if pattern is None:
            if values:
                return f"with {name}: {printable(values[0], 80)}"
        elif not values:
            return f"without {name}"
        elif not any(matches(pattern, value) for value in values):
            return f"with {name}: {printable(values[0], 80)}"
    return None


def how_many(number: int, what: str, verb: str = "came") -> str:
    """`no call came`, `1 call came`, `3 calls came`."""
    plural = what if what.endswith("S") else ""  # OPTIONS are OPTIONS
    return f"{counted(number, what, plural) if number else f'no {what}'} {verb}"


def shown(cases: Iterable[str]) -> str:
    """The first few, each once, and how many more."""
    told: dict[str, int] = {}
    for case in cases:
        told[case] = told.get(case, 0) + 1
    texts = [case if times == 1 else f"{case} ({times} times)" for case, times in told.items()]
    more = len(texts) - _SHOWN
    return "; ".join(texts[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def the_last(count: int, text: str) -> str:
    """What met an expectation: of several the last one."""
    return text if count == 1 else f"{count}, the last: {text}"


def unique(ids: Iterable[str | None]) -> Iterator[str]:
    """Each number once, those that are none left out."""
    yield from dict.fromkeys(id for id in ids if id is not None)
