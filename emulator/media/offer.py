"""What an offer of theirs, or their answer to ours, settles (RFC 3264): codec, payload types, keys, where to, and who may send."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from emulator.journal.findings import Finding
from emulator.media import crypto
from emulator.media.codecs import (
    CODECS,
    G729,
    ILBC,
    SPEEX,
    TELEPHONE_EVENT,
    Codec,
)
from emulator.media.crypto import Crypto
from emulator.media.sdp import DIRECTIONS, Media, SessionDescription

PTIME = 20
_NOWHERE = frozenset({"0.0.0.0", "::"})
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
_PLAIN = frozenset({"RTP/AVP", "RTP/AVPF"})
_SECURE = frozenset({"RTP/SAVP", "RTP/SAVPF"})
_SHORTEST, _LONGEST = 10, 170
"""Milliseconds of audio in a packet of ours; more of G.711 would not fit a datagram."""
_ANSWERS = {
    "sendrecv": DIRECTIONS, "sendonly": ("recvonly", "inactive"), "recvonly": ("sendonly", "inactive"), "inactive": ("inactive",),
}  # fmt: skip
"""What may answer each direction (RFC 3264 6.1)."""
_SLOWEST_CLOCK = 8000
_MODE = re.compile(r"(?:^|[;\s])mode\s*=\s*(20|30)(?:\s|;|$)", re.IGNORECASE)
_NO_ANNEX_B = re.compile(r"(?:^|[;\s])annexb\s*=\s*no(?:\s|;|$)", re.IGNORECASE)


class NotAcceptable(Exception):
    """Nothing in the offer fits: 488 with this warn-code (RFC 3261 20.43) and text. `findings` came on the way to it."""

    def __init__(self, warning: int, text: str, finding: Finding, findings: tuple[Finding, ...] = ()) -> None:
        super().__init__(text)
        self.warning = warning
        self.text = text
        self.finding = finding
        self.findings = findings


@dataclass(slots=True)
class LocalMedia:
    """Our side of a session: where we listen, the numbers of our o= line, and what we speak."""

    address: str
    port: int
    session_id: int
    codecs: tuple[Codec, ...] = CODECS
    key: Callable[[], bytes] = bytes
    """Makes our SRTP master key and salt, 30 octets (RFC 4568 6.1); asked at most once."""
    secure: bool = False
    """Whether our own offers are RTP/SAVP."""
    crypto_on_avp: bool = False
    """Whether a=crypto on an RTP/AVP line makes it SRTP; without it such a line is plain (vonage-facts, default 33)."""
    take_lifetime: bool = False
    """Whether an a=crypto line with a lifetime is taken."""
    ilbc_mode: int | None = 30
    """What an answer says of iLBC; None follows the offer. 30 is what every stack decodes, whatever it offers (RFC 3952 5)."""
    rtcp_port: int | None = None
    """Where RTCP is heard when that is not the next port up."""
    holds: bool = False
    """We have the other side on hold: it may hear us and is not heard (RFC 3264 8.4)."""
    _key: bytes = b""

    @property
    def family(self) -> str:
        return "IP6" if ":" in self.address else "IP4"

    @property
    def master_key(self) -> bytes:
        self._key = self._key or self.key()
        return self._key


@dataclass(frozen=True, slots=True)
class Keys:
    """The SRTP master keys of a session, 30 octets each: of what we send, and of what we hear."""

    ours: bytes = field(repr=False)
    theirs: bytes = field(repr=False)


@dataclass(slots=True)
class Agreement:
    """What an offer and its answer settled.

    `payload_type` and `event_type` are the numbers we send with, which are the other side's (RFC 3264 5.1); `event_type` is None without
    telephone-event. `remote` and `remote_rtcp` are address and port; `send` and `receive` are ours. `ptime` is what the other side wants
    to receive, in milliseconds, and `mode` iLBC's frame, 20 or 30. `keys` is None where media is plain.
    """

    codec: Codec
    payload_type: int
    event_type: int | None
    event_clock: int
    remote: tuple[str, int]
    remote_rtcp: tuple[str, int] | None
    send: bool
    receive: bool
    ptime: int = PTIME
    mode: int = 30
    keys: Keys | None = None
    muxed: bool = False
    taken: Crypto | None = field(default=None, repr=False)
    """The line of theirs that was taken."""
    numbers: dict[int, int] = field(default_factory=dict)
    """Payload types of our offer that its answer numbers otherwise, and what it calls them: the other side sends under ours."""
    findings: list[Finding] = field(default_factory=list)


def agree(ours: SessionDescription, theirs: SessionDescription, local: LocalMedia) -> Agreement:
    """What the answer to our offer settles. Raises `NotAcceptable` when it is none of what was offered (RFC 3264 6)."""
    place = live_audio(ours)
    if len(theirs.media) != len(ours.media) or theirs.media[place].kind != "audio":
        lines = f"{len(theirs.media)} m= lines for our {len(ours.media)}"
        raise NotAcceptable(399, "the answer's m= lines are not the offer's", Finding("sdp.answer", lines))
    media, offered = theirs.media[place], ours.media[place]
    if media.port == 0:
        raise NotAcceptable(304, "the answer refuses the audio", Finding("sdp.answer", "audio with port 0"))
    if media.profile != offered.profile:
        seen = f"{media.profile} for our {offered.profile}"
        raise NotAcceptable(399, "the answer's profile is not the offer's", Finding("sdp.answer", seen))
    agreement = settle(theirs, media, local)
    if agreement.taken is not None:
        tag = (offered.attribute("crypto") or "1").partition(" ")[0]
        if str(agreement.taken.tag) != tag:
            seen = f"a=crypto:{agreement.taken.tag} for our tag {tag}"
            raise NotAcceptable(399, "the answer's crypto tag is not the offer's", Finding("sdp.answer", seen))
    agreement.numbers = _renumbered(offered, agreement)
    asked, given = offered.direction or "sendrecv", theirs.direction_of(media)
    if given not in _ANSWERS[asked]:
        agreement.findings.append(Finding("sdp.direction", f"a={given} in answer to a={asked}"))
    return agreement


def _renumbered(ours: Media, agreement: Agreement) -> dict[int, int]:
    own = {(name, clock): number for number, name, clock in ours.encodings()}
    pairs = (
        (own.get(agreement.codec.key), agreement.payload_type),
        (own.get((TELEPHONE_EVENT, agreement.event_clock)), agreement.event_type),
    )
    return {number: theirs for number, theirs in pairs if number is not None and theirs is not None and number != theirs}


def changed_without_a_version(before: SessionDescription, now: SessionDescription) -> Finding | None:
    """What is wrong with the o= line of a later description of theirs (RFC 3264 8); None when nothing is."""
    if before.version is None or now.version is None:
        return None
    if before.origin.split()[:2] != now.origin.split()[:2]:
        return Finding("sdp.origin", f"o={now.origin} after o={before.origin}")
    if now.version == before.version:
        same = str(now) == str(before)
        return None if same else Finding("sdp.version", f"version {now.version} again, and another description")
    if now.version != before.version + 1:
        return Finding("sdp.version", f"version {now.version} after {before.version}")
    return None


def settle(description: SessionDescription, media: Media, local: LocalMedia) -> Agreement:
    """Codec, payload types, keys, address and direction of one audio line as its sender described it."""
    if media.profile not in _PLAIN and media.profile not in _SECURE:
        raise NotAcceptable(302, "the transport of the media is not supported", Finding("media.profile", media.profile))
    # The attributes of SRTP hold its keys, which are another call's never again.
    read = _known_terms if media.profile in _PLAIN else _terms
    terms = read(tuple(media.formats), tuple(media.attributes), local.codecs, local.ilbc_mode)
    if terms is None:
        raise NotAcceptable(305, "no codec of the trunk offered", Finding("media.codec", media.named_formats()))
    host, port = _address(description, media)
    on_hold = host in _NOWHERE  # the hold of RFC 2543 (RFC 3264 8.4)
    direction = description.direction_of(media)
    agreement = Agreement(
        codec=terms.codec,
        payload_type=terms.payload_type,
        event_type=terms.event_type,
        event_clock=terms.event_clock,
        remote=(host, port),
        remote_rtcp=None if on_hold else (host, port) if terms.muxed else _rtcp(terms.rtcp, host, port),
        send=direction in ("sendrecv", "recvonly") and not on_hold,
        receive=direction in ("sendrecv", "sendonly") and not local.holds,
        ptime=terms.ptime,
        mode=terms.mode,
        muxed=terms.muxed,
    )
    if (":" in host) != (local.family == "IP6") and not on_hold:
        agreement.findings.append(Finding("media.family", f"c={host} where the trunk is at {local.address}"))
    agreement.findings.extend(terms.findings)
    if media.profile not in _PLAIN or terms.crypto:
        _settle_keys(agreement, media, local)
    return agreement


class _Terms:
    """What formats and attributes of an audio line settle, whoever sent it and wherever its media goes; see `Agreement`. Not to be changed:
    the calls of a client share one. `rtcp` is the value of a=rtcp, `crypto` whether there is an a=crypto."""

    __slots__ = ("codec", "crypto", "event_clock", "event_type", "findings", "mode", "muxed", "payload_type", "ptime", "rtcp")

    def __init__(self, codec: Codec, payload_type: int, media: Media, encodings: list[tuple[int, str, int]], ilbc_mode: int | None) -> None:
        self.codec = codec
        self.payload_type = payload_type
        self.findings: list[Finding] = []
        self.mode = 30
        if codec is ILBC:
            mode = _MODE.search(media.format_parameters(payload_type))
            # "If the mode parameter is absent, 30 is assumed"; 30 of either side is 30 for both (RFC 3952 5)
            self.mode = ilbc_mode or (int(mode[1]) if mode else 30)
        elif codec is G729 and not _NO_ANNEX_B.search(parameters := media.format_parameters(payload_type)):
            self.findings.append(Finding("media.annex-b", parameters or "no annexb=no"))  # its default is yes (RFC 4856 2.1.9)
        attributes = media.named()
        self.muxed = "rtcp-mux" in attributes
        self.rtcp = attributes.get("rtcp")
        self.crypto = "crypto" in attributes
        self.ptime = _packet_time(attributes, codec, self.mode)
        self.event_type, self.event_clock = self._events(encodings, media)

    def _events(self, encodings: list[tuple[int, str, int]], media: Media) -> tuple[int | None, int]:
        """telephone-event: the one of the codec's clock when several rates are offered (RFC 4733 2.1), else the first."""
        # a rate at which no codec runs, 0 above all, is none to count durations in
        events = [(number, clock) for number, name, clock in encodings if name == TELEPHONE_EVENT and clock >= _SLOWEST_CLOCK]
        if not events:
            self.findings.append(Finding("media.no-telephone-event", media.named_formats()))
            return None, 0
        clock = self.codec.clock
        chosen = next((event for event in events if event[1] == clock), events[0])
        if chosen[1] != clock:
            self.findings.append(Finding("media.event-clock", f"telephone-event/{chosen[1]} beside {self.codec.name}/{clock}"))
        return chosen


