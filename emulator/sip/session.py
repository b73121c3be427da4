"""A session: what an INVITE sets up, from the first response to the BYE (RFC 3261 13 to 15), seen from the side that was called."""

import ipaddress
from collections.abc import Callable
from enum import Enum
from typing import Protocol

from emulator.clock import Timer
from emulator.journal.findings import Finding
from emulator.sip import session_timer
from emulator.sip.dialog import Dialog
from emulator.sip.endpoint import Endpoint
from emulator.sip.flow import Flow
from emulator.sip.grammar import number
from emulator.sip.headers import HeaderError
from emulator.sip.message import Request, Response
from emulator.sip.methods import Methods
from emulator.sip.refusal import Refusal
from emulator.sip.reinvite import Reinvite
from emulator.sip.reliable import ReliableProvisional
from emulator.sip.session_timer import SessionTimer, Terms
from emulator.sip.timers import LEAST_SESSION_INTERVAL, SessionTimerPolicy
from emulator.sip.transaction import InviteServer
from emulator.sip.uri import UriError

_REFRESH_TRIES = 4
_METHODS = Methods()


class SessionState(Enum):
    """Ours; the RFC names only the dialog's `early` and `confirmed`."""

    EARLY = "early"
    ANSWERED = "answered"  # the 200 has gone, its ACK has not come
    CONFIRMED = "confirmed"
    ENDED = "ended"


class SessionUser(Protocol):
    """Who answers the call."""

    def on_reinvite(self, request: Request, flow: Flow) -> tuple[str, bytes, bool]:
        """A re-INVITE: header lines and body of the 200, and whether that body is an offer; or `Refusal`."""

    def on_answer(self, request: Request) -> None:
        """A request that must hold the answer to the offer in our response: the ACK of a 2xx, or the PRACK of a 180."""

    def on_prack(self, request: Request) -> tuple[str, bytes]:
        """A PRACK that owes us no answer, and may hold an offer of its own when our provisional response held one (RFC 3262 5): header
        lines and body of its 200, or `Refusal`."""

    def on_refresh(self) -> tuple[str, bytes]:
        """A re-INVITE of ours is to be sent that changes nothing: its header lines and its offer."""

    def on_refreshed(self, response: Response) -> None:
        """That re-INVITE was answered with a 2xx, whose body is the answer."""

    def on_finding(self, finding: Finding) -> None:
        """The peer does something it should not, and nothing is refused for it."""

    def on_unanswered(self, status: int) -> None:
        """The call was refused with `status`, for the peer went silent while it was set up."""

    def on_options(self, request: Request) -> tuple[str, bytes]:
        """An OPTIONS inside the dialog: header lines and body of the 200."""

    def on_info(self, request: Request) -> None:
        """An INFO came, and has been answered."""

    def on_ended(self, by: str) -> None:
        """The session is over: `caller` (CANCEL or BYE from the peer), `trunk` (our BYE), `no-ack`, `no-refresh` (the session timer
        ran out) or `gone` (the peer does not know the dialog any more)."""


class _Unacknowledged:
    """A 2xx on its way: retransmitted until its ACK comes (13.3.1.4), over reliable transports too."""

    __slots__ = ("deadline", "interval", "sequence", "timer", "transaction")

    def __init__(self, transaction: InviteServer, deadline: float, interval: float) -> None:
        self.transaction = transaction
        self.sequence = transaction.request.cseq.number
        self.deadline = deadline
        self.interval = interval
        self.timer: Timer | None = None


