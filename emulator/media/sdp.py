"""Session descriptions (RFC 8866): text to values and back. What canonical writers produce prints back byte for byte."""

import re

MAX_OCTETS = 65536
MAX_LINES = 1024
MAX_MEDIA = 32
MAX_FORMATS = 64
MAX_MEDIA_LINE = 1024

_TYPES = frozenset("abcdefghijklmnopqrstuvwxyz")
# rtpmap: <payload type> <encoding name>/<clock rate>[/<channels>]
_RTPMAP = re.compile(r"rtpmap:\s*([0-9]{1,3})\s+([^\s/]{1,64})/([0-9]{1,6})(?:/[0-9]{1,3})?\s*")
_RTPMAPS_KEPT, _LONGEST_KEPT = 1000, 100
_rtpmaps: dict[str, tuple[int, tuple[str, int]]] = {}
"""Those read before, for most clients write the same few: payload type, and encoding name in upper case with its clock rate."""

STATIC_TYPES = {
    0: ("PCMU", 8000),
    3: ("GSM", 8000),
    4: ("G723", 8000),
    8: ("PCMA", 8000),
    9: ("G722", 8000),
    13: ("CN", 8000),
    18: ("G729", 8000),
}
"""RFC 3551 table 4: payload types that mean something without an rtpmap. G722 says 8000 and samples at 16,000 (4.5.2)."""

DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
_DIRECTIONS = frozenset(DIRECTIONS)


class SdpError(ValueError):
    """A description that makes no sense; the text names the line."""


class Connection:
    """A c= line: address family (`IP4` or `IP6`) and address."""

    __slots__ = ("address", "family")

    def __init__(self, family: str, address: str) -> None:
        self.family = family
        self.address = address

    def __str__(self) -> str:
        return f"IN {self.family} {self.address}"


class Media:
    """One m= section. `attributes` are the a= values in order; `other` its remaining lines (i=, b=, k=) as type and value."""

    __slots__ = ("attributes", "connection", "formats", "kind", "other", "port", "ports", "profile")

    def __init__(self, kind: str, port: int, profile: str, formats: list[str]) -> None:
        self.kind = kind
        self.port = port
        self.ports = 1
        self.profile = profile
        self.formats = formats
        self.connection: Connection | None = None
        self.other: list[tuple[str, str]] = []
        self.attributes: list[str] = []

    def attribute(self, name: str) -> str | None:
        """The value of the first a=`name`; an empty string for a flag; None when absent."""
        return _attribute(self.attributes, name)

    def named(self) -> dict[str, str]:
        """What `attribute` says of each name there is."""
        found: dict[str, str] = {}
        for text in self.attributes:
            name, _, value = text.partition(":")
            if name not in found:
                found[name] = value.strip()
        return found

    def encodings(self) -> list[tuple[int, str, int]]:
        """Payload type, encoding name in upper case and clock rate of each format, in the order of the m= line; unknown ones left out."""
        mapped: dict[int, tuple[str, int]] = {}
        for text in self.attributes:
            if text[:7] == "rtpmap:" and (rtpmap := _rtpmaps.get(text) or _rtpmap(text)) is not None:
                mapped[rtpmap[0]] = rtpmap[1]
        found: list[tuple[int, str, int]] = []
        for text in self.formats:
            payload_type = int(text) if _is_number(text) else -1
            known = mapped.get(payload_type) or STATIC_TYPES.get(payload_type)
            if known is not None and 0 <= payload_type <= 127:
                found.append((payload_type, *known))
        return found

    def named_formats(self) -> str:
        """The formats as their sender wrote them, for a person: `opus/48000/2, GSM/8000, 96 without a=rtpmap`."""
        mapped = dict(parts for text in self.attributes if text[:7] == "rtpmap:" and len(parts := text[7:].split(None, 1)) == 2)
        static = {str(number): f"{name}/{clock}" for number, (name, clock) in STATIC_TYPES.items()}
        return ", ".join(mapped.get(text) or static.get(text) or f"{text} without a=rtpmap" for text in self.formats)

    def format_parameters(self, payload_type: int) -> str:
        """The fmtp text of a payload type, empty without one."""
        prefix = f"fmtp:{payload_type} "
        return next((text[len(prefix) :].strip() for text in self.attributes if text.startswith(prefix)), "")

    @property
    def direction(self) -> str | None:
        return _direction(self.attributes)

    def _lines(self) -> list[str]:
        ports = f"/{self.ports}" if self.ports > 1 else ""
        lines = [f"m={self.kind} {self.port}{ports} {self.profile} {' '.join(self.formats)}"]
        for type_, value in self.other:
            if type_ == "i":
                lines.append(f"i={value}")
        if self.connection is not None:
            lines.append(f"c={self.connection}")
        for type_, value in self.other:
            if type_ != "i":
                lines.append(f"{type_}={value}")
        for text in self.attributes:
            lines.append(f"a={text}")
        return lines


