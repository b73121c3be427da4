"""A call that the phone places: a number at one target after the other (RFC 3263 4.3), until one answers, refuses, or none is left."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from emulator.clock import Timer
from emulator.journal.attempt import Attempt
from emulator.journal.attempt import Outcome as Ending
from emulator.media.offer import NotAcceptable
from emulator.media.port import Exhausted
from emulator.phone.call import METHODS, Keeper, PhoneCall
from emulator.phone.outcome import Outcome
from emulator.phone.script import Calling
from emulator.sip.calling import Failure, Invitation, SharedCall
from emulator.sip.credentials import Credentials
from emulator.sip.flow import Flow, Paths
from emulator.sip.locate import Hop, LocateError, Locator, Lookup, Transport
from emulator.sip.message import REASONS, Response
from emulator.sip.session import Session

_QUOTED = re.compile(r'"((?:[^"\\]|\\.){1,200})"')


@dataclass(frozen=True, slots=True)
class Destination:
    """Whom to call, and where. `host` is what the Request-URI says, with `port` where one is given; `hops` are the targets where they are
    known, and None has them located by host and port. `hint` is told where the host is not found."""

    number: str
    host: str
    transport: Transport
    port: int | None = None
    hops: tuple[Hop, ...] | None = None
    hint: str = ""

    @property
    def at(self) -> str:
        """Host and port as a SIP URI has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


class CallingKeeper(Keeper, Protocol):
    """The phone, as a call that is placed needs it."""

    paths: Paths
    locator: Locator
    credentials: Credentials | None


