"""The oddities of RFC 4475, each in a message of our own making, with the outcome that RFC names for a server.

A well-formed INVITE gets as far as the challenge (407), REGISTER likewise (401), OPTIONS its 200; None is silence.
"""

import pytest

from tests.support.network import MemoryFlow, Network

_SDP = "v=0\r\no=a 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio 49217 RTP/AVP 0\r\n"


def message(
    method: str = "OPTIONS",
    start: str | None = None,
    body: str = "",
    length: str | None = None,
    drop: tuple[str, ...] = (),
    more: str = "",
    **headers: str,
) -> bytes:
    """A good request with some of its headers as given; `drop` leaves headers out, `more` is added at the end."""
    lines = {
        "via": "Via: SIP/2.0/UDP 192.0.2.10:5070;branch=z9hG4bKtorture;rport",
        "max_forwards": "Max-Forwards: 70",
        "from_": "From: <sip:447700900000@example.net>;tag=98asjd8",
        "to": "To: <sip:442071234567@sip-us.vonage.com>",
        "call_id": "Call-ID: torture@192.0.2.1",
        "cseq": f"CSeq: 9 {method}",
        "contact": "Contact: <sip:447700900000@192.0.2.10:5070>",
    }
    lines.update(headers)
    head = [start or f"{method} sip:442071234567@sip-us.vonage.com SIP/2.0"]
    head += [line for name, line in lines.items() if name not in drop]
    if body:
        head.append("Content-Type: application/sdp")
    if "length" not in drop:
        head.append(f"Content-Length: {length if length is not None else len(body)}")
    return ("\r\n".join(head) + f"\r\n{more}\r\n{body}").encode("utf-8", "surrogateescape")


VALID = {
    "3.1.1.1 white space, folding and case": (
        407,
        message(
            "INVITE",
            to="TO :\r\n <sip:442071234567@sip-us.vonage.com>",
            from_='from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8',
            max_forwards="MaX-fOrWaRdS: 0068",
            cseq="cseq: 0009\r\n  INVITE",
            via="Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.10:5070;branch=z9hG4bK390skdjuw;rport\r\ns :\r\n"
            "NewFangledHeader:   newfangled value\r\n continued newfangled value\r\nUnknownHeaderWithUnusualValue: ;;,,;;,;\r\n"
            "v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n"
            " SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239",
            body=_SDP,
        ),
    ),
    "3.1.1.2 every token character": (
        501,
        message("!interesting-Method0123456789_*+`.%indeed'~", call_id="Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"),
    ),
    "3.1.1.3 escapes in a URI": (200, message(start="OPTIONS sip:sips%3Auser%40example.com@sip-us.vonage.com SIP/2.0")),
    "3.1.1.4 an escaped NUL": (200, message(start="OPTIONS sip:null-%00-null@sip-us.vonage.com SIP/2.0")),
    "3.1.1.5 a percent sign that escapes nothing": (501, message("RE%47IST%45R", to='To: "%Z%45" <sip:resource@example.com>')),
    "3.1.1.6 no space before the bracket": (200, message(from_="From: caller<sip:caller@example.com>;tag=323")),
    "3.1.1.7 long values": (
        407,
        message(
            "INVITE",
            call_id="Call-ID: longreq.one" + "really" * 20 + "longcallid",
            to='To: "'
            + "I have a user name of extreme proportion" * 10
            + '" <sip:442071234567@sip-us.vonage.com:6000;'
            + "a" * 200
            + "=b>",
            from_="F: sip:"
            + "amazinglylongcallername" * 7
            + "@example.net;tag=12"
            + "982" * 50
            + "424;unknown"
            + "name" * 60
            + "=unknown"
            + "value" * 40,
            more="".join(f"Via: SIP/2.0/TCP sip{k}.example.com\r\n" for k in range(33)),
            body=_SDP,
        ),
    ),
    "3.1.1.8 octets after the message": (200, message() + message("INVITE", body=_SDP)),
    "3.1.1.9 a semicolon in the user part": (200, message(start="OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0")),
    "3.1.1.10 transports of every name": (
        200,
        message(more="".join(f"Via: SIP/2.0/{name} t1.example.com;branch=z9hG4bK{name}\r\n" for name in ("SCTP", "TLS", "UNKNOWN", "TCP"))),
    ),
    "3.1.1.12 and 13: a response to nothing": (None, message(start="SIP/2.0 200 = 2**3 * 5**2 \u043d\u043e", cseq="CSeq: 1 INVITE")),
    "3.1.1.13 a response without reason": (None, message(start="SIP/2.0 100 ", cseq="CSeq: 1 INVITE")),
}

