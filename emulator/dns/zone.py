"""The zone as a function: a query's octets in, an answer's octets out (RFC 1035, 2181, 2308, 2782, 6891, 8482)."""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

UDP_SAFE = 1232
"""Octets an answer over UDP may have at most, whatever the query offers: no fragments, and little for an amplifier."""

_UDP_PLAIN = 512
_SERIAL = 1
_REFRESH, _RETRY, _EXPIRE = 3600, 600, 86400


@dataclass(frozen=True, slots=True)
class Service:
    """One SRV record: `_sip._udp` of `name` is at `host`:`port`."""

    service: str
    name: str
    priority: int
    weight: int
    port: int
    host: str


@dataclass(frozen=True, slots=True)
class Pointer:
    """One NAPTR record of `name` with flag `s`: `service` is found through the SRV records of `replacement` (RFC 3263 4.1)."""

    name: str
    order: int
    service: str
    replacement: str


def fitted(message: dns.message.Message, size: int) -> bytes:
    """Octets, at most `size` of them: the additional section may go without TC, what else there is no room for may not (RFC 2181 9)."""
    try:
        return message.to_wire(max_size=size, want_shuffle=False)
    except dns.exception.TooBig:
        message.additional.clear()
    try:
        return message.to_wire(max_size=size, want_shuffle=False)
    except dns.exception.TooBig:
        message.answer.clear()
        message.authority.clear()
        message.flags |= dns.flags.TC
        return message.to_wire(max_size=size, want_shuffle=False)


