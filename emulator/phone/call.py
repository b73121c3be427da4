"""A call of the phone once it is up, whichever side placed it: it talks, sends digits, holds, and hangs up or is hung up."""

from collections.abc import Callable
from typing import Protocol

from emulator.clock import Clock, Timer
from emulator.ids import Ids
from emulator.journal.findings import Finding
from emulator.media.dialler import DURATION, GAP
from emulator.media.dtmf_sender import PAUSE
from emulator.media.offer import NotAcceptable
from emulator.phone.handset import Handset
from emulator.phone.outcome import Outcome, judge_end, judge_media
from emulator.phone.script import Script
from emulator.sdp_body import SDP_TYPE
from emulator.sip.endpoint import Endpoint
from emulator.sip.flow import Flow
from emulator.sip.message import Request, Response
from emulator.sip.methods import Methods
from emulator.sip.session import Session, SessionState
from emulator.sip.timers import SessionTimerPolicy

METHODS = Methods()
WITH_SDP = f"Content-Type: {SDP_TYPE}\r\n"
_LOOK = 0.02
_LISTEN = 10
"""So many looks at what is heard make up the time after which silence ends a call."""
_LINGER = 1.0
"""Seconds that the phone listens after its last packet, for what is still on its way."""
_BYE_SECONDS = 4.0
_HOLD_SECONDS = 1.0
_DIGIT_TRIP = 0.3
"""Seconds: a digit comes back when it has ended."""


class Keeper(Protocol):
    """Whose call it is: the phone."""

    clock: Clock
    ids: Ids
    endpoint: Endpoint

    tell: Callable[[str, Outcome], None]
    """Told of what happens: `attempt`, `attempt-ended`, `ringing`, `answered`."""

    def handset(self, script: Script, address: str, secure: bool = False) -> Handset:
        """Media for a call on our numeric `address`. Raises `Exhausted`."""


