"""The catalogue of findings: what vsim says about a message or a stream that is not as the trunk wants it.

A finding's code is stable: people grep for it and scripts match on it. `Kind` is what is known beforehand, `Finding`
one case of it.
"""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the catalogue.

    `severity`: `error` when the trunk refuses for it, `warning` when the real one may, `note` when it is only odd.
    `wants` says what the trunk wants, `fix` what to change at the client, `source` where the rule is written.
    """

    code: str
    severity: Severity
    wants: str
    fix: str
    source: str
    public: str = ""
    """What the peer is told instead of code and `seen`, where those would give something away."""


class Finding:
    """One case of a kind: `seen` is what was seen, short and printable."""

    __slots__ = ("code", "seen")

    def __init__(self, code: str, seen: str) -> None:
        if code not in CATALOGUE:
            raise KeyError(f"finding {code!r} is not in the catalogue")
        self.code = code
        self.seen = printable(seen)

    @property
    def kind(self) -> Kind:
        return CATALOGUE[self.code]

    @property
    def public(self) -> str:
        """What the peer is told in a Warning; the cases that would tell an attacker which guess was right read alike."""
        return self.kind.public or f"{self.code}: {self.seen}"

    def __str__(self) -> str:
        return f"{self.code}: {self.seen}; the trunk wants {self.kind.wants}"

    def __repr__(self) -> str:
        return f"Finding({self.code!r}, {self.seen!r})"


def printable(text: str, limit: int = 200) -> str:
    """`text` as it may be shown: control characters and terminal escapes as `\\xNN`, at most `limit` characters."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" if ord(c) < 256 else "?" for c in text[: limit + 1])
    return text if len(text) <= limit else text[: limit - 1] + "…"


