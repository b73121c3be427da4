"""What a SIP status means when the trunk answers with it, and the usual fix."""

from dataclasses import dataclass

_KB = "Vonage's table of call statuses (vonage-facts 4)"


@dataclass(frozen=True, slots=True)
class Code:
    """One status. `source` says where the meaning is written."""

    meaning: str
    fix: str
    source: str


CODES = {
    100: Code("the trunk has the INVITE and works on it", "nothing; stop retransmitting", "RFC 3261 21.1.1"),
    180: Code("the called phone rings", "nothing; play a ring tone unless media comes", "RFC 3261 21.1.2"),
    183: Code("early media: the far end is heard before it answers", "play the media of its SDP", "RFC 3261 21.1.5"),
    200: Code("the request succeeded; for an INVITE the call is answered", "send the ACK", "RFC 3261 21.2.1"),
    400: Code("the request is malformed", "the Warning names the header; write it as the RFC does", _KB),
    401: Code("credentials are missing or not valid", "answer the challenge with key and secret", _KB),
    403: Code(
        "the caller ID is not allowed, the destination is blocked, or it is an emergency number",
        "use a caller ID of the account's own; for tests never dial emergency numbers",
        _KB,
    ),
    404: Code("the number does not exist, or is no number at all", "dial E.164 digits: country code, then number", _KB),
    405: Code("the trunk does not take this method", "look at Allow; it has no UPDATE and no REFER", "vonage-facts, defaults 39, 40"),
    406: Code("the caller's Accept has no session description", "leave Accept out, or add application/sdp", "RFC 3261 21.4.7"),
    407: Code("every INVITE must be authenticated", "repeat it with Proxy-Authorization: the API key and secret", _KB),
    408: Code("no response from the destination", "try another target, or later", _KB),
    415: Code("the body is of another type or encoded", "send application/sdp", "RFC 3261 21.4.13"),
    416: Code("the Request-URI has a scheme the trunk does not know", "dial sip:NUMBER@HOST", "RFC 3261 21.4.14"),
    420: Code("Require names an extension the trunk lacks", "move it to Supported; Unsupported lists it", "RFC 3261 21.4.15"),
    422: Code("the session interval is too small", "repeat the INVITE with the Min-SE of the response", "RFC 4028 6"),
    423: Code("the registration is too brief", "register for Min-Expires or longer", "RFC 3261 21.4.17"),
    480: Code("the handset is off, out of coverage or not registered", "call again later", _KB),
    481: Code("no such dialog or transaction", "check Call-ID and both tags; the call may have ended", "RFC 3261 21.4.19"),
    482: Code("the same request came by two paths", "send it once, or give a new one a new CSeq", "RFC 3261 8.2.2.2"),
    483: Code("Max-Forwards is used up", "start it at 70, and look for a loop", "RFC 3261 21.4.21"),
    484: Code("the number is too short or too long", "dial the whole number with its country code", "RFC 3261 21.4.22"),
    486: Code("busy, or the call was rejected; also when no forwarding target answered", "call again later", _KB),
    487: Code("the caller cancelled", "nothing", _KB),
    488: Code("no codec, profile or crypto suite in common", "offer one of the trunk's codecs and RTP/AVP", "RFC 3261 21.4.26"),
    491: Code("two re-INVITEs crossed", "wait as RFC 3261 14.1 says, then repeat", "RFC 3261 21.4.27"),
    500: Code("an error in the trunk, or a request out of order", "check that CSeq grows; heed Retry-After", "RFC 3261 21.5.1"),
    501: Code("the method is unknown", "send a method of Allow", "RFC 3261 21.5.2"),
    503: Code("the proxy is down or full", "heed Retry-After and try the next SRV target (RFC 3263 4.3)", "RFC 3261 21.5.4"),
    504: Code("the client went silent, for instance without PRACK", "answer each reliable response with PRACK", "RFC 3262 3"),
    505: Code("not SIP/2.0", "write SIP/2.0 in the start line", "RFC 3261 21.5.6"),
    513: Code("the message is larger than the trunk takes", "offer less; limits.message_octets says how much", "RFC 3261 21.5.11"),
    603: Code("the called party declined", "do not try other targets", "RFC 3261 21.6.2"),
}  # fmt: skip