class PhoneCall:
    """The session user that both sides are. A subclass sets `contact` and calls `_up` when there is a 2xx, and `_over` at its end.

    `outcome` is whole when `done` is called with it.
    """

    contact = ""

    def __init__(self, phone: Keeper, script: Script, outcome: Outcome, done: Callable[[Outcome], None]) -> None:
        self.outcome = outcome
        self.handset: Handset | None = None
        self._phone = phone
        self._script = script
        self._done: Callable[[Outcome], None] | None = done
        self._session: Session | None = None
        self._timers: list[Timer] = []
        self._answered_at = 0.0
        self._looks = 0

    @property
    def over(self) -> bool:
        return self._done is None

    def _later(self, seconds: float, call: Callable[..., object], *args: object) -> None:
        self._timers = [timer for timer in self._timers if timer.pending]
        self._timers.append(self._phone.clock.call_later(seconds, call, *args))

    def _headers(self, product: str) -> str:
        """Header lines of a message with a description; `product` is Server or User-Agent."""
        return f"{self.contact}{METHODS.allow}{product}: {self._phone.endpoint.product}\r\n{WITH_SDP}"

    @property
    def _timer_policy(self) -> SessionTimerPolicy:
        seconds = self._script.session_expires
        return SessionTimerPolicy(ask=seconds is not None, interval=seconds or SessionTimerPolicy().interval)

    # -- while it is up -------------------------------------------------------------------------------------------

    def _up(self, session: Session) -> None:
        """The 2xx has gone, or has come, and media is agreed or will be."""
        script, handset = self._script, self.handset
        assert handset is not None
        self._session = session
        self._answered_at = self._phone.clock.seconds()
        self._phone.tell("answered", self.outcome)
        self._speak()
        if script.digits:
            self._later(script.digits_after, handset.dial, script.digits, script.quirk)
        if script.hold_after is not None:
            self._later(script.hold_after, self._hold, True)
        if script.talk is not None:
            self._later(max(script.talk, _least(script)), self._end_talk)
        else:
            self._later(script.longest, self.hang_up)
        if script.longest_silence is not None:
            self._listen(script.longest_silence, -1, 0)

    def _speak(self) -> None:
        """Play, once the other side knows that it is answered: before, it may not have begun to listen."""
        session = self._session
        if session is not None and self.handset is not None and session.state is not SessionState.ENDED:
            if session.state is SessionState.ANSWERED and not session.owns_call_id:
                self._later(_LOOK, self._speak)
            else:
                self.handset.speak()

    def _listen(self, longest: float, heard: int, silent: int) -> None:
        """Hang up when nothing new has been heard in `silent` looks, one each tenth of `longest` seconds."""
        handset, session = self.handset, self._session
        if handset is None or session is None or session.state is SessionState.ENDED:
            return
        count = handset.packets_heard
        silent = silent + 1 if count == heard and not handset.on_hold else 0
        if silent >= _LISTEN:
            self.outcome.silent = longest
            self.hang_up()
        else:
            self._later(longest / _LISTEN, self._listen, longest, count, silent)

    def _hold(self, holds: bool) -> None:
        session, handset = self._session, self.handset
        if session is None or handset is None or handset.stream is None:
            return

        def answered(response: Response | None) -> None:
            try:
                if response is None or response.status >= 300:
                    raise NotAcceptable(399, "refused", Finding("reinvite.refused", str(response.status if response else "no answer")))
                handset.agree(response)
            except NotAcceptable as refused:
                handset.withdraw()
                self.outcome.problem(
                    "signalling", f"the re-INVITE that {'holds' if holds else 'resumes'} was not taken: {refused.finding.seen}"
                )
            else:
                if not holds:
                    handset.speak()
            if holds:
                self._later(_HOLD_SECONDS, self._hold, False)

        if holds:
            handset.pause()  # what is sent on hold does not come back
        body = handset.hold(holds)
        if not session.reinvite(self._headers("User-Agent"), body, answered, (handset.withdraw, lambda: handset.hold(holds))):
            handset.withdraw()
            self._later(_LOOK, self._hold, holds)  # not before the ACK, and not while another INVITE is under way

    def _end_talk(self) -> None:
        """Play no more, and wait a little for what is on its way."""
        if self.handset is not None:
            self.handset.hush()
        self._wind_up()

    def _wind_up(self) -> None:
        handset, script = self.handset, self._script
        assert handset is not None
        echo = handset.echo
        waits = script.hears == "echo" and echo is not None and not echo.complete
        waits = waits or (script.expected_digits is not None and len(handset.digits_heard) < len(script.expected_digits))
        linger = max(_LINGER, 2 * (echo.round_trip or 0.0) if echo is not None else 0.0)
        if waits and self._looks * _LOOK <= linger:
            self._looks += 1  # not by the clock: while the machine stood still nothing was read
            self._later(_LOOK, self._wind_up)
        else:
            self.hang_up()

    def hang_up(self) -> None:
        """End the call: BYE. The outcome is there when it is answered, or has not been for long enough."""
        session = self._session
        if session is None or session.state is SessionState.ENDED:
            return
        if session.state is SessionState.ANSWERED:
            self._later(_LOOK, self.hang_up)  # the side that was called must wait for the ACK (RFC 3261 15)
            return
        session.hang_up(self._on_bye_answered)
        self._later(_BYE_SECONDS, self._on_no_bye_answer)

    def _on_bye_answered(self) -> None:
        self._over()

    def _on_no_bye_answer(self) -> None:
        if not self.over:
            self.outcome.problem("signalling", f"the BYE was not answered in {_BYE_SECONDS:g} s")
            self._over()

    # -- what the session says ------------------------------------------------------------------------------------

    def on_reinvite(self, request: Request, flow: Flow) -> tuple[str, bytes, bool]:
        """See `emulator.sip.session.SessionUser`."""
        assert self.handset is not None
        body, offers = self.handset.answer(request)
        return self._headers("Server"), body, offers

    def on_refused_reinvite(self, request: Request) -> None:
        """See `emulator.sip.session.SessionUser`: a phone keeps no count of versions."""

    def on_answer(self, request: Request) -> None:
        """See `emulator.sip.session.SessionUser`: without a usable answer there is no session to go on with."""
        assert self.handset is not None
        try:
            self.handset.agree(request)
        except NotAcceptable as error:
            self.outcome.finding(error.finding)
            self.outcome.problem("media", f"no usable answer to the offer: {error.finding.seen}", "audio")
            self.hang_up()

    def on_prack(self, request: Request) -> tuple[str, bytes]:
        """See `emulator.sip.called.CalledUser`."""
        return "", b""

    def on_refresh(self) -> tuple[str, bytes]:
        """See `emulator.sip.session.SessionUser`."""
        assert self.handset is not None
        return self._headers("User-Agent"), self.handset.again()

    def on_refreshed(self, response: Response) -> None:
        """See `emulator.sip.session.SessionUser`."""
        assert self.handset is not None
        try:
            self.handset.agree(response)
        except NotAcceptable as error:
            self.outcome.finding(error.finding)

    def on_finding(self, finding: Finding) -> None:
        """See `emulator.sip.session.SessionUser`."""
        self.outcome.finding(finding)

    def on_options(self, request: Request) -> tuple[str, bytes]:
        """See `emulator.sip.session.SessionUser`."""
        return f"{self.contact}{METHODS.allow}Accept: {SDP_TYPE}\r\n{self._phone.endpoint.server_line}", b""

    def on_info(self, request: Request) -> None:
        """See `emulator.sip.session.SessionUser`: nothing is done with it."""

    def on_ended(self, by: str) -> None:
        """See `emulator.sip.session.SessionUser`. After our own BYE its answer is waited for."""
        outcome = self.outcome
        outcome.ended_by = {"trunk": "phone", "caller": "other", "called": "other"}.get(by, by)
        if outcome.answered:
            outcome.talked = self._phone.clock.seconds() - self._answered_at
        if self.handset is not None:
            self.handset.hush()
        if outcome.ended_by != "phone":
            self._over()

    # -- the end --------------------------------------------------------------------------------------------------

    def _over(self) -> None:
        """Judge, give everything back, and tell; harmless when done before."""
        done, self._done = self._done, None
        if done is None:
            return
        outcome, handset = self.outcome, self.handset
        for timer in self._timers:
            timer.cancel()
        if handset is not None:
            if outcome.answered:
                judge_end(outcome, self._script)
                judge_media(outcome, self._script, handset)
                for finding in handset.findings():
                    outcome.finding(finding)
            handset.close()
            outcome.media = handset.as_dict()
        self._session = None
        done(outcome)


def _least(script: Script) -> float:
    """How long a call must last for its digits to be sent and echoed, in seconds."""
    if not script.digits:
        return 0.0
    pauses = script.digits.count(",")
    return script.digits_after + pauses * PAUSE + (len(script.digits) - pauses) * (DURATION + GAP) + _DIGIT_TRIP
