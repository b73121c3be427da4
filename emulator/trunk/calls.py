"""One call through the trunk: where its session and its media meet."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from emulator.clock import Clock, Timer
from emulator.ids import Ids
from emulator.journal.findings import Finding
from emulator.journal.journal import CallRecord, Journal
from emulator.media.offer import Agreement, LocalMedia, NotAcceptable, agree, answer, changed_without_a_version, offer
from emulator.media.port import Port
from emulator.media.sdp import SdpError, SessionDescription
from emulator.media.stream import Stream
from emulator.sip.body import BrokenBody, WrongBody, part_of
from emulator.sip.called import CalledSession
from emulator.sip.endpoint import Endpoint
from emulator.sip.flow import Flow
from emulator.sip.message import Request, Response
from emulator.sip.refusal import Refusal
from emulator.sip.transaction import InviteServer
from emulator.trunk.behaviour import Behaviour
from emulator.trunk.studio import Set, Studio

if TYPE_CHECKING:
    from emulator.media.dtmf import Digit

SDP_TYPE = "application/sdp"
_ACCEPT = f"Accept: {SDP_TYPE}\r\n"


class Calls(Protocol):
    """Who keeps the calls: the trunk."""

    clock: Clock
    ids: Ids
    journal: Journal
    studio: Studio

    def authorize(self, endpoint: Endpoint, request: Request, flow: Flow, nonce: str | None) -> tuple[str, str]:
        """Digest on an INVITE: the account's key and the nonce used, or `Refusal`."""

    def forget(self, call: "Call") -> None:
        """The call is over."""


def offered(request: Request) -> SessionDescription | None:
    """The offer in a request; None when it has none. Raises `Refusal` 415 or 400."""
    try:
        body = part_of(request, SDP_TYPE)
        return SessionDescription.parse(body) if body is not None else None
    except WrongBody as wrong:
        wants = ("Accept-Encoding", "identity") if wrong.encoded else ("Accept", SDP_TYPE)  # 8.2.3
        raise Refusal(415, Finding("body.encoding" if wrong.encoded else "body.type", wrong.type), (wants,)) from None
    except BrokenBody as broken:
        raise Refusal(400, Finding("body.malformed", str(broken))) from None
    except SdpError as error:
        raise Refusal(400, Finding("sdp.malformed", str(error))) from None