class PlacedCall(PhoneCall):
    """One call from its first target to its end. Everything that is tried is an attempt of the outcome."""

    def __init__(self, phone: CallingKeeper, to: Destination, caller: str, script: Calling, done: Callable[[Outcome], None]) -> None:
        """`caller` is the caller ID: what stands before the @ in From."""
        super().__init__(phone, script, Outcome("placed", to.number, caller), done)
        self._desk = phone
        self._to = to
        self._caller = caller
        self._calling = script
        self._hops: list[Hop] = []
        self._lookup: Lookup | None = None
        self._try: _Try | None = None
        self._began = 0.0
        self._identity = (phone.endpoint.ids.call_id(), phone.endpoint.ids.tag())
        self._given_up = ""
        self._planned = False  # whether giving up is what was wanted

    def start(self) -> None:
        """Look for the targets, and ring the first."""
        to, script = self._to, self._calling
        self._began = self._phone.clock.seconds()
        self.outcome.call_id = self._identity[0]
        if script.cancel_after is not None:
            self._later(script.cancel_after, self.cancel, f"given up after {script.cancel_after:g} s", True)
        self._later(script.ring_limit, self.cancel, f"no final response in {script.ring_limit:g} s")
        if to.hops is not None:
            self._on_located(list(to.hops))
        else:
            self._lookup = self._desk.locator.locate(to.host, to.port, to.transport, self._on_located)

    def _on_located(self, result: list[Hop] | LocateError) -> None:
        notes, self._lookup = (self._lookup.notes if self._lookup is not None else []), None
        for finding in notes:
            self.outcome.finding(finding)
        if isinstance(result, LocateError):
            self.outcome.finding(result.finding)
            self._fail(f"{self._to.host} was not found: {result}{self._to.hint}")
            return
        self._hops = result
        self._next()

    # -- one target after the other -------------------------------------------------------------------------------

    def _next(self) -> None:
        """Ring the next target."""
        hop = self._hops.pop(0)
        flow = self._desk.paths.to(hop.transport, hop.address, hop.name)
        outcome, to, phone = self.outcome, self._to, self._phone
        outcome.transport, outcome.peer = hop.transport, _text(flow)
        try:
            # a description of its own for each: a port that one target knows is not to hear another
            self._change_handset(flow)
        except Exhausted as error:
            self._fail(str(error))
            return
        assert self.handset is not None
        uri = f"sip:{to.number}@{to.at if hop.target == to.host else hop.target}"
        attempt = Attempt(len(outcome.attempts) + 1, uri, hop.transport, _text(flow), phone.clock.seconds())
        attempt.call_id = outcome.call_id
        outcome.attempts.append(attempt)
        phone.tell("attempt", outcome)
        transport = "" if hop.transport == "UDP" else f";transport={hop.transport.lower()}"
        self.contact = f"Contact: <sip:{self._caller}@{flow.sent_by}{transport}>\r\n"
        call_id, tag = self._identity
        self._try = tried = _Try(self, attempt)
        tried.invitation = Invitation(
            phone.endpoint, flow, f"sip:{to.number}@{to.at}", f"<sip:{self._caller}@{to.at}>", f"<sip:{to.number}@{to.at}>",
            self._headers("User-Agent"), self.handset.offer(), tried, call_id, self._desk.credentials, self._timer_policy, METHODS,
            from_tag=tag,
        )  # fmt: skip
        if self._calling.patience is not None:
            tried.patience = phone.clock.call_later(self._calling.patience, tried.on_impatient, self._calling.patience)
        tried.invitation.send()

    def _change_handset(self, flow: Flow) -> None:
        if self.handset is not None:
            self.handset.close()
            self.handset = None
        self.handset = self._phone.handset(self._script, flow.local[0], self._calling.srtp)

    def on_try_over(self, tried: "_Try", ending: Ending, why: str, response: Response | None = None) -> None:
        """The target has not taken the call: the next one has its turn where it should."""
        attempt = tried.attempt
        status, reason = (response.status, response.reason) if response is not None else (None, "")
        attempt.end(ending, why, self._phone.clock.seconds(), status, reason)
        if self.over or tried is not self._try:
            return
        self._phone.tell("attempt-ended", self.outcome)
        moves_on = response is None or response.status == 503  # RFC 3263 4.3: "a 503 response ... a timeout ... or a transport failure"
        if moves_on and self._calling.failover and self._hops and not self._given_up:
            self._next()
        elif response is not None:
            self.outcome.status, self.outcome.reason = response.status, response.reason or REASONS.get(response.status, "")
            self._close(_warning(response))
        else:
            self._fail(self._given_up or why)

    # -- what a target says ---------------------------------------------------------------------------------------

    def on_progress(self, response: Response) -> None:
        """A provisional response of the target that is tried: it may hold the answer to our offer already (RFC 3261 13.2.1)."""
        if response.status >= 180 and not self.outcome.rang:
            self.outcome.rang = True
            self._phone.tell("ringing", self.outcome)
        if response.body and response.status > 100 and self.handset is not None:
            try:
                self.handset.agree(response)
            except NotAcceptable as error:
                self.outcome.finding(error.finding)

    def take(self, tried: "_Try", response: Response, session: Session) -> tuple[str, bytes] | None:
        """A 2xx: the header lines and body of its ACK, None when its answer can't be used."""
        handset, outcome, clock = self.handset, self.outcome, self._phone.clock
        assert handset is not None
        outcome.status, outcome.reason, now = response.status, response.reason, clock.seconds()
        outcome.answered_after = now - self._began
        try:
            if response.body or handset.stream is None:
                handset.agree(response)
        except NotAcceptable as error:
            outcome.finding(error.finding)
            outcome.problem("media", f"the answer can't be used: {error.finding.seen}", "audio")
            tried.attempt.end("unusable", error.finding.seen, now, response.status, response.reason)
            self._later(0.0, self._over)
            return None
        tried.attempt.end("answered", "", now, response.status, response.reason)
        self._phone.tell("attempt-ended", outcome)
        if self._calling.status != response.status:
            outcome.problem("signalling", f"answered with {response.status} where {self._calling.status} was wanted")
        for timer in self._timers:  # neither the ring limit nor `cancel_after` holds any more
            timer.cancel()
        self._up(session)
        return "", b""

    # -- the end --------------------------------------------------------------------------------------------------

    def hang_up(self) -> None:
        """CANCEL before the answer, BYE after it."""
        if self._session is None:
            self.cancel("hung up before the answer")
        else:
            super().hang_up()

    def cancel(self, why: str, planned: bool = False) -> None:
        """Give up before the answer (RFC 3261 9.1); `planned` when that is what was wanted."""
        if self.over or self._session is not None or self._given_up:
            return
        self._given_up, self._planned = why, planned
        if self._lookup is not None:
            self._lookup.cancel()
        if self._try is None or self._try.invitation is None:
            self._fail(why)
        else:
            tried = self._try
            if not tried.heard:  # no CANCEL may go before a provisional response: the target is left to itself
                tried.leave("timeout", why)
            tried.give_up()

    def _fail(self, why: str) -> None:
        self.outcome.problem("timeout", why)
        self._over()

    def _close(self, warning: str) -> None:
        """A final refusal ends it; `warning` is what it says of itself."""
        outcome, wanted = self.outcome, self._calling.status
        if self._given_up and not self._planned:
            outcome.problem("timeout", self._given_up)
        elif outcome.status != wanted and not (self._planned and outcome.status == 487):
            if outcome.status in (401, 407) and self._desk.credentials is None:
                warning = "no credentials; give --account, or VSIM_KEY and VSIM_SECRET"
            why = f": {warning}" if warning else ""
            outcome.problem("signalling", f"{outcome.status} {outcome.reason} where {wanted} was wanted{why}")
        self._over()


