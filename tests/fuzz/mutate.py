"""Seeded mutations of good messages: the same seed gives the same octets."""

import random
from collections.abc import Callable, Iterator

from tests.support.phone import SDP

CRLF = "\r\n"
Mutation = Callable[[bytearray, random.Random], bytearray]


_CREDENTIALS = (
    'Proxy-Authorization: Digest username="abcd1234", realm="sip-us.vonage.com", algorithm=MD5, cnonce="c", qop=auth, nc=00000001, '
    'nonce="0123456789abcdef0123456789abcdef01234567", uri="sip:442071234567@sip-us.vonage.com", '
    'response="0123456789abcdef0123456789abcdef"\r\n'
)


def _request(method: str, extra: str = "", body: str = "", transport: str = "UDP") -> bytes:
    return (
        f"{method} sip:442071234567@sip-us.vonage.com SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1:5070;branch=z9hG4bK-BRANCH;rport\r\n"
        'Max-Forwards: 70\r\nFrom: "Fuzz" <sip:447700900000@sip-us.vonage.com>;tag=from-TAG\r\nTo: <sip:442071234567@sip-us.vonage.com>\r\n'
        f"Call-ID: fuzz-BRANCH@127.0.0.1\r\nCSeq: 1 {method}\r\nContact: <sip:447700900000@127.0.0.1:5070>\r\n{extra}"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


_MULTIPART = f"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b\r\nContent-Type: application/sdp\r\n\r\n{SDP}\r\n--b--\r\n"

MESSAGES = (
    _request("OPTIONS"),
    _request("INVITE", "Content-Type: application/sdp\r\nSupported: timer, 100rel\r\nSession-Expires: 1800;refresher=uac\r\n", SDP),
    _request("INVITE", _CREDENTIALS + "Content-Type: application/sdp\r\nRequire: 100rel\r\n", SDP),
    _request("INVITE", _CREDENTIALS + 'Content-Type: multipart/mixed; boundary="b"\r\n', _MULTIPART),
    _request("REGISTER", _CREDENTIALS.replace("Proxy-", "") + "Expires: 60\r\n"),
    _request("ACK"),
    _request("BYE"),
    _request("CANCEL"),
    _request("PRACK", "RAck: 1 1 INVITE\r\n"),
    _request("FROBNICATE", "Record-Route: <sip:a;lr>, <sip:b;lr>\r\nRoute: <sip:c>\r\n"),
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK-BRANCH\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n"
    b"Call-ID: x\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
)
DNS = (
    b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04_sip\x04_udp\x06sip-us\x06vonage\x03com\x00\x00\x21\x00\x01",
    b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x06sip-us\x06vonage\x03com\x00\x00\x01\x00\x01\x00\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x00",
)
HTTP = (
    b"GET /v1/calls?limit=5 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    b"POST /v1/reset HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
    b"DELETE /v1/calls/../1 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
)

_TOKENS = (
    b"\r\n", b"\r\n ", b"\n", b"\0", b"\x1b[2J", b'"', b"<", b">", b";", b",", b":", b"=", b"%00", b"%", b"\\", b" ", b"\t", b"-1",
    b"4294967296", b"99999999999999999999", b"\xff\xfe", b"\xc3\x28", b"SIP/2.0", b"SIP/3.0", b";tag=", b";branch=", b";rport=",
    b";maddr=1.2.3.4", b"sip:", b"tel:", b"[::1]", b"((((", b"\xd9\xa1\xd9\xa2", b"v: ", b"l: 5\r\n", b"Content-Length: 1\r\n",
    b"Via: SIP/2.0/UDP x\r\n", b"\r\n\r\n",
)  # fmt: skip


def mutations(seed: int, messages: tuple[bytes, ...] = MESSAGES, more: tuple[Mutation, ...] = ()) -> Iterator[bytes]:
    """Mutated messages without end. Each has a branch and Call-ID of its own, unless the mutation took it away.

    `more` are mutations that only messages of this kind have.
    """
    chance = random.Random(seed)
    kinds = (*_MUTATIONS, *more)
    number = 0
    while True:
        number += 1
        data = bytearray(chance.choice(messages).replace(b"BRANCH", b"%d-%d" % (seed, number)).replace(b"TAG", b"%d" % number))
        for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
            data = chance.choice(kinds)(data, chance)
        yield bytes(data[:65000])


def _flip(data: bytearray, chance: random.Random) -> bytearray:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return data


def _truncate(data: bytearray, chance: random.Random) -> bytearray:
    return data[: chance.randrange(len(data) + 1)]


def _insert(data: bytearray, chance: random.Random) -> bytearray:
    at = chance.randrange(len(data) + 1)
    data[at:at] = chance.choice(_TOKENS) * chance.choice((1, 1, 1, 2, 50))
    return data


def _replace(data: bytearray, chance: random.Random) -> bytearray:
    at = chance.randrange(len(data) + 1)
    data[at : at + chance.randrange(12)] = chance.choice(_TOKENS)
    return data


def _lines(data: bytearray) -> list[bytes]:
    return bytes(data).split(b"\r\n")


def _duplicate_line(data: bytearray, chance: random.Random) -> bytearray:
    lines = _lines(data)
    line = chance.choice(lines)
    lines[chance.randrange(len(lines)) :][:0] = [line]
    return bytearray(b"\r\n".join(lines + [line] * chance.choice((0, 1, 300))))


def _drop_line(data: bytearray, chance: random.Random) -> bytearray:
    lines = _lines(data)
    del lines[chance.randrange(len(lines))]
    return bytearray(b"\r\n".join(lines))


def _swap_lines(data: bytearray, chance: random.Random) -> bytearray:
    lines = _lines(data)
    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return bytearray(b"\r\n".join(lines))


def _huge_value(data: bytearray, chance: random.Random) -> bytearray:
    lines = _lines(data)
    at = chance.randrange(len(lines))
    lines[at] += chance.choice((b"a", b",<sip:a>", b";a=b", b'"', b"(", b" ", b"%41")) * chance.choice((100, 1000, 9000))
    return bytearray(b"\r\n".join(lines))


def _nest_quotes(data: bytearray, chance: random.Random) -> bytearray:
    lines = _lines(data)
    at = chance.randrange(len(lines))
    lines[at] = lines[at].replace(b":", b': "\\"' * chance.choice((1, 5)), 1)
    return bytearray(b"\r\n".join(lines))


def _noise(data: bytearray, chance: random.Random) -> bytearray:
    return bytearray(chance.randbytes(chance.randrange(600)))


def _number(data: bytearray, chance: random.Random) -> bytearray:
    """Another number where one stands."""
    digits = [k for k, octet in enumerate(data) if 48 <= octet <= 57]
    if digits:
        at = chance.choice(digits)
        data[at : at + 1] = chance.choice((b"0", b"-1", b"+1", b"1_0", b"4294967296", b"9" * 5000, b"", b"\xd9\xa1"))
    return data


_MUTATIONS: tuple[Mutation, ...] = (
    _flip, _flip, _truncate, _insert, _insert, _replace, _replace, _duplicate_line, _drop_line, _swap_lines, _huge_value, _nest_quotes,
    _number, _number, _noise,
)  # fmt: skip
