"""A call once its dialog is there, whichever side called: its re-INVITEs, refreshes, digits, and its end."""

from collections.abc import Callable
from typing import Protocol

from emulator.clock import Timer
from emulator.journal.findings import Finding
from emulator.journal.record import CallRecord
from emulator.media.offer import NotAcceptable
from emulator.sdp_body import SDP_TYPE, offered
from emulator.sip.endpoint import Endpoint
from emulator.sip.flow import Flow
from emulator.sip.message import Request, Response
from emulator.sip.refusal import Refusal
from emulator.sip.reinvite import GONE
from emulator.sip.session import Session
from emulator.sip.session_timer import SUPPORTED
from emulator.trunk.behaviour import Behaviour
from emulator.trunk.leg import Keeper, Leg

_ACCEPT = f"Accept: {SDP_TYPE}\r\n"
_TRY_AGAIN = 0.5
"""Seconds after which a re-INVITE is tried again that could not be sent."""
WITH_SDP = f"Content-Type: {SDP_TYPE}\r\n"


class Calls(Keeper, Protocol):
    """Who keeps the calls: the trunk."""

    def authorize(self, endpoint: Endpoint, request: Request, flow: Flow, nonce: str | None) -> tuple[str, str]:
        """Digest on an INVITE: the account's key and the nonce used, or `Refusal`."""

    def forget(self, call: "Up") -> None:
        """The call is over."""


class Up(Protocol):
    """A call that is up or coming up, as the trunk keeps it."""

    record: CallRecord

    def hang_up(self, done: Callable[[], None] | None = None, at_once: bool = False) -> None:
        """End the call from our side; `done` is called when the peer has answered the BYE, or won't. `at_once` does not wait for an ACK."""


