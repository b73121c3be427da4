"""Offer and answer (RFC 3264): which codec, which payload types, where to, and who may send."""

import ipaddress
import re
from dataclasses import dataclass, field

from emulator.journal.findings import Finding
from emulator.media.codecs import BY_NAME, CODECS, EVENT_PAYLOAD_TYPE, EVENTS, TELEPHONE_EVENT, Codec
from emulator.media.sdp import Connection, Media, SessionDescription

PTIME = 20
_NOWHERE = frozenset({"0.0.0.0", "::"})
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")


class NotAcceptable(Exception):
    """Nothing in the offer fits: 488 with this warn-code (RFC 3261 20.43) and text."""

    def __init__(self, warning: int, text: str, finding: Finding) -> None:
        super().__init__(text)
        self.warning = warning
        self.text = text
        self.finding = finding


@dataclass(slots=True)
class LocalMedia:
    """Our side of a session: where we listen, and the numbers of our o= line."""

    address: str
    port: int
    session_id: int
    codecs: tuple[Codec, ...] = CODECS

    @property
    def family(self) -> str:
        return "IP6" if ":" in self.address else "IP4"


@dataclass(slots=True)
class Agreement:
    """What an offer and its answer settled.

    `payload_type` and `event_type` are the numbers we send with, which are the other side's (RFC 3264 5.1); `event_type` is None without
    telephone-event. `remote` and `remote_rtcp` are address and port; `send` and `receive` are ours.
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
    findings: list[Finding] = field(default_factory=list)


def answer(
    offer_: SessionDescription, local: LocalMedia, previous: SessionDescription | None = None
) -> tuple[SessionDescription, Agreement]:
    """Our answer and what it settles. `previous` is our last description in this session, for its version (RFC 3264 8).

    Every m= line of the offer has its answer at the same place (6); the first audio line that fits is taken, all others get port 0.
    """
    chosen: tuple[int, Agreement] | None = None
    problem: NotAcceptable | None = None
    for at, media in enumerate(offer_.media):
        if media.kind != "audio" or media.port == 0 or chosen is not None:
            continue
        try:
            chosen = (at, _settle(offer_, media))
        except NotAcceptable as error:
            problem = problem or error
    if chosen is None:
        if problem is None:
            kinds = ", ".join(media.kind for media in offer_.media)
            problem = NotAcceptable(304, "no audio offered", Finding("media.no-audio", kinds))
        raise problem
    place, agreement = chosen
    description = _description(local)
    for at, media in enumerate(offer_.media):
        if at == place:
            formats = [(agreement.payload_type, agreement.codec)]
            description.media.append(_audio(local.port, media.profile, formats, agreement))
        else:
            description.media.append(Media(media.kind, 0, media.profile, media.formats[:1]))
    refused = [media.kind for at, media in enumerate(offer_.media) if at != place and media.port]
    if refused:
        agreement.findings.append(Finding("media.other-lines", ", ".join(refused)))
    _set_version(description, local, previous)
    return description, agreement


def offer(local: LocalMedia, previous: SessionDescription | None = None) -> SessionDescription:
    """An offer of our own: every codec in the trunk's order, and telephone-event."""
    description = _description(local)
    description.media.append(_audio(local.port, "RTP/AVP", [(codec.payload_type, codec) for codec in local.codecs], None))
    _set_version(description, local, previous)
    return description


def agree(ours: SessionDescription, theirs: SessionDescription) -> Agreement:
    """What the answer to our offer settles. Raises `NotAcceptable` when it is none of what was offered (RFC 3264 6)."""
    if len(theirs.media) != len(ours.media) or theirs.media[0].kind != "audio":
        lines = f"{len(theirs.media)} m= lines for our {len(ours.media)}"
        raise NotAcceptable(399, "the answer's m= lines are not the offer's", Finding("sdp.answer", lines))
    media = theirs.media[0]
    if media.port == 0:
        raise NotAcceptable(304, "the answer refuses the audio", Finding("sdp.answer", "audio with port 0"))
    return _settle(theirs, media)