class Session:
    """One call as the called side has it. It registers itself in the endpoint's dialogs and leaves them when it ends."""

    __slots__ = (
        "_routes",
        "_bye_done", "_endpoint", "_hang_up_on_ack", "_invite", "_offer_pending", "_reliable", "_unacknowledged", "_user",
        "_methods", "_reinvite", "_terms", "_timer", "_timer_policy", "dialog", "flow", "state", "when_acknowledged",
    )  # fmt: skip

    def __init__(
        self,
        endpoint: Endpoint,
        invite: InviteServer,
        user: SessionUser,
        timer_policy: SessionTimerPolicy | None = None,
        methods: Methods | None = None,
    ) -> None:
        """Raises `HeaderError` when the INVITE has no usable Contact (8.1.1.8), `Refusal` when its session timer can't be taken."""
        self._timer_policy = timer_policy or SessionTimerPolicy()
        self._methods = methods or _METHODS
        self._terms = session_timer.answer(invite.request, self._timer_policy)
        self._timer: SessionTimer | None = None
        self._reinvite: Reinvite | None = None
        self._endpoint = endpoint
        self._invite: InviteServer | None = invite
        self._user = user
        self.flow = invite.flow
        self.dialog = Dialog.as_server(invite.request, invite.to_tag)
        # "MUST copy all Record-Route header field values from the request into the response ... and MUST maintain the order" (12.1.1)
        self._routes = "".join(f"Record-Route: {value}\r\n" for value in invite.request.headers.get("record-route", ()))
        self.state = SessionState.EARLY
        self._reliable: ReliableProvisional | None = None
        if "require" in invite.request.headers and "100rel" in invite.request.tokens("require"):
            self._reliable = ReliableProvisional(invite, endpoint.clock, endpoint.timers, endpoint.ids.number(1 << 31), self._on_no_prack)
        self.when_acknowledged: Callable[[], None] | None = None
        """Called once, when the PRACK of an outstanding reliable response has come and has been answered."""
        self._unacknowledged: _Unacknowledged | None = None
        self._offer_pending = False  # our 2xx held an offer, so the ACK must hold the answer
        self._bye_done: Callable[[], None] | None = None
        self._hang_up_on_ack = False
        endpoint.dialogs[self.dialog.key] = self
        invite.on_cancel = self._on_cancel

    # -- answering ------------------------------------------------------------------------------------------------

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
        if self.state is not SessionState.EARLY or self._invite is None:
            return
        if self._reliable is None:
            self._invite.respond(status, self._routes + headers, body)
        elif not self._reliable.waiting:
            self._offer_pending = offers
            self._reliable.send(status, self._routes + headers, body)

    def accept(self, headers: str, body: bytes, offers: bool) -> None:
        """Send the 200; `offers` says that `body` is an offer, whose answer the ACK will bring."""
        if self.state is SessionState.EARLY and self._invite is not None:
            self._enter(SessionState.ANSWERED)
            self._start_timer(self._terms)
            self._send_2xx(self._invite, self._routes + headers + (self._terms.headers if self._terms is not None else ""), body, offers)
            self._invite = None

    def refuse(self, status: int, headers: str = "", reason: str | None = None) -> None:
        """Send a final refusal; the session is over without a word to its user, who decided it."""
        if self.state is SessionState.EARLY and self._invite is not None:
            self._enter(SessionState.ENDED)
            self._invite.respond(status, headers + self._endpoint.server_line, b"", reason)
            self._invite = None

    def _send_2xx(self, transaction: InviteServer, headers: str, body: bytes, offers: bool) -> None:
        timers, clock = self._endpoint.timers, self._endpoint.clock
        transaction.respond(200, headers, body)
        self._offer_pending = offers
        self._unacknowledged = waiting = _Unacknowledged(transaction, clock.seconds() + timers.give_up, timers.t1)
        waiting.timer = clock.call_later(waiting.interval, self._on_unacknowledged, waiting)

    def _on_unacknowledged(self, waiting: _Unacknowledged) -> None:
        clock = self._endpoint.clock
        left = waiting.deadline - clock.seconds()
        if left <= 0:  # "the dialog is confirmed, but the session SHOULD be terminated" with a BYE
            self._unacknowledged = None
            self._send_bye()
            self._end("no-ack")
            return
        waiting.transaction.resend()
        waiting.interval = min(waiting.interval * 2, self._endpoint.timers.t2)
        waiting.timer = clock.call_later(min(waiting.interval, left), self._on_unacknowledged, waiting)

    # -- requests of the peer -------------------------------------------------------------------------------------

    def on_request(self, request: Request, flow: Flow) -> None:
        """A request inside the dialog; see `DialogUser`."""
        before = self.dialog.remote_sequence
        if not self.dialog.in_order(request):
            raise Refusal(500, Finding("cseq.out-of-order", f"CSeq {request.cseq.number} after {before}"))
        if request.cseq.number > before + 1:
            self._user.on_finding(Finding("cseq.gap", f"CSeq {request.cseq.number} after {before}"))
        if flow.reliable:
            self.flow = flow  # the connection it uses now; a UDP flow was aimed by Via and says nothing of the peer's target
        method = request.method
        refused = self._methods.refusal(method)
        if refused is not None:
            self._endpoint.non_invite_server(request, flow).respond(refused, self._methods.allow + self._endpoint.server_line)
            if method == "INFO":
                self._user.on_info(request)
        elif method == "BYE":
            self._on_bye(request, flow)
        elif method == "INVITE":
            self._on_reinvite(request, flow)
        elif method == "OPTIONS":
            headers, body = self._user.on_options(request)
            self._endpoint.non_invite_server(request, flow).respond(200, headers, body)
        elif method == "PRACK":
            self._on_prack(request, flow)
        elif method == "INFO":
            self._endpoint.non_invite_server(request, flow).respond(200, self._endpoint.server_line)
            self._user.on_info(request)

    def on_ack(self, request: Request) -> None:
        """The ACK of a 2xx, matched by its CSeq number (13.3.1.4)."""
        waiting = self._unacknowledged
        if waiting is None or request.cseq.number != waiting.sequence:
            return
        self._stop_waiting()
        if self.state is SessionState.ANSWERED:
            self._enter(SessionState.CONFIRMED)
        if self._offer_pending:
            self._offer_pending = False
            self._user.on_answer(request)
        if self._hang_up_on_ack and self.state is SessionState.CONFIRMED:
            self._hang_up_on_ack = False
            self.hang_up(self._bye_done)

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
        self.refuse(504)
        self._user.on_unanswered(504)

    def _on_bye(self, request: Request, flow: Flow) -> None:
        invite, self._invite = self._invite, None
        was_early = self.state is SessionState.EARLY
        if self.state is SessionState.ENDED:  # our own BYE crossed theirs
            self._endpoint.non_invite_server(request, flow).respond(200, self._endpoint.server_line)
            return
        self._enter(SessionState.ENDED)
        self._endpoint.non_invite_server(request, flow).respond(200, self._endpoint.server_line)
        if was_early and invite is not None:  # "MUST respond to any pending requests ... with 487" (15.1.2)
            invite.respond(487, self._endpoint.server_line)
        self._user.on_ended("caller")

    def _on_cancel(self) -> None:
        invite, self._invite = self._invite, None
        if invite is not None and self.state is SessionState.EARLY:
            self._enter(SessionState.ENDED)
            invite.respond(487, self._endpoint.server_line)
            self._user.on_ended("caller")

    def _on_reinvite(self, request: Request, flow: Flow) -> None:
        if self.state is SessionState.EARLY or self._unacknowledged is not None:
            # 14.2: a second INVITE before the first is done gets 500 and a Retry-After between 0 and 10 s.
            raise Refusal(500, headers=(("Retry-After", str(self._endpoint.ids.number(11))),))
        if self._reinvite is not None:
            raise Refusal(491, Finding("reinvite.glare", "a re-INVITE while ours is under way"))  # 14.2
        terms = session_timer.answer(request, self._timer_policy)
        headers, body, offers = self._user.on_reinvite(request, flow)
        try:
            self.dialog.refresh_target(request)
        except HeaderError:
            pass  # a broken Contact must not move the target; the call goes on with the one it had
        invite = self._endpoint.invite_server(request, flow)
        self._start_timer(terms)  # every 2xx to an INVITE sets the timer anew, or ends it (RFC 4028 9)
        self._send_2xx(invite, headers + (terms.headers if terms is not None else ""), body, offers)

    # -- the session timer ----------------------------------------------------------------------------------------

    def _start_timer(self, terms: Terms | None) -> None:
        if self._timer is None:
            if terms is None:
                return
            self._timer = SessionTimer(self._endpoint.clock, self._refresh, self._on_expired)
        self._timer.start(terms)

    def _refresh(self) -> None:
        """Our turn to refresh: a re-INVITE with the same description (RFC 4028 7.4), for the trunk takes no UPDATE."""
        if self.state is not SessionState.CONFIRMED or self._reinvite is not None or self._unacknowledged is not None:
            return  # nothing may be sent now; the session expires if this lasts
        headers, body = self._user.on_refresh()
        terms = self._timer.terms if self._timer is not None else None
        interval = terms.interval if terms is not None else LEAST_SESSION_INTERVAL
        least = self._timer_policy.minimum

        tries = 0

        def attempt() -> None:
            nonlocal tries
            tries += 1
            timer = f"Supported: timer\r\nSession-Expires: {interval};refresher=uac\r\nMin-SE: {least}\r\n"
            self._reinvite = Reinvite(self._endpoint, self.dialog, self._flow_out, headers + timer, body, done, self._on_gone)
            self._reinvite.send()

        def done(response: Response | None) -> None:
            nonlocal interval, least
            self._reinvite = None
            if response is None:
                return  # the connection has gone: the session may live on until it expires (RFC 4028 10)
            wanted = number(response.get("min-se") or "") if response.status == 422 else None
            if wanted is not None and wanted > least and tries < _REFRESH_TRIES:
                least, interval = wanted, max(interval, wanted)  # "the largest Min-SE header field value" seen (RFC 4028 7.3)
                attempt()
            elif response.status < 300:
                self._move_target(response)
                self._start_timer(session_timer.agreed(response))
                self._user.on_refreshed(response)
            else:
                self._user.on_finding(Finding("session-timer.refresh-refused", f"{response.status} {response.reason}"))

        attempt()

    def _move_target(self, response: Response) -> None:
        try:
            self.dialog.refresh_target(response)
        except HeaderError:
            pass  # as for a request: a broken Contact moves nothing

    def _on_expired(self) -> None:
        self._user.on_finding(Finding("session-timer.expired", "no refresh in the session interval"))
        self._send_bye()
        self._end("no-refresh")

    def _on_gone(self) -> None:
        """The peer answered a re-INVITE with 408 or 481, or not at all: "the UAC SHOULD terminate the dialog" (12.2.1.2)."""
        self._user.on_finding(Finding("session-timer.refresh-lost", "408, 481 or silence for our refresh"))
        self._send_bye()
        self._end("gone")

    # -- ending ---------------------------------------------------------------------------------------------------

    def hang_up(self, done: Callable[[], None] | None = None, at_once: bool = False) -> None:
        """End the session from our side: BYE once it is acknowledged, 480 before it is answered.

        `done` is called when the BYE is answered or has failed. `at_once` does not wait for the ACK, as the called side must (15):
        for the emulator's own stop, which can't wait.
        """
        if self.state is SessionState.EARLY:
            self.refuse(480)
        elif self.state is SessionState.ANSWERED and not at_once:
            self._hang_up_on_ack = True
            self._bye_done = done
            return
        elif self.state is not SessionState.ENDED:
            self._bye_done = done
            self._send_bye()
            self._end("trunk")
            return
        if done is not None:
            done()

    def abandon(self) -> None:
        """Leave the dialog without a word: its INVITE is answered by somebody else."""
        self._invite = None
        self._enter(SessionState.ENDED)

    def _send_bye(self) -> None:
        endpoint = self._endpoint
        flow = self._flow_out()
        branch, via = endpoint.via(flow)
        endpoint.send(self.dialog.request("BYE", via, f"User-Agent: {endpoint.product}\r\n"), branch, flow, self)

    def _flow_out(self) -> Flow:
        """The connection the peer opened, or the datagram address its Contact or first route names (12.2.1.1).

        A host that is a name is not looked up: the request goes back where the INVITE came from.
        """
        flow = self.flow
        if flow.reliable:
            return flow
        try:
            hop = self.dialog.next_hop()
            host = hop.host.strip("[]")
            ipaddress.ip_address(host)
        except (UriError, HeaderError, ValueError):
            return flow
        return flow.to((host, hop.port or 5060))

    def on_response(self, response: Response) -> None:
        """The answer to our BYE."""
        if response.status >= 200:
            self._bye_answered()

    def on_timeout(self) -> None:
        self._bye_answered()

    def on_transport_failure(self) -> None:
        self._bye_answered()

    def _bye_answered(self) -> None:
        done, self._bye_done = self._bye_done, None
        if done is not None:
            done()

    def _end(self, by: str) -> None:
        self._enter(SessionState.ENDED)
        self._user.on_ended(by)

    def _stop_waiting(self) -> None:
        waiting, self._unacknowledged = self._unacknowledged, None
        if waiting is not None and waiting.timer is not None:
            waiting.timer.cancel()

    def _enter(self, state: SessionState) -> None:
        self.state = state
        if state is SessionState.ENDED:
            if self._reliable is not None:
                self._reliable.stop()
            self.when_acknowledged = None
            if self._timer is not None:
                self._timer.stop()
            if self._reinvite is not None:
                self._reinvite.stop()
                self._reinvite = None
            self._stop_waiting()
            self._endpoint.dialogs.pop(self.dialog.key, None)