_SIGNALLING = (
    Kind("limit.calls", "warning", "fewer calls at once", "hang up some, or raise limits.calls", "vsim's own bound"),
    Kind("limit.calls-per-second", "warning", "at most 3 new calls of an account in a second, or as many as limits.calls_per_second says", "pace your calls; those beyond are refused, not queued", "Vonage KB 207100288 (vonage-facts 5)"),
    Kind("limit.calls-at-once", "error", "fewer calls of one account at once", "hang up some, or raise limits.calls_at_once", "vonage-facts 5: 30 on older trunks"),
    Kind("limit.media-ports", "warning", "fewer calls at once", "hang up some, or widen media.ports", "vsim's own bound"),
    Kind("method.not-allowed", "error", "one of the methods in Allow", "do not send this method to the trunk", "RFC 3261 21.4.6"),
    Kind("method.unknown", "error", "a method that the RFCs define", "do not send this method to the trunk", "RFC 3261 21.5.2"),
    Kind("uri.malformed", "error", "a SIP URI in the Request-URI", "write the Request-URI as RFC 3261 19.1 does", "RFC 3261 8.2.2.1"),
    Kind("uri.scheme", "error", "a sip, sips or tel URI", "dial sip:NUMBER@HOST", "RFC 3261 8.2.2.1"),
    Kind("uri.no-region", "error", "a trunk host that names its region", "dial NUMBER@DOMAIN.sip-us.vonage.com, .sip-eu. or .sip-ap.", "vonage-facts 8; the status is invented"),
    Kind("uri.other-region", "warning", "a Request-URI of the region it is sent to", "resolve the host that the Request-URI names, by SRV", "page: Regions"),
    Kind("dialog.none", "error", "a To tag in requests that belong to a call", "copy the tag of the 2xx into To", "RFC 3261 12.2.2"),
    Kind("dialog.unknown", "note", "requests of a call that is up, with its Call-ID and both tags", "keep Call-ID and tags as the 2xx has them, and send nothing once either side has hung up", "RFC 3261 12.2.2"),
    Kind("cancel.unmatched", "note", "a CANCEL with the branch of its INVITE, while that is known", "copy Via of the INVITE into the CANCEL, and send none for what was answered long ago", "RFC 3261 9.2"),
    Kind("health-check.refused", "note", "no health checks: a setting refuses them", "set policy.options_status to 200", "vsim's own setting"),
    Kind("reinvite.refused", "error", "no new offer in a call that is up", "set policy.reinvites to accept, as the labs' trunks did", "vsim's own setting"),
    Kind("response.large-over-udp", "note", "answers of at most 1300 octets over UDP", "send fewer Record-Routes, or use TCP or TLS", "RFC 3261 18.1.1; vonage-facts, default 53"),
    Kind("require.unsupported", "error", "no option tag the trunk lacks in Require", "move the option to Supported", "RFC 3261 8.2.2.3"),
    Kind("session-timer.too-small", "error", "a session interval of at least its Min-SE", "repeat the INVITE with the Min-SE of the 422", "RFC 4028 9; vonage-facts, default 38"),
    Kind("session-timer.expired", "error", "a refresh before the session interval ends", "send the re-INVITE at half the interval when the 2xx says refresher=uac", "RFC 4028 10"),
    Kind("session-timer.outlived", "warning", "a BYE slightly before the session expires, when whoever refreshes is silent", "hang up a third of the interval, at most 32 s, before its end", "RFC 4028 10"),
    Kind("session-timer.refresh-refused", "warning", "a 2xx for its refresh", "answer a re-INVITE that changes nothing with 200", "RFC 4028 10"),
    Kind("session-timer.refresh-lost", "error", "an answer to its refresh", "answer re-INVITEs inside the dialog", "RFC 4028 10"),
    Kind("reinvite.lost", "error", "an answer to its re-INVITE", "answer re-INVITEs inside the dialog", "RFC 3261 12.2.1.2"),
    Kind("bye.early", "warning", "a refusal of the INVITE instead of a BYE before the 2xx", "send 480, 486 or 603 to end a call that was not answered", "RFC 3261 15"),
    Kind("invite.forks", "warning", "few answers to one INVITE", "let a forking proxy answer with one dialog", "vsim's own bound"),
    Kind("invite.expired", "note", "no Expires in an INVITE, or one that outlasts the ringing", "send CANCEL when the caller gives up", "RFC 3261 13.3.1"),
    Kind("hold.refused", "warning", "a 2xx for an offer that only puts the call on hold or takes it off", "answer a=sendonly with a=recvonly, as RFC 3264 8.4 does", "RFC 3264 8.4"),
    Kind("codec.refused", "warning", "a 2xx for an offer of another codec that both sides have", "take a re-INVITE with another codec of your own offer", "RFC 3264 8.3.2"),
    Kind("call.unanswered", "note", "a caller who hangs up first when nobody answers", "cancel when it has rung for long enough, or dial a number that answers", "vsim's own bound"),
    Kind("magic.refused", "note", "another number: this one refuses every call", "dial another number, or set policy.magic_numbers to false", "docs/magic-numbers.md"),
    Kind("reinvite.glare", "note", "one re-INVITE at a time", "wait as RFC 3261 14.1 says, then repeat", "RFC 3261 14.2"),
    Kind("register.address", "error", "the API key or a number of the account in To", "register sip:KEY@HOST", "RFC 3261 10.3"),
    Kind("register.star", "error", "Contact: * alone, with Expires: 0", "remove contacts with expires=0, or all with * and Expires: 0", "RFC 3261 10.2.2"),
    Kind("register.too-brief", "error", "an expiry of at least its Min-Expires", "register for the Min-Expires of the 423, or longer", "RFC 3261 10.3; vonage-facts, default 7"),
    Kind("register.out-of-order", "error", "a CSeq that grows within a Call-ID", "count CSeq up with each REGISTER", "RFC 3261 10.3"),
    Kind("limit.registrations", "warning", "fewer contacts", "remove old contacts, or raise registrar.contacts", "vsim's own bound"),
    Kind("ack.missing", "error", "an ACK for each 2xx, within 32 s", "send ACK to the Contact of the 2xx, with its To tag and the CSeq of the INVITE", "RFC 3261 13.3.1.4"),
    Kind("ack.to-tag", "error", "the To tag of the 2xx in its ACK", "copy To of the 2xx into the ACK: with another tag it belongs to no dialog, and the call is ended after 32 s", "RFC 3261 12.2.1.1"),
    Kind("prack.missing", "error", "a PRACK for each reliable provisional response", "send PRACK, or do not require 100rel", "RFC 3262 3"),
    Kind("prack.no-rseq", "error", "a RSeq in each reliable provisional response", "count RSeq up from a number above 0", "RFC 3262 7.1"),
    Kind("prack.unmatched", "error", "a RAck that names the RSeq, CSeq and method of the waiting response", "copy RSeq and CSeq of the response into RAck", "RFC 3262 7.2"),
    Kind("contact.missing", "error", "a Contact in every INVITE", "add a Contact with the address you listen on", "RFC 3261 8.1.1.8"),
    Kind("body.type", "error", "application/sdp", "send the offer as application/sdp", "RFC 3261 8.2.3"),
    Kind("body.accept", "error", "an Accept with application/sdp, or none", "add application/sdp to Accept", "RFC 3261 20.1"),
    Kind("body.encoding", "error", "a body that is not encoded", "send the offer without Content-Encoding", "RFC 3261 8.2.3"),
    Kind("body.malformed", "error", "a multipart body that follows its grammar", "write the boundary as RFC 2046 5.1 does, or send the SDP alone", "RFC 2046 5.1"),
    Kind("request.merged", "error", "each request once", "send a request by one path only, or give a new one a new CSeq", "RFC 3261 8.2.2.2"),
    Kind("request.too-many-hops", "error", "Max-Forwards above 0", "start Max-Forwards at 70; a loop uses it up", "RFC 3261 16.3"),
    Kind("sdp.malformed", "error", "a session description that follows its grammar", "write the body as RFC 8866 does", "RFC 8866"),
    Kind("offer.late", "note", "the offer in the INVITE", "send an early offer; the labs' trunks forced it", "vonage-facts 4"),
    Kind("dtmf.info", "warning", "digits as RFC 4733 events", "send telephone-event; INFO is taken and not relayed", "page: DTMF"),
    Kind("limit.connections", "warning", "fewer connections at once", "reuse connections, or raise limits.connections", "vsim's own bound"),
    Kind("stream.framing", "error", "messages framed by Content-Length", "send a Content-Length header in every message over TCP and TLS", "RFC 3261 18.3"),
    Kind("stream.idle", "note", "whole messages, and keep-alives on quiet connections", "send CRLF keep-alives (RFC 5626 4.4.1) or OPTIONS", "vsim's own bound"),
    Kind("stream.keepalive-rare", "note", "a keep-alive at least every 120 s on a connection", "send CRLF CRLF every 95 to 120 s, or OPTIONS", "RFC 5626 4.4.1"),
    Kind("stream.gone", "warning", "a connection that stays open until the answer has come", "keep the connection open, or listen on the port of your Via", "RFC 3261 18.2.2"),
    Kind("stream.unreachable", "error", "a listener at the address of the URI", "check the host, its port and its firewall", "RFC 3261 18.4"),
    Kind("stream.unread", "warning", "a peer that reads what it is sent", "read from the connection", "vsim's own bound"),
    Kind("limit.transactions", "warning", "fewer requests at once", "slow down, or raise limits.transactions", "vsim's own bound"),
    Kind("via.no-cookie", "warning", "a branch that begins with z9hG4bK", "make branches as RFC 3261 does; the older rule for matching is slower and weaker", "RFC 3261 8.1.1.7"),
    Kind("via.no-rport", "note", "rport in the Via of requests over UDP", "add ;rport: without it answers go to the port in Via, which a NAT may not map", "RFC 3581 3"),
    Kind("via.left-over", "error", "responses with the one Via that it sent; others are discarded", "let each proxy take its own Via off the responses that it forwards", "RFC 3261 8.1.3.3"),
    Kind("via.branch-reused", "warning", "a branch of its own for each request", "make a new branch when the INVITE is repeated with credentials", "RFC 3261 8.1.1.7"),
    Kind("cseq.not-increased", "note", "a CSeq one higher in the INVITE that answers a challenge", "count CSeq up with each new request", "RFC 3261 22.2"),
    Kind("cseq.out-of-order", "error", "a CSeq that grows within a dialog", "count CSeq up with each request", "RFC 3261 12.2.2"),
    Kind("cseq.gap", "note", "a CSeq one higher in each request of a dialog", "count CSeq up by one", "RFC 3261 12.2.1.1"),
    Kind("message.large-over-udp", "warning", "requests of at most 1300 octets over UDP", "use TCP or TLS, or offer less: fragments get lost", "RFC 3261 18.1.1"),
    Kind("message.longer-than-its-length", "warning", "a datagram that ends with its body", "write Content-Length as the number of octets in the body", "RFC 3261 18.3"),
    Kind("max-forwards.missing", "warning", "Max-Forwards in every request", "send Max-Forwards: 70", "RFC 3261 8.1.1.6"),
    Kind("from.no-tag", "warning", "a tag in From", "make a random tag for each call", "RFC 3261 8.1.1.3"),
    Kind("allow.missing", "note", "Allow in an INVITE", "list the methods you take, or the trunk can't know them", "RFC 3261 13.2.1"),
    Kind("contact.unreachable", "warning", "a Contact where requests can be sent", "write the address you listen on into Contact", "RFC 3261 8.1.1.8"),
    Kind("message.malformed", "error", "a message that follows the grammar", "send the named header as the RFC writes it", "RFC 3261 25.1"),
)  # fmt: skip