def _terms(formats: tuple[str, ...], attributes: tuple[str, ...], codecs: tuple[Codec, ...], ilbc_mode: int | None) -> _Terms | None:
    """None when no format is one of `codecs`."""
    media = Media("audio", 0, "", [*formats])
    media.attributes = [*attributes]
    encodings = media.encodings()
    codec, payload_type = _first_known(encodings, codecs)
    return _Terms(codec, payload_type, media, encodings, ilbc_mode) if codec is not None else None


_known_terms = lru_cache(maxsize=64)(_terms)
"""For a client offers the same in each of its calls."""


def _first_known(encodings: list[tuple[int, str, int]], codecs: tuple[Codec, ...]) -> tuple[Codec | None, int]:
    """The first encoding that is one of `codecs`, and its payload type."""
    known = {codec.key: codec for codec in codecs}
    for payload_type, name, clock in encodings:
        codec = known.get((name, clock))
        if codec is not None:
            return codec, payload_type
    return None, -1


def _packet_time(attributes: Mapping[str, str], codec: Codec, mode: int) -> int:
    """Milliseconds of audio a packet that the other side wants to receive: its ptime in whole frames, not above its maxptime."""
    frame = mode if codec is ILBC else 20 if codec is SPEEX else 10
    wanted = _milliseconds(attributes.get("ptime")) or (mode if codec is ILBC else PTIME)
    most = _milliseconds(attributes.get("maxptime"))
    if most is not None and most < wanted:
        wanted = most
    if wanted > _LONGEST:
        wanted = _LONGEST
    return wanted // frame * frame or frame


