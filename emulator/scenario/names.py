"""Faults of the name server: the gate before its answers. Octets in, octets out, or nothing, or later."""

from collections.abc import Callable, Sequence

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.IN.SRV
import dns.rrset

from emulator.chance import Chance
from emulator.clock import Clock
from emulator.dns.zone import UDP_SAFE, fitted
from emulator.scenario import kinds
from emulator.scenario.fault import Fault
from emulator.scenario.sight import Query
from emulator.scenario.wiring import Handle, Reply

_WAITING = 1000
_TARGETS = 100
_DEAD = "dead"
_DEAD_PORT = 9
"""discard: where nothing listens on any machine of today."""
_RCODES = {"nxdomain": dns.rcode.NXDOMAIN, "servfail": dns.rcode.SERVFAIL, "refused": dns.rcode.REFUSED}
_ADDRESSES = (dns.rdatatype.A, dns.rdatatype.AAAA)

Change = Callable[[dns.message.Message], None]


class NameGate:
    """Stands before the name server's `handle`."""

    def __init__(self, clock: Clock, inner: Handle) -> None:
        self.faults: Sequence[Fault] = ()
        self._clock = clock
        self._inner = inner
        self._waiting = 0
        self._dead: dict[dns.name.Name, str] = {}
        """Targets that an answer has named, and the addresses where nobody is."""

    def handle(self, query: bytes, stream: bool, reply: Reply) -> None:
        """See `emulator.scenario.wiring.Handle`."""
        try:
            message = dns.message.from_wire(query, question_only=True)
        except (dns.exception.DNSException, ValueError):
            self._inner(query, stream, reply)
            return
        if len(message.question) != 1 or message.flags & dns.flags.QR:
            self._inner(query, stream, reply)
            return
        question = message.question[0]
        if question.name in self._dead:
            self._answer_dead(message, question, stream, reply)
            return
        kind = dns.rdatatype.to_text(question.rdtype)
        sight = Query(question.name.to_text(omit_final_dot=True), kind)
        for fault in self.faults:
            if fault.rule.strikes(sight):
                fault.hit(None, name=sight.value("name"), type=kind, transport="TCP" if stream else "UDP")
                assert isinstance(fault.what, kinds.Dns)
                self._strike(fault.what, fault.chance, message, query, stream, reply)
                return
        self._inner(query, stream, reply)

    def _strike(
        self, what: kinds.Dns, chance: Chance, message: dns.message.Message, query: bytes, stream: bool, reply: Reply
    ) -> None:  # fmt: skip
        answer = what.answer
        if answer in _RCODES:
            response = dns.message.make_response(message, our_payload=UDP_SAFE)
            response.flags &= ~dns.flags.RA
            response.set_rcode(_RCODES[answer])
            reply(response.to_wire())
        elif answer == "timeout":
            return
        elif answer == "slow":
            if self._waiting < _WAITING:
                self._waiting += 1
                self._clock.call_later(what.by, self._late, query, stream, reply)
        elif answer == "truncated":
            if stream:
                self._inner(query, stream, reply)
                return
            response = dns.message.make_response(message, our_payload=UDP_SAFE)
            response.flags = response.flags & ~dns.flags.RA | dns.flags.TC | dns.flags.AA
            reply(response.to_wire())
        else:
            self._inner(query, stream, lambda octets: reply(self._changed(octets, self._change(what, chance), stream)))

    def _late(self, query: bytes, stream: bool, reply: Reply) -> None:
        self._waiting -= 1
        self._inner(query, stream, reply)

    def _change(self, what: kinds.Dns, chance: Chance) -> Change:
        return {
            "dead-first": lambda message: self._dead_first(message, what.address),
            "reversed": _reversed,
            "shuffled": lambda message: _shuffled(message, chance),
            "ttl": lambda message: _lasting(message, what.ttl),
            "wrong-address": lambda message: _elsewhere(message, what.address),
        }[what.answer]

    def _changed(self, octets: bytes, change: Change, stream: bool) -> bytes:
        """An answer with something changed; one that can't be read stays as it is."""
        try:
            message = dns.message.from_wire(octets)
        except (dns.exception.DNSException, ValueError):
            return octets
        change(message)
        return _wire(message, stream)

    def _dead_first(self, message: dns.message.Message, address: str) -> None:
        """A server that nobody is at, in the first place."""
        for rrset in message.answer:
            if rrset.rdtype == dns.rdatatype.SRV:
                target = dns.name.from_text(_DEAD, rrset.name)
                if len(self._dead) >= _TARGETS:
                    del self._dead[next(iter(self._dead))]
                self._dead[target] = address
                lowest = min(rdata.priority for rdata in rrset)
                first = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.SRV, f"0 0 {_DEAD_PORT} {target}")
                others = [rdata.replace(priority=min(65535, rdata.priority + 1)) for rdata in rrset] if not lowest else list(rrset)
                _put(rrset, [first, *others])
                message.additional.append(_address_set(target, address, rrset.ttl))
            elif rrset.rdtype == _family(address):
                dead = dns.rdata.from_text(dns.rdataclass.IN, rrset.rdtype, address)
                _put(rrset, [dead, *(rdata for rdata in rrset if rdata != dead)])

    def _answer_dead(self, message: dns.message.Message, question: dns.rrset.RRset, stream: bool, reply: Reply) -> None:
        """The address of a target that was made up."""
        response = dns.message.make_response(message, our_payload=UDP_SAFE)
        response.flags = response.flags & ~dns.flags.RA | dns.flags.AA
        found = _address_set(question.name, self._dead[question.name], 60)
        if found.rdtype == question.rdtype:
            response.answer.append(found)
        reply(_wire(response, stream))


