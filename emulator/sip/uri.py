"""SIP, SIPS and tel URIs (RFC 3261 19.1, RFC 3966); every other scheme is kept as opaque text."""

import re
from functools import lru_cache
from urllib.parse import unquote

from emulator.sip.grammar import SCHEME
from emulator.sip.headers import HeaderError, Params, host_port, parse_params

_MAX_LENGTH = 4096
_MUST_BE_ESCAPED = re.compile(r'[ \t\r\n<>"]')

# scheme:[user@]host[:port][;params] without password, headers or IPv6 reference, as nearly every message has it
_PLAIN = re.compile(r"(sips?):(?:([^\s<>\"@:;?]+)@)?([A-Za-z0-9][A-Za-z0-9_\-.]{0,253})(?::([0-9]{1,5}))?(?:;([^\s<>\"?@]*))?")


class UriError(ValueError):
    """Text that is no URI; it says why."""


class Uri:
    """A parsed URI that prints back as it was written. Not to be changed: many messages share one.

    `user` and `password` keep their escapes; `host` is as written, brackets included; for `tel` the number stands in
    `user` and `host` is empty; for other schemes everything after the colon stands in `opaque`.
    """

    __slots__ = ("headers", "host", "opaque", "params", "password", "port", "scheme", "text", "user")

    def __init__(self) -> None:
        self.text = ""
        self.scheme = ""
        self.user: str | None = None
        self.password: str | None = None
        self.host = ""
        self.port: int | None = None
        self.params: Params = {}
        self.headers = ""
        self.opaque = ""

    @classmethod
    @lru_cache(maxsize=256)  # most clients call from the same few numbers, and answer a challenge with the URI that was challenged
    def parse(cls, text: str) -> "Uri":
        """Raises `UriError`."""
        if len(text) > _MAX_LENGTH:
            raise UriError(f"a URI of {len(text)} characters")
        plain = _PLAIN.fullmatch(text)
        if plain is not None:
            scheme, user, host, port, params = plain.groups()
            number = int(port) if port else None
            if number is None or 0 < number < 65536:
                uri = cls()
                uri.text, uri.scheme, uri.user, uri.host, uri.port = text, scheme, user, host, number
                if params:
                    uri.params = _params(params, text)
                return uri
        if text.startswith("<"):
            raise UriError(f"{text[:60]!r} is a URI in brackets; write it without them")
        scheme, colon, rest = text.partition(":")
        if not colon or SCHEME.fullmatch(scheme) is None:
            raise UriError(f"{text[:60]!r} has no scheme")
        uri = cls()
        uri.text = text
        uri.scheme = scheme.lower()
        try:
            if uri.scheme in ("sip", "sips"):
                uri._parse_sip(rest)
            elif uri.scheme == "tel":
                uri.user, semicolon, params = rest.partition(";")
                uri.params = parse_params(params) if semicolon else {}
            else:
                uri.opaque = rest
        except HeaderError as error:
            raise UriError(f"{text[:60]!r}: {error}") from None
        return uri

    def _parse_sip(self, rest: str) -> None:
        if _MUST_BE_ESCAPED.search(rest):
            raise HeaderError("white space, quotes or brackets must be escaped in a URI")
        at = rest.rfind("@")  # a user part may hold ; and ? unescaped, a host part can't hold @
        if at >= 0:
            user, colon, password = rest[:at].partition(":")
            if not user:
                raise HeaderError("an @ without a user before it")
            self.user = user
            self.password = password if colon else None
            rest = rest[at + 1 :]
        rest, question, headers = rest.partition("?")
        self.headers = question + headers
        place, semicolon, params = rest.partition(";")
        self.host, self.port = host_port(place)
        if semicolon:
            self.params = _unescaped(parse_params(params))

    @property
    def number(self) -> str:
        """The user part with escapes decoded and without the parameters some put into it (`1234;phone-context=…`)."""
        user = (self.user or "").partition(";")[0]
        return unquote(user) if "%" in user else user

    @property
    def transport(self) -> str | None:
        """The transport parameter in lower case."""
        value = self.params.get("transport")
        return value.lower() if value else None

    def __str__(self) -> str:
        return self.text

    def __eq__(self, other: object) -> bool:
        """Equivalence by 19.1.4: case matters in user and password only; some parameters must stand on both sides or on none."""
        if not isinstance(other, Uri):
            return NotImplemented
        if (self.scheme, self.opaque) != (other.scheme, other.opaque):
            return False
        if unquote(self.user or "") != unquote(other.user or "") or (self.user is None) != (other.user is None):
            return False
        if (
            unquote(self.password or "") != unquote(other.password or "")
            or self.host.lower() != other.host.lower()
            or self.port != other.port
        ):
            return False
        for name in {*self.params, *other.params}:
            mine, theirs = name in self.params, name in other.params
            if mine and theirs:
                if unquote(self.params[name] or "").lower() != unquote(other.params[name] or "").lower():
                    return False
            elif name in ("transport", "user", "ttl", "method", "maddr"):
                return False
        return sorted(self.headers[1:].lower().split("&")) == sorted(other.headers[1:].lower().split("&"))

    __hash__ = None  # type: ignore[assignment]  # equivalence is not transitive (19.1.4), so it can't be a key

    def __repr__(self) -> str:
        return f"Uri({self.text!r})"


def _params(text: str, whole: str) -> Params:
    try:
        return _unescaped(parse_params(text))
    except HeaderError as error:
        raise UriError(f"{whole[:60]!r}: {error}") from None


def _unescaped(params: Params) -> Params:
    """Names without their escapes (19.1.2: "escaped" may stand in pname and pvalue)."""
    return {unquote(name).lower() if "%" in name else name: value for name, value in params.items()}