class SessionDescription:
    """A whole description. `before` are the session lines between s= and c=, `after` those between c= and the first a= or m=."""

    __slots__ = ("after", "attributes", "before", "connection", "media", "name", "origin")

    def __init__(self, origin: str, name: str = "-") -> None:
        self.origin = origin
        """The value of o=: user, session id, version, network type, address type, address."""
        self.name = name
        self.before: list[tuple[str, str]] = []
        self.connection: Connection | None = None
        self.after: list[tuple[str, str]] = [("t", "0 0")]
        self.attributes: list[str] = []
        self.media: list[Media] = []

    @classmethod
    def parse(cls, data: bytes | str) -> "SessionDescription":
        """Raises `SdpError`. Bare line feeds and missing o=, s= and t= lines are taken; some clients send them so."""
        text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
        if len(text) > MAX_OCTETS:
            raise SdpError(f"a description of {len(text)} octets")
        lines = (text.replace("\r\n", "\n") if "\r" in text else text).split("\n")
        if len(lines) > MAX_LINES:
            raise SdpError(f"a description of {len(lines)} lines")
        description = cls("", "-")
        description.after = []
        media: Media | None = None
        attributes = description.attributes
        for at, raw in enumerate(lines, 1):
            type_, equals, value = raw.partition("=")
            if not equals or type_ not in _TYPES:
                if not raw.strip():
                    continue
                raise SdpError(f"line {at}: {raw[:40]!r} is not type=value")
            value = value.rstrip()
            if type_ == "a" and at > 1:
                attributes.append(value)
            elif at == 1 or type_ == "v":
                if (type_, value) != ("v", "0"):
                    raise SdpError(f"line {at}: v=0 must come first")
            elif type_ == "m":
                if len(description.media) >= MAX_MEDIA:
                    raise SdpError(f"line {at}: more than {MAX_MEDIA} m= lines")
                media = _parse_media(value, at)
                description.media.append(media)
                attributes = media.attributes
            elif type_ == "c":
                connection = _parse_connection(value, at)
                if media is None:
                    description.connection = connection
                elif media.connection is None:
                    media.connection = connection
            elif media is not None:
                media.other.append((type_, value))
            elif type_ == "o":
                description.origin = value
            elif type_ == "s":
                description.name = value
            else:
                (description.before if description.connection is None and type_ in "iuep" else description.after).append((type_, value))
        if not description.media:
            raise SdpError("no m= line")
        return description

    @property
    def version(self) -> int | None:
        """The o= version; None when it is no number."""
        parts = self.origin.split()
        return int(parts[2]) if len(parts) == 6 and re.fullmatch(r"[0-9]{1,20}", parts[2]) else None

    def connection_of(self, media: Media) -> Connection | None:
        """The c= that holds for a media section: its own or the session's."""
        return media.connection or self.connection

    def direction_of(self, media: Media) -> str:
        """The direction that holds for a media section; sendrecv when none is given (RFC 8866 6.7)."""
        return media.direction or _direction(self.attributes) or "sendrecv"

    def attribute(self, name: str) -> str | None:
        """The value of the first session-level a=`name`."""
        return _attribute(self.attributes, name)

    def __str__(self) -> str:
        lines = ["v=0"]
        if self.origin:
            lines.append(f"o={self.origin}")
        lines.append(f"s={self.name}")
        for type_, value in self.before:
            lines.append(f"{type_}={value}")
        if self.connection is not None:
            lines.append(f"c={self.connection}")
        for type_, value in self.after:
            lines.append(f"{type_}={value}")
        for text in self.attributes:
            lines.append(f"a={text}")
        for media in self.media:
            lines += media._lines()
        lines.append("")
        return "\r\n".join(lines)


def _attribute(attributes: list[str], name: str) -> str | None:
    for text in attributes:
        key, colon, value = text.partition(":")
        if key == name:
            return value.strip() if colon else ""
    return None


def _direction(attributes: list[str]) -> str | None:
    for text in attributes:
        if text in _DIRECTIONS:
            return text
    return None


def _is_number(text: str) -> bool:
    """Of one to ten ASCII digits."""
    return text.isascii() and text.isdigit() and len(text) <= 10


def _rtpmap(text: str) -> tuple[int, tuple[str, int]] | None:
    """An attribute as a value of `_rtpmaps`; None when it makes no sense."""
    match = _RTPMAP.fullmatch(text)
    if match is None:
        return None
    number, name, clock = match.groups()
    read = int(number), (name.upper(), int(clock))
    if len(_rtpmaps) < _RTPMAPS_KEPT and len(text) <= _LONGEST_KEPT:  # a peer that invents encodings can't grow it for ever
        _rtpmaps[text] = read
    return read


def _parse_media(value: str, at: int) -> Media:
    if len(value) > MAX_MEDIA_LINE:  # a refused line comes back in the answer, which must fit a datagram
        raise SdpError(f"line {at}: m= of {len(value)} characters")
    parts = value.split()
    if len(parts) < 4:
        raise SdpError(f"line {at}: m= wants kind, port, profile and formats")
    port, _, ports = parts[1].partition("/")
    if not _is_number(port) or int(port) > 65535 or (ports and not _is_number(ports)):
        raise SdpError(f"line {at}: {parts[1][:20]!r} is not a port")
    if len(parts) - 3 > MAX_FORMATS:
        raise SdpError(f"line {at}: more than {MAX_FORMATS} formats")
    media = Media(parts[0], int(port), parts[2], parts[3:])
    media.ports = int(ports) if ports else 1
    return media


def _parse_connection(value: str, at: int) -> Connection:
    parts = value.split()
    if len(parts) != 3 or parts[0] != "IN" or parts[1] not in ("IP4", "IP6"):
        raise SdpError(f"line {at}: c= wants IN, IP4 or IP6, and an address")
    return Connection(parts[1], parts[2].partition("/")[0])
