"""SIP messages (RFC 3261 7 and 25.1): bytes to values and back.

What matching needs (start line, top Via, From and To tags, Call-ID, CSeq) is parsed on arrival; every other header stays
raw text until somebody asks for it.
"""

import re
from typing import NoReturn

from emulator.counting import counted
from emulator.sip.grammar import TOKEN
from emulator.sip.headers import CSeq, HeaderError, Via, split_commas, tag_of
from emulator.sip.uri import Uri

MAX_HEADERS = 256
"""More header lines than this in one message are refused; the longest real messages have about 60."""

COMPACT = {
    "a": "accept-contact", "b": "referred-by", "c": "content-type", "d": "request-disposition", "e": "content-encoding",
    "f": "from", "i": "call-id", "j": "reject-contact", "k": "supported", "l": "content-length", "m": "contact",
    "o": "event", "r": "refer-to", "s": "subject", "t": "to", "u": "allow-events", "v": "via", "x": "session-expires",
}  # fmt: skip
"""Compact header names (RFC 3261 7.3.3 and those registered since)."""

REASONS = {
    100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress",
    199: "Early Dialog Terminated", 200: "OK", 202: "Accepted", 204: "No Notification", 300: "Multiple Choices",
    301: "Moved Permanently", 302: "Moved Temporarily", 305: "Use Proxy", 380: "Alternative Service",
    400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout",
    410: "Gone", 412: "Conditional Request Failed", 413: "Request Entity Too Large", 414: "Request-URI Too Long",
    415: "Unsupported Media Type", 416: "Unsupported URI Scheme", 417: "Unknown Resource-Priority",
    420: "Bad Extension", 421: "Extension Required", 422: "Session Interval Too Small", 423: "Interval Too Brief",
    424: "Bad Location Information", 425: "Bad Alert Message", 428: "Use Identity Header", 429: "Provide Referrer Identity",
    430: "Flow Failed", 433: "Anonymity Disallowed", 436: "Bad Identity Info", 437: "Unsupported Credential",
    438: "Invalid Identity Header", 439: "First Hop Lacks Outbound Support", 440: "Max-Breadth Exceeded",
    469: "Bad Info Package", 470: "Consent Needed", 480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist", 482: "Loop Detected", 483: "Too Many Hops", 484: "Address Incomplete",
    485: "Ambiguous", 486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here", 489: "Bad Event",
    491: "Request Pending", 493: "Undecipherable", 494: "Security Agreement Required",
    500: "Server Internal Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Server Time-out", 505: "Version Not Supported", 513: "Message Too Large", 555: "Push Notification Service Not Supported",
    580: "Precondition Failure", 600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere",
    606: "Not Acceptable", 607: "Unwanted", 608: "Rejected",
}  # fmt: skip
"""Standard reason phrases (RFC 3261 21 and the registry of response codes)."""

_PROPER = {
    "call-id": "Call-ID", "cseq": "CSeq", "www-authenticate": "WWW-Authenticate", "min-se": "Min-SE", "rack": "RAck",
    "rseq": "RSeq", "mime-version": "MIME-Version", "p-asserted-identity": "P-Asserted-Identity",
}  # fmt: skip

_NAMES_CACHED = 2000
_names: dict[str, str] = {}


class Malformed(ValueError):
    """`what` is wrong with the message; `message` is as much of it as could be read, None when nothing could."""

    def __init__(self, what: str, message: "Request | Response | None" = None, status: int = 400) -> None:
        super().__init__(what)
        self.what = what
        self.message = message
        self.status = status


def header_name(text: str) -> str:
    """The lower-case long form of a header name as it stands before the colon."""
    name = _names.get(text)
    if name is None:
        name = text.strip(" \t").lower()
        name = COMPACT.get(name, name)
        # A peer that invents names can't grow it for ever. What begins with white space may go on with the line before it.
        if len(_names) < _NAMES_CACHED and text[:1] not in (" ", "\t") and ":" not in text:
            _names[text] = name
    return name


def proper_name(name: str) -> str:
    """A lower-case header name as it is usually written."""
    return _PROPER.get(name) or "-".join(part.capitalize() for part in name.split("-"))


class Message:
    """What requests and responses share. `headers` maps lower-case long names to raw values in order of appearance."""

    __slots__ = ("body", "call_id", "cseq", "from_tag", "headers", "raw", "to_tag", "via")

    headers: dict[str, list[str]]
    body: bytes
    raw: bytes
    via: Via
    """The top Via; its `received` and `rport` are filled in by the endpoint (RFC 3261 18.2.1, RFC 3581 4)."""
    cseq: CSeq
    call_id: str
    from_tag: str
    to_tag: str

    def get(self, name: str) -> str | None:
        """The first value of header `name` (lower-case long form), raw."""
        values = self.headers.get(name)
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        """Every value of a header that may be a comma-separated list, one item each, raw. Raises `HeaderError`, which names it."""
        try:
            return [item for value in self.headers.get(name, ()) for item in split_commas(value)]
        except HeaderError as error:
            raise HeaderError(f"{proper_name(name)}: {error}") from None

    def tokens(self, name: str) -> set[str]:
        """A header whose values are tokens (Require, Supported, Allow), in lower case. Raises `HeaderError`."""
        return {item.strip().lower() for item in self.all(name) if item.strip()}

    def fields(self) -> list[tuple[str, str]]:
        """Every header as name (as usually written) and raw value."""
        return [(proper_name(name), value) for name, values in self.headers.items() for value in values]


