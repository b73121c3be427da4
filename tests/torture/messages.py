"""Octets of SIP requests read and changed with as little understanding as will do; imports nothing of `emulator`.

The torture messages are to reach the emulator as they are, so whatever is changed here is changed in place and nothing else is touched.
"""

import re
from collections.abc import Callable

from tests.support.phone import Received, digest

Edit = Callable[[bytes], bytes]

USER, SECRET = "abcd1234", "OfflineSecret1"
CALLED, CALLER = b"447700900123", b"447700900000"

_COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "l": "content-length", "m": "contact", "c": "content-type"}
_FIELD = re.compile(rb"\r\n([^\s:]+)[ \t]*:((?:[^\r\n]|\r\n[ \t])*)")


def head_of(data: bytes) -> bytes:
    """Start line and headers, without the empty line."""
    return data.partition(b"\r\n\r\n")[0]


def body_of(data: bytes) -> bytes:
    return data.partition(b"\r\n\r\n")[2]


def values(data: bytes, name: str) -> list[str]:
    """The values of a header by its lower-case long name, each one line."""
    found = []
    for written, value in _FIELD.findall(head_of(data)):
        lower = written.decode("latin-1").lower()
        if _COMPACT.get(lower, lower) == name:
            found.append(re.sub(r"\r\n[ \t]+", " ", value.decode("utf-8", "surrogateescape")).strip())
    return found


def vias(lines: list[str]) -> int:
    """How many Via values the lines hold; a comma that separates nothing makes none."""
    return sum("SIP" in value.upper() for line in lines for value in line.split(","))


def method(data: bytes) -> str:
    return data.partition(b" ")[0].decode()


def request_uri(data: bytes) -> str:
    """What stands between the method and the version, without the white space round it."""
    return data.partition(b"\r\n")[0].split(b" ", 1)[1].strip().rpartition(b" ")[0].strip().decode()


