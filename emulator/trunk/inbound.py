"""A call in through the trunk: somebody rings a number of the account's, and the trunk rings the customer, one target after the other.

Where sources are silent, and so invented:

- The caller hears ringing from the first 18x without SDP on, and the customer from the first with SDP (early media), but is not heard
  before the call is answered. Media without SDP before it is heard by nobody.
- An answer whose SDP fits nothing ends the call with 488 for the caller; the customer gets ACK and BYE (RFC 3261 13.2.2.4).
- A re-INVITE of the customer's needs no credentials.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from emulator.clock import Timer
from emulator.journal.attempt import Attempt
from emulator.journal.findings import Finding
from emulator.journal.record import CallRecord
from emulator.media.offer import NotAcceptable
from emulator.media.port import Exhausted
from emulator.media.sdp import SdpError, SessionDescription
from emulator.sdp_body import offered
from emulator.sip.calling import Invitation
from emulator.sip.flow import Flow
from emulator.sip.locate import Hop, Locator
from emulator.sip.message import REASONS, Response
from emulator.sip.refusal import Refusal
from emulator.sip.session import Session
from emulator.trunk.behaviour import Behaviour
from emulator.trunk.callers import Ring
from emulator.trunk.conversation import WITH_SDP, Calls, Conversation
from emulator.trunk.forward_list import Target
from emulator.trunk.forwarding import Hunt, Line, Result, Try, Unable
from emulator.trunk.invite import Invite, Parties, compose
from emulator.trunk.leg import Leg, LegUser
from emulator.trunk.policy import ForwardingPolicy, InviteForm
from emulator.trunk.proxy import Proxy
from emulator.trunk.rung import Rung, finding_of

_BUSY = frozenset({486, 600})
_UNKNOWN = frozenset({404, 410, 484, 604})


class Office(Calls, Protocol):
    """Who keeps the calls, as an inbound one needs it: the trunk."""

    locator: Locator
    report: Callable[[Exception], None]

    def leg(
        self, user: LegUser, proxy: str, address: str, record: CallRecord, number: str, behaviour: Behaviour, secure: bool = False
    ) -> Leg:
        """The media of one attempt; see `emulator.trunk.trunk.Trunk.leg`."""


class InboundCall(Conversation):
    """One call to a number, from its first ring to its end; `over` is told of that end."""

    def __init__(
        self,
        office: Office,
        proxy: Proxy,
        record: CallRecord,
        ring: Ring,
        targets: tuple[Target, ...],
        behaviour: Behaviour,
        form: InviteForm,
        policy: ForwardingPolicy,
        over: Callable[["InboundCall"], None],
    ) -> None:
        """`behaviour` is the caller's: what it plays, how long the call may be."""
        super().__init__(office, proxy.endpoint, record, behaviour)
        self.ring = ring
        self.has_channel = False
        """Whether it took a channel of its number."""
        self.repeats = True
        """Whether the caller may ring again: not when the trunk hung up."""
        self._office = office
        self._proxy = proxy
        self._form = form
        self._over: Callable[[InboundCall], None] | None = over
        self._has_leg = False
        self._hunt: Hunt | None = Hunt(office.clock, office.locator, targets, ring.number, proxy.place.address, policy, self)
        self._identity: tuple[int, str, str] = (0, "", "")  # the target that a Call-ID and a From tag are of
        self._early: tuple[str, bytes] | None = None  # To tag and body of the last provisional response with SDP
        self._reliably = False  # one of them was acknowledged by PRACK: the answer stood there, and need not come again (RFC 3262 5)
        self._ended_by = ""
        self._giving_up: Timer | None = None
        self._talking: Timer | None = None

    def start(self) -> None:
        """The caller has dialled."""
        self.record.state = "trying"
        if self.ring.cancel_after is not None:
            self._giving_up = self._calls.clock.call_later(self.ring.cancel_after, self._cancel, "the caller gave up")
        assert self._hunt is not None
        self._hunt.start()

    # -- the hunt -------------------------------------------------------------------------------------------------

    def invite(self, target: Target, hop: Hop, attempt: Attempt, tried: Try) -> Line:
        """See `emulator.trunk.forwarding.HuntUser`. Other addresses of a target get the same INVITE on another branch (RFC 3263 4.3)."""
        office, record, ring = self._office, self.record, self.ring
        flow = self._proxy.paths.to(hop.transport, hop.address, hop.name)
        record.transport, record.peer = hop.transport, attempt.address
        if self._identity[0] != attempt.target:
            self._identity = attempt.target, record.call_id if not record.attempts else office.ids.call_id(), office.ids.tag()
            self._early = None
            if self._has_leg:
                self.leg.close()
            self._has_leg = False
            secure = target.srtp if ring.srtp is None else ring.srtp
            try:
                self.leg = office.leg(self, self._proxy.name, flow.local[0], record, ring.number, self._behaviour, secure)
            except Exhausted as error:
                finding = Finding("limit.media-ports", str(error))
                self.on_finding(finding)
                raise Unable(503, finding) from None
            self.leg.quiet = self._has_leg = True
        elif self._form.offer == "late":  # whatever the address before has offered in a provisional response
            self._early = None
            self.leg.forget()
        _, call_id, tag = self._identity
        attempt.call_id = call_id
        office.journal.also(record, call_id)
        invite = self._composed(target, flow, call_id)
        return Invitation(
            self._endpoint, flow, invite.uri, invite.from_, invite.to, invite.headers, invite.body, Rung(self, tried), call_id,
            timer_policy=self._behaviour.session_timer, methods=self._behaviour.methods, from_tag=tag, written=invite.written,
        )  # fmt: skip

    def _composed(self, target: Target, flow: Flow, call_id: str) -> Invite:
        behaviour, leg, ring = self._behaviour, self.leg, self.ring
        sdp = b"" if self._form.offer == "late" else leg.again() if leg.description is not None else leg.offer()
        parties = Parties(
            ring.number, "" if ring.hidden else ring.caller, target, self._proxy.name, flow.sent_by, flow.transport, leg.local.address,
            leg.local.port, call_id, self._endpoint.product, behaviour.methods.allowed, ring.headers,
        )  # fmt: skip
        invite = compose(self._form, parties, sdp, behaviour.session_timer.ask)
        self.contact = f"Contact: {invite.contact}\r\n"
        if invite.body != sdp:
            try:  # what a template offers is what its answer is read by, if it makes sense
                leg.description = SessionDescription.parse(invite.body) if invite.body else None
            except SdpError:
                pass
        return invite

    def on_attempt(self, attempt: Attempt) -> None:
        """See `emulator.trunk.forwarding.HuntUser`."""
        self.record.attempts.append(attempt)
        self._calls.journal.event(
            "call.attempt", self.record, target=attempt.target, uri=attempt.uri, transport=attempt.transport, address=attempt.address
        )

    def on_attempt_ended(self, attempt: Attempt) -> None:
        """See `emulator.trunk.forwarding.HuntUser`."""
        finding = finding_of(attempt)
        if finding is not None:
            attempt.finding(finding)
        for known in attempt.findings:
            self.record.finding(known)
        self._calls.journal.event(
            "call.attempt-ended", self.record, target=attempt.target, uri=attempt.uri, transport=attempt.transport, address=attempt.address,
            outcome=attempt.outcome, status=attempt.status, reason=attempt.reason, after=round(attempt.after or 0.0, 6), why=attempt.why,
            finding=str(attempt.findings[0]) if attempt.findings else None,
        )  # fmt: skip
        if attempt.outcome == "answered":
            self._begin(attempt)

    def on_reliable(self, response: Response) -> tuple[str, bytes]:
        """See `emulator.sip.calling_session.PrackUser`: the offer, where our INVITE had none, whose answer the PRACK must hold."""
        if self.leg.description is not None:
            return "", b""
        self.leg.early = True
        try:
            described = offered(response)
            body = self.leg.answer(described) if described is not None else b""
        except Refusal as refusal:
            body = b""
            if refusal.finding is not None:
                self.on_finding(refusal.finding)
        if not body:
            self.leg.early = False
            return "", b""
        self._early, self._reliably = (response.to_tag, response.body), True
        return WITH_SDP, body

    def on_progress(self, response: Response) -> None:
        """See `emulator.trunk.forwarding.HuntUser`."""
        heard = "ringing" if response.status == 180 else "progress"
        if response.body and (response.to_tag, response.body) != self._early and self._settle_early(response):
            self._early = response.to_tag, response.body
            self._reliably = "rseq" in response.headers and "100rel" in response.tokens("require")
        if self._early is not None:
            heard = "early media"
        before = len(self.record.sounds)
        self.record.state = "ringing"
        self.record.sound(self._calls.clock.wall(), heard, response.status)
        if len(self.record.sounds) > before:
            self._calls.journal.event("call.ringing", self.record, status=response.status, heard=heard)

    def _settle_early(self, response: Response) -> bool:
        """The answer to our offer may stand in a provisional response already (RFC 3261 13.2.1)."""
        if self.leg.description is None:
            return False
        self.leg.early = True
        try:
            self._agree(response)
        except NotAcceptable as error:
            self.leg.early = self._early is not None
            self.on_finding(error.finding)
            return False
        return True

    def on_taken(self, attempt: Attempt, response: Response, session: Session) -> tuple[str, bytes] | None:
        """See `emulator.trunk.forwarding.HuntUser`."""
        finding: Finding | None = None
        try:
            acknowledgement = self._take(response)
        except NotAcceptable as error:
            finding = error.finding
        except Refusal as refusal:
            finding = refusal.finding
        else:
            self._session = session
            return acknowledgement
        if finding is not None:
            attempt.finding(finding)
            self.on_finding(finding)
        return None

    def _begin(self, attempt: Attempt) -> None:
        """The call is up."""
        self.record.reason = attempt.reason
        self.record.sound(self._calls.clock.wall(), "the customer", attempt.status)
        self._stop(self._giving_up)
        self._answered()
        if self.ring.talk is not None:
            self._talking = self._calls.clock.call_later(self.ring.talk, self._hang_up_as_caller)

    def _take(self, response: Response) -> tuple[str, bytes]:
        """What the 2xx says of media: header lines and body of the ACK. Raises `NotAcceptable` or `Refusal`."""
        if self.leg.description is None:  # our INVITE had no offer, so this is one, and the ACK holds the answer (13.2.2.4)
            described = offered(response)
            if described is None:
                raise Refusal(488, Finding("sdp.answer", "no SDP in the answer to an INVITE without SDP"))
            return WITH_SDP, self.leg.answer(described)
        if not response.body and self._early is not None:
            if not self._reliably:
                self.on_finding(Finding("inbound.no-sdp-in-answer", "SDP in a provisional response alone"))
        elif (response.to_tag, response.body) != self._early:
            if self._early is not None and response.to_tag == self._early[0]:
                self.on_finding(Finding("inbound.changed-answer", "the SDP of the 2xx is not that of the provisional response"))
            self._agree(response)
        return "", b""

    def _agree(self, response: Response) -> None:
        if self._early is not None and response.to_tag != self._early[0]:
            self.leg.fork()
        self.leg.agree(response)

    def on_located(self, notes: Sequence[Finding]) -> None:
        """See `emulator.trunk.forwarding.HuntUser`."""
        for finding in notes:
            self.on_finding(finding)

    def on_late(self, attempt: Attempt, response: Response) -> None:
        """See `emulator.trunk.forwarding.HuntUser`."""
        now = self._calls.clock.seconds()
        finding = Finding("inbound.late-answer", f"{response.status} from {attempt.address} {now - attempt.began:.3f} s after its INVITE")
        attempt.finding(finding)
        self.on_finding(finding)

    def on_failed(self, result: Result) -> None:
        """See `emulator.trunk.forwarding.HuntUser`."""
        self._unanswered(result.status, result.reason, result.why, result.by)

    def on_error(self, error: Exception) -> None:
        """See `emulator.trunk.forwarding.HuntUser`: the call ends, the emulator goes on."""
        self._calls.journal.event("error", self.record, error=f"{type(error).__name__}: {error}")
        if self.record.live:
            self._unanswered(500, REASONS[500], "an error of the emulator's own")
        self._office.report(error)

    # -- the end --------------------------------------------------------------------------------------------------

    def refuse(self, status: int, finding: Finding) -> None:
        """The call never leaves the trunk."""
        self.record.finding(finding)
        self._unanswered(status, REASONS.get(status, ""), str(finding))

    def _unanswered(self, status: int, reason: str, why: str = "", by: str = "trunk") -> None:
        self.record.reason = reason
        heard = "busy" if status in _BUSY else "number unknown" if status in _UNKNOWN else "unavailable"
        self.record.sound(self._calls.clock.wall(), heard, status)
        self._refused(status, by=by, reason=reason, why=why)
        self._tell()

    def _cancel(self, why: str, by: str = "caller") -> None:
        """Before the answer: CANCEL."""
        assert self._hunt is not None
        self._hunt.cancel(why)
        self._close(by)
        record = self.record
        record.state, record.status, record.reason = "cancelled", 487, REASONS[487]
        self._calls.journal.event("call.cancelled", record, why=why)
        self._tell()

    def _hang_up_as_caller(self) -> None:
        self._ended_by = "caller"
        self.hang_up()

    def hang_up(self, done: Callable[[], None] | None = None, at_once: bool = False) -> None:
        """See `Conversation`; before the answer it is a CANCEL."""
        self.repeats = self._ended_by == "caller"
        if self._session is not None:
            super().hang_up(done, at_once)
            return
        if self.record.live:
            self._cancel("hung up by the trunk", "trunk")
        if done is not None:
            done()

    def on_ended(self, by: str) -> None:
        super().on_ended(self._ended_by if by == "trunk" and self._ended_by else by)
        self._tell()

    def _tell(self) -> None:
        over, self._over = self._over, None
        if over is not None:
            over(self)

    def _close_media(self) -> None:
        if self._has_leg:
            self.leg.close()

    def _close(self, by: str) -> None:
        self._stop(self._giving_up)
        self._stop(self._talking)
        self._hunt = None  # each knows the other: apart, both are freed at once, without the garbage collector
        super()._close(by)

    @staticmethod
    def _stop(timer: Timer | None) -> None:
        if timer is not None:
            timer.cancel()
