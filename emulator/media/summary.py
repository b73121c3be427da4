"""What is told of one call's media: its findings, and its numbers ready for JSON."""

from typing import TYPE_CHECKING, Any

from emulator.counting import counted
from emulator.journal.findings import Finding
from emulator.media.libsrtp import Fault
from emulator.media.offer import PTIME
from emulator.media.quality import mos

if TYPE_CHECKING:
    from emulator.media.stream import Stream

_SOON = 3.0
"""Seconds. Who hangs up before them may not have come to speak."""


def findings(stream: "Stream") -> list[Finding]:
    """What was odd about the media as a whole."""
    agreement, refused, rtcp = stream.agreement, stream.refused, stream.rtcp
    found = stream.heard.findings(agreement.mode if agreement.codec.name == "iLBC" else PTIME)
    found.extend(stream.event_findings)
    for count, code, what in (
        (stream.unknown_type, "media.payload-type", "of a payload type that was not agreed"),
        (stream.unwanted, "media.direction", "while none were to be sent"),
        (stream.strangers, "media.stranger", _from_elsewhere(stream)),
        (stream.late, "media.after-bye", "after the end"),
        (stream.before_answer, "media.before-answer", "before the 200"),
        (stream.bad, "media.malformed", "of neither RTP nor RTCP"),
        (rtcp.reduced, "rtcp.reduced-size", "with no report to begin with"),
        (refused[Fault.FORGED], "srtp.forged", "whose tag is not right"),
        (refused[Fault.REPLAYED], "srtp.replayed", "a second time"),
        (refused[Fault.MALFORMED] + refused[Fault.SOURCES] + refused[Fault.OTHER], "srtp.unusable", "of no SRTP"),
    ):
        if count:
            found.append(Finding(code, f"{counted(count, 'packet')} {what}"))
    if stream.address_taken:
        found.append(Finding("media.address-taken", _at(agreement.remote)))
    if stream.in_band is not None:
        found.append(Finding("dtmf.in-band", stream.in_band))
    theirs, sender = rtcp.theirs, rtcp.sender
    if theirs is not None and theirs.lost > 0 and theirs.lost > stream.sent // 100:
        found.append(Finding("rtcp.loss", f"the client misses {counted(theirs.lost, 'packet')}"))
    came = stream.heard.expected + stream.strangers + stream.unknown_type + stream.bad + sum(refused.values())
    if sender is not None and sender.ssrc == stream.heard.source and sender.packets > came * 1.05 + 50:
        found.append(Finding("rtcp.counts", f"{sender.packets} sent by its own account, {stream.heard.packets} came"))
    return found


def nothing_heard(stream: "Stream", seconds: float) -> Finding | None:
    """One-way audio in a call that was up for `seconds`; None when something came, be it of no use, or none was due."""
    came = stream.heard.packets + stream.strangers + stream.unknown_type + stream.unwanted + stream.bad + sum(stream.refused.values())
    if came or seconds < _SOON or not stream.agreement.receive:
        return None
    return Finding("media.nothing-heard", f"no RTP in {seconds:.1f} s; by its SDP the client is at {_at(stream.agreement.remote)}")


def _from_elsewhere(stream: "Stream") -> str:
    """Who speaks from another port than the description says needs to know both."""
    if stream.stranger is None:
        return "from elsewhere"
    return f"from elsewhere, the last from {_at(stream.stranger)}; the description says {_at(stream.agreement.remote)}"


def _at(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def snapshot(stream: "Stream") -> dict[str, Any]:
    """What was agreed and counted, ready for JSON."""
    agreement, heard, rtcp, course = stream.agreement, stream.heard, stream.rtcp, stream.course
    codec, theirs = agreement.codec, rtcp.theirs
    lost = theirs.lost / stream.sent if theirs is not None and stream.sent else None
    return {
        "codec": codec.name,
        "payload_type": agreement.payload_type,
        "event_payload_type": agreement.event_type,
        "srtp": agreement.keys is not None,
        "remote": _at(agreement.remote),
        "send": agreement.send,
        "receive": agreement.receive,
        "plays": "silence" if any(name == "silence" for name, _ in stream.plan.sent) else stream.plan.play,
        "packets_received": heard.packets,
        "packets_sent": stream.sent,
        "heard": heard.snapshot(codec.name),
        "sent": {
            "packets": stream.sent,
            "left": stream.sent - (course.lost if course is not None else 0),
            "octets": stream.sent_octets,
            "lost": theirs.lost if theirs is not None else None,
            "jitter_ms": round(1000 * theirs.jitter / codec.clock, 2) if theirs is not None else None,
            "mos": round(mos(codec.name, min(1.0, max(0.0, lost))), 2) if lost is not None else None,
        },
        "round_trip_ms": round(1000 * rtcp.round_trip, 1) if rtcp.round_trip is not None else None,
        "events_received": stream.events,
        "digits": "".join(digit.name if len(digit.name) == 1 else f"<{digit.name}>" for digit in stream.digits),
        "unknown_payload_type": stream.unknown_type,
        "against_direction": stream.unwanted,
        "malformed": stream.bad,
        "strangers": stream.strangers,
        "srtp_refused": sum(stream.refused.values()),
        "rtcp_received": rtcp.received,
        "rtcp_sent": rtcp.sent,
        "impairments": course.counters_sent if course is not None else {},
        "impairments_heard": course.counters_heard if course is not None else {},
    }
