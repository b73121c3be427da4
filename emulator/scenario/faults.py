"""Everything that goes wrong on purpose in one emulator: faults are added, strike at the seams, are listed, and are taken away."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from emulator.chance import Chance
from emulator.clock import Clock
from emulator.config import Unusable
from emulator.control.model import FaultModel
from emulator.did_you_mean import meant
from emulator.ids import Ids
from emulator.journal.journal import Journal
from emulator.scenario import answers, kinds, signalling
from emulator.scenario.behaviours import changed
from emulator.scenario.fault import Fault
from emulator.scenario.gate import MessageFault
from emulator.scenario.kind import Kind
from emulator.scenario.likeness import Likenesses, likeness
from emulator.scenario.media_kinds import Dtmf, Media
from emulator.scenario.outages import TRANSPORTS, Outages
from emulator.scenario.seams import Seams
from emulator.scenario.sight import Connecting, Known, Message, Placed
from emulator.scenario.spec import FaultSpec, Where
from emulator.scenario.wiring import Choose, Names, Wires
from emulator.trunk import regions
from emulator.trunk.behaviour import Behaviour, Facts
from emulator.trunk.trunk import Trunk

MOST = 200
"""Faults that are listed, those that are over included."""
_CALLS = (kinds.Answer, kinds.HangUp, kinds.Hold, kinds.Codec, kinds.Refresh, Media, Dtmf)
_CONNECTIONS = (kinds.HalfOpen, kinds.Slow, kinds.Tls, kinds.Reset)
_WAYS = ("drop", "refuse", "503", "reset")


class Faults:
    """See the module."""

    def __init__(
        self, clock: Clock, journal: Journal, trunk: Trunk, seed: int, wires: Mapping[str, Wires] | None = None, names: Names | None = None
    ) -> None:
        """Every chance follows from `seed`, and from the order in which faults are added, alone."""
        self.seed = seed
        self._clock = clock
        self._journal = journal
        self._trunk = trunk
        self._chance = Chance(Ids(seed))
        self._known = Known(journal, trunk.accounts, trunk.proxies)
        self._seams = Seams(clock, trunk, self._known, wires or {}, names)
        self._outages = Outages(clock, journal, trunk, wires or {}, self._fit, self._over)
        self._likenesses = Likenesses(clock, journal)
        self._faults: dict[str, Fault] = {}
        self._number = 0
        self._messages: dict[Fault, MessageFault] = {}
        self._answers: dict[Fault, answers.Answering] = {}

    # -- adding and taking away -----------------------------------------------------------------------------------

    def add(self, spec: FaultSpec) -> Fault:
        """A fault is in force from now on. Raises `Unusable` when there are too many."""
        self._make_room()
        self._number += 1
        fault = Fault(str(self._number), spec, self._clock, self._journal, self._chance.fork())
        self._faults[fault.id] = fault
        self._journal.event("fault.added", None, fault=fault.id, line=fault.line)
        if isinstance(spec.what, kinds.Down):
            self._outages.follow(fault)
            return fault
        self._build(fault, spec.what)
        fault.rule.on_spent = lambda: self._over(fault)
        self._refit(fault)
        like = likeness(spec)
        if like is not None:
            self._likenesses.follow(fault, like)
        return fault

    def _make_room(self) -> None:
        if len(self._faults) >= MOST:
            over = next((fault for fault in self._faults.values() if fault.state == "over"), None)
            if over is None:
                raise Unusable("", f"{MOST} faults are in force; clear some with `vsim fault clear`")
            del self._faults[over.id]

    def _build(self, fault: Fault, what: Kind) -> None:
        """What stands at a seam for it."""
        rule, chance, trunk = fault.rule, fault.chance, self._trunk

        def told(message: Message) -> None:
            fault.hit(
                message.record, proxy=message.proxy, transport=message.flow.transport, direction=message.value("direction"),
                message=message.noun, peer=message.peer, call_id=message.call_id,
            )  # fmt: skip

        match what:
            case kinds.Refuse():
                self._answers[fault] = answers.Refuse(rule, told, what)
            case kinds.Redirect():
                self._answers[fault] = answers.Redirect(rule, told, what, self._places())
            case kinds.Challenge():
                self._answers[fault] = answers.Challenge(rule, told, what, trunk.admission, trunk.proxies, self._challenge_status)
            case kinds.Drop() | kinds.Withhold():
                self._messages[fault] = signalling.Drop(rule, chance, told)
            case kinds.Reset(octets=None):
                self._messages[fault] = signalling.Reset(rule, chance, told)
            case kinds.Delay():
                self._messages[fault] = signalling.Delay(rule, chance, told, what)
            case kinds.Duplicate():
                self._messages[fault] = signalling.Duplicate(rule, chance, told, what)
            case kinds.Retransmit():
                self._messages[fault] = signalling.Retransmit(rule, chance, told, what)
            case kinds.Reorder():
                self._messages[fault] = signalling.Reorder(rule, chance, told, what)
            case kinds.Corrupt():
                self._messages[fault] = signalling.Corrupt(rule, chance, told, what)
            case kinds.Truncate():
                self._messages[fault] = signalling.Truncate(rule, chance, told, what)
            case kinds.Wrong():
                self._messages[fault] = signalling.Wrong(rule, chance, told, what)
            case kinds.Rewrite():
                self._messages[fault] = signalling.Rewrite(rule, chance, told, what)

    def _places(self) -> dict[str, regions.Place]:
        wires = self._seams.wires
        return {name: wires[name].place if name in wires else proxy.place for name, proxy in self._trunk.proxies.items()}

    def _challenge_status(self, method: str) -> int:
        policy = self._trunk.policy
        return policy.registrar.challenge if method == "REGISTER" and policy.registrar is not None else policy.challenge

    def remove(self, id: str) -> None:
        """Take a fault away. Raises `Unusable` when there is none of that id."""
        fault = self._faults.get(id)
        if fault is None:
            raise Unusable("", f"no fault {id!r:.40}; " + (f"there are {', '.join(self._faults)}" if self._faults else "there is none"))
        self._take(fault)
        del self._faults[id]
        self._journal.event("fault.removed", None, fault=id, hits=fault.rule.hits)

    def clear(self) -> int:
        """Take all faults away, and begin the seed's choices anew; returns how many there were."""
        count = len(self._faults)
        for fault in self._faults.values():
            fault.close()  # all of them first: with each that is taken away the seams are made anew for those that are left
        for id in reversed(list(self._faults)):
            self.remove(id)
        self._outages.clear()
        self._chance = Chance(Ids(self.seed))
        return count

    def _over(self, fault: Fault) -> None:
        """It can't strike any more: it stays listed, and costs nothing."""
        self._take(fault)
        self._journal.event("fault.over", None, fault=fault.id, hits=fault.rule.hits)

    def _take(self, fault: Fault) -> None:
        fault.close()
        self._outages.stop(fault)
        self._likenesses.stop(fault)
        self._messages.pop(fault, None)
        self._answers.pop(fault, None)
        self._refit(fault)

    # -- what there is ------------------------------------------------------------------------------------------------

    def list(self) -> Sequence[FaultModel]:
        """Every fault, in the order in which they were added."""
        return [self._listed(fault) for fault in self._faults.values()]

    def get(self, id: str) -> FaultModel | None:
        """One fault as it is listed."""
        fault = self._faults.get(id)
        return self._listed(fault) if fault is not None else None

    def _listed(self, fault: Fault) -> FaultModel:
        rule = fault.rule
        near = [*rule.near_misses(), *self._calls_elsewhere(fault)]
        return FaultModel(fault.id, fault.line, msgspec.to_builtins(fault.spec), fault.state, fault.added, rule.matched, rule.hits, near)

    def _calls_elsewhere(self, fault: Fault) -> Sequence[str]:
        """INVITEs to proxies that the fault does not concern: no gate stands there to count them, but the journal has their calls."""
        where = fault.spec.where
        methods = {method.upper() for method in where.method}
        if fault.rule.matched or not (where.proxy or where.site or where.region) or where.status or not methods <= {"INVITE"}:
            return ()
        if isinstance(fault.what, _CALLS):
            return ()  # they have seen every call
        elsewhere = [
            record
            for record in self._journal.calls()
            if record.started >= fault.added and record.direction == "outbound" and record.proxy not in fault.proxies
        ]
        if not elsewhere:
            return ()
        count, place = len(elsewhere), " or ".join(where.proxy or where.site or where.region)
        came = "INVITE came, not" if count == 1 else "INVITEs came, none"
        return (f"{count} {came} to {place}; the last: {elsewhere[0].proxy}",)

    @property
    def down_now(self) -> Mapping[str, Sequence[str]]:
        """How each proxy that is down is so, a word for each fault: `drop`, or `refuse TLS` where not every transport is."""
        return self._outages.now()

    # -- down and up ----------------------------------------------------------------------------------------------

    def down(self, name: str, how: str = "drop", seconds: float | None = None, keep_calls: bool = True) -> Fault:
        """Take a proxy, a site, a region or `all` down. Raises `Unusable` for an unknown name or way."""
        if how not in _WAYS:
            raise Unusable("", f"{how!r:.40} is no way to be down; write drop, refuse, 503 or reset")
        name = regions.short_name(name)
        proxies_of(name)
        kind = "region" if name in regions.REGIONS else "site" if name in regions.SITES else "proxy"
        where = Where() if name == "all" else Where(**{kind: (name,)})  # type: ignore[arg-type]
        what = kinds.Down(how=how, calls="keep" if keep_calls else "cut")  # type: ignore[arg-type]
        return self.add(FaultSpec(down=what, where=where, for_=seconds))

    def up(self, name: str) -> Sequence[str]:
        """End what has taken these proxies down; returns those that were. Raises `Unusable` for an unknown name."""
        wanted = proxies_of(regions.short_name(name))
        raised: dict[str, None] = {}
        for fault in [fault for fault in self._faults.values() if isinstance(fault.what, kinds.Down) and fault.state != "over"]:
            concerned = [proxy for proxy in fault.proxies if proxy in wanted]
            left = tuple(proxy for proxy in fault.proxies if proxy not in wanted)
            if concerned:
                raised.update(dict.fromkeys(concerned))
                if left:
                    self._outages.end(fault, concerned)
                    fault.proxies = left
                else:
                    self.remove(fault.id)
        return list(raised)

    # -- the seams ------------------------------------------------------------------------------------------------

    def behave(self, facts: Facts, behaviour: Behaviour) -> Behaviour:
        """How a call goes: one of `Trunk.behaviours` while a fault concerns calls."""
        sight = Placed(facts)
        for fault in self._in_force(_CALLS):
            if fault.rule.strikes(sight):
                record = self._journal.find(sight.call_id) if sight.call_id else None
                fault.hit(record, proxy=facts.proxy, call=facts.direction, called=facts.called, caller=facts.caller)
                behaviour = changed(behaviour, fault.spec, fault.chance.number(1 << 32))
        return behaviour

    def _in_force(self, *kind: Any) -> Sequence[Fault]:
        return [fault for fault in self._faults.values() if isinstance(fault.what, *kind) and not fault.closed]

    def _refit(self, fault: Fault) -> None:
        """Bring the seams that a fault concerns to what is in force now."""
        if isinstance(fault.what, _CALLS):
            self._seams.calls(self.behave, bool(self._in_force(_CALLS)))
        elif isinstance(fault.what, kinds.Dns):
            self._seams.queries(self._in_force(kinds.Dns))
        else:
            self._fit(fault.proxies)

    def _fit(self, proxies: Iterable[str]) -> None:
        """Bring the seams of proxies to what is in force now."""
        seams, outages = self._seams, self._outages
        for proxy in proxies:
            here = [fault for fault in self._faults.values() if proxy in fault.proxies and not fault.closed]
            answering = [(fault, self._answers[fault]) for fault in here if fault in self._answers]
            self._trunk.proxies[proxy].down = outages.whole(proxy)
            seams.messages(proxy, [*outages.messages(proxy), *(self._messages[fault] for fault in here if fault in self._messages)])
            seams.requests(proxy, [*outages.requests(proxy), *(one for fault, one in answering if not fault.spec.where.in_dialog)])
            seams.requests_inside(proxy, [one for fault, one in answering if fault.spec.where.in_dialog])
            connecting = [fault for fault in here if isinstance(fault.what, _CONNECTIONS) and fault not in self._messages]
            for transport in TRANSPORTS:
                seams.listeners(proxy, transport, outages.how(proxy, transport), _chooser(proxy, transport, connecting))


def _chooser(proxy: str, transport: str, faults: Sequence[Fault]) -> Choose | None:
    """What decides over each new connection; None when nothing does."""
    concerned = [fault for fault in faults if transport == "TLS" or not isinstance(fault.what, kinds.Tls)]
    concerned = [fault for fault in concerned if transport in (fault.spec.where.transport or TRANSPORTS)]
    if not concerned:
        return None
    sight = Connecting(proxy, transport)

    def choose(peer: str) -> Fault | None:
        for fault in concerned:
            if fault.rule.strikes(sight):
                fault.hit(None, proxy=proxy, transport=transport, peer=peer)
                return fault
        return None

    return choose


def proxies_of(name: str) -> tuple[str, ...]:
    """The proxies of a name that a person wrote. Raises `Unusable`."""
    proxies = regions.proxies_of(name)
    if not proxies:
        known = ("all", *regions.REGIONS, *regions.SITES, *regions.PROXIES)
        every = f"; write all, a region ({', '.join(regions.REGIONS)}), a site ({', '.join(regions.SITES)}) or a proxy such as us-3-1"
        raise Unusable("", f"no proxy, site or region {name!r:.40}{meant(name, known) or every}")
    return proxies