_WRONG = "credentials were not accepted"

_DIGEST = (
    Kind("digest.unanswered", "note", "the INVITE once more, with credentials", "give the client the account's key and secret; where it knows no 407, set digest.challenge: 401", "RFC 3261 22.3"),
    Kind("digest.malformed", "error", "a Digest header with username, realm, nonce, uri and response", "write the header as RFC 3261 22.4 does", "RFC 2617 3.2.2"),
    Kind("digest.unknown-user", "error", "an API key as the username, in the realm it was challenged with", "set the username to the account's key and echo the realm", "page: Authentication", _WRONG),
    Kind("digest.wrong-password", "error", "the account's secret as the password", "set the password to the account's secret", "page: Authentication", _WRONG),
    Kind("digest.unsupported-algorithm", "error", "an algorithm of its challenge", "answer with the algorithm of the challenge", "RFC 2617 3.2.1"),
    Kind("digest.unsupported-qop", "error", "qop=auth", "answer with the qop of the challenge", "RFC 2617 3.2.2"),
    Kind("digest.forged-nonce", "error", "the nonce of its last challenge", "use the nonce of the 407 just received", "RFC 2617 3.2.1"),
    Kind("digest.stale-nonce", "note", "a fresh nonce", "repeat the request with the new nonce; stale=true says the password was right", "RFC 2617 3.2.1"),
    Kind("digest.foreign-nonce", "warning", "a challenge answered at the proxy that made it", "send the retry to the address the 407 came from", "vonage-facts 1: refused by the real trunk in one lab"),
    Kind("digest.nonce-count-replayed", "error", "a nonce-count that grows with each use of a nonce", "count nc up, or answer a new nonce with 00000001", "RFC 2617 3.2.2"),
    Kind("digest.nonce-count-order", "note", "a nonce-count one higher with each use of a nonce", "count nc up by one for each request", "RFC 2617 3.2.2"),
    Kind("digest.too-many-tries", "error", "credentials that are right", "correct key and secret; a new call may try again", "vonage-facts, default 6", _WRONG),
    Kind("digest.no-qop", "note", "qop=auth with nc and cnonce", "answer the qop of the challenge", "RFC 2617 3.2.2"),
    Kind("digest.uri-mismatch", "warning", "the Request-URI as the digest uri", "compute the digest over the Request-URI that is sent", "RFC 3261 22.4"),
    Kind("digest.authorization-header", "error", "Proxy-Authorization in answer to a 407", "answer Proxy-Authenticate with Proxy-Authorization", "RFC 3261 22.3"),
)  # fmt: skip