def _field(data: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """`change` the value of the first header of that name, white space included."""
    for match in _FIELD.finditer(head_of(data)):
        lower = match[1].decode("latin-1").lower()
        if _COMPACT.get(lower, lower) == name:
            return data[: match.start(2)] + change(match[2]) + data[match.end(2) :]
    return data


def with_line(data: bytes, line: str) -> bytes:
    """One more header, the first after the start line."""
    start, end, rest = data.partition(b"\r\n")
    return start + end + line.encode() + b"\r\n" + rest


# -- the steps of a client ------------------------------------------------------------------------------------------------


def fresh(data: bytes, serial: str) -> bytes:
    """The same message as another call's, its Call-ID and its branch made longer: the RFCs use some branches again and again, and no
    element may take one message for a copy of another."""
    data = _field(data, "call-id", lambda value: value.rstrip() + b"-" + serial.encode())
    return _longer_branch(data, serial)


def retry(data: bytes, challenged: Received, count: int = 1) -> bytes:
    """The request once more with the credentials asked for, under the next CSeq and another branch (RFC 3261 22.2)."""
    proxy = challenged.status == 407
    challenge = challenged.get("proxy-authenticate" if proxy else "www-authenticate")
    assert challenge is not None, f"{challenged.start} without a challenge"
    value = digest(method(data), request_uri(data), challenge, USER, SECRET, count)
    data = with_line(data, f"{'Proxy-' if proxy else ''}Authorization: {value}")
    data = _field(data, "cseq", lambda old: re.sub(rb"[0-9]+", lambda found: b"%d" % (int(found[0]) + count), old, count=1))
    return _longer_branch(data, f"again{count}")


def _longer_branch(data: bytes, text: str) -> bytes:
    return _field(data, "via", lambda old: re.sub(rb"(branch\s*=\s*[^\s;,]+)", rb"\g<1>" + text.encode(), old, count=1))


def ack(data: bytes, answer: Received) -> bytes:
    """The ACK of a final response: on the INVITE's branch for a refusal, on its own for a 2xx, to where the Contact says."""
    via, uri = answer.all("via")[0], request_uri(data)
    if answer.status < 300:
        via, uri = _own_branch(via, "ack"), target(answer)
    return _inside("ACK", uri, via, answer, _number(answer))


def bye(answer: Received) -> bytes:
    """The BYE that ends what a 2xx began."""
    return _inside("BYE", target(answer), _own_branch(answer.all("via")[0], "bye"), answer, _number(answer) + 1)


def target(answer: Received) -> str:
    found = re.search(r"<([^>]+)>", answer.get("contact") or "")
    assert found is not None, "a 2xx without Contact"
    return found[1]


def _inside(name: str, uri: str, via: str, answer: Received, number: int) -> bytes:
    lines = [f"{name} {uri} SIP/2.0", f"Via: {via}", "Max-Forwards: 70", f"From: {answer.get('from')}", f"To: {answer.get('to')}"]
    lines += [f"Call-ID: {answer.get('call-id')}", f"CSeq: {number} {name}", "Content-Length: 0", "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")


def _number(answer: Received) -> int:
    return int((answer.get("cseq") or "0").split()[0])


def _own_branch(via: str, suffix: str) -> str:
    changed = re.sub(r"(branch\s*=\s*[^\s;,]+)", rf"\1{suffix}", via, count=1)
    return changed if changed != via else f"{via};branch=z9hG4bKtorture{suffix}"


def register(uri: str, number: int, *lines: str) -> bytes:
    """A REGISTER of our own for the account: without a Contact it fetches (RFC 3261 10.2.3)."""
    head = [f"REGISTER {uri} SIP/2.0", f"Via: SIP/2.0/UDP 192.0.2.10;rport;branch=z9hG4bKtorture-register-{number}", "Max-Forwards: 70"]
    head += [f"From: <sip:{USER}@example.com>;tag=torture", f"To: <sip:{USER}@example.com>", "Call-ID: torture-register"]
    return "\r\n".join([*head, f"CSeq: {number} REGISTER", *lines, "Content-Length: 0", "", ""]).encode()


def ping(number: int) -> bytes:
    """The health check that shows that all before it was read."""
    lines = ["OPTIONS sip:sip-us.vonage.com SIP/2.0", f"Via: SIP/2.0/UDP 192.0.2.10;rport;branch=z9hG4bKtorture-ping-{number}"]
    lines += ["Max-Forwards: 70", "From: <sip:ping@example.com>;tag=ping", "To: <sip:sip-us.vonage.com>", f"Call-ID: torture-ping-{number}"]
    return "\r\n".join([*lines, "CSeq: 1 OPTIONS", "Content-Length: 0", "", ""]).encode()


# -- what makes a variant that the trunk's own rules let through -------------------------------------------------------------


def numbers(data: bytes) -> bytes:
    """Somebody whom the trunk can call, called from a number that the account may show."""
    start, end, rest = data.partition(b"\r\n")
    start = re.sub(rb"(sip:)[^@\s]+@", rb"\g<1>" + CALLED + b"@", start, count=1)
    return _field(start + end + rest, "from", lambda old: re.sub(rb"(sip:)[^@\s]+@", rb"\g<1>" + CALLER + b"@", old, count=1))


def account(data: bytes) -> bytes:
    """The account's own address-of-record in To (RFC 3261 10.2)."""
    return _field(data, "to", lambda old: re.sub(rb"(sip:)[^@\s]+@", rb"\g<1>" + USER.encode() + b"@", old, count=1))


def outside_dialogs(data: bytes) -> bytes:
    """Without the tag in To, which makes a request one of a dialog."""
    return _field(data, "to", lambda old: re.sub(rb"\s*;\s*tag\s*=\s*[^\s;]+", b"", old, count=1))


def with_contact(data: bytes) -> bytes:
    return with_line(data, f"Contact: <sip:{CALLER.decode()}@192.0.2.10>")


def right_length(data: bytes) -> bytes:
    """Content-Length set to what the body has."""
    return _field(data, "content-length", lambda old: b" %d" % len(body_of(data)))


def pcmu(data: bytes) -> bytes:
    """G.711 where the offer names G.726 alone, which the trunk does not speak."""
    body = body_of(data).replace(b"RTP/AVP 2\r\na=rtpmap:2 G726-32/8000\r\n", b"RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n")
    return right_length(head_of(data) + b"\r\n\r\n" + body)


def media_here(data: bytes) -> bytes:
    """Media addresses on this machine, so that no packet of a test ever leaves it."""
    body = body_of(data)
    if not body.startswith(b"v=0"):
        return data
    body = re.sub(rb"(?m)^(c=IN IP4) \S+", rb"\1 127.0.0.1", body)
    return right_length(head_of(data) + b"\r\n\r\n" + re.sub(rb"(?m)^(c=IN IP6) \S+", rb"\1 ::1", body))