def _settle(description: SessionDescription, media: Media) -> Agreement:
    """Codec, payload types, address and direction of one audio line as its sender described it."""
    if media.profile not in ("RTP/AVP", "RTP/AVPF"):
        raise NotAcceptable(302, "the transport of the media is not supported", Finding("media.profile", media.profile))
    encodings = media.encodings()
    codec, payload_type = next(
        ((BY_NAME[name, clock], number) for number, name, clock in encodings if (name, clock) in BY_NAME),
        (None, -1),
    )
    if codec is None:
        names = ", ".join(f"{name}/{clock}" for _, name, clock in encodings if name != TELEPHONE_EVENT) or " ".join(media.formats)
        raise NotAcceptable(305, "no codec of the trunk offered", Finding("media.codec", names))
    event = _event(encodings, codec)
    host, port = _address(description, media)
    on_hold = host in _NOWHERE  # the hold of RFC 2543 (RFC 3264 8.4)
    direction = description.direction_of(media)
    agreement = Agreement(
        codec=codec,
        payload_type=payload_type,
        event_type=event[0] if event else None,
        event_clock=event[1] if event else 0,
        remote=(host, port),
        remote_rtcp=None if on_hold else _rtcp(media, host, port),
        send=direction in ("sendrecv", "recvonly") and not on_hold,
        receive=direction in ("sendrecv", "sendonly"),
        ptime=PTIME,
    )
    if event is None:
        agreement.findings.append(Finding("media.no-telephone-event", " ".join(media.formats)))
    return agreement


def _event(encodings: list[tuple[int, str, int]], codec: Codec) -> tuple[int, int] | None:
    """Payload type and clock of telephone-event: the one of the codec's clock when several rates are offered (RFC 4733 2.1)."""
    events = [(number, clock) for number, name, clock in encodings if name == TELEPHONE_EVENT]
    return next((event for event in events if event[1] == codec.clock), None)


def _address(description: SessionDescription, media: Media) -> tuple[str, int]:
    connection = description.connection_of(media)
    if connection is None:
        raise NotAcceptable(399, "no c= line holds for the audio", Finding("sdp.malformed", "no c= line"))
    if _IPV4.fullmatch(connection.address) is None:
        try:
            ipaddress.ip_address(connection.address)
        except ValueError:
            text = "the media address must be numeric"
            raise NotAcceptable(399, text, Finding("media.address", connection.address)) from None
    return connection.address, media.port


def _rtcp(media: Media, host: str, port: int) -> tuple[str, int] | None:
    """Where RTCP goes: a=rtcp (RFC 3605), the RTP port when muxed (RFC 5761), else the next port up; None when there is none."""
    value = media.attribute("rtcp")
    if value:
        parts = value.split()
        if parts[0].isascii() and parts[0].isdigit() and len(parts[0]) <= 5 and 0 < int(parts[0]) < 65536:
            if len(parts) == 1:
                return host, int(parts[0])
            if len(parts) == 4 and parts[3] == host:  # a third party's address gets no packets from us
                return host, int(parts[0])
    return (host, port + 1) if port < 65535 else None


def _description(local: LocalMedia) -> SessionDescription:
    description = SessionDescription(f"- {local.session_id} 1 IN {local.family} {local.address}", "vsim")
    description.connection = Connection(local.family, local.address)
    return description


def _audio(port: int, profile: str, formats: list[tuple[int, Codec]], agreement: Agreement | None) -> Media:
    """An audio line with its codecs and telephone-event. An answer repeats the event type of the offer, an offer has our own."""
    media = Media("audio", port, profile, [str(number) for number, _ in formats])
    media.attributes.extend(f"rtpmap:{number} {codec.name}/{codec.clock}" for number, codec in formats)
    event, clock = (EVENT_PAYLOAD_TYPE, 8000) if agreement is None else (agreement.event_type, agreement.event_clock)
    if event is not None:
        media.formats.append(str(event))
        media.attributes.extend((f"rtpmap:{event} telephone-event/{clock}", f"fmtp:{event} {EVENTS}"))
    media.attributes.append(f"ptime:{PTIME}")
    media.attributes.append("sendrecv" if agreement is None else _direction(agreement))
    return media


def _direction(agreement: Agreement) -> str:
    """Ours, as the answer states it (RFC 3264 6.1)."""
    if agreement.send:
        return "sendrecv" if agreement.receive else "sendonly"
    return "recvonly" if agreement.receive else "inactive"


def _set_version(description: SessionDescription, local: LocalMedia, previous: SessionDescription | None) -> None:
    """A changed description counts its version up, an unchanged one keeps it (RFC 3264 8)."""
    if previous is None or previous.version is None:
        return
    version = previous.version
    description.origin = f"- {local.session_id} {version} IN {local.family} {local.address}"
    if str(description) != str(previous):
        description.origin = f"- {local.session_id} {version + 1} IN {local.family} {local.address}"
