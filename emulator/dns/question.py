"""What a query asks, and how it was answered, for a person."""

from typing import NamedTuple

import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype


class Question(NamedTuple):
    """`name` without the last dot, `type` such as SRV, `answer` the response code such as NXDOMAIN."""

    name: str
    type: str
    answer: str


def question(query: bytes, answer: bytes) -> Question | None:
    """The one question of a query; None for octets that ask none."""
    try:
        asked = dns.message.from_wire(query, question_only=True)
        answered = dns.message.from_wire(answer, question_only=True)
    except (dns.exception.DNSException, ValueError):
        return None
    if not asked.question:
        return None
    first = asked.question[0]
    return Question(first.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(first.rdtype), dns.rcode.to_text(answered.rcode()))
