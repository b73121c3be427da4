"""Header values that carry structure (RFC 3261 20 and 25.1): text to values and back."""

import re
from functools import lru_cache

from emulator.sip.grammar import QUOTED_STRING, TOKEN, is_host, number, quote, unquote

Params = dict[str, str | None]
"""Parameters by name in lower case, in order; None where there is no value. Quoted values keep their quotes."""

MAX_PARAMS = 64
MAX_ITEMS = 128


class HeaderError(ValueError):
    """A header value that does not follow its grammar; the text says how."""


def split_commas(text: str) -> list[str]:
    """The items of a comma-separated header value; commas in quoted strings and in <…> do not separate."""
    if "," not in text:
        return [text]
    if '"' not in text and "<" not in text:
        items = [item.strip() for item in text.split(",")]
    else:
        items = [item.strip() for item in _split(text, ",")]
    if len(items) > MAX_ITEMS:
        raise HeaderError(f"more than {MAX_ITEMS} items in one header")
    return items


def _split(text: str, separator: str) -> list[str]:
    """Split outside quoted strings and angle brackets."""
    parts: list[str] = []
    start = at = 0
    bracketed = False
    while at < len(text):
        char = text[at]
        if char == '"' and not bracketed:
            match = QUOTED_STRING.match(text, at)
            if match is None:
                raise HeaderError("a quoted string that does not end")
            at = match.end()
            continue
        if char == "<":
            bracketed = True
        elif char == ">":
            bracketed = False
        elif char == separator and not bracketed:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    parts.append(text[start:])
    return parts


def parse_params(text: str) -> Params:
    """`;a=b;c;d="x;y"`, the leading semicolon optional."""
    params: Params = {}
    if not text:
        return params
    parts = text.split(";") if '"' not in text else _split(text, ";")
    if len(parts) > MAX_PARAMS:
        raise HeaderError(f"more than {MAX_PARAMS} parameters")
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.strip()
        if name:
            params[name.lower()] = value.strip() if equals else None
    return params


def print_params(params: Params) -> str:
    return "".join(f";{name}" if value is None else f";{name}={value}" for name, value in params.items())


# Via: SIP/2.0/UDP host[:port];branch=…[;rport] or ;rport;branch=… as nearly every stack writes it
_PLAIN_SENT_BY = re.compile(r"SIP/2\.0/([A-Za-z0-9]+) ([A-Za-z0-9.\-]+)(?::([0-9]{1,5}))?")
_PLAIN_BRANCH = re.compile(r"(rport;)?branch=([A-Za-z0-9\-.!%*_+`'~]+)(;rport)?")
_SENT_BYS_KEPT, _LONGEST_KEPT = 1000, 100
_sent_bys: dict[str, tuple[str, str, int | None]] = {}
"""What stood before the parameters of Vias, for it is the same in all of a client: transport, host and port."""
# The same with the white space, the case and the IPv6 references of the grammar. `*+` gives nothing back: where two runs of white space may
# meet, 60,000 blanks would be tried in every division.
_ANY_VIA = re.compile(
    r"\s*SIP\s*/\s*([0-9]{1,4}\.[0-9]{1,4})\s*/\s*([A-Za-z0-9\-.!%*_+`'~]+)\s+(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.\-]+)\s*+(?::\s*([0-9]{1,5}))?\s*+(?=;|$)",
    re.I,
)


class Via:
    """One via-parm: transport, sent-by host and port (None when absent), parameters. `plain` says that nothing in it was out of the
    ordinary."""

    __slots__ = ("host", "params", "plain", "port", "transport", "version")

    def __init__(self, transport: str, host: str, port: int | None, params: Params, version: str = "2.0") -> None:
        self.version = version
        self.transport = transport
        self.host = host
        self.port = port
        self.params = params
        self.plain = False

    @classmethod
    def parse(cls, text: str) -> "Via":
        head, _, params = text.partition(";")
        sent_by = _sent_bys.get(head) or _sent_by(head)
        plain = _PLAIN_BRANCH.fullmatch(params) if sent_by is not None else None
        if sent_by is not None and plain is not None:
            before, branch, after = plain.groups()
            via = cls(*sent_by, {"branch": branch, "rport": None} if before or after else {"branch": branch})
            via.plain = True
            return via
        match = _ANY_VIA.match(text)
        if match is None:
            raise HeaderError(f"{text[:60]!r} is not SIP/2.0/TRANSPORT host[:port]")
        version, transport, host, port = match.groups()
        value = int(port) if port else None
        if value is not None and not 0 < value < 65536:
            raise HeaderError(f"port {value}")
        return cls(transport, host, value, parse_params(text[match.end() :]), version)

    def __str__(self) -> str:
        port = f":{self.port}" if self.port is not None else ""
        text = f"SIP/{self.version}/{self.transport} {self.host}{port}"
        for name, value in self.params.items():
            text += f";{name}" if value is None else f";{name}={value}"
        return text