_NUMBERS = (
    Kind("called.not-a-number", "error", "an E.164 number as the user part of the Request-URI", "dial digits only: country code, then number", "page: Recipient"),
    Kind("called.too-short", "error", "a whole E.164 number, 7 to 15 digits", "dial the country code and the number, without a prefix such as 0, 011 or 9", "page: Recipient"),
    Kind("called.plus", "warning", "a called number without a leading +", "dial the digits only; sources disagree on whether the real trunk takes a +", "vonage-facts 4"),
    Kind("called.double-zero", "warning", "a called number without the prefix 00", "dial the country code first", "vonage-facts 4"),
    Kind("called.separators", "warning", "digits without separators", "dial digits only", "page: Recipient"),
    Kind("called.international", "error", "a destination the account may call", "dial a number of the account's own countries, or allow international calls", "vonage-facts 4"),
    Kind("called.emergency", "error", "no emergency number", "never point emergency calls at an emulator", "vonage-facts, default 51"),
    Kind("caller-id.not-e164", "error", "an E.164 number in From or P-Asserted-Identity", "set the user part there to one of the account's numbers; P-Asserted-Identity goes before From, other headers are not looked at", "page: Caller ID; vonage-facts, default 10"),
    Kind("caller-id.not-owned", "error", "a caller ID that belongs to the account", "use one of the account's numbers, or add it to accounts[].verified", "vonage-facts 4"),
    Kind("caller-id.api-key", "warning", "a caller ID, not the API key, in From", "set the From user to one of the account's numbers", "page: Caller ID"),
    Kind("caller-id.plus", "note", "a caller ID without a leading +", "send the digits only", "page: Caller ID"),
    Kind("caller-id.anonymous", "error", "an owned number in P-Asserted-Identity of an anonymous call", "add P-Asserted-Identity with one of the account's numbers", "vonage-facts, default 11"),
    Kind("caller-id.anonymous-refused", "error", "a caller who is shown", "set policy.anonymous_calls to true", "vonage-facts, default 11"),
    Kind("caller-id.host", "error", "a host of the service in From", "write the host you call into From", "vonage-facts, default 12"),
    Kind("caller-id.replaced", "note", "a caller ID that belongs to the account", "use one of the account's numbers; it was shown as unknown", "vonage-facts 4"),
)  # fmt: skip

