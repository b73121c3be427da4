"""The calling side's half of a dialog (RFC 3261 12.1.2 and 13.2.2.4): early, acknowledged, and up; with PRACK (RFC 3262 4)."""

from typing import Protocol

from emulator.journal.findings import Finding
from emulator.sip.credentials import Answers
from emulator.sip.dialog import Dialog
from emulator.sip.endpoint import Endpoint
from emulator.sip.flow import Flow
from emulator.sip.grammar import number
from emulator.sip.headers import HeaderError
from emulator.sip.message import Request, Response
from emulator.sip.methods import Methods
from emulator.sip.refusal import Refusal
from emulator.sip.session import ANSWERED, CONFIRMED, EARLY, ENDED, Session, SessionUser
from emulator.sip.session_timer import Terms
from emulator.sip.timers import SessionTimerPolicy
from emulator.sip.transaction import Outgoing


class PrackUser(SessionUser, Protocol):
    """Who acknowledges reliable provisional responses."""

    def on_reliable(self, response: Response) -> tuple[str, bytes]:
        """Header lines and body of a PRACK: the answer, where `response` holds the first offer (RFC 3262 5)."""


class CallingSession(Session):
    """One call as the calling side has it: early from a provisional response with a To tag on, confirmed by the ACK."""

    __slots__ = ("_rseq", "ack")

    peer_side = "called"
    owns_call_id = True
    _user: PrackUser

    def __init__(
        self, endpoint: Endpoint, dialog: Dialog, flow: Flow, user: PrackUser, policy: SessionTimerPolicy, methods: Methods | None,
        answers: Answers | None,
    ) -> None:  # fmt: skip
        super().__init__(endpoint, dialog, flow, user, policy, methods)
        self._answers = answers
        self._rseq = 0  # of the last reliable provisional response; 0 before the first
        self.ack: tuple[Flow, bytes] | None = None
        """The ACK of the 2xx and where it went: it goes again whenever the 2xx comes again (13.2.2.4)."""

    def takes(self, response: Response) -> bool:
        """Whether a provisional response is to be heard; a reliable one gets its PRACK (RFC 3262 4).

        "Once a reliable provisional response is received, retransmissions of that response MUST be discarded", and so must one be that
        another should have come before.
        """
        try:
            if "100rel" not in response.tokens("require"):
                return True
        except HeaderError:
            return True
        rseq = number(response.get("rseq") or "")
        if not rseq:
            self._user.on_finding(Finding("prack.no-rseq", f"{response.status} with RSeq {response.get('rseq') or 'absent'}"))
            return True
        if self._rseq and rseq != self._rseq + 1:
            return False
        self._rseq = rseq
        headers, body = self._user.on_reliable(response)
        rack = f"RAck: {rseq} {response.cseq}\r\n"
        self._ask("PRACK", rack + headers, lambda: None, body)  # without it the callee gives up by itself (3)
        return True

    def answered(self, response: Response) -> None:
        """The 2xx has come: where requests go now is what it says (13.2.2.4)."""
        try:
            self.dialog.learn(response)
        except HeaderError as error:
            code = "message.malformed" if "contact" in response.headers else "contact.missing"
            self._user.on_finding(Finding(code, f"{response.status}: {error}"))
        self._enter(ANSWERED)

    def acknowledge(self, invite: Outgoing, headers: str, body: bytes) -> None:
        """Send the ACK: a request of its own, with the INVITE's CSeq number (13.2.2.4)."""
        flow = self.flow_out()
        _, via = self._endpoint.via(flow)
        ack = self.dialog.request("ACK", via, headers, body, sequence=invite.cseq)
        ack.credentials = invite.credentials
        data = ack.encode()
        self.ack = flow, data
        self._endpoint.transmit(flow, data, self.dialog.call_id)

    def acknowledge_again(self) -> None:
        """The 2xx has come again."""
        if self.ack is not None:
            flow, data = self.ack
            self._endpoint.transmit(flow, data, self.dialog.call_id)

    def acknowledged(self, terms: Terms | None) -> None:
        """The ACK has gone: the session is up, with the timer that the 2xx agreed to (RFC 4028 7.2)."""
        if self.state is not ANSWERED:
            return  # ended in the meantime, at once
        self._enter(CONFIRMED)
        self._start_timer(terms)
        if self._hang_up_on_ack:
            self._hang_up_on_ack = False
            self.hang_up(self._bye_done)

    def dismiss(self) -> None:
        """BYE, and no word to the user, who wants none of it."""
        if self.state is not ENDED:
            self._send_bye()
            self._enter(ENDED)

    def _on_reinvite(self, request: Request, flow: Flow) -> None:
        if self.state is EARLY:
            raise Refusal(491, Finding("reinvite.glare", "an INVITE before our own is answered"))  # 14.2
        super()._on_reinvite(request, flow)

    def _on_bye(self, request: Request, flow: Flow) -> None:
        """ "The callee's UA MUST NOT send a BYE on a confirmed dialog until it has received an ACK", and on an early one never (15)."""
        if self.state is not EARLY:
            super()._on_bye(request, flow)
            return
        self._enter(ENDED)
        self._endpoint.non_invite_server(request, flow).respond(200, self._endpoint.server_line)
        self._user.on_finding(Finding("bye.early", "a BYE before the INVITE was answered"))