INVALID = {
    "3.1.2.1 separators that separate nothing": (400, message("INVITE", via="Via: SIP/2.0/UDP 192.0.2.15;;,;,,", to='To: "x" <sip:j@x')),
    "3.1.2.2 a Content-Length beyond the datagram": (400, message("INVITE", body=_SDP, length="9999")),
    "3.1.2.3 a negative Content-Length": (400, message("INVITE", body=_SDP, length="-999")),
    "3.1.2.4 numbers out of range": (400, message("REGISTER", cseq="CSeq: 36893488147419103232 REGISTER")),
    "3.1.2.6 a quote that does not end": (400, message("INVITE", to='To: "Mr. J. User <sip:j.user@example.com>', body=_SDP)),
    "3.1.2.7 brackets round the Request-URI": (400, message("INVITE", start="INVITE <sip:442071234567@sip-us.vonage.com> SIP/2.0")),
    "3.1.2.8 white space in the Request-URI": (400, message("INVITE", start="INVITE sip:442071234567@sip-us.vonage.com; lr SIP/2.0")),
    "3.1.2.9 more spaces than one in the start line": (
        400,
        message("INVITE", start="INVITE  sip:442071234567@sip-us.vonage.com  SIP/2.0"),
    ),
    "3.1.2.10 a space at the end of the start line": (
        400,
        message("OPTIONS", start="OPTIONS sip:442071234567@sip-us.vonage.com SIP/2.0 "),
    ),
    "3.1.2.11 escaped headers in the Request-URI": (
        407,
        message("INVITE", start="INVITE sip:442071234567@sip-us.vonage.com?Route=%3Csip:e%3E SIP/2.0"),
    ),
    "3.1.2.14 a To without its brackets": (400, message(to="To: <sip:442071234567@sip-us.vonage.com")),
    "3.1.2.16 another version": (505, message(start="OPTIONS sip:t.watson@example.org SIP/7.0")),
    "3.1.2.17 the methods differ": (400, message("OPTIONS", cseq="CSeq: 8 INVITE")),
    "3.1.2.18 the methods differ, one unknown": (400, message("NEWMETHOD", cseq="CSeq: 8 INVITE")),
    "3.1.2.19 a status of four digits": (None, message(start="SIP/2.0 4294967301 better not break the receiver", cseq="CSeq: 1 INVITE")),
    "3.2.1 a branch that is the cookie alone": (200, message(via="Via: SIP/2.0/UDP 192.0.2.10:5070;branch=z9hG4bK;rport")),
    "3.3.1 headers that are missing": (400, message("INVITE", drop=("call_id", "from_", "to"))),
    "3.3.2 an unknown scheme": (416, message(start="OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0")),
    "3.3.3 a known scheme that is none of SIP's": (416, message("INVITE", start="INVITE soap.beep://192.0.2.103:3002 SIP/2.0")),
    "3.3.5 extensions that nobody has": (
        420,
        message("INVITE", more="Require: nothingSupportsThis, nothingSupportsThisEither\r\nProxy-Require: x\r\n"),
    ),
    "3.3.7 an unknown authorization scheme": (
        407,
        message("INVITE", more='Proxy-Authorization: NoOneKnowsThisScheme opaque-data=here, more=" a , b"\r\n'),
    ),
    "3.3.8 headers that stand there twice": (400, message("INVITE", more="Call-ID: other\r\nFrom: <sip:b@c>;tag=2\r\nMax-Forwards: 5\r\n")),
    "3.3.9 two lengths": (400, message(body=_SDP, more="Content-Length: 5\r\n")),
    "3.3.11 no hops left": (483, message("INVITE", max_forwards="Max-Forwards: 0")),
    "3.3.11 no hops left, but we are where it goes": (200, message(max_forwards="Max-Forwards: 0")),
    "3.4.1 as RFC 2543 had it": (
        407,
        message("INVITE", via="Via: SIP/2.0/UDP 192.0.2.10:5070", from_="From: <sip:a@b>", drop=("max_forwards", "length"), body=_SDP),
    ),
}


def cases() -> list[tuple[str, str]]:
    """Each message over UDP and over a stream, but for those whose outcome a stream's framing decides."""
    names = [*VALID, *INVALID]
    return [(name, "UDP") for name in names] + [(name, "TCP") for name in names if "octets after" not in name and "2543" not in name]


@pytest.mark.parametrize(("name", "transport"), cases())
def test_the_outcome_is_the_rfcs(name: str, transport: str) -> None:
    status, data = {**VALID, **INVALID}[name]
    network = Network()
    sent: list[bytes] = []
    network.endpoint().receive(data, MemoryFlow(sent.append, transport))
    answers = [int(answer[8:11]) for answer in sent]
    assert answers == ([] if status is None else [status]), [answer[:60] for answer in sent]
    assert network.phone().call().status == 200


def test_a_tortuous_invite_is_answered_with_its_own_headers() -> None:
    """What matching needs comes back as it was sent: From, Call-ID and CSeq byte for byte, and every Via in its order."""
    network = Network()
    sent: list[bytes] = []
    network.endpoint().receive(VALID["3.1.1.1 white space, folding and case"][1], MemoryFlow(sent.append))
    lines = sent[0].decode().split("\r\n")
    assert [line for line in lines if line.startswith("Via")] == [
        "Via: SIP/2.0/UDP 192.0.2.10:5070;branch=z9hG4bK390skdjuw;rport=5070;received=192.0.2.10",
        "Via: SIP  / 2.0  / TCP     spindle.example.com   ; branch  =   z9hG4bK9ikj8  , "
        "SIP  /    2.0   / UDP  192.168.255.111   ; branch= z9hG4bK30239",
    ]
    assert 'From: "J Rosenberg \\\\\\""       <sip:jdrosen@example.com> ; tag = 98asjd8' in lines
    assert "CSeq: 0009 INVITE" in lines