_INBOUND = (
    Kind("inbound.challenged", "error", "calls taken without credentials, by the trunk's addresses", "let INVITEs of the proxies' addresses in without a challenge; the trunk never sends a password to a customer", "vonage-facts, default 23"),
    Kind("inbound.redirected", "warning", "a call that is taken or refused, not sent elsewhere", "list the other target in Forward to SIP; redirects are not followed", "vonage-facts, default 21"),
    Kind("inbound.timeout", "warning", "a response within the target's timeout", "answer 100 at once, or raise ;timeout=; look whether the INVITE arrives at all", "page: Inbound configuration"),
    Kind("inbound.no-answer", "note", "an answer while the caller waits", "answer, or refuse with 480 or 5xx so that the next target is tried", "vonage-facts, default 20"),
    Kind("inbound.unreachable", "error", "a target that can be reached", "check address, port and transport of the target, and that something listens there", "vonage-facts, default 21"),
    Kind("inbound.tls", "error", "a TLS handshake that ends, at a target with transport=tls", "see that TLS is spoken on this port, and look at the listener's log: certificate and key, ciphers; it must ask for no client certificate", "page: Inbound configuration; RFC 5246 7.3"),
    Kind("inbound.tls-version", "error", "TLS 1.2 at a target with transport=tls", "let TLS 1.2 in at your listener: the trunk speaks neither older versions nor 1.3", "page: Protocols"),
    Kind("inbound.not-forwarded", "error", "a forward list for the number", "set numbers.NUMBER.forward, PUT /v1/numbers/NUMBER, or give --forward", "page: Inbound configuration"),
    Kind("inbound.late-answer", "warning", "an answer before the call has moved on", "answer sooner, or raise ;timeout=; the late call was acknowledged and hung up", "RFC 3261 13.2.2.4; vonage-facts, default 18"),
    Kind("inbound.no-sdp-in-answer", "warning", "SDP in the 2xx", "repeat the SDP of the provisional response in the 2xx", "RFC 3261 13.2.1"),
    Kind("inbound.changed-answer", "warning", "the SDP of the provisional response in the 2xx too", "answer an offer once; send a re-INVITE to change it", "RFC 3261 13.2.1; RFC 6337 3.1.1"),
    Kind("limit.channels", "warning", "fewer calls to one number at once", "spread calls over numbers, or raise forwarding.channels", "Vonage KB 204015303 (vonage-facts 5)"),
    Kind("callback.failed", "warning", "a 2xx for its status callback", "look at the URL and at what listens there", "vonage-facts 9"),
)  # fmt: skip

_TLS = (
    Kind("tls.version", "error", "TLS 1.2", "enable TLS 1.2 at the client", "page: Protocols"),
    Kind("tls.handshake", "error", "a handshake that ends", "check that the client trusts the CA (vsim certs) and the name it expects", "RFC 5246 7.4"),
    Kind("tls.server-expired", "warning", "a certificate that is valid now", "renew the certificate of your listener", "RFC 5280 4.1.2.5"),
    Kind("tls.server-name", "warning", "a certificate for the host of the URI", "list the host by its full name, without a wildcard, in subjectAltName", "RFC 5922 7"),
    Kind("tls.server-self-signed", "warning", "a certificate from a CA", "fetch one from a CA, or name yours with tls.customer_ca", "RFC 5280 6"),
    Kind("tls.server-untrusted", "warning", "a certificate from a CA that is known", "send the intermediate certificates too, or name the CA with tls.customer_ca", "RFC 5280 6"),
    Kind("tls.plain", "error", "TLS on this port", "use the TLS transport, or port 5060", "page: Protocols"),
)  # fmt: skip

