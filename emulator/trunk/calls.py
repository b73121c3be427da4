"""A call out through the trunk: the customer dialled, the trunk answers as the call's behaviour says, or not at all."""

from collections.abc import Callable

from emulator.clock import Timer
from emulator.journal.findings import Finding
from emulator.journal.record import CallRecord
from emulator.media.offer import Agreement
from emulator.media.sdp import SessionDescription
from emulator.sdp_body import offered
from emulator.sip.called import CalledSession
from emulator.sip.endpoint import Endpoint, warning
from emulator.sip.flow import Flow
from emulator.sip.message import Request
from emulator.sip.session_timer import SUPPORTED
from emulator.sip.transaction import InviteServer
from emulator.trunk.behaviour import Behaviour
from emulator.trunk.contact import contact
from emulator.trunk.conversation import WITH_SDP, Calls, Conversation


class Call(Conversation):
    """An outbound call. Its leg must be set before it is started."""

    _session: CalledSession | None

    def __init__(self, calls: Calls, endpoint: Endpoint, record: CallRecord, called: str, nonce: str, behaviour: Behaviour) -> None:
        """`nonce` is the one that the caller has proved itself with."""
        super().__init__(calls, endpoint, record, behaviour)
        self._called = called
        self._nonce = nonce
        self._answering: Timer | None = None
        self._settled_early = False  # a reliable provisional response held our offer or answer

    @property
    def session(self) -> CalledSession:
        assert isinstance(self._session, CalledSession)
        return self._session

    # -- setting up -----------------------------------------------------------------------------------------------

    def start(self, invite: InviteServer, described: tuple[SessionDescription, Agreement] | None) -> None:
        """Take the INVITE: 100, 180, and the 200 when its time has come. `described` is our answer, None when we are to offer."""
        if described is not None:
            self.leg.settle(*described)
        self._session = CalledSession(self._endpoint, invite, self, self._behaviour.session_timer, self._behaviour.methods)
        record, flow = self.record, invite.flow
        record.state = "trying"
        self.contact = f"Contact: <{contact(self._called, flow.sent_by, flow.transport, _wants_sips(invite.request))}>\r\n"
        invite.respond(100)
        behaviour, later = self._behaviour, self._calls.clock.call_later
        if behaviour.ringing:
            record.state = "ringing"
            self._ring()
        if behaviour.answer_after is None:
            self._answering = later(behaviour.unanswered_after, self._give_up, invite)
        elif behaviour.answer_after > 0:
            self._answering = later(behaviour.answer_after, self._answer)
        else:
            self._answer()

    def _ring(self) -> None:
        """180 or 183. A reliable one holds the offer when the INVITE had none: the PRACK must bring the answer (RFC 3262 5)."""
        status, session, leg = self._behaviour.ringing, self.session, self.leg
        headers = self.contact + self._endpoint.server_line
        offers = session.reliable and leg.description is None
        if offers or (status == 183 and leg.description is not None):
            self._settled_early = session.reliable
            session.provisional(status, headers + WITH_SDP, leg.offer() if offers else leg.again(), offers)
        else:
            session.provisional(status, headers)

    def _answer(self) -> None:
        self._answering = None
        session, leg = self.session, self.leg
        if session.awaits_prack:
            session.when_acknowledged = self._answer
            return
        if self._settled_early:  # offer and answer are done: the 200 holds neither (RFC 3261 13.2.1)
            session.accept(self.contact + self._allow + SUPPORTED + self._endpoint.server_line, b"", False)
        else:
            offers = leg.description is None
            session.accept(self._headers(), leg.offer() if offers else leg.again(), offers)
        self._answered()

    def _give_up(self, invite: InviteServer) -> None:
        """Nobody has answered for long enough."""
        behaviour = self._behaviour
        if behaviour.unanswered_status:
            finding = Finding("call.unanswered", f"no answer in {behaviour.unanswered_after:g} s")
            self.session.refuse(behaviour.unanswered_status, warning(self.session.flow, finding.public))
            self._refused(behaviour.unanswered_status, finding)
            return
        self.session.abandon()
        invite.terminate()
        super().on_ended("unanswered")

    # -- what the session says ------------------------------------------------------------------------------------

    def _admit(self, request: Request, flow: Flow) -> None:
        """Digest on every INVITE (page: Authentication)."""
        _, self._nonce = self._calls.authorize(self._endpoint, request, flow, self._nonce)

    def on_prack(self, request: Request) -> tuple[str, bytes]:
        described = offered(request) if request.body and self._settled_early else None
        return (WITH_SDP, self.leg.answer(described)) if described is not None else ("", b"")

    def on_unanswered(self, status: int, finding: Finding) -> None:
        """See `emulator.sip.called.CalledUser`."""
        self._refused(status, finding)

    def on_ended(self, by: str) -> None:
        record = self.record
        if record.state not in ("trying", "ringing"):
            super().on_ended(by)
            return
        self._close(by)
        record.state, record.status, record.reason = "cancelled", 487, "Request Terminated"
        self._calls.journal.event("call.cancelled", record)

    # -- ending ---------------------------------------------------------------------------------------------------

    def hang_up(self, done: Callable[[], None] | None = None, at_once: bool = False) -> None:
        """See `Conversation`; before the answer it is a 480."""
        if self.record.state not in ("trying", "ringing"):
            super().hang_up(done, at_once)
            return
        self.session.refuse(480)
        self._refused(480)
        if done is not None:
            done()

    def abandon(self) -> None:
        """Setting up has failed: give everything back without a word. Whoever called `start` answers the INVITE."""
        if self._session is not None:
            self.session.abandon()
        self._close("")
        if self.record.live:  # an error of ours, for a refusal comes before anything is sent
            self.record.state, self.record.status = "refused", 500

    def _close(self, by: str) -> None:
        if self._answering is not None:
            self._answering.cancel()
        super()._close(by)


def _wants_sips(request: Request) -> bool:
    """12.1.1: "If the request that initiated the dialog contained a SIPS URI in the Request-URI or in the top Record-Route header field
    value, if there was any, or the Contact header field if there was no Record-Route header field, the Contact header field in the
    response MUST be a SIPS URI." """
    first = request.get("record-route") or request.get("contact") or ""
    return request.uri[:5].lower() == "sips:" or first.partition("<")[2][:5].lower() == "sips:"


class Ignored:
    """An outbound call that gets no response at all, as from a trunk that is dead.

    Copies of its INVITE are absorbed as long as they may come: until the caller has given up (timer B, 17.1.1.2) and the network has
    forgotten (T4). A CANCEL gets its 200 (9.2), the INVITE does not get its 487: it is never answered.
    """

    def __init__(self, calls: Calls, endpoint: Endpoint, invite: InviteServer, record: CallRecord) -> None:
        self.record = record
        self._calls = calls
        self._invite = invite
        record.state = "trying"
        self._timer = calls.clock.call_later(endpoint.timers.give_up + endpoint.timers.t4, self.hang_up)

    def hang_up(self, done: Callable[[], None] | None = None, at_once: bool = False) -> None:
        """See `Up`: it is forgotten, for there is nothing to say."""
        calls, record = self._calls, self.record
        self._timer.cancel()
        self._invite.terminate()
        record.state, record.ended, record.ended_by = "ended", calls.clock.wall(), "unanswered"
        calls.forget(self)
        calls.journal.event("call.ended", record, by="unanswered", seconds=0.0, codec="", packets=0)
        if done is not None:
            done()
