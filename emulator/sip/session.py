"""A session (RFC 3261 13 to 15): what the side that called and the side that was called have in common once there is a dialog."""

import ipaddress
from collections.abc import Callable
from enum import Enum
from typing import Protocol

from emulator.clock import Timer
from emulator.journal.findings import Finding
from emulator.sip import session_timer
from emulator.sip.credentials import Answers
from emulator.sip.dialog import NO_SEQUENCE, Dialog
from emulator.sip.dialog_request import DialogRequest
from emulator.sip.endpoint import Endpoint, warning
from emulator.sip.flow import Flow
from emulator.sip.headers import HeaderError
from emulator.sip.message import Request, Response
from emulator.sip.methods import OPTION_TAGS, Methods
from emulator.sip.refusal import Refusal
from emulator.sip.reinvite import GONE, Reinvite, Renewal
from emulator.sip.session_timer import Proposal, SessionTimer, Terms
from emulator.sip.timers import SessionTimerPolicy
from emulator.sip.transaction import InviteServer
from emulator.sip.uri import UriError

_METHODS = Methods()


class SessionState(Enum):
    """Ours; the RFC names only the dialog's `early` and `confirmed`."""

    EARLY = "early"
    ANSWERED = "answered"  # the 2xx has gone or come, its ACK has not
    CONFIRMED = "confirmed"
    ENDED = "ended"


EARLY, ANSWERED, CONFIRMED, ENDED = SessionState
"""As names of the module, for CPython 3.11 takes ten times as long to find an attribute of an Enum."""