_MEDIA = (
    Kind("media.no-audio", "error", "an audio line", "offer audio", "page: Codecs"),
    Kind("media.codec", "error", "one of its codecs", "offer PCMA, PCMU, iLBC, G729, G722 or speex/16000", "page: Codecs"),
    Kind("media.profile", "error", "RTP/AVP or RTP/SAVP", "offer RTP/AVP, or RTP/SAVP with a=crypto; the trunk speaks no DTLS", "page: Media Protocols"),
    Kind("media.t38", "error", "audio", "send fax as G.711 audio; nothing says that the trunk takes T.38", "vonage-facts, default 44"),
    Kind("media.payload-type", "warning", "packets of the agreed payload types", "send the payload type of the answer", "RFC 3264 6.1"),
    Kind("media.address", "error", "a numeric address in c=", "write the address you receive on", "RFC 8866 5.7"),
    Kind("media.annex-b", "note", "G.729 without annex B", "offer fmtp annexb=no; the answer says so", "page: Codecs; RFC 4856 2.1.9"),
    Kind("media.event-clock", "note", "telephone-event at the clock rate of the codec", "offer telephone-event once for each clock rate", "RFC 4733 2.1"),
    Kind("media.family", "warning", "a media address of the family that the call is of", "write the address into c= that media comes from", "RFC 8866 5.7; interop: linphone with IPv6 on"),
    Kind("media.ice", "note", "no ICE", "leave the candidates out; the address in c= is used", "page: Media Protocols"),
    Kind("media.dtls", "note", "keys in a=crypto, not DTLS", "offer RTP/SAVP with a=crypto; fingerprint and setup are ignored", "page: Media Protocols"),
    Kind("media.direction", "warning", "no RTP while the descriptions say so: a=sendonly of its own, or inactive", "stop sending when the trunk's offer has put you on hold", "RFC 3264 5.1, 8.4"),
    Kind("media.stranger", "warning", "media from where the SDP says", "send from the address and port of your own SDP, or set media.latch", "robustness: RTP injection"),
    Kind("media.after-bye", "note", "no media after BYE", "stop sending when the call ends", "RFC 3261 15"),
    Kind("media.before-answer", "note", "media once the call is answered", "wait for the 200, or for early media", "RFC 3261 13.2.1"),
    Kind("media.malformed", "warning", "RTP and RTCP on media ports", "send nothing else there: no STUN, no DTLS, no empty packets", "RFC 3550 5.1"),
    Kind("media.address-taken", "error", "a media address of its own for each call", "use another port for each call, or a range of media ports at the trunk", "vsim's own bound"),
    Kind("media.stand-in", "note", "a file to be played in a call of PCMU or PCMA", "offer PCMU or PCMA: there is no encoder for the others", "vsim's own"),
    Kind("media.not-recorded", "warning", "a folder that can be written, open files to spare, and a codec that can be decoded", "look at media.record and at the limit of open files; install vsim[audio]", "vsim's own"),
    Kind("sdp.version", "warning", "an o= version one higher in a changed description, the same in an unchanged one", "count the version up by one", "RFC 3264 8"),
    Kind("sdp.origin", "warning", "the same o= user and session id throughout a call", "change only the version", "RFC 3264 8"),
    Kind("media.no-telephone-event", "warning", "telephone-event for digits", "offer telephone-event/8000, or leave it in your answer", "page: DTMF"),
    Kind("media.other-lines", "note", "one audio line", "leave the others out; they are answered with port 0", "RFC 3264 6"),
    Kind("media.nothing-heard", "warning", "RTP from the client while a call is up", "send RTP to the address and port of the trunk's SDP; look at the address in your own SDP, at NAT, and at the firewall", "page: Media traffic"),
    Kind("media.silence", "warning", "RTP while a call is up", "send audio or comfort noise, and hang up when done", "vsim's own bound"),
    Kind("sdp.direction", "warning", "a direction in an answer that fits the offer's", "answer a=sendonly with a=recvonly or a=inactive", "RFC 3264 6.1"),
    Kind("sdp.answer", "error", "an answer that fits the offer", "answer each m= line of the offer in its place", "RFC 3264 6"),
)  # fmt: skip