def _family(address: str) -> dns.rdatatype.RdataType:
    return dns.rdatatype.AAAA if ":" in address else dns.rdatatype.A


def _address_set(name: dns.name.Name, address: str, ttl: int) -> dns.rrset.RRset:
    return dns.rrset.from_text(name, ttl, dns.rdataclass.IN, _family(address), address)


def _put(rrset: dns.rrset.RRset, rdatas: list[dns.rdata.Rdata]) -> None:
    """Other records in a set, in this order."""
    ttl = rrset.ttl
    rrset.items.clear()
    for rdata in rdatas:
        rrset.add(rdata, ttl)


def _reversed(message: dns.message.Message) -> None:
    """The last record first; of SRV the last priority first."""
    for rrset in message.answer:
        rdatas = list(reversed(list(rrset)))
        if rrset.rdtype == dns.rdatatype.SRV:
            priorities = sorted({rdata.priority for rdata in rdatas})
            other = dict(zip(priorities, reversed(priorities), strict=True))
            rdatas = [rdata.replace(priority=other[rdata.priority]) for rdata in rdatas]
        _put(rrset, rdatas)


def _shuffled(message: dns.message.Message, chance: Chance) -> None:
    for rrset in message.answer:
        rdatas = list(rrset)
        for last in range(len(rdatas) - 1, 0, -1):  # Fisher and Yates
            other = chance.number(last + 1)
            rdatas[last], rdatas[other] = rdatas[other], rdatas[last]
        _put(rrset, rdatas)


def _lasting(message: dns.message.Message, ttl: int) -> None:
    for rrset in (*message.answer, *message.authority, *message.additional):
        rrset.update_ttl(ttl)
        rrset.ttl = ttl


def _elsewhere(message: dns.message.Message, address: str) -> None:
    for rrset in (*message.answer, *message.additional):
        if rrset.rdtype == _family(address):
            _put(rrset, [dns.rdata.from_text(dns.rdataclass.IN, rrset.rdtype, address)])


def _wire(message: dns.message.Message, stream: bool) -> bytes:
    """Octets; over UDP without what does not fit."""
    return fitted(message, 65535 if stream else max(512, min(UDP_SAFE, message.payload or 512)))
