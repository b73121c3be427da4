"""A call as a capture: its messages, its media where that was kept, and what was found, each at the packet it is about."""

import re
from collections.abc import Iterable, Iterator
from heapq import merge

from emulator import __version__
from emulator.counting import counted, were
from emulator.journal.attempt import describe
from emulator.journal.datagrams import Datagram
from emulator.journal.findings import Finding
from emulator.journal.pcapng import Packet, pieces
from emulator.journal.record import CallRecord
from emulator.sip.flow import Address, Path, sent_by

_SAVP = re.compile(rb"^(m=audio [^ \r\n]{1,20} RTP/)SAVP(F?)(?= )", re.MULTILINE)
_CRYPTO = b"\na=crypto:"

_SIP_ALONE = "SIP alone, as the journal keeps it: its octets, addresses and times. The packets round it are made from these."
_WITH_MEDIA = (
    "SIP as the journal keeps it, RTP and RTCP as they passed the media ports: their octets, addresses and times. The packets round "
    "them are made from these."
)
_ABOUT_TLS = "TLS is left out: its messages are shown as TCP. Of a connection there is what it brought for this call, without handshake."
_WITH_SRTP = "Media is SRTP, as on the wire; vsim show --decrypt, or decrypt=true of the control API, leaves it out."
_WITHOUT_SRTP = "SRTP is left out as well: of each packet there is the RTP or RTCP in it."
_CHANGED = "RTP/SAVP reads RTP/AVPF here, for the media of this capture is shown without SRTP"


def capture(record: CallRecord, decrypt: bool = False) -> bytes:
    """`captured` as a whole."""
    return b"".join(captured(record, decrypt))


def captured(record: CallRecord, decrypt: bool = False) -> Iterator[bytes]:
    """What there is of a call so far as a pcapng file in pieces, with what was found beside the message after which it was, or beside the
    packet. With `decrypt` the media is without SRTP."""
    kept = record.datagrams
    secure = kept is not None and kept.secure
    decrypt = decrypt and secure
    messages = record.messages.copy()
    said: list[list[str]] = [[] for _ in messages]
    about = [_SIP_ALONE if kept is None else _WITH_MEDIA, _ABOUT_TLS]
    if secure:
        about.append(_WITHOUT_SRTP if decrypt else _WITH_SRTP)
    for finding, after in zip(record.findings, record.noted, strict=True):
        (said[after - 1] if after else about).append(_in_a_line(finding))
    about += [_in_a_line(finding) for finding in (record.media.findings() if record.media is not None else ())]
    about += [f"attempt {describe(attempt.as_dict()).lstrip()}" for attempt in record.attempts]
    if record.dropped:
        what = f"{counted(record.dropped, 'message')} of this call"
        why = f"{were(record.dropped)} not kept: journal.messages and journal.octets bound them"
        about.append(f"{what} {why}")
        if said:
            said[record.gap - 1].append(f"{what}, between this one and the next, {why}")
    about += _missing(record)
    call = record.summary()
    ends = f"{call['caller'] or '?'} to {call['called'] or '?'} at {record.proxy}"
    title = f"{record.direction} call {record.id} of vsim {__version__}: {ends}"
    packets: list[Packet] = []
    for (seconds, incoming, flow, data, path), comments in zip(messages, said, strict=True):
        if decrypt and (plain := without_savp(data)) != data:
            data = plain
            comments.append(_CHANGED)
        packets.append(Packet(record.wall(seconds), incoming, flow.partition(" ")[0], path, data, comments))
    interfaces = dict.fromkeys((*(packet.interface for packet in packets), *((record.proxy,) if kept is not None else ())))
    # Both are in order, and of two at once the message is first.
    return pieces(merge(packets, _media(record, decrypt), key=_at), interfaces, "\n".join((title, *about)))


def _media(record: CallRecord, decrypt: bool) -> Iterator[Packet]:
    """The packets of its media."""
    if record.datagrams is None:
        return
    paths: dict[tuple[Address, Address], Path] = {}
    passed: Iterable[tuple[Datagram, str]] = ((datagram, "") for datagram in record.datagrams)
    if decrypt:
        from emulator.media.clear import clear  # and with it libsrtp

        passed = clear(record.datagrams)
    for datagram, problem in passed:
        ends = (datagram.local, datagram.peer)
        path = paths.get(ends) or paths.setdefault(ends, Path("UDP", *ends))
        comments = [_in_a_line(Finding(datagram.note, f"from {sent_by(datagram.peer)}"))] if datagram.note else []
        if problem:
            comments.append(f"this is as it was on the wire, for SRTP says of it: {problem}")
        yield Packet(record.wall(datagram.at), datagram.incoming, record.proxy, path, datagram.data, comments)


def _missing(record: CallRecord) -> list[str]:
    """What is not there of its media, and what is that the emulator did not hear."""
    kept = record.datagrams
    if kept is None:
        return []
    told: list[str] = []
    bounds = "media.capture_packets bounds those of a call, media.capture_octets those of all"
    if kept.made_room:
        missed = counted(kept.missed, "packet")
        told.append(f"the media of this call, {missed}, made room for that of others: media.capture_octets bounds it")
    elif kept.missed:
        told.append(f"{counted(kept.missed, 'further packet')} of media {were(kept.missed)} not kept: {bounds}")
    if kept.strangers_missed:
        missed = f"{counted(kept.strangers_missed, 'packet')} of strangers {were(kept.strangers_missed)} not kept"
        told.append(f"{missed}: they may be an eighth of media.capture_packets")
    if record.media is not None and record.media.snapshot()["impairments_heard"]:
        told.append("impairments of what the trunk hears come after this: what they lose is there, as it came")
    return told


def without_savp(message: bytes) -> bytes:
    """A message whose description says RTP/AVPF for RTP/SAVP and RTP/SAVPF, of the same length: readers of captures go by that word, and
    would take a packet's end for a tag. The octet that goes with the longer one comes back in the tag of a=crypto."""

    def plain(line: re.Match[bytes]) -> bytes:
        return line[1] + b"AVPF"

    changed = _SAVP.sub(plain, message)
    lacking = len(message) - len(changed)
    if lacking and _CRYPTO not in changed:
        return message
    return changed.replace(_CRYPTO, _CRYPTO + b"0" * lacking, 1)


def _at(packet: Packet) -> float:
    return packet.at


def _in_a_line(finding: Finding) -> str:
    kind = finding.kind
    return f"{kind.severity}: {finding.code}: {finding.seen}; the trunk wants {kind.wants}: {kind.fix} ({kind.source})"