class Call:
    """An outbound call: the customer dialled, the trunk answers. It ends itself out of the trunk's table."""

    def __init__(
        self,
        calls: Calls,
        endpoint: Endpoint,
        request: Request,
        record: CallRecord,
        called: str,
        nonce: str,
        behaviour: Behaviour,
        port: Port,
        local: LocalMedia,
    ) -> None:
        """`local` is our side of the media. The call owns `port` from here on."""
        self.key = f"{request.call_id}\n{request.from_tag}"
        """What tells this call from all others that are up (RFC 3261 12: the caller's half of the dialog id)."""
        self.record = record
        self._calls = calls
        self._endpoint = endpoint
        self._called = called
        self._nonce = nonce
        self._behaviour = behaviour
        self._allow = behaviour.methods.allow
        self._port = port
        self._local = local
        self._theirs: SessionDescription | None = None  # their last description
        self._description: SessionDescription | None = None  # our last one
        self._stream: Stream | None = None
        self._session: CalledSession | None = None
        self._answering: Timer | None = None
        self._watch: Timer | None = None
        self._limit: Timer | None = None
        self._settled_early = False  # a reliable provisional response held our offer or answer
        self._heard = -1  # packets at the last look
        self._set: Set | None = None

    @property
    def session(self) -> CalledSession:
        assert self._session is not None
        return self._session

    # -- setting up -----------------------------------------------------------------------------------------------

    def start(self, invite: InviteServer, described: tuple[SessionDescription, Agreement] | None) -> None:
        """Take the INVITE: 100, 180, and the 200 when its time has come. `described` is our answer, None when we are to offer."""
        if described is not None:
            self._agree(*described)
            if self._behaviour.ringing == 183:
                self._begin_media()
        self._session = CalledSession(self._endpoint, invite, self, self._behaviour.session_timer, self._behaviour.methods)
        record, flow = self.record, invite.flow
        record.state = "trying"
        transport = "" if flow.transport == "UDP" else f";transport={flow.transport.lower()}"
        self._contact = f"Contact: <sip:{self._called}@{flow.sent_by}{transport}>\r\n"
        invite.respond(100)
        record.state = "ringing"
        self._ring()
        if self._behaviour.answer_after > 0:
            self._answering = self._calls.clock.call_later(self._behaviour.answer_after, self._answer)
        else:
            self._answer()

    def _ring(self) -> None:
        """180 or 183. A reliable one holds the offer when the INVITE had none: the PRACK must bring the answer (RFC 3262 5)."""
        status, session = self._behaviour.ringing, self.session
        headers = self._contact + self._endpoint.server_line
        offers = session.reliable and self._description is None
        if offers:
            self._description = offer(self._local)
        if offers or (status == 183 and self._description is not None):
            self._settled_early = session.reliable
            headers += f"Content-Type: {SDP_TYPE}\r\n"
            session.provisional(status, headers, str(self._description).encode(), offers)
        else:
            session.provisional(status, headers)

    def _answer(self) -> None:
        self._answering = None
        if self.session.awaits_prack:
            self.session.when_acknowledged = self._answer
            return
        calls, record, behaviour = self._calls, self.record, self._behaviour
        if self._settled_early:  # offer and answer are done: the 200 holds neither (RFC 3261 13.2.1)
            self.session.accept(self._contact + self._allow + self._endpoint.server_line, b"", False)
        else:
            offers = self._description is None
            if self._description is None:
                self._description = offer(self._local)
            self.session.accept(self._headers(), str(self._description).encode(), offers)
        if self._stream is not None:
            if behaviour.ringing != 183:
                self._stream.answered()
            self._begin_media(answered=True)
        record.state, record.answered, record.status = "answered", calls.clock.wall(), 200
        calls.journal.event("call.answered", record, codec=record.codec or "")
        if behaviour.silence_timeout > 0:
            self._watch = calls.clock.call_later(behaviour.silence_timeout, self._on_watch)
        if behaviour.longest > 0:
            self._limit = calls.clock.call_later(behaviour.longest, self.hang_up)

    def _headers(self, product: str = "Server") -> str:
        return f"{self._contact}{self._allow}{product}: {self._endpoint.product}\r\nContent-Type: {SDP_TYPE}\r\n"

    # -- media ----------------------------------------------------------------------------------------------------

    def negotiate(self, described: SessionDescription) -> tuple[SessionDescription, Agreement]:
        """Our answer to an offer; `Refusal` 488 when nothing fits (RFC 3261 13.3.1.3)."""
        kinds = {media.kind for media in described.media if media.port}
        if "image" in kinds and "audio" not in kinds:
            raise Refusal(self._behaviour.t38_status, Finding("media.t38", "m=image without m=audio"))
        if self._theirs is not None and (odd := changed_without_a_version(self._theirs, described)) is not None:
            self.record.finding(odd)
        self._theirs = described
        try:
            return answer(described, self._local, self._description)
        except NotAcceptable as error:
            warning = f'{error.warning} {self._local.address} "{error.text}"'
            for finding in error.findings:
                self.record.finding(finding)
            raise Refusal(488, error.finding, (("Warning", warning),)) from None

    def _agree(self, description: SessionDescription, agreement: Agreement) -> None:
        self._description = description
        self.record.codec = agreement.codec.name
        for finding in agreement.findings:
            self.record.finding(finding)
        calls = self._calls
        if agreement.keys is not None and self.record.transport != "TLS":
            self.record.finding(Finding("srtp.in-clear", f"a=crypto over {self.record.transport}"))
        if self._stream is None:
            self._stream = Stream(agreement, calls.clock, calls.ids, self._behaviour.media, self._on_digit)
            self.record.media = self._stream
            self._set = calls.studio.set_for(self._stream, self.record.id)
        else:
            self._stream.change(agreement)
        self._port.attach(self._stream)
        if self.record.state == "answered":
            self._begin_media(answered=True)

    def _begin_media(self, answered: bool = False) -> None:
        """The far end may be heard: early media, or the answer."""
        if self._stream is not None and self._set is not None:
            self._stream.start_reports()
            self._set.start(answered)

    def _on_digit(self, digit: "Digit") -> None:
        self._calls.journal.event("call.digit", self.record, digit=digit.name, ms=round(1000 * digit.duration), volume=-digit.volume)

    def _on_watch(self) -> None:
        """Look whether anything was heard since the last look: no clock is read per packet for this."""
        stream = self._stream
        heard = stream.heard.packets if stream is not None else 0
        on_hold = stream is not None and not stream.agreement.receive
        if heard == self._heard or (heard == 0 and self._heard < 0):
            if not on_hold:
                self._watch = None
                seconds = self._behaviour.silence_timeout
                self.record.finding(Finding("media.silence", f"no RTP for {seconds:g} s"))
                self._calls.journal.event("media.silence", self.record, seconds=seconds)
                self.hang_up()
                return
        self._heard = heard
        self._watch = self._calls.clock.call_later(self._behaviour.silence_timeout, self._on_watch)

    # -- what the session says ------------------------------------------------------------------------------------

    def on_reinvite(self, request: Request, flow: Flow) -> tuple[str, bytes, bool]:
        """Hold, codec change, moved media: one more offer and answer."""
        _, self._nonce = self._calls.authorize(self._endpoint, request, flow, self._nonce)
        described = offered(request)
        if not self._behaviour.reinvites:
            raise Refusal(488, Finding("reinvite.refused", "an offer in a call that is up"))
        if described is None:
            self._description = offer(self._local, self._description)
        else:
            self._agree(*self.negotiate(described))
        return self._headers(), str(self._description).encode(), described is None

    def on_answer(self, request: Request) -> None:
        """The ACK brought the answer to our offer."""
        assert self._description is not None
        try:
            described = offered(request)
            if described is None:
                raise NotAcceptable(399, "no answer", Finding("sdp.answer", "an ACK without SDP"))
            agreement = agree(self._description, described, self._local)
        except Refusal as refusal:
            assert refusal.finding is not None
            self._lose(refusal.finding)
        except NotAcceptable as error:
            self._lose(error.finding)
        else:
            self._agree(self._description, agreement)

    def on_prack(self, request: Request) -> tuple[str, bytes]:
        described = offered(request) if request.body and self._settled_early else None
        if described is None:
            return "", b""
        self._agree(*self.negotiate(described))
        return f"Content-Type: {SDP_TYPE}\r\n", str(self._description).encode()

    def _lose(self, finding: Finding) -> None:
        """Without a usable answer in the ACK there is no session to go on with (RFC 3261 13.2.2.4)."""
        self.on_finding(finding)
        self.hang_up()

    def on_options(self, request: Request) -> tuple[str, bytes]:
        return f"{self._contact}{self._allow}{_ACCEPT}{self._endpoint.server_line}", b""

    def on_info(self, request: Request) -> None:
        content = (request.get("content-type") or "no type").lower()
        self.on_finding(Finding("dtmf.info", f"INFO with {content}"))

    def on_refresh(self) -> tuple[str, bytes]:
        assert self._description is not None
        return f"{self._headers(product='User-Agent')}", str(self._description).encode()

    def on_refreshed(self, response: Response) -> None:
        assert self._description is not None
        self._calls.journal.event("call.refreshed", self.record)
        try:
            self._agree(self._description, agree(self._description, SessionDescription.parse(response.body), self._local))
        except (SdpError, NotAcceptable) as error:  # the session goes on as it was (RFC 3261 14.1)
            self.on_finding(error.finding if isinstance(error, NotAcceptable) else Finding("sdp.malformed", str(error)))

    def on_finding(self, finding: Finding) -> None:
        self.record.finding(finding)
        self._calls.journal.event("finding", self.record, finding=str(finding))

    def on_unanswered(self, status: int) -> None:
        finding = Finding("prack.missing", "no PRACK for the reliable 180")
        self.record.finding(finding)
        self._close("trunk")
        self.record.state, self.record.status = "refused", status
        self._calls.journal.event("call.refused", self.record, status=status, finding=str(finding))

    def on_ended(self, by: str) -> None:
        record = self.record
        cancelled = record.state in ("trying", "ringing")
        self._close(by)
        if cancelled:
            record.state, record.status, record.reason = "cancelled", 487, "Request Terminated"
            self._calls.journal.event("call.cancelled", record)
        else:
            record.state = "ended"
            self._calls.journal.event("call.ended", record, by=by, **self._summary())

    # -- ending ---------------------------------------------------------------------------------------------------

    def hang_up(self, done: Callable[[], None] | None = None, at_once: bool = False) -> None:
        """End the call from our side; `done` is called when the peer has answered the BYE, or won't."""
        if self.record.state in ("trying", "ringing"):
            self.session.refuse(480)
            self._close("trunk")
            self.record.state, self.record.status = "refused", 480
            self._calls.journal.event("call.refused", self.record, status=480)
            if done is not None:
                done()
        else:
            self.session.hang_up(done, at_once)

    def abandon(self) -> None:
        """Setting up has failed: give everything back without a word. Whoever called `start` answers the INVITE."""
        if self._session is not None:
            self._session.abandon()
        self._close("")
        if self.record.live:  # an error of ours, for a refusal comes before anything is sent
            self.record.state, self.record.status = "refused", 500

    def _close(self, by: str) -> None:
        """Give everything back, whichever way the call ended."""
        for timer in (self._answering, self._watch, self._limit):
            if timer is not None:
                timer.cancel()
        if self._stream is not None:
            self._stream.end()
        if self._set is not None:
            self._set.close()
            for finding in self._set.findings:
                self.record.finding(finding)
        self._port.close()
        self._session = None  # each knows the other: apart, both are freed at once, without the garbage collector
        self.record.ended, self.record.ended_by = self._calls.clock.wall(), by
        self._calls.forget(self)

    def _summary(self) -> dict[str, object]:
        record = self.record
        seconds = (record.ended or 0.0) - (record.answered or record.ended or 0.0)
        told: dict[str, object] = {"seconds": round(seconds, 1), "codec": record.codec or "", "packets": 0}
        if self._stream is not None:
            heard = self._stream.heard
            told["packets"] = heard.packets
            if heard.packets:
                told.update(lost=max(0, heard.lost), jitter_ms=round(heard.jitter_ms, 1), mos=round(heard.mos(record.codec), 2))
            told["digits"] = self._stream.snapshot()["digits"] if self._stream.digits else ""
        if self._set is not None and self._set.recorded:
            told["recording"] = self._set.recorded
        return told
