"""Our own session descriptions (RFC 3264): answers, offers, and what later ones change."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from emulator.journal.findings import Finding
from emulator.media import crypto
from emulator.media.codecs import EVENT_PAYLOAD_TYPE, EVENTS, G729, ILBC, TELEPHONE_EVENT, Codec
from emulator.media.offer import PTIME, Agreement, LocalMedia, NotAcceptable, live_audio, settle
from emulator.media.sdp import DIRECTIONS, Connection, Media, SessionDescription

_DYNAMIC = range(96, 128)
_BROWSER = (
    ("media.ice", frozenset({"ice-ufrag", "ice-pwd", "ice-options", "ice-lite", "candidate"})),
    ("media.dtls", frozenset({"fingerprint", "setup"})),
)
"""What soft phones and browsers add, by the finding about it."""


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
            chosen = (at, settle(offer_, media, local))
        except NotAcceptable as error:
            problem = problem or error
    if chosen is None:
        if problem is None:
            kinds = ", ".join(media.kind if media.port else f"{media.kind} with port 0" for media in offer_.media)
            problem = NotAcceptable(304, "no audio offered", Finding("media.no-audio", kinds))
        raise problem
    place, agreement = chosen
    description = _description(local)
    for at, media in enumerate(offer_.media):
        if at == place:
            line = _audio(local, media.profile, [(agreement.payload_type, agreement.codec)], agreement)
            if agreement.taken is not None:
                line.attributes.insert(0, f"crypto:{crypto.answer(agreement.taken, local.master_key)}")
            description.media.append(line)
        else:
            description.media.append(Media(media.kind, 0, media.profile, media.formats[:1]))
    refused = [media.kind for at, media in enumerate(offer_.media) if at != place and media.port]
    if refused:
        agreement.findings.append(Finding("media.other-lines", ", ".join(refused)))
    agreement.findings.extend(_browser(offer_))
    _set_version(description, local, previous)
    return description, agreement


def offer(local: LocalMedia, previous: SessionDescription | None = None) -> SessionDescription:
    """An offer of our own: every codec in the trunk's order, and telephone-event.

    `previous` is our last description in this session: its m= lines keep their places and its payload types their meaning (RFC 3264 8,
    8.3.2).
    """
    description = _description(local)
    place = live_audio(previous) if previous is not None else 0
    known = {(name, clock): number for number, name, clock in previous.media[place].encodings()} if previous is not None else {}
    numbered = _numbered(local.codecs, known)
    line = _audio(local, "RTP/SAVP" if local.secure else "RTP/AVP", numbered, None, _event(known, [number for number, _ in numbered]))
    if local.secure:
        line.attributes.insert(0, f"crypto:{crypto.offer(local.master_key)}")
    others = previous.media if previous is not None else [line]
    description.media = [line if at == place else Media(old.kind, 0, old.profile, old.formats[:1]) for at, old in enumerate(others)]
    _set_version(description, local, previous)
    return description


def reoffer(previous: SessionDescription, agreement: Agreement, local: LocalMedia) -> SessionDescription:
    """Our last description with the direction that `local.holds` asks for now: `sendrecv` goes on hold as `sendonly`, `recvonly` as
    `inactive`, for the other side's hold is its own to lift (RFC 3264 8.4)."""
    description = SessionDescription.parse(str(previous))
    line = description.media[live_audio(description)]
    line.attributes = [text for text in line.attributes if text not in DIRECTIONS]
    line.attributes.append(_direction(agreement.send, not local.holds))
    _set_version(description, local, previous)
    return description


def restated(description: SessionDescription, local: LocalMedia, refused: SessionDescription) -> SessionDescription:
    """`description`, which still holds, with the version that follows the one of an offer that was `refused`."""
    description = SessionDescription.parse(str(description))
    _set_version(description, local, refused)
    return description


def _browser(description: SessionDescription) -> Iterator[Finding]:
    """What soft phones and browsers add; the trunk ignores it."""
    attributes = [*description.attributes]
    for media in description.media:
        attributes += media.attributes
    names = {text.partition(":")[0] for text in attributes}
    for code, theirs in _BROWSER:
        if not names.isdisjoint(theirs):
            yield Finding(code, ", ".join(sorted(names & theirs)))


def _description(local: LocalMedia) -> SessionDescription:
    family, address = local.family, local.address
    description = SessionDescription(f"- {local.session_id} 1 IN {family} {address}", "vsim")
    description.connection = Connection(family, address)
    return description


def _numbered(codecs: Sequence[Codec], known: Mapping[tuple[str, int], int]) -> list[tuple[int, Codec]]:
    """Each codec with its payload type: the one it is `known` by, else its own, else a free one."""
    used = set(known.values())
    numbered: list[tuple[int, Codec]] = []
    for codec in codecs:
        number = known.get(codec.key)
        if number is None:
            own = (codec.payload_type, *_DYNAMIC)
            number = next((one for one in own if one not in used), None)
            if number is None:
                continue
            used.add(number)
        numbered.append((number, codec))
    return numbered


def _event(known: Mapping[tuple[str, int], int], used: Collection[int]) -> tuple[int, int]:
    """Payload type and clock of telephone-event: as they are `known`, else our own or a free one."""
    for (name, clock), number in known.items():
        if name == TELEPHONE_EVENT:
            return number, clock
    return next(number for number in (EVENT_PAYLOAD_TYPE, *_DYNAMIC) if number not in used), 8000


def _audio(
    local: LocalMedia,
    profile: str,
    formats: list[tuple[int, Codec]],
    agreement: Agreement | None,
    event: tuple[int | None, int] = (None, 0),
) -> Media:
    """An audio line with its codecs and telephone-event: an answer repeats the event type of the offer, an offer has `event`."""
    media = Media("audio", local.port, profile, [str(number) for number, _ in formats])
    mode = (local.ilbc_mode or 30) if agreement is None else agreement.mode
    for number, codec in formats:
        media.attributes.append(f"rtpmap:{number} {codec.name}/{codec.clock}")
        if codec is G729:
            media.attributes.append(f"fmtp:{number} annexb=no")
        elif codec is ILBC:
            media.attributes.append(f"fmtp:{number} mode={mode}")
    type_, clock = event if agreement is None else (agreement.event_type, agreement.event_clock)
    if type_ is not None:
        media.formats.append(str(type_))
        media.attributes.extend((f"rtpmap:{type_} telephone-event/{clock}", f"fmtp:{type_} {EVENTS}"))
    only_ilbc = all(codec is ILBC for _, codec in formats)
    media.attributes.append(f"ptime:{mode if only_ilbc else PTIME}")
    if agreement is not None and agreement.muxed:
        media.attributes.append("rtcp-mux")
    elif local.rtcp_port is not None:
        media.attributes.append(f"rtcp:{local.rtcp_port}")
    media.attributes.append(_direction(True, not local.holds) if agreement is None else _direction(agreement.send, agreement.receive))
    return media


def _direction(send: bool, receive: bool) -> str:
    """Ours, as a description states it (RFC 3264 5.1, 6.1)."""
    if send:
        return "sendrecv" if receive else "sendonly"
    return "recvonly" if receive else "inactive"


def _set_version(description: SessionDescription, local: LocalMedia, previous: SessionDescription | None) -> None:
    """A changed description counts its version up, an unchanged one keeps it (RFC 3264 8)."""
    if previous is None or previous.version is None:
        return
    version = previous.version
    description.origin = f"- {local.session_id} {version} IN {local.family} {local.address}"
    if str(description) != str(previous):
        description.origin = f"- {local.session_id} {version + 1} IN {local.family} {local.address}"