class SessionUser(Protocol):
    """Who talks in the session."""

    def on_reinvite(self, request: Request, flow: Flow) -> tuple[str, bytes, bool]:
        """A re-INVITE: header lines and body of the 200, and whether that body is an offer; or `Refusal`."""

    def on_refused_reinvite(self, request: Request) -> None:
        """Theirs gets a refusal that is no challenge, from here or from `on_reinvite`: what it offers has been offered all the same."""

    def on_answer(self, request: Request) -> None:
        """A request that must hold the answer to the offer in our response: the ACK of a 2xx, or the PRACK of a 180."""

    def on_refresh(self) -> tuple[str, bytes]:
        """A re-INVITE of ours is to be sent that changes nothing: its header lines and its offer."""

    def on_refreshed(self, response: Response) -> None:
        """That re-INVITE was answered with a 2xx, whose body is the answer."""

    def on_finding(self, finding: Finding) -> None:
        """The peer does something it should not, and nothing is refused for it."""

    def on_options(self, request: Request) -> tuple[str, bytes]:
        """An OPTIONS inside the dialog: header lines and body of the 200."""

    def on_info(self, request: Request) -> None:
        """An INFO came, and has been answered."""

    def on_ended(self, by: str) -> None:
        """The session is over: `caller` or `called` (the peer's CANCEL or BYE, by its side), `trunk` (our BYE), `no-ack`, `no-refresh`
        (the session timer ran out) or `gone` (the peer does not know the dialog any more)."""


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
    """One call as one side has it. It registers itself in the endpoint's dialogs and leaves them when it ends."""

    __slots__ = (
        "_answers", "_bye_done", "_endpoint", "_hang_up_on_ack", "_methods", "_offer_pending", "_reinvite", "_timer", "_timer_policy",
        "_unacknowledged", "_user", "dialog", "flow", "state",
    )  # fmt: skip

    peer_side = "peer"
    """Which side the peer is, for `on_ended`."""
    owns_call_id = False
    """Whether the Call-ID was made here: its owner waits longer after a glare (14.1)."""

    def __init__(
        self,
        endpoint: Endpoint,
        dialog: Dialog,
        flow: Flow,
        user: SessionUser,
        timer_policy: SessionTimerPolicy | None = None,
        methods: Methods | None = None,
    ) -> None:
        self._timer_policy = timer_policy or SessionTimerPolicy()
        self._methods = methods or _METHODS
        self._timer: SessionTimer | None = None
        self._reinvite: Reinvite | None = None
        self._endpoint = endpoint
        self._user = user
        self.flow = flow
        self.dialog = dialog
        self.state = EARLY
        self._unacknowledged: _Unacknowledged | None = None
        self._offer_pending = False  # our 2xx held an offer, so the ACK must hold the answer
        self._bye_done: Callable[[], None] | None = None
        self._hang_up_on_ack = False
        self._answers: Answers | None = None  # to whoever challenges us
        endpoint.dialogs[dialog.key] = self

    # -- requests of the peer -------------------------------------------------------------------------------------

    def on_request(self, request: Request, flow: Flow) -> None:
        """A request inside the dialog; see `DialogUser`."""
        before = self.dialog.remote_sequence
        if not self.dialog.in_order(request):
            raise Refusal(500, Finding("cseq.out-of-order", f"CSeq {request.cseq.number} after {before}"))
        if request.cseq.number > before + 1 and before != NO_SEQUENCE:
            self._user.on_finding(Finding("cseq.gap", f"CSeq {request.cseq.number} after {before}"))
        if flow.reliable:
            self.flow = flow  # the connection it uses now; a UDP flow was aimed by Via and says nothing of the peer's target
        method = request.method
        if "require" in request.headers and (missing := request.tokens("require") - OPTION_TAGS):  # 8.2.2.3
            options = ", ".join(sorted(missing))
            raise Refusal(420, Finding("require.unsupported", options), (("Unsupported", options),))
        refused = self._methods.refusal(method)
        if refused is not None:
            finding = Finding("method.not-allowed", f"{method} in a call")
            headers = self._methods.allow + warning(flow, finding.public) + self._endpoint.server_line
            self._endpoint.non_invite_server(request, flow).respond(refused, headers)
            self._user.on_finding(finding)
            if method == "INFO":
                self._user.on_info(request)
        elif method == "BYE":
            self._on_bye(request, flow)
        elif method == "INVITE":
            try:
                self._on_reinvite(request, flow)
            except Refusal as refusal:
                if refusal.status not in (401, 407):  # after a challenge the same comes again
                    self._user.on_refused_reinvite(request)
                raise
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
        if self.state is ANSWERED:
            self._enter(CONFIRMED)
        if self._offer_pending:
            self._offer_pending = False
            self._user.on_answer(request)
        if self._hang_up_on_ack and self.state is CONFIRMED:
            self._hang_up_on_ack = False
            self.hang_up(self._bye_done)

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
            self._user.on_finding(Finding("ack.missing", f"no ACK in the {self._endpoint.timers.give_up:g} s that the 200 was sent"))
            self._end("no-ack")
            return
        waiting.transaction.resend()
        waiting.interval = min(waiting.interval * 2, self._endpoint.timers.t2)
        waiting.timer = clock.call_later(min(waiting.interval, left), self._on_unacknowledged, waiting)

    def _on_prack(self, request: Request, flow: Flow) -> None:
        """Only the side that was called sends responses that a PRACK acknowledges."""
        raise Refusal(481, Finding("prack.unmatched", request.get("rack") or "no RAck header"))

    def _on_bye(self, request: Request, flow: Flow) -> None:
        over = self.state is ENDED  # our own BYE crossed theirs
        if not over:
            self._enter(ENDED)
        self._endpoint.non_invite_server(request, flow).respond(200, self._endpoint.server_line)
        if not over:
            self._close_invite()
            self._user.on_ended(self.peer_side)
            self._bye_answered()  # ours, which waited for the ACK, need not go any more

    def _close_invite(self) -> None:
        """The session ended before its INVITE was answered: for the side that has to answer it."""

    def _on_reinvite(self, request: Request, flow: Flow) -> None:
        if self.state is EARLY or self._hang_up_on_ack:
            # 14.2: a second INVITE before the final response to the first gets 500 and a Retry-After between 0 and 10 s.
            glare = Finding("reinvite.glare", "an INVITE before the first one is answered")
            raise Refusal(500, glare, (("Retry-After", str(self._endpoint.ids.number(11))),))
        if self._unacknowledged is not None and self._offer_pending:
            raise Refusal(491, Finding("reinvite.glare", "a re-INVITE before the answer to our offer"))  # RFC 5407 3.1.5
        own = self._reinvite
        if own is not None and own.under_way:
            raise Refusal(491, Finding("reinvite.glare", "a re-INVITE while ours is under way"))  # 14.2
        terms = session_timer.answer(request, self._timer_policy)
        if own is not None:
            own.give_way()
        headers, body, offers = self._user.on_reinvite(request, flow)
        # It may overtake the ACK: who sends it has our 2xx, and the answer in it (RFC 5407 3.1.4).
        self._stop_waiting()
        if self.state is ANSWERED:
            self._enter(CONFIRMED)
        if own is not None and own.refreshes:  # theirs has done it
            own.stop()
            self._reinvite = None
        try:
            self.dialog.refresh_target(request)
        except HeaderError:
            pass  # a broken Contact must not move the target; the call goes on with the one it had
        invite = self._endpoint.invite_server(request, flow)
        self._start_timer(terms)  # every 2xx to an INVITE sets the timer anew, or ends it (RFC 4028 9)
        self._send_2xx(invite, headers + (terms.headers if terms is not None else ""), body, offers)

    # -- our own INVITEs ------------------------------------------------------------------------------------------

    def reinvite(self, headers: str, body: bytes, done: Callable[[Response | None], None], renewal: Renewal | None = None) -> bool:
        """Send a re-INVITE (14.1): `headers` is header lines, Contact and Content-Type included, `body` an offer; `renewal` withdraws that
        and makes it anew when an offer of the peer's is answered before it is sent again.

        Returns False, and nothing is sent, when none may be sent now: before the ACK, while another INVITE is under way in either
        direction, or after the end. Glare (491) and 422 are waited out and repeated. `done` is called once, with the final response, or
        None when none came; a 408, 481 or silence ends the session right after. When the session ends first, `on_ended` alone tells.
        """
        return self._send_reinvite(headers, body, done, "reinvite.lost", renewal)

    def _send_reinvite(
        self, headers: str, body: bytes, done: Callable[[Response | None], None], lost: str, renewal: Renewal | None = None,
        refreshes: bool = False,
    ) -> bool:  # fmt: skip
        if not self._may_invite:
            return False
        proposal: Proposal | None = None
        terms = self._timer.terms if self._timer is not None else None
        if terms is not None:
            proposal = Proposal(terms.interval, self._timer_policy.minimum, "uac" if terms.we_refresh else "uas")

        def on_done(response: Response | None, gone: bool) -> None:
            self._reinvite = None
            if response is not None and response.status < 300:
                self._start_timer(session_timer.agreed(response))
            done(response)
            if gone and self.state is not ENDED:  # "the UAC SHOULD terminate the dialog" (12.2.1.2)
                self._user.on_finding(Finding(lost, "408, 481 or silence for our re-INVITE"))
                self._send_bye()
                self._end("gone")

        self._reinvite = Reinvite(
            self._endpoint, self.dialog, self.flow_out, headers, body, on_done, proposal, self.owns_call_id, self._answers,
            lambda: self._unacknowledged is None, renewal, refreshes,
        )  # fmt: skip
        self._reinvite.send()
        return True

    @property
    def _may_invite(self) -> bool:
        """ "A UAC MUST NOT initiate a new INVITE transaction within a dialog while another INVITE transaction is in progress in either
        direction" (14.1)."""
        return self.state is CONFIRMED and self._reinvite is None and self._unacknowledged is None

    # -- the session timer ----------------------------------------------------------------------------------------

    def _start_timer(self, terms: Terms | None) -> None:
        if self._timer is None:
            if terms is None:
                return
            self._timer = SessionTimer(self._endpoint.clock, self._refresh, self._on_expired, self._timer_policy.refreshes)
        self._timer.start(terms)

    def _refresh(self) -> None:
        """Our turn to refresh: a re-INVITE with the same description (RFC 4028 7.4), for the trunk takes no UPDATE."""
        if self._may_invite:  # else nothing may be sent now; the session expires if this lasts
            headers, body = self._user.on_refresh()
            self._send_reinvite(headers, body, self._on_refreshed, "session-timer.refresh-lost", refreshes=True)

    def _on_refreshed(self, response: Response | None) -> None:
        if response is None:
            return  # the connection has gone: the session may live on until it expires (RFC 4028 10)
        if response.status < 300:
            self._user.on_refreshed(response)
        elif response.status not in GONE:
            self._user.on_finding(Finding("session-timer.refresh-refused", f"{response.status} {response.reason}"))

    def _on_expired(self, finding: Finding) -> None:
        self._user.on_finding(finding)
        self._send_bye()
        self._end("no-refresh")

    # -- ending ---------------------------------------------------------------------------------------------------

    def hang_up(self, done: Callable[[], None] | None = None, at_once: bool = False) -> None:
        """End the session from our side: BYE once it is acknowledged, 480 before it is answered.

        `done` is called when the BYE is answered or has failed. `at_once` does not wait for the ACK, as the called side must (15):
        for the emulator's own stop, which can't wait.
        """
        if self.state is EARLY:
            self._give_up()
        elif self.state is ANSWERED and not at_once:
            self._hang_up_on_ack = True
            self._bye_done = done
            return
        elif self.state is not ENDED:
            self._bye_done = done
            self._send_bye()
            self._end("trunk")
            return
        if done is not None:
            done()

    def _give_up(self) -> None:
        """End the session before it is answered."""
        self._enter(ENDED)

    def abandon(self) -> None:
        """Leave the dialog without a word."""
        self._enter(ENDED)

    def _send_bye(self) -> None:
        self._ask("BYE", f"User-Agent: {self._endpoint.product}\r\n", self._bye_answered)

    def _ask(self, method: str, headers: str, done: Callable[[], None], body: bytes = b"") -> None:
        DialogRequest(self._endpoint, self.dialog, self.flow_out, method, headers, done, self._answers, body).send()

    def flow_out(self) -> Flow:
        """The connection that is there, or the address that the peer's Contact or first route names (12.2.1.1), over the transport that
        it names (RFC 3263 4.1: "If the URI specifies a transport protocol in the transport parameter, that transport protocol SHOULD be
        used"); without one over that of the INVITE.

        A host that is a name is not looked up: the request goes where those before it went.
        """
        flow = self.flow
        if flow.reliable and flow.open:
            return flow
        try:
            hop = self.dialog.next_hop()
            host = hop.host.strip("[]")
            ipaddress.ip_address(host)
        except (UriError, HeaderError, ValueError):
            return flow.to(flow.peer)
        named = "TLS" if hop.scheme == "sips" else (hop.transport or "").upper()
        transport = named if named in ("UDP", "TCP", "TLS") and self._endpoint.paths is not None else flow.transport
        address = host, hop.port or (5061 if transport == "TLS" else 5060)
        if transport == flow.transport or self._endpoint.paths is None:
            return flow.to(address)
        return self._endpoint.paths.to(transport, address)

    def _bye_answered(self) -> None:
        done, self._bye_done = self._bye_done, None
        if done is not None:
            done()

    def _end(self, by: str) -> None:
        self._enter(ENDED)
        self._user.on_ended(by)

    def _stop_waiting(self) -> None:
        waiting, self._unacknowledged = self._unacknowledged, None
        if waiting is not None and waiting.timer is not None:
            waiting.timer.cancel()

    def _enter(self, state: SessionState) -> None:
        self.state = state
        if state is ENDED:
            if self._timer is not None:
                self._timer.stop()
            if self._reinvite is not None:
                self._reinvite.stop()
                self._reinvite = None
            self._stop_waiting()
            self._endpoint.dialogs.pop(self.dialog.key, None)
