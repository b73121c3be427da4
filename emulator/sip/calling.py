"""The side that calls (RFC 3261 13.2 and 9.1, with RFC 6026): an INVITE of ours until it is answered, refused or given up."""

from collections.abc import Callable
from enum import Enum
from typing import Literal, Protocol

from emulator.clock import Timer
from emulator.journal.findings import Finding
from emulator.sip import session_timer
from emulator.sip.calling_session import CallingSession, PrackUser
from emulator.sip.credentials import Answers, Credentials
from emulator.sip.dialog import Dialog
from emulator.sip.endpoint import Endpoint
from emulator.sip.flow import Flow
from emulator.sip.headers import HeaderError
from emulator.sip.message import Request, Response
from emulator.sip.methods import Methods
from emulator.sip.session import Session, SessionState, SessionUser
from emulator.sip.session_timer import Proposal
from emulator.sip.timers import SessionTimerPolicy
from emulator.sip.transaction import ClientState, InviteClient, NonInviteClient, Outgoing

_FORKS = 16
"""How many dialogs one INVITE may bring about, early ones and answers counted apart; a proxy that forks to more is not known here."""

Failure = Literal["timeout", "transport"]


class CallingUser(PrackUser, Protocol):
    """Who calls. What is said after `cancel` is `on_refused`, `on_late` or `on_failed`, one of them once."""

    def on_provisional(self, response: Response) -> None:
        """A 100 to 199."""

    def on_accepted(self, response: Response, session: Session) -> tuple[str, bytes] | None:
        """The first 2xx: header lines and body of its ACK; None when it can't be accepted: then ACK and BYE go, and nothing more is said
        (13.2.2.4). `session` hears requests at once; a `hang_up` in here waits for the ACK."""

    def on_refused(self, response: Response) -> None:
        """The 300 to 699 that ends it, already acknowledged."""

    def on_failed(self, why: str, kind: Failure) -> None:
        """There is no final response: none came in time, or the flow has gone. `why` is for a person; `send` may say it before it
        returns."""

    def on_late(self, response: Response) -> None:
        """A 2xx that nobody wants: after `cancel`, or of another fork. ACK and BYE have gone."""


class SharedCall:
    """What a call's `CallingUser`s have in common, where the call sends one INVITE after another: what is said in the dialog goes to it."""

    __slots__ = ("_session_user",)

    def __init__(self, session_user: SessionUser) -> None:
        self._session_user = session_user

    def on_reinvite(self, request: Request, flow: Flow) -> tuple[str, bytes, bool]:
        return self._session_user.on_reinvite(request, flow)

    def on_refused_reinvite(self, request: Request) -> None:
        self._session_user.on_refused_reinvite(request)

    def on_answer(self, request: Request) -> None:
        self._session_user.on_answer(request)

    def on_refresh(self) -> tuple[str, bytes]:
        return self._session_user.on_refresh()

    def on_refreshed(self, response: Response) -> None:
        self._session_user.on_refreshed(response)

    def on_finding(self, finding: Finding) -> None:
        self._session_user.on_finding(finding)

    def on_options(self, request: Request) -> tuple[str, bytes]:
        return self._session_user.on_options(request)

    def on_info(self, request: Request) -> None:
        self._session_user.on_info(request)

    def on_ended(self, by: str) -> None:
        self._session_user.on_ended(by)


class InvitationState(Enum):
    """Ours, after what has come; the states of RFC 3261 figure 5 are the transaction's."""

    READY = "ready"
    CALLING = "calling"  # nothing has come
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"  # a 2xx has come; others of it, and of other forks, may follow (RFC 6026 7.2)
    ENDED = "ended"


