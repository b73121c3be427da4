"""Calls with media, as the programs in `c/` read them: set up over SIP with digest, described and agreed in SDP, plain or secure."""

import base64
import hashlib
import re
import socket
from typing import Any, NamedTuple

from tests.support.phone import SDP, Phone

HOST = "127.0.0.1"
SOURCE_PORT = 30000
LONG_TAG, SHORT_TAG = 80, 32
"""Bits of the authentication tag."""
_SUITE = "AES_CM_128_HMAC_SHA1_"


class Call(NamedTuple):
    """Where a call's packets go, from where, and under which key (hexadecimal) they go and come back; see `c/calls.h`."""

    address: str
    port: int
    source: int
    back: int = 0
    key: str = "-"
    back_key: str = "-"

    def __str__(self) -> str:
        return " ".join(map(str, self)) + "\n"


def key_of(name: str) -> str:
    """Master key and salt for a call by its name, the same in each run."""
    return hashlib.sha256(name.encode()).digest()[:30].hex()


def described(port: int, key: str, tag: int = LONG_TAG, line: int = 1) -> str:
    """The description of a port of ours; secure unless the key is "-". `tag` is the length of SRTP's tag, `line` that of `a=crypto`."""
    body = SDP.replace("192.0.2.10", HOST).replace("m=audio 4000", f"m=audio {port}")
    if key != "-":
        inline = base64.b64encode(bytes.fromhex(key)).decode()
        body = body.replace("RTP/AVP", "RTP/SAVP") + f"a=crypto:{line} {_SUITE}{tag} inline:{inline}\r\n"
    return body


class Agreed(NamedTuple):
    """What their description says: port, `a=crypto` line and key; 0 and "-" without one."""

    port: int
    line: int
    key: str


def agreed(description: bytes, tag: int = LONG_TAG) -> Agreed:
    """Their side, with the key of the suite whose tag has `tag` bits."""
    port = re.search(rb"^m=audio (\d+) RTP/(?:AVP|SAVP) ", description, re.MULTILINE)
    assert port is not None, description
    crypto = re.search(rb"^a=crypto:(\d+) %b%d inline:([\w+/]{40})" % (_SUITE.encode(), tag), description, re.MULTILINE)
    return Agreed(int(port[1]), *((int(crypto[1]), base64.b64decode(crypto[2]).hex()) if crypto is not None else (0, "-")))


def place_calls(proxy: dict[str, Any], count: int, secure: bool) -> list[Call]:
    """Set up `count` calls that echo."""
    calls: list[Call] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        sock.connect((proxy["address"], proxy["udp"]))
        sock.settimeout(5)
        for k in range(count):
            source, key = SOURCE_PORT + 2 * k, key_of(f"ours {k}") if secure else "-"
            phone = Phone(sock.send, HOST, sock.getsockname()[1])
            phone.call_id = f"bench-{k}"
            body = described(source, key)
            phone.invite(body=body)
            phone.receive(sock.recv(4096))
            challenged = phone.expect(407)
            phone.ack(challenged)
            phone.invite(extra=phone.credentials(challenged), body=body)
            for _ in range(3):
                phone.receive(sock.recv(4096))
            answered = phone.expect(100, 180, 200)
            phone.ack(answered)
            theirs = agreed(answered.body)
            calls.append(Call(proxy["address"], theirs.port, source, key=key, back_key=theirs.key))
    return calls