def _milliseconds(text: str | None) -> int | None:
    """A ptime; fractions, which RFC 8866 6.4 does not rule out, count down."""
    if text is None:
        return None
    whole = text.partition(".")[0]
    return int(whole) if whole.isascii() and whole.isdigit() and len(whole) <= 4 and int(whole) >= _SHORTEST else None


def _settle_keys(agreement: Agreement, media: Media, local: LocalMedia) -> None:
    """SDES: from RTP/SAVP always, from RTP/AVP where that is a setting."""
    lines = [text.partition(":")[2] for text in media.attributes if text.startswith("crypto:")]
    if media.profile in _PLAIN:
        if lines and not local.crypto_on_avp:
            agreement.findings.append(Finding("srtp.on-avp", f"{len(lines)} a=crypto lines on {media.profile}"))
        if not lines or not local.crypto_on_avp:
            return
    try:
        choice = crypto.choose(lines, take_lifetime=local.take_lifetime)
    except crypto.NoCrypto as error:
        if media.profile in _PLAIN:
            agreement.findings.extend(error.findings)
            return
        raise NotAcceptable(399, str(error), error.findings[0], error.findings[1:]) from None
    agreement.taken = choice.crypto
    agreement.keys = Keys(local.master_key, choice.crypto.key)
    agreement.findings.extend(choice.findings)