def _warning(response: Response) -> str:
    """The texts of its Warning (20.43), empty where it has none."""
    return "; ".join(re.sub(r"\\(.)", r"\1", text) for value in response.headers.get("warning", ()) for text in _QUOTED.findall(value))


class _Try(SharedCall):
    """The user of one INVITE: it belongs to one target, and may still hear of it when the call has moved on."""

    def __init__(self, call: PlacedCall, attempt: Attempt) -> None:
        super().__init__(call)
        self.attempt = attempt
        self.invitation: Invitation | None = None
        self.patience: Timer | None = None
        self.heard = False
        """Whether there was any response."""
        self._call = call
        self._left = False

    def give_up(self) -> None:
        """CANCEL, now or when a provisional response comes."""
        assert self.invitation is not None
        self.invitation.cancel()

    def on_impatient(self, seconds: float) -> None:
        """The target has been silent for as long as it may."""
        assert self.invitation is not None
        self.leave("timeout", f"no {self.invitation.coming or 'response'} in {seconds:g} s")
        self.give_up()

    def on_reliable(self, response: Response) -> tuple[str, bytes]:
        return "", b""  # the offer stood in the INVITE

    def on_provisional(self, response: Response) -> None:
        self._hear(response)
        if not self._left:
            self._call.on_progress(response)

    def on_accepted(self, response: Response, session: Session) -> tuple[str, bytes] | None:
        self._hear(response)
        if self._left or self._call.over:
            return None
        return self._call.take(self, response, session)

    def on_refused(self, response: Response) -> None:
        self._hear(response)
        ending: Ending = "cancelled" if response.status == 487 else "refused"
        self.leave(ending, "", response)

    def on_failed(self, why: str, kind: Failure) -> None:
        self.leave("timeout" if kind == "timeout" else "unreachable", why)

    def on_late(self, response: Response) -> None:
        """A 2xx that crossed our CANCEL, or came when the next target was tried: it has had its ACK and BYE."""
        self.attempt.late = response.status
        self.leave("cancelled", f"a {response.status} after it was given up")

    def _hear(self, response: Response) -> None:
        self.heard = True
        self.attempt.began_to_answer(response.status, self._call._phone.clock.seconds())
        if self.patience is not None:
            self.patience.cancel()

    def leave(self, ending: Ending, why: str, response: Response | None = None) -> None:
        """The call hears of it no more; what follows changes nothing."""
        if self.patience is not None:
            self.patience.cancel()
        if not self._left:
            self._left = True
            self._call.on_try_over(self, ending, why, response)


def _text(flow: Flow) -> str:
    host, port = flow.peer
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