_RTP = (
    Kind("rtp.ssrc-changed", "warning", "one SSRC a call", "keep the SSRC; a new one looks like another speaker", "RFC 3550 8"),
    Kind("rtp.timestamp-jump", "warning", "timestamps that follow the audio", "count the timestamp up by the samples in each packet", "RFC 3550 5.1"),
    Kind("rtp.dtx", "note", "audio without pauses", "turn silence suppression off if the other end clips", "RFC 3551 4.1"),
    Kind("rtp.no-marker", "note", "the marker bit on the first packet after a pause", "set it when audio goes on, after a hold too", "RFC 3551 4.1"),
    Kind("rtp.ptime", "note", "20 ms of audio a packet", "send packets of the ptime in the answer", "RFC 8866 6.4"),
    Kind("rtp.clock-drift", "warning", "a clock that keeps its rate", "send as many samples a second as the codec has", "RFC 3550 5.1"),
    Kind("rtp.loss", "warning", "every packet", "look at the network, and at sequence numbers that skip", "RFC 3550 6.4.1"),
    Kind("rtcp.loss", "warning", "a client that hears every packet", "look at the network, and at the client's media port", "RFC 3550 6.4.1"),
    Kind("rtcp.reduced-size", "note", "RTCP that begins with a report", "send SR or RR first, or agree on a=rtcp-rsize", "RFC 3550 6.1, RFC 5506"),
    Kind("rtcp.counts", "warning", "sender reports that count what was sent", "count packets in SR as they leave", "RFC 3550 6.4.1"),
)  # fmt: skip

_SRTP = (
    Kind("srtp.no-crypto", "error", "an a=crypto line with AES_CM_128_HMAC_SHA1_80, a key, and nothing more", "offer a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:… with RTP/SAVP", "RFC 4568 5.1.2"),
    Kind("srtp.suite", "error", "AES_CM_128_HMAC_SHA1_80", "add an a=crypto line with that suite", "page: Media Protocols; RFC 4568 6.2.1"),
    Kind("srtp.malformed", "warning", "a=crypto lines that follow their grammar, each with a tag of its own", "write the line as RFC 4568 9.2 does; the key is 30 octets in base64", "RFC 4568 9"),
    Kind("srtp.mki", "warning", "one key, without an MKI", "leave |MKI:length and further keys out of the a=crypto line", "RFC 4568 6.1"),
    Kind("srtp.lifetime", "warning", "a key without a lifetime", "leave |2^n out of the a=crypto line, or set media.crypto_lifetime", "RFC 4568 6.1"),
    Kind("srtp.session-parameter", "warning", "an a=crypto line without session parameters", "leave out KDR, WSH, FEC_ORDER, FEC_KEY and UNENCRYPTED or UNAUTHENTICATED media", "RFC 4568 6.3"),
    Kind("srtp.too-many", "warning", "at most 16 a=crypto lines of an m= line", "offer fewer; the first 16 are looked at", "vsim's own bound"),
    Kind("srtp.on-avp", "note", "RTP/SAVP for SRTP", "offer RTP/SAVP, or set media.crypto_on_avp; the call is plain RTP", "vonage-facts, default 33"),
    Kind("srtp.in-clear", "warning", "keys over TLS", "use SIP over TLS: whoever reads the SDP has the keys", "page: Media Protocols; vonage-facts, default 34"),
    Kind("srtp.forged", "error", "packets under the key of the SDP", "protect with the key of your own a=crypto line, RTP and RTCP", "RFC 3711 3.3"),
    Kind("srtp.replayed", "warning", "each packet once", "count the sequence number up; send no packet twice", "RFC 3711 3.3.2"),
    Kind("srtp.unusable", "warning", "SRTP where it was agreed", "send nothing but SRTP and SRTCP to media ports", "RFC 3711 3.1"),
)  # fmt: skip