class Conversation:
    """The session user that both directions are. It ends itself out of the trunk's table.

    A subclass sets `leg`, `contact` (our Contact header field as a line) and the session, and calls `_answered` when there is a 2xx.
    """

    leg: Leg
    contact = ""

    def __init__(self, calls: Calls, endpoint: Endpoint, record: CallRecord, behaviour: Behaviour) -> None:
        self.record = record
        self._calls = calls
        self._endpoint = endpoint
        self._behaviour = behaviour
        self._allow = behaviour.methods.allow
        self._session: Session | None = None
        self._limit: Timer | None = None
        self._holding: Timer | None = None
        self._recoding: Timer | None = None
        self._refreshing: Timer | None = None
        self._refreshed_at = 0.0

    @property
    def session(self) -> Session:
        assert self._session is not None
        return self._session

    def _headers(self, product: str = "Server") -> str:
        """Header lines of a message with a description."""
        supported = SUPPORTED if product == "Server" else ""
        return f"{self.contact}{self._allow}{supported}{product}: {self._endpoint.product}\r\n{WITH_SDP}"

    def _answered(self) -> None:
        """The 2xx has gone, or has come."""
        calls, record = self._calls, self.record
        self.leg.answered()
        record.state, record.answered, record.status = "answered", calls.clock.wall(), 200
        calls.journal.event("call.answered", record, codec=record.codec or "")
        behaviour, later = self._behaviour, calls.clock.call_later
        if behaviour.longest > 0:
            self._limit = later(behaviour.longest, self.hang_up)
        if behaviour.hold_after is not None:
            self._holding = later(behaviour.hold_after, self._on_hold_due, True)
        if behaviour.codec_after is not None:
            self._recoding = later(behaviour.codec_after, self._on_codec_due)
        if behaviour.refresh_every > 0:
            self._refreshed_at = calls.clock.seconds()
            self._refreshing = later(behaviour.refresh_every, self._on_refresh_due)

    def dial(self, digits: str) -> None:
        """Send digits as telephone-events; a comma is half a second. `ValueError` names the place of what is neither."""
        self.leg.dial(digits)

    # -- re-INVITEs of ours ---------------------------------------------------------------------------------------

    def hold(self, holds: bool, done: Callable[[bool], None] | None = None) -> bool:
        """Put the customer on hold, or take them off hold, by a re-INVITE (RFC 3264 8.4); `done` hears whether it was taken.

        False, and nothing is sent, when none may be sent now: see `emulator.sip.session.Session.reinvite`.
        """
        if self._session is None or self.leg.stream is None:
            return False
        return self._reoffer(lambda: self.leg.hold(holds), "hold.refused", "call.held" if holds else "call.resumed", done)

    def _reoffer(self, offer: Callable[[], bytes], refused: str, event: str, done: Callable[[bool], None] | None = None) -> bool:
        """Send an offer of the leg's; `event` when it is taken, finding `refused` when it is not. False, and it is withdrawn, when none
        may be sent now."""

        def on_response(response: Response | None) -> None:
            taken = self._settle(response, refused)
            if taken:
                self._calls.journal.event(event, self.record, codec=self.record.codec or "")
            if done is not None:
                done(taken)

        renewal = (self.leg.withdraw, offer)
        sent = self.session.reinvite(self._headers(product="User-Agent"), offer(), on_response, renewal)
        if not sent:
            self.leg.withdraw(sent=False)
        return sent

    def _on_hold_due(self, holds: bool) -> None:
        if not self.hold(holds):  # an ACK or a re-INVITE of theirs is under way
            self._holding = self._calls.clock.call_later(_TRY_AGAIN, self._on_hold_due, holds)
        elif holds:
            self._holding = self._calls.clock.call_later(self._behaviour.hold_for, self._on_hold_due, False)

    def _on_codec_due(self) -> None:
        behaviour = self._behaviour
        if self._session is None or self.leg.stream is None:  # the ACK that brings their answer is on its way
            sent = False
        else:
            sent = self._reoffer(lambda: self.leg.recode(behaviour.codec), "codec.refused", "call.codec-changed")
        if not sent:
            self._recoding = self._calls.clock.call_later(_TRY_AGAIN, self._on_codec_due)

    def _on_refresh_due(self) -> None:
        clock, every = self._calls.clock, self._behaviour.refresh_every
        wait = self._refreshed_at + every - clock.seconds()
        if wait <= 0 and self._session is not None:
            headers, body = self.on_refresh()
            renewal = (lambda: None, self.leg.again)
            wait = every if self._session.reinvite(headers, body, self._on_own_refresh, renewal) else _TRY_AGAIN
        self._refreshing = clock.call_later(wait, self._on_refresh_due)

    def _on_own_refresh(self, response: Response | None) -> None:
        if self._settle(response, "session-timer.refresh-refused"):
            self._calls.journal.event("call.refreshed", self.record)

    def _settle(self, response: Response | None, refused: str) -> bool:
        """What came of an offer of ours in a re-INVITE; without a usable answer the session goes on as it was (RFC 3261 14.1)."""
        try:
            if response is not None and response.status < 300:
                self.leg.agree(response)
                return True
        except NotAcceptable as error:
            self.on_finding(error.finding)
        self.leg.withdraw()
        if response is not None and response.status >= 300 and response.status not in GONE:  # those end the session
            self.on_finding(Finding(refused, f"{response.status} {response.reason}"))
        return False

    # -- what the session says ------------------------------------------------------------------------------------

    def on_reinvite(self, request: Request, flow: Flow) -> tuple[str, bytes, bool]:
        """Hold, codec change, moved media: one more offer and answer."""
        self._admit(request, flow)
        described = offered(request)
        if not self._behaviour.reinvites:
            raise Refusal(488, Finding("reinvite.refused", "an offer in a call that is up"))
        body = self.leg.offer() if described is None else self.leg.answer(described)
        return self._headers(), body, described is None

    def on_refused_reinvite(self, request: Request) -> None:
        try:
            described = offered(request)
        except Refusal:
            return
        if described is not None:
            self.leg.compare(described)

    def _admit(self, request: Request, flow: Flow) -> None:
        """Whether their re-INVITE may be looked at, or `Refusal`."""

    def on_answer(self, request: Request) -> None:
        """An ACK or PRACK brought the answer to our offer. Without a usable one there is no session to go on with (13.2.2.4)."""
        try:
            self.leg.agree(request)
        except NotAcceptable as error:
            self.on_finding(error.finding)
            self.hang_up()

    def on_options(self, request: Request) -> tuple[str, bytes]:
        return f"{self.contact}{self._allow}{SUPPORTED}{_ACCEPT}{self._endpoint.server_line}", b""

    def on_info(self, request: Request) -> None:
        content = (request.get("content-type") or "no type").lower()
        self.on_finding(Finding("dtmf.info", f"INFO with {content}"))

    def on_refresh(self) -> tuple[str, bytes]:
        self._refreshed_at = self._calls.clock.seconds()
        return self._headers(product="User-Agent"), self.leg.again()

    def on_refreshed(self, response: Response) -> None:
        self._on_own_refresh(response)

    def on_finding(self, finding: Finding) -> None:
        self.record.finding(finding)
        self._calls.journal.event("finding", self.record, finding=str(finding))

    def on_silence(self) -> None:
        """See `emulator.trunk.leg.LegUser`."""
        self.hang_up()

    def on_ended(self, by: str) -> None:
        if by != "no-ack":  # who never took the answer may not have begun to speak
            self.leg.look_back()
        self._close(by)
        self.record.state = "ended"
        self._calls.journal.event("call.ended", self.record, by=by, **self._summary())

    # -- ending ---------------------------------------------------------------------------------------------------

    def hang_up(self, done: Callable[[], None] | None = None, at_once: bool = False) -> None:
        """See `Up`."""
        self.session.hang_up(done, at_once)

    def _refused(self, status: int, finding: Finding | None = None, by: str = "trunk", **told: str) -> None:
        """The call is over before it was up, by a refusal; `told` is what its event says besides."""
        if finding is not None:
            self.record.finding(finding)
            told["finding"] = str(finding)
        self._close(by)
        self.record.state, self.record.status = "refused", status
        self._calls.journal.event("call.refused", self.record, status=status, **told)

    def _close(self, by: str) -> None:
        """Give everything back, whichever way the call ended."""
        for timer in (self._limit, self._holding, self._recoding, self._refreshing):
            if timer is not None:
                timer.cancel()
        self._close_media()
        self._session = None  # each knows the other: apart, both are freed at once, without the garbage collector
        self.record.ended, self.record.ended_by = self._calls.clock.wall(), by
        self._calls.forget(self)

    def _close_media(self) -> None:
        self.leg.close()

    def _summary(self) -> dict[str, object]:
        record = self.record
        seconds = (record.ended or 0.0) - (record.answered or record.ended or 0.0)
        return {"seconds": round(seconds, 1), **self.leg.summary()}
