"""Faults that act like an outage: a whole proxy, site or region that clients have to leave while they are in force.

What is struck by count, by chance, or by who calls is none, and neither is what strikes every proxy, for then there is nothing to move to.
"""

from dataclasses import dataclass
from typing import Literal

import msgspec

from emulator.clock import Clock, Timer
from emulator.journal.journal import Journal
from emulator.scenario import kinds
from emulator.scenario.conditions import is_below
from emulator.scenario.fault import Fault
from emulator.scenario.spec import FaultSpec, Where
from emulator.trunk import regions

By = Literal["messages", "connections", "names"]
"""What is struck. Over connections that were there before, and at addresses that are known already, requests arrive all the same."""

_COUNTED = {"nth", "first", "after", "every", "times", "probability", "per"}
_OF_SOME = {"number", "called", "caller", "account", "call", "header", "status"}
_NOWHERE = ("nxdomain", "servfail", "refused", "timeout", "wrong-address")
FIRST_TARGET = "the first target of SRV"
"""What `dead-first` takes down: no proxy of ours."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """`name` is what looks down, `transports` over which alone, empty for all."""

    name: str
    how: str
    by: By = "messages"
    transports: tuple[str, ...] = ()


def likeness(spec: FaultSpec) -> Likeness | None:
    """What outage a fault looks like; None when it looks like none. `down` is one, and not meant here."""
    said = msgspec.to_builtins(spec)
    where = spec.where
    if not _COUNTED.isdisjoint(said) or not _OF_SOME.isdisjoint(said.get("where", ())):
        return None
    if spec.dns is not None:
        return _of_names(spec.dns, where)
    if len(where.proxies()) == len(regions.PROXIES):
        return None
    name, what, transports = name_of(where), spec.what, where.transport
    if isinstance(what, kinds.HalfOpen):
        return Likeness(name, "half-open", "connections", tuple(one for one in transports or ("TCP", "TLS") if one != "UDP"))
    if isinstance(what, kinds.Tls):
        return Likeness(name, f"tls {what.fault}", "connections", ("TLS",))
    if where.in_dialog or not _strikes_invites(where):
        return None
    if isinstance(what, kinds.Refuse):  # "a 503 (Service Unavailable) response" alone has a client move on (RFC 3263 4.3)
        return Likeness(name, "refuse 503", "messages", transports) if what.status == 503 else None
    if isinstance(what, kinds.Drop) or (isinstance(what, kinds.Reset) and what.octets is None):
        return Likeness(name, f"{spec.kind} {' '.join(where.method) or 'messages'}", "messages", transports)
    return None


def _strikes_invites(where: Where) -> bool:
    """Whether no INVITE of a client's gets through, or none of what is said to one."""
    methods = {method.upper() for method in where.method}
    return "INVITE" in methods and where.direction != "out" if methods else True


def _of_names(what: kinds.Dns, where: Where) -> Likeness | None:
    if what.answer == "dead-first":
        return Likeness(FIRST_TARGET, "dns dead-first", "names") if not where.type or "SRV" in where.type else None
    if what.answer not in _NOWHERE or (where.type and "A" not in where.type):
        return None
    dead = [proxy for proxy in regions.PROXIES if where.name and is_below(regions.host(proxy), where.name)]
    if not dead or len(dead) == len(regions.PROXIES):
        return None
    return Likeness(" ".join(dead), f"dns {what.answer}", "names")


def name_of(where: Where) -> str:
    """Places as people name them; those that are in several kinds of place at once by their proxies."""
    kinds_of_place = [places for places in (where.proxy, where.site, where.region) if places]
    return " ".join(kinds_of_place[0] if len(kinds_of_place) == 1 else where.proxies()) if kinds_of_place else "all"


class Likenesses:
    """Tells when a fault that looks like an outage begins to, and when it ends."""

    def __init__(self, clock: Clock, journal: Journal) -> None:
        self._clock = clock
        self._journal = journal
        self._begun: dict[Fault, Likeness] = {}
        self._changes: dict[Fault, Timer] = {}

    def follow(self, fault: Fault, like: Likeness) -> None:
        """Look now, and whenever the fault's schedule says."""
        self._changes.pop(fault, None)
        schedule = fault.rule.schedule
        if schedule.open and fault not in self._begun:
            self._begun[fault] = like
            transport = " ".join(like.transports) or None
            self._journal.event("outage", None, name=like.name, how=like.how, transport=transport, by=like.by, fault=fault.id)
        elif not schedule.open:
            self._end(fault)
        change = schedule.next_change()
        if change is not None:
            self._changes[fault] = self._clock.call_later(max(0.0, change - self._clock.seconds()), self.follow, fault, like)

    def stop(self, fault: Fault) -> None:
        """It strikes no more; harmless for one that looks like nothing."""
        change = self._changes.pop(fault, None)
        if change is not None:
            change.cancel()
        self._end(fault)

    def _end(self, fault: Fault) -> None:
        like = self._begun.pop(fault, None)
        if like is not None:
            self._journal.event("outage.over", None, name=like.name, fault=fault.id)