_DTMF = (
    Kind("dtmf.no-marker", "warning", "the marker bit on the first packet of each event", "set the marker bit on the first packet (or that packet was lost)", "RFC 4733 2.2.2"),
    Kind("dtmf.marker-repeated", "note", "the marker bit on the first packet of an event alone", "clear the marker bit on updates, segments and end packets", "RFC 4733 2.2.2"),
    Kind("dtmf.no-end", "warning", "a packet with the E bit at the end of a digit", "send the last packet with E, three times", "RFC 4733 2.5.1.4"),
    Kind("dtmf.end-once", "note", "the end packet three times", "repeat it, for one that is lost ends no digit", "RFC 4733 2.5.1.4"),
    Kind("dtmf.one-packet", "warning", "updates while a digit lasts", "send a packet every 20 to 50 ms of a digit", "RFC 4733 2.5.1.2"),
    Kind("dtmf.clock", "warning", "durations in the clock of the rtpmap", "count duration in units of the telephone-event's clock rate", "RFC 4733 2.3.5"),
    Kind("dtmf.duration-backwards", "warning", "a duration that grows", "count duration from the beginning of the digit", "RFC 4733 2.3.5"),
    Kind("dtmf.zero-duration", "note", "a duration above 0", "send the first packet when some of the digit has passed", "RFC 4733 2.3.5"),
    Kind("dtmf.timestamp-moved", "warning", "one timestamp for a whole digit", "keep the timestamp of the first packet in all updates", "RFC 4733 2.2.1"),
    Kind("dtmf.timestamp-reused", "warning", "a timestamp of its own for each digit", "move the timestamp on between digits", "RFC 4733 2.2.1"),
    Kind("dtmf.short", "warning", "digits of at least 40 ms", "press longer; receivers may drop shorter ones", "ITU-T Q.24"),
    Kind("dtmf.long", "note", "digits of at most some seconds", "look for a key that hangs", "RFC 4733 2.5.1.3"),
    Kind("dtmf.gap", "note", "40 ms between two digits", "pause between digits", "ITU-T Q.24"),
    Kind("dtmf.letter", "note", "0 to 9, * and #", "send A to D only where the far end knows them", "RFC 4733 3.2"),
    Kind("dtmf.flash", "note", "0 to 9, * and #", "send no flash; the trunk has nothing to do with it", "RFC 4733 3.2; RFC 2833 3.10"),
    Kind("dtmf.event-unknown", "warning", "an event of those in the answer, 0-15", "send only events that the fmtp lists", "RFC 4733 2.4.1"),
    Kind("dtmf.volume", "warning", "digits of -36 dBm0 or louder", "set the volume field to 36 or less; 10 is common", "RFC 2833 3.5; RFC 4733 2.3.4 names no bound"),
    Kind("dtmf.reserved", "note", "the reserved bit clear", "clear bit R of the payload", "RFC 4733 2.3.3"),
    Kind("dtmf.several", "note", "one event in a packet", "send a packet for each event", "RFC 4733 2.5.1.5"),
    Kind("dtmf.malformed", "warning", "four octets of payload", "send event, E and volume, and duration", "RFC 4733 2.3"),
    Kind("dtmf.too-many", "warning", "at most 256 digits in a call", "look for a sender in a loop; further digits are neither told of nor echoed", "vsim's own bound"),
    Kind("dtmf.in-band", "warning", "digits as RFC 4733 events", "send telephone-event; tones in the audio are not relayed", "page: DTMF"),
)  # fmt: skip

_LOCATE = (
    Kind("locate.not-found", "error", "a target whose host has an address", "give the host A or AAAA records, or name it in dns.hosts", "RFC 3263 4.2"),
    Kind("locate.no-service", "error", "a transport that the host's domain offers", "forward to another transport, give a port, or take the SRV record with the target . away", "RFC 2782"),
    Kind("locate.family", "warning", "an address of the family that the proxy has", "give the host an address of the other family, or serve it with --bind ::1", "vsim's own: a proxy has one address"),
    Kind("locate.srv-failed", "warning", "an answer to its question for SRV records", "look at the name server; the host's own addresses were asked for", "RFC 3263 4.2"),
    Kind("locate.srv-unusable", "warning", "SRV records that name a host and a port", "write a host name as the target, and a port from 1 to 65535", "RFC 2782"),
    Kind("locate.too-many", "note", "at most 16 addresses of a target", "name fewer; the first 16 are tried", "vsim's own bound"),
)  # fmt: skip

_FAULTS = (
    Kind("fault.refused", "error", "nothing else; a fault that was set answers so", "do with it what the real trunk's answer would ask for; `vsim fault list` names the fault", "vsim's own"),
    Kind("fault.down", "error", "its clients at another target; this proxy was taken down", "go on to the next target; `vsim up` ends it", "vsim's own; RFC 3263 4.3"),
)  # fmt: skip

CATALOGUE: dict[str, Kind] = {
    kind.code: kind
    for section in (_SIGNALLING, _DIGEST, _NUMBERS, _INBOUND, _TLS, _MEDIA, _RTP, _SRTP, _DTMF, _LOCATE, _FAULTS)
    for kind in section
}
