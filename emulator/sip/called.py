"""The side that was called (RFC 3261 13.3): provisional responses, reliable ones too, the 2xx or the refusal, and CANCEL."""

from collections.abc import Callable
from typing import Protocol

from emulator.journal.findings import Finding
from emulator.sip import session_timer
from emulator.sip.dialog import Dialog
from emulator.sip.endpoint import Endpoint, warning
from emulator.sip.flow import Flow
from emulator.sip.grammar import number
from emulator.sip.headers import HeaderError
from emulator.sip.message import Request
from emulator.sip.methods import Methods
from emulator.sip.refusal import Refusal
from emulator.sip.reliable import ReliableProvisional
from emulator.sip.session import ANSWERED, EARLY, ENDED, Session, SessionState, SessionUser
from emulator.sip.timers import SessionTimerPolicy
from emulator.sip.transaction import InviteServer


class CalledUser(SessionUser, Protocol):
    """Who answers the call."""

    def on_prack(self, request: Request) -> tuple[str, bytes]:
        """A PRACK that owes us no answer, and may hold an offer of its own when our provisional response held one (RFC 3262 5): header
        lines and body of its 200, or `Refusal`."""

    def on_unanswered(self, status: int, finding: Finding) -> None:
        """The call was refused with `status` while it was set up: the peer went silent, or its INVITE has expired."""


class CalledSession(Session):
    """One call as the called side has it, from its INVITE on."""

    __slots__ = ("_expiry", "_invite", "_reliable", "_routes", "_terms", "when_acknowledged")

    peer_side = "caller"
    _user: CalledUser

    def __init__(
        self,
        endpoint: Endpoint,
        invite: InviteServer,
        user: CalledUser,
        timer_policy: SessionTimerPolicy | None = None,
        methods: Methods | None = None,
    ) -> None:
        """Raises `HeaderError` when the INVITE has no usable Contact (8.1.1.8), `Refusal` when its session timer can't be taken."""
        policy = timer_policy or SessionTimerPolicy()
        self._terms = session_timer.answer(invite.request, policy)
        reliable = "require" in invite.request.headers and "100rel" in invite.request.tokens("require")
        super().__init__(endpoint, Dialog.as_server(invite.request, invite.to_tag), invite.flow, user, policy, methods)
        self._invite: InviteServer | None = invite
        # "MUST copy all Record-Route header field values from the request into the response ... and MUST maintain the order" (12.1.1)
        routes = invite.request.headers.get("record-route")
        self._routes = "".join(f"Record-Route: {value}\r\n" for value in routes) if routes is not None else ""
        self._reliable: ReliableProvisional | None = None
        if reliable:
            self._reliable = ReliableProvisional(invite, endpoint.clock, endpoint.timers, endpoint.ids.number(1 << 31), self._on_no_prack)
        self.when_acknowledged: Callable[[], None] | None = None
        """Called once, when the PRACK of an outstanding reliable response has come and has been answered."""
        invite.on_cancel = self._on_cancel
        expires = invite.request.get("expires")
        seconds = number(expires) if expires is not None else None
        self._expiry = endpoint.clock.call_later(seconds, self._on_expiry, seconds) if seconds is not None else None

    @property
    def reliable(self) -> bool:
        """The peer requires reliable provisional responses: the first one must hold the offer when the INVITE had none (RFC 3262 5)."""
        return self._reliable is not None

    @property
    def awaits_prack(self) -> bool:
        """A reliable response waits for its PRACK: neither another one nor the 2xx may be sent (RFC 3262 3)."""
        return self._reliable is not None and self._reliable.waiting

    def provisional(self, status: int, headers: str = "", body: bytes = b"", offers: bool = False) -> None:
        """Send a 101 to 199, reliably when the peer requires it; nothing when the call is past that or one still waits for its PRACK.

        `offers` says that `body` is an offer, whose answer the PRACK will bring.
        """
        if self.state is not EARLY or self._invite is None:
            return
        if self._reliable is None:
            self._invite.respond(status, self._routes + headers, body)
        elif not self._reliable.waiting:
            self._offer_pending = offers
            self._reliable.send(status, self._routes + headers, body)

    def accept(self, headers: str, body: bytes, offers: bool) -> None:
        """Send the 200; `offers` says that `body` is an offer, whose answer the ACK will bring."""
        if self.state is EARLY and self._invite is not None:
            self._enter(ANSWERED)
            self._start_timer(self._terms)
            self._send_2xx(self._invite, self._routes + headers + (self._terms.headers if self._terms is not None else ""), body, offers)
            self._invite = None

    def refuse(self, status: int, headers: str = "", reason: str | None = None) -> None:
        """Send a final refusal; the session is over without a word to its user, who decided it."""
        if self.state is EARLY and self._invite is not None:
            self._enter(ENDED)
            self._invite.respond(status, headers + self._endpoint.server_line, b"", reason)
            self._invite = None

    def _on_prack(self, request: Request, flow: Flow) -> None:
        if self._reliable is None or not self._reliable.acknowledge(request):
            # "If the PRACK does not match any unacknowledged reliable provisional response, the UAS responds with a 481" (RFC 3262 3)
            raise Refusal(481, Finding("prack.unmatched", request.get("rack") or "no RAck header"))
        try:
            headers, body = ("", b"") if self._offer_pending else self._user.on_prack(request)
        except (Refusal, HeaderError):  # of its offer: the response that it names is acknowledged all the same
            self._acknowledged()
            raise
        self._endpoint.non_invite_server(request, flow).respond(200, headers + self._endpoint.server_line, body)
        if self._offer_pending:
            self._offer_pending = False
            self._user.on_answer(request)
        self._acknowledged()

    def _acknowledged(self) -> None:
        """The reliable response has its PRACK: what waited for it goes on."""
        then, self.when_acknowledged = self.when_acknowledged, None
        if then is not None:
            then()

    def _on_no_prack(self) -> None:
        """64*T1 without a PRACK: "the UAS SHOULD reject the original request with a 5xx response" (RFC 3262 3)."""
        self._refuse_for(504, Finding("prack.missing", "no PRACK for the reliable 180"))

    def _on_expiry(self, seconds: int) -> None:
        """ "If the invitation expires before the UAS has generated a final response, a 487 (Request Terminated) response SHOULD be
        generated" (13.3.1)."""
        self._refuse_for(487, Finding("invite.expired", f"no answer within Expires: {seconds}"))

    def _refuse_for(self, status: int, finding: Finding) -> None:
        """A final refusal that was not its user's decision."""
        self.refuse(status, warning(self.flow, finding.public))
        self._user.on_unanswered(status, finding)

    def _close_invite(self) -> None:
        invite, self._invite = self._invite, None
        if invite is not None:  # "MUST respond to any pending requests ... with 487" (15.1.2)
            invite.respond(487, self._endpoint.server_line)

    def _on_cancel(self) -> None:
        invite, self._invite = self._invite, None
        if invite is not None and self.state is EARLY:
            self._enter(ENDED)
            invite.respond(487, self._endpoint.server_line)
            self._user.on_ended("caller")

    def _give_up(self) -> None:
        self.refuse(480)

    def abandon(self) -> None:
        """Leave the dialog without a word: its INVITE is answered by somebody else."""
        self._invite = None
        super().abandon()

    def _enter(self, state: SessionState) -> None:
        if state is ENDED:
            if self._reliable is not None:
                self._reliable.stop()
            self.when_acknowledged = None
        if self._expiry is not None:  # answered or over
            self._expiry.cancel()
            self._expiry = None
        super()._enter(state)