class Request(Message):
    """A request; `uri` is the Request-URI as written."""

    __slots__ = ("_head", "_head_tag", "_target", "authenticated", "key", "method", "uri")

    def __init__(self, method: str, uri: str) -> None:
        self.authenticated = False
        """Whether its sender has shown that it holds a secret; set by whoever checks."""
        self.method = method
        self.uri = uri
        self.key: object = None
        """What its transaction is known by; set by the endpoint."""
        self._head: str | None = None
        self._head_tag = ""
        self._target: Uri | None = None

    @property
    def target(self) -> Uri:
        """The Request-URI, parsed when it is first asked for. Raises `UriError`."""
        if self._target is None:
            self._target = Uri.parse(self.uri)
        return self._target

    def respond(self, status: int, to_tag: str, headers: str = "", body: bytes = b"", reason: str | None = None) -> bytes:
        """The response to this request as octets (RFC 3261 8.2.6.2).

        `to_tag` is set when the request's To has none. `headers` is whole lines, each ending in CRLF, Content-Type included when
        there is a body.
        """
        head = self._head
        if head is None or self._head_tag != to_tag:
            head = self._reply_head(to_tag)
        text = f"SIP/2.0 {status} {reason or REASONS.get(status, '')}\r\n{head}{headers}Content-Length: {len(body)}\r\n\r\n"
        return text.encode("utf-8", "surrogateescape") + body

    def forget_content(self) -> None:
        """Keep only what matching needs: for a request that has its final response and lives on in a transaction for up to 32 s."""
        self.headers = {}
        self.raw = self.body = b""
        self._head = self._target = None

    def _reply_head(self, to_tag: str) -> str:
        """Via, From, To, Call-ID and CSeq: the same in every response to this request, so made once."""
        headers = self.headers
        vias = headers["via"]
        via = f"Via: {self.via}\r\n"
        if len(vias) > 1 or "," in vias[0]:
            via += "".join(f"Via: {other}\r\n" for other in (*split_commas(vias[0])[1:], *vias[1:]))
        from_, to, call_id, cseq = self.get("from"), self.get("to"), self.call_id, self.get("cseq")
        if to and to_tag and not self.to_tag:
            to = f"{to};tag={to_tag}"
        if from_ and to and call_id and cseq:
            head = f"{via}From: {from_}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\n"
        else:  # what a malformed request lacks is left out: an empty From would be malformed too
            fields = (("From", from_), ("To", to), ("Call-ID", call_id), ("CSeq", cseq))
            head = via + "".join(f"{name}: {value}\r\n" for name, value in fields if value)
        self._head, self._head_tag = head, to_tag
        return head


class Response(Message):
    """A response."""

    __slots__ = ("reason", "status")

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        self.reason = reason


def parse(data: bytes) -> Request | Response:
    """One whole message from a datagram or a framed stream.

    Raises `Malformed`, which carries the part that could be read when an answer is still possible (RFC 3261 18.3, 8.2).
    """
    head_end = data.find(b"\r\n\r\n")
    if head_end < 0:
        raise Malformed("no empty line ends the headers")
    lines = data[:head_end].decode("utf-8", "surrogateescape").split("\r\n")
    start = lines[0]
    parts = start.split(" ")
    plain = len(parts) == 3 and parts[2] == "SIP/2.0" and parts[0] and parts[1]
    message: Request | Response = Request(parts[0], parts[1]) if plain else _start(start)
    del lines[0]
    if len(lines) >= MAX_HEADERS and len(lines := _unfold(lines)) >= MAX_HEADERS:
        raise Malformed(f"more than {MAX_HEADERS} header lines")
    message.raw = data
    message.body = b""
    headers: dict[str, list[str]] = {}
    message.headers = headers
    broken = _fields(lines, headers)
    _base_headers(message, headers)
    if not plain and isinstance(message, Request):
        version = start.split()[-1]
        if version.upper() != "SIP/2.0":  # the version is case-insensitive (7.1)
            raise Malformed(f"version {version[:20]!r}", message, status=505)
        if start != f"{message.method} {message.uri} {version}" or " " in message.uri:
            raise Malformed("white space in the start line beyond the two spaces it has", message)
    via = headers["via"][0]
    if ("," in via or not message.via.plain) and _STRAY.search(via):
        raise Malformed("Via: a separator that separates nothing", message)
    if broken:
        raise Malformed(broken, message)
    _body(message, headers, data, head_end + 4)
    return message


