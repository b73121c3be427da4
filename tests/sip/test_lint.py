"""Oddities of an INVITE that refuse nothing."""

import pytest

from emulator.sip.lint import lint
from emulator.sip.message import Request, parse
from tests.support.network import MemoryFlow

GOOD = (
    b"INVITE sip:1@h SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5070;branch=z9hG4bK2;rport\r\nMax-Forwards: 70\r\nFrom: <sip:a@b>;tag=1\r\n"
    b"To: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 2 INVITE\r\nAllow: INVITE, ACK\r\nContact: <sip:a@192.0.2.10:5070>\r\n"
    b"Content-Length: 3\r\n\r\nabc"
)
FIRST = GOOD.replace(b"z9hG4bK2", b"z9hG4bK1").replace(b"CSeq: 2", b"CSeq: 1")


def codes(data: bytes, transport: str = "UDP", challenged: bytes | None = FIRST) -> list[str]:
    request = parse(data)
    assert isinstance(request, Request)
    return [finding.code for finding in lint(request, MemoryFlow(lambda data: None, transport), challenged)]


def test_a_good_invite_has_none() -> None:
    assert codes(GOOD) == codes(GOOD, "TLS") == codes(GOOD, challenged=None) == []


@pytest.mark.parametrize(
    ("change", "to", "found"),
    [
        (b";rport", b"", "via.no-rport"),
        (b"z9hG4bK2", b"2", "via.no-cookie"),
        (b";branch=z9hG4bK2", b"", "via.no-cookie"),
        (b"z9hG4bK2", b"z9hG4bK1", "via.branch-reused"),
        (b"CSeq: 2", b"CSeq: 1", "cseq.not-increased"),
        (b"Max-Forwards: 70\r\n", b"", "max-forwards.missing"),
        (b"Allow: INVITE, ACK\r\n", b"", "allow.missing"),
        (b";tag=1", b"", "from.no-tag"),
        (b"Length: 3", b"Length: 2", "message.longer-than-its-length"),
        (b"Allow: INVITE", b"X: " + b"x" * 1300 + b"\r\nAllow: INVITE", "message.large-over-udp"),
        (b"a@192.0.2.10", b"a@0.0.0.0", "contact.unreachable"),
        (b"a@192.0.2.10", b"a@127.0.0.1", "contact.unreachable"),
        (b"a@192.0.2.10", b"a@df7jal23ls0d.invalid", "contact.unreachable"),
    ],
)
def test_each_oddity_is_found_alone(change: bytes, to: bytes, found: str) -> None:
    assert change in GOOD
    assert codes(GOOD.replace(change, to)) == [found]


def test_what_concerns_datagrams_is_not_said_of_streams() -> None:
    assert codes(GOOD.replace(b";rport", b"").replace(b"Allow:", b"X: " + b"x" * 1300 + b"\r\nAllow:"), "TCP") == []