def _sent_by(text: str) -> tuple[str, str, int | None] | None:
    """A value of `_sent_bys`; None for one that must be read with more care."""
    match = _PLAIN_SENT_BY.fullmatch(text)
    if match is None:
        return None
    transport, host, port = match.groups()
    value = int(port) if port else None
    if value is not None and not 0 < value < 65536:
        return None
    if len(_sent_bys) < _SENT_BYS_KEPT and len(text) <= _LONGEST_KEPT:  # whoever makes them up can't grow it for ever
        _sent_bys[text] = transport, host, value
    return transport, host, value


_CSEQS_KEPT = 1000
_cseqs: dict[str, "CSeq"] = {}


class CSeq:
    """A sequence number, below 2**31 (8.1.1.5), and a method. Not to be changed: many messages share one."""

    __slots__ = ("method", "number")

    def __init__(self, number: int, method: str) -> None:
        self.number = number
        self.method = method

    @classmethod
    def parse(cls, text: str) -> "CSeq":
        known = _cseqs.get(text)
        if known is not None:
            return known
        digits, _, method = text.partition(" ")
        if digits.isdigit() and digits.isascii() and len(digits) < 10 and method.isalpha() and method.isascii():
            cseq = cls(int(digits), method)
            if len(_cseqs) < _CSEQS_KEPT and len(text) <= _LONGEST_KEPT:
                _cseqs[text] = cseq
            return cseq
        if not (method.isascii() and method.isalpha()):
            parts = text.split()
            if len(parts) != 2 or TOKEN.fullmatch(parts[1]) is None:
                raise HeaderError(f"{text[:40]!r} is not a number and a method")
            digits, method = parts
        value = number(digits, 0x7FFFFFFF)
        if value is None:
            raise HeaderError(f"{digits[:20]!r} is not a number below 2**31")
        return cls(value, method)

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


class NameAddr:
    """A From, To, Contact, Route or P-Asserted-Identity value: display name (unquoted), URI text, header parameters."""

    __slots__ = ("display", "params", "uri")

    def __init__(self, display: str, uri: str, params: Params) -> None:
        self.display = display
        self.uri = uri
        self.params = params

    @classmethod
    def parse(cls, text: str) -> "NameAddr":
        text = text.strip()
        quoted = ""
        if text[:1] == '"':
            match = QUOTED_STRING.match(text)
            if match is None:
                raise HeaderError("a display name whose quotes do not end")
            quoted = unquote(match.group())
            text = text[match.end() :].lstrip()
            if text[:1] != "<":
                raise HeaderError("a display name that no <URI> follows")
        display, bracket, rest = text.partition("<")
        if not bracket:
            # Without brackets the parameters are the header's, not the URI's (20.10).
            uri, semicolon, rest = text.partition(";")
            return cls("", uri.strip(), parse_params(rest) if semicolon else {})
        uri, bracket, rest = rest.partition(">")
        if not bracket:
            raise HeaderError("a < that no > follows")
        rest = rest.strip()
        if rest and rest[0] != ";":
            raise HeaderError(f"{rest[:30]!r} after the URI")
        return cls(quoted or display.strip(), uri.strip(), parse_params(rest) if rest else {})

    @property
    def tag(self) -> str | None:
        return self.params.get("tag")

    def __str__(self) -> str:
        name = f"{self.display if TOKEN.fullmatch(self.display) else quote(self.display)} " if self.display else ""
        return f"{name}<{self.uri}>{print_params(self.params)}"


def _plain_address(text: str) -> tuple[str, str] | None:
    """URI and parameters of a [name] <URI>[;parameters] as nearly every message has it; None for what must be read with more care."""
    display, _, rest = text.partition("<")
    uri, bracket, params = rest.partition(">")
    if not bracket or "<" in rest or '"' in rest or ">" in params or ">" in display:
        return None
    if '"' in display:
        name = display.rstrip()
        if "\\" in name or '"' in name[1:-1] or not name[0] == name[-1] == '"' or len(name) == 1:
            return None
    return uri, params