class Invitation:
    """One INVITE. It lives on for 64*T1 after a 2xx, to acknowledge that one's retransmissions and what other forks answer.

    Nothing ends the ringing but its user: `cancel`.
    """

    __slots__ = (
        "_accepted", "_answering", "_answers", "_body", "_branch", "_cancelled", "_cseq", "_early", "_endpoint", "_flow", "_from",
        "_headers", "_invite", "_methods", "_policy", "_proposal", "_route", "_timer", "_to", "_transaction", "_uri", "_user", "_written",
        "call_id", "from_tag", "state",
    )  # fmt: skip

    def __init__(
        self,
        endpoint: Endpoint,
        flow: Flow,
        uri: str,
        from_: str,
        to: str,
        headers: str,
        body: bytes,
        user: CallingUser,
        call_id: str | None = None,
        credentials: Credentials | None = None,
        timer_policy: SessionTimerPolicy | None = None,
        methods: Methods | None = None,
        route: str = "",
        from_tag: str | None = None,
        written: Callable[[Outgoing], bytes] | None = None,
    ) -> None:
        """`from_` and `to` are header values without a tag, `headers` and `route` whole lines ending in CRLF: Contact, Allow,
        Content-Type and so on, and Route. `call_id` and `from_tag` are given for an INVITE that another one stands in for (RFC 3263 4.3).
        `written` makes the octets of the INVITE.

        `timer_policy.ask` adds Supported: timer, Session-Expires and Min-SE. `credentials` answers who challenges the INVITE, and later
        requests of the call; without them a challenge is a refusal. A user that lists 100rel in Supported has its PRACKs sent.
        `call_id` and `from_tag` are given for an INVITE that stands in for another one (RFC 3263 4.3). `written` makes its octets.
        """
        self._endpoint = endpoint
        self._flow = flow
        self._uri = uri
        self.call_id = call_id or endpoint.ids.call_id()
        self.from_tag = from_tag or endpoint.ids.tag()
        self._written = written
        self._from = f"{from_};tag={self.from_tag}"
        self._to = to
        self._headers = headers
        self._body = body
        self._route = route
        self._user = user
        self._policy = timer_policy or SessionTimerPolicy()
        self._methods = methods
        minimum = self._policy.minimum
        self._proposal = Proposal(max(self._policy.interval, minimum), minimum) if self._policy.ask else None
        self._answers = Answers(credentials) if credentials is not None else None
        self._answering = self._answers.request() if self._answers is not None else None
        self._cseq = 0
        self._branch = ""
        self._invite: Outgoing | None = None
        self._transaction: InviteClient | NonInviteClient | None = None
        self._early: dict[str, CallingSession] = {}  # by To tag
        self._accepted: dict[str, CallingSession] = {}  # whoever sent a 2xx, by To tag
        self._cancelled = False
        self._timer: Timer | None = None  # after a CANCEL
        self.state = InvitationState.READY

    @property
    def coming(self) -> str:
        """What is missing still to the connection of the INVITE that has to leave; see `Flow.coming`."""
        return self._flow.coming

    # -- what the user wants --------------------------------------------------------------------------------------

    def send(self) -> None:
        """Send the INVITE; nothing when it was sent or cancelled before."""
        if self.state is InvitationState.READY:
            self._attempt()

    def cancel(self) -> None:
        """Give up (9.1): CANCEL goes now when a provisional response has come, and as soon as one comes otherwise; until then the INVITE
        is not sent again, for nobody wants it any more.

        After a 2xx it does nothing; before `send`, and while there is no connection, it keeps the INVITE from going. Without a final
        response the INVITE is given up 64*T1 after the CANCEL.
        """
        if self._cancelled or self.state in (InvitationState.ACCEPTED, InvitationState.ENDED):
            return
        self._cancelled = True
        if self.state is InvitationState.READY:
            self._enter(InvitationState.ENDED)
        elif self.state is InvitationState.PROCEEDING:
            self._send_cancel()
        elif isinstance(self._transaction, InviteClient):
            self._transaction.unwanted()
            if self._transaction.state is ClientState.TERMINATED:  # it has not left: there is nothing to cancel
                self._enter(InvitationState.ENDED)
                self._user.on_failed("given up before there was a connection", "timeout")

    def _attempt(self) -> None:
        """One INVITE: the first, or one more with what a refusal asked for (8.1.3.5)."""
        endpoint = self._endpoint
        branch, via = endpoint.via(self._flow)
        self._cseq += 1
        headers = self._headers if self._proposal is None else self._headers + self._proposal.headers
        self._invite = invite = Outgoing(
            "INVITE", self._uri, via, self._from, self._to, self.call_id, self._cseq, self._route, headers, self._body, self._written
        )
        if self._answering is not None:
            invite.credentials = self._answering.lines("INVITE", self._uri)
        self._enter(InvitationState.CALLING)
        self._branch = branch
        transaction = endpoint.send(invite, branch, self._flow, self)
        if self.state in (InvitationState.CALLING, InvitationState.PROCEEDING):
            self._transaction = transaction

    def _send_cancel(self) -> None:
        assert self._invite is not None
        endpoint = self._endpoint
        self._timer = endpoint.clock.call_later(endpoint.timers.give_up, self._on_no_final)
        endpoint.send(self._invite.cancel(), self._branch, self._flow, _Unheard())

    # -- what comes -----------------------------------------------------------------------------------------------

    def on_response(self, response: Response) -> None:
        """See `emulator.sip.transaction.ClientUser`."""
        if response.status < 200:
            self._on_provisional(response)
        elif response.status < 300:
            self._on_answer(response)
        elif not self._cancelled and self._asks_again(response):
            self._attempt()
        else:
            self._enter(InvitationState.ENDED)
            self._user.on_refused(response)

    def _asks_again(self, response: Response) -> bool:
        """Whether a refusal is a 422, 401 or 407 that can be met."""
        return (self._proposal is not None and self._proposal.raised(response)) or (
            self._answering is not None and self._answering.take(response)
        )

    def _on_provisional(self, response: Response) -> None:
        if self.state is InvitationState.CALLING:
            self._enter(InvitationState.PROCEEDING)
            if self._cancelled:
                self._send_cancel()
        if self._cancelled:
            return
        early = self._early_of(response) if response.to_tag and response.status > 100 else None
        if early is None or early.takes(response):
            self._user.on_provisional(response)

    def _early_of(self, response: Response) -> CallingSession | None:
        """The early dialog that a provisional response belongs to or makes; None when there are too many."""
        tag = response.to_tag
        session = self._early.get(tag)
        if session is None and len(self._early) < _FORKS:
            self._early[tag] = session = self._session(response)
            try:
                session.dialog.learn(response)
            except HeaderError:
                pass  # the 2xx will say it better, or be told of
        return session

    def _on_answer(self, response: Response) -> None:
        tag = response.to_tag
        known = self._accepted.get(tag)
        if known is not None:
            known.acknowledge_again()
            return
        if len(self._accepted) >= _FORKS:
            self._user.on_finding(Finding("invite.forks", f"an answer after {_FORKS} others"))
            return
        assert self._invite is not None
        session = self._early.pop(tag, None)
        if session is None or session.state is not SessionState.EARLY:
            session = self._session(response)
        self._accepted[tag] = session
        session.answered(response)
        wanted = not self._cancelled and self.state is not InvitationState.ACCEPTED
        self._enter(InvitationState.ACCEPTED)
        ack: tuple[str, bytes] | None = None
        try:
            if wanted:
                ack = self._user.on_accepted(response, session)
        finally:  # whatever happens up there: a 2xx without an ACK comes again and again
            session.acknowledge(self._invite, *(ack or ("", b"")))
            if ack is None:
                session.dismiss()
        if ack is not None:
            session.acknowledged(session_timer.agreed(response))
        elif not wanted:
            self._user.on_late(response)

    def _session(self, response: Response) -> CallingSession:
        assert self._invite is not None
        dialog = Dialog.as_client(self._invite, self.from_tag, response)
        return CallingSession(self._endpoint, dialog, self._flow, self._user, self._policy, self._methods, self._answers)

    def on_timeout(self) -> None:
        """See `emulator.sip.transaction.ClientUser`: timer B, which runs only while nothing has come."""
        waiting_for = self.coming or "response"
        self._enter(InvitationState.ENDED)
        self._user.on_failed(f"no {waiting_for} in {self._endpoint.timers.give_up:g} s", "timeout")

    def on_transport_failure(self) -> None:
        """See `emulator.sip.transaction.ClientUser`."""
        self._enter(InvitationState.ENDED)
        self._user.on_failed(self._flow.failure or "the connection has gone", "transport")

    def _on_no_final(self) -> None:
        """ "If there is no final response for the original request in 64*T1 seconds ... the client SHOULD then consider the original
        transaction cancelled" (9.1)."""
        assert self._transaction is not None
        self._transaction.terminate()
        self._enter(InvitationState.ENDED)
        self._user.on_failed(f"no final response in {self._endpoint.timers.give_up:g} s after the CANCEL", "timeout")

    def _enter(self, state: InvitationState) -> None:
        self.state = state
        if state is InvitationState.PROCEEDING:
            return
        self._transaction = None  # each knows the other: apart, both are freed at once, without the garbage collector
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        early, self._early = self._early, {}
        for session in early.values():  # of a refused attempt, or of other forks: they answer nobody any more
            session.abandon()


class _Unheard:
    """Nobody waits for the answer to a CANCEL: what counts is the INVITE's (9.1)."""

    def on_response(self, response: Response) -> None:
        """200, or 481 when the INVITE is not known any more."""

    def on_timeout(self) -> None:
        """The INVITE's own limit holds."""

    def on_transport_failure(self) -> None:
        """The INVITE's transaction says it."""