class Zone:
    """Authoritative for its names and all below them; what lies outside is not its business."""

    def __init__(
        self,
        addresses: Mapping[str, Sequence[str]],
        services: Iterable[Service],
        ttl: int = 60,
        contact: str = "vsim.invalid",
        pointers: Iterable[Pointer] = (),
    ) -> None:
        """`addresses` gives each host's IPv4 and IPv6 addresses; `ttl` in seconds. Each name that has an address or a service is a
        zone of its own, with its own SOA and NS: the trunk owns these names and not the domain above them."""
        self._ttl = ttl
        self._server = dns.name.from_text(contact)
        self._sets: dict[tuple[dns.name.Name, dns.rdatatype.RdataType], dns.rrset.RRset] = {}
        self._names: set[dns.name.Name] = set()
        self._apexes: set[dns.name.Name] = set()
        for host, texts in addresses.items():
            name = dns.name.from_text(host.lower())
            self._apexes.add(name)
            for text in texts:
                version = ipaddress.ip_address(text).version
                self._add(name, dns.rdatatype.A if version == 4 else dns.rdatatype.AAAA, text)
        for service in services:
            apex = dns.name.from_text(service.name.lower())
            self._apexes.add(apex)
            name = dns.name.from_text(service.service, apex)
            target = dns.name.from_text(service.host.lower())
            self._add(name, dns.rdatatype.SRV, f"{service.priority} {service.weight} {service.port} {target}")
        for pointer in pointers:
            name = dns.name.from_text(pointer.name.lower())
            replacement = dns.name.from_text(pointer.replacement.lower())
            self._add(name, dns.rdatatype.NAPTR, f'{pointer.order} 50 "s" "{pointer.service}" "" {replacement}')
        for apex in self._apexes:
            self._add(apex, dns.rdatatype.NS, str(self._server))
            soa = f"{self._server} hostmaster.{self._server} {_SERIAL} {_REFRESH} {_RETRY} {_EXPIRE} {ttl}"
            self._add(apex, dns.rdatatype.SOA, soa)

    def _add(self, name: dns.name.Name, kind: dns.rdatatype.RdataType, text: str) -> None:
        rrset = self._sets.get((name, kind))
        if rrset is None:
            rrset = self._sets[name, kind] = dns.rrset.RRset(name, dns.rdataclass.IN, kind)
        rrset.add(dns.rdata.from_text(dns.rdataclass.IN, kind, text), self._ttl)
        while name not in self._names:  # empty names in between exist too: NODATA, not NXDOMAIN (RFC 8020)
            self._names.add(name)
            if name in self._apexes or len(name) <= 1:
                break
            name = name.parent()

    def covers(self, query: bytes) -> bool:
        """Whether a query is for one of our names; False for anything unreadable."""
        try:
            message = dns.message.from_wire(query, question_only=True)
        except (dns.exception.DNSException, ValueError):
            return False
        return len(message.question) == 1 and self._apex(message.question[0].name) is not None

    def _apex(self, name: dns.name.Name) -> dns.name.Name | None:
        while len(name) > 1:
            if name in self._apexes:
                return name
            name = name.parent()
        return None

    def answer(self, query: bytes, stream: bool) -> bytes | None:
        """The answer to one query; None where silence is right (responses, less than a header). `stream` says that it came over TCP."""
        if len(query) < 12 or query[2] & 0x80:
            return None
        try:
            message = dns.message.from_wire(query, raise_on_truncation=False, ignore_trailing=False)
        except dns.message.UnknownTSIGKey:
            return _bare(query, dns.rcode.NOTAUTH)
        except (dns.exception.DNSException, ValueError, RecursionError):
            return _bare(query, dns.rcode.FORMERR)
        if message.opcode() != dns.opcode.QUERY:
            return _bare(query, dns.rcode.NOTIMP)
        if len(message.question) != 1:
            return _bare(query, dns.rcode.FORMERR)
        response = dns.message.make_response(message, our_payload=UDP_SAFE)
        response.flags &= ~dns.flags.RA
        if message.edns > 0:
            response.set_rcode(dns.rcode.BADVERS)
        else:
            self._fill(response, message.question[0])
        return self._wire(response, message, stream)

    def _fill(self, response: dns.message.Message, question: dns.rrset.RRset) -> None:
        name, kind = question.name, question.rdtype
        apex = self._apex(name)
        if question.rdclass != dns.rdataclass.IN or apex is None:
            response.set_rcode(dns.rcode.REFUSED)  # not our name: say so, rather than that it does not exist
            return
        if kind in (dns.rdatatype.AXFR, dns.rdatatype.IXFR):
            response.set_rcode(dns.rcode.REFUSED)
            return
        response.flags |= dns.flags.AA
        if name not in self._names:
            response.set_rcode(dns.rcode.NXDOMAIN)
            self._negative(response, apex)
            return
        if kind == dns.rdatatype.ANY:
            kind = next(
                (k for k in (dns.rdatatype.A, dns.rdatatype.SRV, dns.rdatatype.SOA) if (name, k) in self._sets),
                kind,
            )
        found = self._sets.get((name, kind))
        if found is None:
            self._negative(response, apex)
            return
        response.answer.append(self._renamed(found, name))  # the case of the question comes back with it
        if kind == dns.rdatatype.SRV:
            self._addresses_of_targets(response, found)

    def _addresses_of_targets(self, response: dns.message.Message, services: dns.rrset.RRset) -> None:
        """Some clients take the targets' addresses from here alone (RFC 2782)."""
        for target in dict.fromkeys(rdata.target for rdata in services):
            for kind in (dns.rdatatype.A, dns.rdatatype.AAAA):
                found = self._sets.get((target, kind))
                if found is not None:
                    response.additional.append(found)

    def _negative(self, response: dns.message.Message, apex: dns.name.Name) -> None:
        response.authority.append(self._sets[apex, dns.rdatatype.SOA])

    @staticmethod
    def _renamed(rrset: dns.rrset.RRset, name: dns.name.Name) -> dns.rrset.RRset:
        return dns.rrset.from_rdata_list(name, rrset.ttl, list(rrset))

    def _wire(self, response: dns.message.Message, query: dns.message.Message, stream: bool) -> bytes:
        if stream:
            return response.to_wire(max_size=65535, want_shuffle=False)
        size = min(UDP_SAFE, max(_UDP_PLAIN, query.payload)) if query.edns >= 0 else _UDP_PLAIN
        return fitted(response, size)

    def master_file(self) -> str:
        """The zone as RFC 1035 5 writes it."""
        order = {dns.rdatatype.SOA: 0, dns.rdatatype.NS: 1, dns.rdatatype.SRV: 2}
        sets = sorted(
            self._sets.values(),
            key=lambda rrset: (self._apex(rrset.name) or rrset.name, order.get(rrset.rdtype, 3), rrset.name),
        )
        return "\n".join(rrset.to_text() for rrset in sets) + "\n"

    def hosts_file(self) -> str:
        """The addresses as lines of a hosts file: each name's first one, for a hosts file knows no choice and no SRV."""
        lines: dict[str, list[str]] = {}
        for (name, kind), rrset in self._sets.items():
            if kind == dns.rdatatype.A:
                lines.setdefault(rrset[0].to_text(), []).append(name.to_text(omit_final_dot=True))
        return "".join(f"{address}\t{' '.join(names)}\n" for address, names in lines.items())


def _bare(query: bytes, rcode: dns.rcode.Rcode) -> bytes:
    """A header alone with the query's id and an rcode: for queries that can't be read further."""
    flags = 0x8000 | (query[2] & 0x79) << 8 | int(rcode) & 0xF
    return query[:2] + flags.to_bytes(2, "big") + b"\0" * 8