def uri_of(text: str) -> str:
    """The URI of a value that `NameAddr.parse` takes. Raises `HeaderError` as that does."""
    plain = _plain_address(text)
    if plain is not None:
        uri, params = plain
        if not params or (params[0] == ";" and len(params) < MAX_PARAMS):
            return uri.strip()
    return NameAddr.parse(text).uri


def tag_of(text: str) -> str | None:
    """The tag parameter of a From or To value; None without one."""
    plain = _plain_address(text)
    if plain is not None:
        params = plain[1]
        if not params and ";" not in text:
            return None
        if params[:5] == ";tag=" and ";" not in (tag := params[5:]):
            return tag.strip()
    if text.count('"') & 1 or text.count("<") != text.count(">"):
        NameAddr.parse(text)  # raises, unless the odd one stands escaped in a display name
    at = text.rfind(";tag=")
    if at < 0:
        return NameAddr.parse(text).tag if ";" in text and "tag" in text.lower() else None
    close = text.rfind(">")
    if close > at or ('"' in text and (close < 0 or text.count('"') != 2)):
        return NameAddr.parse(text).tag  # it may stand inside the URI or a display name
    end = text.find(";", at + 5)
    return (text[at + 5 :] if end < 0 else text[at + 5 : end]).strip()


_AUTH_PARAM = re.compile(r"\s*([A-Za-z0-9\-.!%*_+`'~]+)\s*=\s*+(\"(?:[^\"\\]|\\.)*\"|[^\s,\"]*)\s*+(?:,|$)", re.DOTALL)

# The same as every stack writes it, without escapes; a comma in quotes is rare, and found to be none that separates.
_PLAIN_AUTH_PARAM = re.compile(r"""\s*([A-Za-z]+)=(?:"([^"\\]*)"|([^\s,"]*))\s*""")
_PLAIN_CREDENTIALS = 1000


@lru_cache(maxsize=64)  # all but nonce and response are the same in all credentials of a client
def _plain_auth_param(text: str) -> tuple[str, str]:
    """Name in lower case and value of a parameter; without a name where it must be read with more care."""
    match = _PLAIN_AUTH_PARAM.fullmatch(text)
    return (match[1].lower(), match[2] or match[3] or "") if match is not None else ("", "")


def parse_credentials(text: str) -> tuple[str, dict[str, str]]:
    """An Authorization or …-Authenticate value: scheme, and parameters by lower-case name with quotes removed (25.1, RFC 7235 2.1).

    Raises `HeaderError` for anything that is not a scheme and a list of parameters, a repeated one included.
    """
    scheme, space, rest = text.strip().partition(" ")
    if not space or TOKEN.fullmatch(scheme) is None:
        raise HeaderError("not a scheme and its parameters")
    if len(rest) <= _PLAIN_CREDENTIALS:
        parts = rest.split(",")
        values = dict(map(_plain_auth_param, parts))
        if len(values) == len(parts) <= MAX_PARAMS and "" not in values:
            return scheme, values
    values = {}
    at, end = 0, len(rest)
    while at < end:
        match = _AUTH_PARAM.match(rest, at)
        if match is None:
            if not rest[at:].strip(" ,\t"):
                break
            raise HeaderError(f"{rest[at : at + 30].strip()!r} is not name=value")
        name = match.group(1).lower()
        if name in values:
            raise HeaderError(f"{name} twice")
        if len(values) >= MAX_PARAMS:
            raise HeaderError(f"more than {MAX_PARAMS} parameters")
        values[name] = unquote(match.group(2))
        at = match.end()
    return scheme, values


def host_port(text: str) -> tuple[str, int | None]:
    """`host[:port]`, IPv6 in brackets."""
    if text[:1] == "[":
        host, bracket, rest = text.partition("]")
        host += bracket
    else:
        host, colon, rest = text.partition(":")
        rest = colon + rest
    if not is_host(host):
        raise HeaderError(f"{host[:40]!r} is not a host")
    if not rest:
        return host, None
    port = number(rest[1:], 65535) if rest[0] == ":" else None
    if not port:
        raise HeaderError(f"{rest[:12]!r} is not a port")
    return host, port
