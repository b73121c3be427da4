"""A question and its answer as octets (RFC 1035 4): what is sent, which octets answer it, and what they say."""

from dataclasses import dataclass
from typing import Any, Literal

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype

Kind = Literal["A", "AAAA", "SRV"]

HEADER = 12
MAX_OCTETS = 16384
"""A longer answer is not read: reading takes time, and nobody needs a thousand addresses."""

MAX_ALIASES = 8
"""CNAMEs from a question to its records; a longer chain is taken for a loop."""

_FAILED_WITHOUT_QUESTION = frozenset({1, 2, 4, 5})  # FORMERR, SERVFAIL, NOTIMP, REFUSED


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer says: addresses as text, or SRV records as (priority, weight, port, target).

    `alias` is the name to ask for next, where a chain of `aliases` CNAMEs led to it and the answer has no records of it.
    """

    records: tuple[Any, ...] = ()
    alias: str = ""
    aliases: int = 0


def question(name: str, kind: Kind) -> bytes:
    """A query with the id 0 that wants recursion, without EDNS. Raises `ValueError` for what is no domain name."""
    try:
        return dns.message.make_query(dns.name.from_text(name), kind, use_edns=False, id=0).to_wire()
    except (dns.exception.DNSException, UnicodeError) as error:
        raise ValueError(f"no domain name: {error}") from None


def is_query(query: bytes) -> bool:
    """An ordinary query with one question."""
    return len(query) >= HEADER + 5 and query[2] & 0xF8 == 0 and query[4:6] == b"\0\1"


def answers(query: bytes, data: bytes) -> bool:
    """Whether `data` answers `query`, ids and all (RFC 5452 9.1): without that it is somebody else's, or forged."""
    if len(data) < HEADER or data[:2] != query[:2] or data[2] & 0xF8 != 0x80:
        return False
    if data[4:6] == b"\0\0":
        return rcode(data) in _FAILED_WITHOUT_QUESTION  # some leave it out of what they could not read
    name_end, end = _question_end(query)
    return (
        data[4:6] == b"\0\1"
        and len(data) >= end
        and data[HEADER:name_end].lower() == query[HEADER:name_end].lower()
        and data[name_end:end] == query[name_end:end]
    )


def truncated(data: bytes) -> bool:
    """Whether an answer was cut short to fit a datagram (TC)."""
    return bool(data[2] & 0x02)


def rcode(data: bytes) -> int:
    return data[3] & 0x0F


def failed(data: bytes) -> str:
    """The word for an answer that says nothing of the name, such as SERVFAIL; empty where there is something to read."""
    code = rcode(data)
    if code in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return ""
    word = dns.rcode.to_text(dns.rcode.from_flags(code, 0))
    return f"rcode {word}" if word.isdigit() else word


def read(data: bytes, name: str, kind: Kind) -> Said | str:
    """What an answer to the question for `name` says, or why it says nothing (`NXDOMAIN` where there is no such name).

    Only what the answer section has of the name, and of those that its CNAMEs lead to, is believed.
    """
    if len(data) > MAX_OCTETS:
        return f"an answer of {len(data)} octets; at most {MAX_OCTETS} are read"
    word = failed(data)
    if word:
        return word
    if truncated(data):
        return "an answer that was cut short"
    try:
        message = dns.message.from_wire(data, ignore_trailing=True)
        current, records, aliases = _follow(message, dns.name.from_text(name), dns.rdatatype.from_text(kind))
    except (dns.exception.DNSException, ValueError) as error:
        return f"an answer that can not be read ({error})"
    if aliases > MAX_ALIASES:
        return f"more than {MAX_ALIASES} CNAMEs, one after the other"
    if not records and message.rcode() == dns.rcode.NXDOMAIN:
        return "NXDOMAIN"
    values = tuple(_plain(record) for record in records)
    return Said(values, "" if values or not aliases else current.to_text(omit_final_dot=True), aliases)


def _follow(message: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> tuple[dns.name.Name, list[Any], int]:
    """The name that the chain of CNAMEs ends at, its records, and how many CNAMEs that took."""
    sets = {(rrset.name, rrset.rdtype): list(rrset) for rrset in message.answer if rrset.rdclass == dns.rdataclass.IN}
    aliases = 0
    while aliases <= MAX_ALIASES:
        records = sets.get((name, kind))
        if records is not None:
            return name, records, aliases
        links = sets.get((name, dns.rdatatype.CNAME))
        if links is None:
            break
        name = links[0].target
        aliases += 1
    return name, [], aliases


def _plain(record: Any) -> Any:
    if record.rdtype == dns.rdatatype.SRV:
        return record.priority, record.weight, record.port, record.target.to_text(omit_final_dot=True)
    return record.address


def _question_end(query: bytes) -> tuple[int, int]:
    """Where the name of the first question ends, and where the question does; the end of the query when its name is no plain one."""
    at = HEADER
    while at < len(query) and query[at]:
        if query[at] > 63:
            return len(query), len(query)
        at += 1 + query[at]
    end = min(at + 1, len(query))
    return end, min(end + 4, len(query))
