"""The session description in a SIP message: where SIP and SDP meet, for the trunk and for the phone."""

from emulator.journal.findings import Finding
from emulator.media.offer import NotAcceptable
from emulator.media.sdp import SdpError, SessionDescription
from emulator.sip.body import BrokenBody, WrongBody, part_of
from emulator.sip.message import Message
from emulator.sip.refusal import Refusal

SDP_TYPE = "application/sdp"


def offered(message: Message) -> SessionDescription | None:
    """The description in a message; None when it has none. Raises `Refusal` 415 or 400."""
    try:
        body = part_of(message, SDP_TYPE)
        return SessionDescription.parse(body) if body is not None else None
    except WrongBody as wrong:
        wants = ("Accept-Encoding", "identity") if wrong.encoded else ("Accept", SDP_TYPE)  # 8.2.3
        raise Refusal(415, Finding("body.encoding" if wrong.encoded else "body.type", wrong.type), (wants,)) from None
    except BrokenBody as broken:
        raise Refusal(400, Finding("body.malformed", str(broken))) from None
    except SdpError as error:
        raise Refusal(400, Finding("sdp.malformed", str(error))) from None


def answered(message: Message) -> SessionDescription:
    """The answer to an offer of ours, in a response, an ACK or a PRACK. Raises `NotAcceptable` with the finding."""
    try:
        described = offered(message)
    except Refusal as refusal:
        assert refusal.finding is not None
        raise NotAcceptable(399, refusal.reason, refusal.finding) from None
    if described is None:
        raise NotAcceptable(399, "no answer", Finding("sdp.answer", "no SDP where the answer to our offer was due"))
    return described