def _fields(lines: list[str], headers: dict[str, list[str]]) -> str | None:
    """Fill in `headers` from the header lines; what is wrong with one of them, None when nothing is."""
    named = _names.get
    broken: str | None = None
    for line in lines:
        text, colon, value = line.partition(": ")
        name = named(text)
        if name is None or not colon:
            text, colon, value = line.partition(":")
            if line[:1] in (" ", "\t") and line is not lines[0]:
                headers.clear()
                return _fields(_unfold(lines), headers)
            if not colon:
                broken = broken or f"a header line without a colon: {line[:40]!r}"
                continue
            name = header_name(text)
        if name in headers:
            headers[name].append(value.strip(" \t"))
        else:
            headers[name] = [value.strip(" \t")]
    return broken


def _unfold(lines: list[str]) -> list[str]:
    """Folded header lines joined by one space (RFC 3261 7.3.1)."""
    joined: list[str] = []
    for line in lines:
        if line[:1] in (" ", "\t") and joined:
            joined[-1] = f"{joined[-1].rstrip()} {line.strip()}"
        else:
            joined.append(line)
    return joined


def _start(line: str) -> Request | Response:
    if line.startswith("SIP/2.0 "):
        code = line[8:11]
        if not (code.isascii() and code.isdigit() and "100" <= code <= "699" and line[11:12] in (" ", "")):
            raise Malformed(f"a status line with the code {code!r}")
        return Response(int(code), line[12:])
    words = line.split()
    if len(words) < 3 or TOKEN.fullmatch(words[0]) is None:
        raise Malformed("a start line that is neither a request's nor a response's")
    if words[-1][:4].upper() != "SIP/":
        raise Malformed("a start line without SIP/2.0")
    return Request(words[0], " ".join(words[1:-1]))


def _base_headers(message: Request | Response, headers: dict[str, list[str]]) -> None:
    """The headers every message must have (RFC 3261 8.1.1), parsed; Via first, for without it there is nobody to answer."""
    vias = headers.get("via")
    if not vias:
        raise Malformed("no Via header")
    try:
        top = vias[0]
        message.via = Via.parse(split_commas(top)[0] if "," in top else top)
    except HeaderError as error:
        raise Malformed(f"Via: {error}") from None
    message.call_id = message.from_tag = message.to_tag = ""
    message.cseq = _NO_CSEQ
    try:
        (message.call_id,), (from_,), (to,), (cseq,) = headers["call-id"], headers["from"], headers["to"], headers["cseq"]
    except (KeyError, ValueError):
        _one_of_each(message, headers)
    if not (message.call_id and from_ and to and cseq):
        _one_of_each(message, headers)
    try:
        name = "From"
        message.from_tag = tag_of(from_) or ""
        name = "To"
        message.to_tag = tag_of(to) or ""
        name = "CSeq"
        message.cseq = CSeq.parse(cseq)
    except HeaderError as error:
        _refuse(message, f"{name}: {error}")
    if isinstance(message, Request) and message.cseq.method != message.method:
        _refuse(message, f"CSeq names the method {message.cseq.method!r}, the start line {message.method!r}")


def _one_of_each(message: Request | Response, headers: dict[str, list[str]]) -> NoReturn:
    """Say which of the headers that must stand there once is absent, empty or repeated."""
    message.call_id = (headers.get("call-id") or [""])[0]
    for name in ("call-id", "from", "to", "cseq"):
        values = headers.get(name)
        if not values or not values[0]:
            _refuse(message, f"no {proper_name(name)} header")
        if len(values) > 1:
            _refuse(message, f"{len(values)} {proper_name(name)} headers")
    raise AssertionError("each header stands there once")


_STRAY = re.compile(r"[;,]\s*(?:[;,]|$)")
_NO_CSEQ = CSeq(0, "")


def _refuse(message: Request | Response, what: str) -> NoReturn:
    raise Malformed(what, message)


def _body(message: Request | Response, headers: dict[str, list[str]], data: bytes, start: int) -> None:
    """The body by Content-Length; in a datagram a shorter one than announced is an error, a longer one is cut (RFC 3261 18.3)."""
    lengths = headers.get("content-length")
    if lengths is None:
        message.body = data[start:]
        return
    text = lengths[0]
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        _refuse(message, f"Content-Length {text[:20]!r} is not a number")
    if len(lengths) > 1 and any(other != text for other in lengths):
        _refuse(message, "two different Content-Length headers")
    length = int(text)
    if length > len(data) - start:
        _refuse(message, f"Content-Length {length}, but the body has {counted(len(data) - start, 'octet')}")
    message.body = data[start : start + length] if length else b""


def encode_request(method: str, uri: str, headers: str, body: bytes = b"") -> bytes:
    """A request as octets; `headers` is whole lines, each ending in CRLF, without Content-Length."""
    text = f"{method} {uri} SIP/2.0\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return text.encode("utf-8", "surrogateescape") + body
