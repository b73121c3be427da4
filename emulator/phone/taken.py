"""A call that comes to the phone: refused, rung, answered, or not so much as heard."""

from collections.abc import Callable

from emulator.journal.findings import Finding
from emulator.phone.call import METHODS, Keeper, PhoneCall
from emulator.phone.outcome import Outcome
from emulator.phone.script import Answering
from emulator.sip.called import CalledSession
from emulator.sip.flow import Flow, sent_by
from emulator.sip.headers import HeaderError, NameAddr
from emulator.sip.message import REASONS, Request
from emulator.sip.refusal import Refusal
from emulator.sip.session import SessionState
from emulator.sip.uri import Uri, UriError

_EXTENSIONS = frozenset({"timer"})
"""What may be required; a phone that does not send reliable provisional responses can do without RFC 3262."""


class TakenCall(PhoneCall):
    """One call from its INVITE to its end."""

    def __init__(self, phone: Keeper, script: Answering, request: Request, flow: Flow, done: Callable[[Outcome], None]) -> None:
        number, caller = _user(request.uri), _caller(request)
        outcome = Outcome("taken", number, caller, request.call_id, flow.transport, sent_by(flow.peer))
        super().__init__(phone, script, outcome, done)
        self._answering = script
        self._request = request
        self._flow = flow
        self._called: CalledSession | None = None
        self._began = phone.clock.seconds()
        transport = "" if flow.transport == "UDP" else f";transport={flow.transport.lower()}"
        self.contact = f"Contact: <sip:{number or 'phone'}@{flow.sent_by}{transport}>\r\n"

    def start(self) -> None:
        """Take the INVITE. Raises `Refusal` or `HeaderError` for one that can't be taken; then there is no call."""
        script, request, endpoint = self._answering, self._request, self._phone.endpoint
        unknown = request.tokens("require") - _EXTENSIONS
        if unknown:
            named = ", ".join(sorted(unknown))
            raise Refusal(420, Finding("require.unsupported", named), (("Unsupported", named),))
        body, offers = b"", False
        if script.status < 300:
            self.handset = self._phone.handset(script, self._flow.local[0])
            try:
                body, offers = self.handset.answer(request)
            except Refusal:
                self._give_back()
                raise
        try:
            invite = endpoint.invite_server(request, self._flow)
        except Refusal:
            self._give_back()
            raise
        try:
            self._called = session = CalledSession(endpoint, invite, self, self._timer_policy, METHODS)
        except (Refusal, HeaderError) as error:  # there is a transaction by now, which owes the answer
            refusal = error if isinstance(error, Refusal) else Refusal(400, Finding("message.malformed", str(error)))
            invite.respond(refusal.status, "".join(f"{name}: {value}\r\n" for name, value in refusal.headers) + endpoint.server_line)
            self.refused(refusal)
            self._over()
            return
        invite.respond(100)
        if script.ring is None:
            self._decide(body, offers)
            return
        session.provisional(180, self.contact + endpoint.server_line)
        self.outcome.rang = True
        self._phone.tell("ringing", self.outcome)
        self._later(script.ring, self._decide, body, offers)

    def refused(self, refusal: Refusal) -> None:
        """It can't be taken, whatever the script says."""
        outcome = self.outcome
        outcome.status, outcome.reason = refusal.status, refusal.reason
        if refusal.finding is not None:
            outcome.finding(refusal.finding)
        outcome.problem("signalling", f"refused with {refusal.status}: {refusal.finding.seen if refusal.finding else refusal.reason}")

    def _give_back(self) -> None:
        if self.handset is not None:
            self.handset.close()
            self.handset = None

    def _decide(self, body: bytes, offers: bool) -> None:
        """The final response."""
        session, script, outcome = self._called, self._answering, self.outcome
        assert session is not None
        if session.state is not SessionState.EARLY:
            return
        outcome.status, outcome.reason = script.status, REASONS.get(script.status, "")
        if script.status >= 300:
            session.refuse(script.status, METHODS.allow if script.status == 405 else "")
            self._over()
            return
        outcome.answered_after = self._phone.clock.seconds() - self._began
        session.accept(self._headers("Server"), body, offers)
        self._up(session)

    def hang_up(self) -> None:
        """480 before the answer, BYE after it."""
        if self._session is None and self._called is not None:
            self.outcome.status, self.outcome.reason = 480, REASONS[480]
            self._called.refuse(480)
            self._over()
        else:
            super().hang_up()

    def on_unanswered(self, status: int, finding: Finding) -> None:
        """See `emulator.sip.called.CalledUser`."""
        self.outcome.status = status
        self.outcome.finding(finding)
        self._over()

    def on_ended(self, by: str) -> None:
        """See `emulator.sip.session.SessionUser`: before the answer it is the caller's CANCEL."""
        if self._session is None:
            self.outcome.status, self.outcome.reason, self.outcome.ended_by = 487, REASONS[487], "other"
            if self._answering.status < 300:
                self.outcome.problem("signalling", "the caller gave up before the answer")
            self._over()
        else:
            super().on_ended(by)


def _user(uri: str) -> str:
    try:
        return Uri.parse(uri).number
    except UriError:
        return ""


def _caller(request: Request) -> str:
    try:
        return _user(NameAddr.parse(request.get("from") or "").uri)
    except HeaderError:
        return ""