def _address(description: SessionDescription, media: Media) -> tuple[str, int]:
    connection = description.connection_of(media)
    if connection is None:
        raise NotAcceptable(399, "no c= line holds for the audio", Finding("sdp.malformed", "no c= line"))
    address = _numeric(connection.address)
    if address is None:
        raise NotAcceptable(399, "the media address must be numeric", Finding("media.address", connection.address))
    return address, media.port


def _numeric(address: str) -> str | None:
    """An address as the system writes where packets come from (RFC 5952); None for what is none."""
    if _IPV4.fullmatch(address) is not None:
        return address
    try:
        return str(ipaddress.ip_address(address)) if "%" not in address else None  # a zone means something on the client's machine only
    except ValueError:
        return None


def _rtcp(value: str | None, host: str, port: int) -> tuple[str, int] | None:
    """Where RTCP goes: `value` of a=rtcp (RFC 3605), else the next port up; None when there is none."""
    if value:
        parts = value.split()
        if parts[0].isascii() and parts[0].isdigit() and len(parts[0]) <= 5 and 0 < int(parts[0]) < 65536:
            if len(parts) == 1:
                return host, int(parts[0])
            if len(parts) == 4 and _numeric(parts[3]) == host:  # a third party's address gets no packets from us
                return host, int(parts[0])
    return (host, port + 1) if port < 65535 else None


def live_audio(description: SessionDescription) -> int:
    """The place of the audio line that is in use in a description of ours."""
    return next((at for at, media in enumerate(description.media) if media.kind == "audio" and media.port), 0)
