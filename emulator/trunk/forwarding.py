"""The hunt: a call to a number is offered to the targets of its Forward-to-SIP list, one after the other, until one takes it.

Sources: the page, Inbound configuration; vonage-facts 6 and its defaults 18 to 23. Where they are silent (each is a setting):

- The time of a target begins with its first INVITE. Several addresses of one target (SRV) share it: one that can't be reached makes room
  for the next at once (RFC 3263 4.3), one that is silent uses the time up. One that sends 503 makes room too, and the time begins anew.
- A target that can't be reached counts as a 503 (RFC 3261 8.1.3.1), and so does one whose name is not found.
- What the caller gets: the status of the response that ended the hunt, 3xx included; when all targets have failed the status of the last
  5xx among them, and 486 when none of them sent or counts as one.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal, Protocol

from emulator.clock import Clock, Timer
from emulator.journal.attempt import Attempt
from emulator.journal.attempt import Outcome as AttemptOutcome
from emulator.journal.findings import Finding
from emulator.sip.flow import sent_by
from emulator.sip.locate import Done, Hop, LocateError, Lookup, Transport
from emulator.sip.message import REASONS, Response
from emulator.sip.session import Session
from emulator.trunk.forward_list import Target
from emulator.trunk.policy import ForwardingPolicy

_NEXT_HOP = 503
_RINGS = 180
_UNUSABLE = 488


@dataclass(frozen=True, slots=True)
class Result:
    """What the caller gets when nobody has taken the call, and why. `by` is `called` where a customer's refusal ended it at once."""

    status: int
    reason: str
    why: str
    by: Literal["called", "trunk"] = "trunk"


class HuntState(Enum):
    """Ours; no RFC names them."""

    LOCATING = "locating"  # the host of the target is looked up, or the next step is due at once
    CALLING = "calling"  # the INVITE has gone, nothing has come back
    PROCEEDING = "proceeding"  # a provisional response has come
    OVER = "over"


class Locates(Protocol):
    """Finds addresses; see `emulator.sip.locate.Locator`."""

    def locate(self, host: str, port: int | None, transport: Transport, done: Done, source: str = "") -> Lookup: ...


class Line(Protocol):
    """An INVITE under way; see `emulator.sip.calling.Invitation`."""

    @property
    def coming(self) -> str: ...

    def send(self) -> None: ...

    def cancel(self) -> None: ...


class Unable(Exception):
    """The trunk can send no INVITE: the hunt is over with `status`, and nobody is to blame but us."""

    def __init__(self, status: int, finding: Finding) -> None:
        super().__init__(str(finding))
        self.status = status
        self.finding = finding


class HuntUser(Protocol):
    """Whose call it is."""

    def invite(self, target: Target, hop: Hop, attempt: Attempt, tried: "Try") -> Line:
        """An INVITE to `hop`, not yet sent, whose outcome is told to `tried`; or `Unable`."""

    def on_attempt(self, attempt: Attempt) -> None:
        """It begins."""

    def on_attempt_ended(self, attempt: Attempt) -> None:
        """It is over, in whichever way."""

    def on_progress(self, response: Response) -> None:
        """A provisional response above 100 of the target that is being tried."""

    def on_taken(self, attempt: Attempt, response: Response, session: Session) -> tuple[str, bytes] | None:
        """A 2xx: header lines and body of the ACK, and the hunt is over once `attempt` has ended; None when the answer is of no use."""

    def on_located(self, notes: Sequence[Finding]) -> None:
        """What was odd on the way to the addresses of a target."""

    def on_late(self, attempt: Attempt, response: Response) -> None:
        """A 2xx of an attempt that was given up; it has been acknowledged and hung up."""

    def on_failed(self, result: Result) -> None:
        """The hunt is over, and nobody has taken the call."""

    def on_error(self, error: Exception) -> None:
        """The hunt is over by an error that is ours."""


class Try:
    """One attempt as its INVITE sees it: what comes of it finds its way to the hunt, which may have moved on."""

    __slots__ = ("_hunt", "attempt")

    def __init__(self, hunt: "Hunt", attempt: Attempt) -> None:
        self._hunt = hunt
        self.attempt = attempt

    @property
    def current(self) -> bool:
        """Whether it is this attempt that the hunt waits for."""
        return self._hunt.waits_for(self)

    def provisional(self, response: Response) -> None:
        self._hunt.on_provisional(self, response)

    def accepted(self, response: Response, session: Session) -> tuple[str, bytes] | None:
        return self._hunt.on_accepted(self, response, session)

    def refused(self, response: Response) -> None:
        self._hunt.on_refused(self, response)

    def failed(self, why: str, kind: Literal["timeout", "transport"]) -> None:
        self._hunt.on_failed(self, why, kind)

    def late(self, response: Response) -> None:
        self._hunt.on_late(self, response)


class Hunt:
    """One hunt. Unless it calls `cancel`, its user hears one of `on_taken` and `on_failed` once, or both where an answer is of no use."""

    __slots__ = (
        "_clock", "_failed", "_hop_timer", "_hops", "_line", "_locator", "_lookup", "_number", "_policy", "_ring", "_source", "_step",
        "_targets", "_timer", "_try", "_user", "called", "state",
    )  # fmt: skip

    def __init__(
        self,
        clock: Clock,
        locator: Locates,
        targets: tuple[Target, ...],
        called: str,
        source: str,
        policy: ForwardingPolicy,
        user: HuntUser,
    ) -> None:
        """`called` is the number that was rung, the user of targets that have none; `source` the address that INVITEs leave from. There
        is at least one target."""
        self._clock = clock
        self._locator = locator
        self._targets = targets
        self._policy = policy
        self._user = user
        self._source = source
        self.called = called
        self.state = HuntState.LOCATING
        self._number = 0  # of the target being tried, from 1
        self._hops: deque[Hop] = deque()
        self._lookup: Lookup | None = None
        self._try: Try | None = None
        self._line: Line | None = None
        self._timer: Timer | None = None  # the target's
        self._hop_timer: Timer | None = None
        self._ring: Timer | None = None
        self._step: Timer | None = None
        self._failed: Result | None = None  # the last 5xx, or what counts as one

    @property
    def _target(self) -> Target:
        return self._targets[self._number - 1]

    def start(self) -> None:
        """Try the first target."""
        self._soon(self._next_target)

    def waits_for(self, tried: Try) -> bool:
        return tried is self._try and self.state in (HuntState.CALLING, HuntState.PROCEEDING)

    def cancel(self, why: str) -> None:
        """Give up, for the caller has."""
        if self.state is HuntState.OVER:
            return
        lookup, line, tried = self._lookup, self._line, self._try
        under_way = tried is not None and self.waits_for(tried)
        self._enter(HuntState.OVER)
        if lookup is not None:
            lookup.cancel()
        if under_way and tried is not None and line is not None:
            line.cancel()
            self._end_attempt(tried.attempt, "cancelled", why)

    # -- from target to target ------------------------------------------------------------------------------------

    def _soon(self, step: Callable[[], None]) -> None:
        """Take a step with nobody of the last one left on the stack: fifty targets that fail at once must not nest."""
        self._step = self._clock.call_later(0, self._take, step)

    def _take(self, step: Callable[[], None]) -> None:
        self._step = None
        try:
            step()
        except Exception as error:  # whose call would be up for ever
            self._enter(HuntState.OVER)
            self._user.on_error(error)

    def _next_target(self) -> None:
        self._stop_target_timer()
        self._hops.clear()
        if self._number == len(self._targets):
            self._enter(HuntState.OVER)
            status = self._policy.timeout_status
            self._user.on_failed(self._failed or Result(status, REASONS.get(status, ""), "no target answered in its time"))
            return
        self._number += 1
        self._enter(HuntState.LOCATING)
        target = self._target
        self._lookup = self._locator.locate(target.host, target.port, target.transport, self._on_located, self._source)

    def _on_located(self, found: list[Hop] | LocateError) -> None:
        lookup, self._lookup = self._lookup, None
        if self.state is not HuntState.LOCATING or lookup is None:
            return
        self._user.on_located(lookup.notes)
        if isinstance(found, list):
            self._hops.extend(found)
            self._soon(self._next_hop)
            return
        attempt = self._attempt(None)
        self._user.on_attempt(attempt)
        attempt.finding(found.finding)
        self._unreachable(str(found))
        self._end_attempt(attempt, "not-found", str(found))
        self._soon(self._next_target)

    def _next_hop(self) -> None:
        hop = self._hops.popleft()
        attempt = self._attempt(hop)
        self._try = tried = Try(self, attempt)
        self._enter(HuntState.CALLING)
        if self._timer is None:
            self._timer = self._clock.call_later(self._target.timeout, self._on_timeout)
        if self._policy.hop_timeout > 0 and self._hops:
            self._hop_timer = self._clock.call_later(self._policy.hop_timeout, self._on_hop_timeout)
        try:
            self._line = line = self._user.invite(self._target, hop, attempt, tried)
        except Unable as unable:
            self._enter(HuntState.OVER)
            self._user.on_failed(Result(unable.status, REASONS.get(unable.status, ""), str(unable)))
            return
        self._user.on_attempt(attempt)
        line.send()

    def _attempt(self, hop: Hop | None) -> Attempt:
        target = self._target
        transport, address = (hop.transport, sent_by(hop.address)) if hop is not None else (target.transport, "")
        return Attempt(self._number, target.uri(self.called), transport, address, self._clock.seconds())

    # -- what comes of an INVITE ----------------------------------------------------------------------------------

    def on_provisional(self, tried: Try, response: Response) -> None:
        """100 to 199."""
        if not self.waits_for(tried):
            return
        status, until = response.status, self._policy.timeout_until
        tried.attempt.began_to_answer(status, self._clock.seconds())
        self._stop(self._hop_timer)
        if until == "first-response" or (until == "18x" and status >= _RINGS):
            self._stop_target_timer()
        if self.state is HuntState.CALLING:
            self._enter(HuntState.PROCEEDING)
            self._ring = self._clock.call_later(self._policy.ring_limit, self._on_ring_limit)
        if status > 100:
            self._user.on_progress(response)

    def on_accepted(self, tried: Try, response: Response, session: Session) -> tuple[str, bytes] | None:
        """The first 2xx."""
        if not self.waits_for(tried):
            self.on_late(tried, response)
            return None
        now, attempt = self._clock.seconds(), tried.attempt
        attempt.began_to_answer(response.status, now)
        self._enter(HuntState.OVER)
        acknowledgement = self._user.on_taken(attempt, response, session)
        if acknowledgement is not None:
            self._end_attempt(attempt, "answered", "", response)
        else:
            why = "the answer fits nothing that was offered"
            self._end_attempt(attempt, "unusable", why, response)
            self._user.on_failed(Result(_UNUSABLE, REASONS[_UNUSABLE], why))
        return acknowledgement

    def on_refused(self, tried: Try, response: Response) -> None:
        """300 to 699. That of an INVITE that was given up, a 487 above all, changes nothing."""
        if not self.waits_for(tried):
            return
        status, attempt = response.status, tried.attempt
        attempt.began_to_answer(status, self._clock.seconds())
        result = Result(status, response.reason or REASONS.get(status, ""), "")
        if status == _NEXT_HOP and self._hops:
            self._failed = result
            self._stop_target_timer()  # the target has answered: the next address has its time anew
            self._move_on(attempt, "refused", "503: the next address of the target is tried", response)
        elif status in self._policy.failover:
            self._failed = result
            self._move_on(attempt, "refused", f"{status} moves on", response, to_next_target=True)
        else:
            self._enter(HuntState.OVER)
            self._end_attempt(attempt, "refused", f"{status} ends the hunt", response)
            self._user.on_failed(replace(result, by="called"))

    def on_failed(self, tried: Try, why: str, kind: Literal["timeout", "transport"]) -> None:
        """No final response: the transaction timed out, or the flow broke."""
        if not self.waits_for(tried):
            return
        if kind == "transport":
            self._unreachable(why)
        self._move_on(tried.attempt, "unreachable" if kind == "transport" else "timeout", why)

    def on_late(self, tried: Try, response: Response) -> None:
        """A 2xx that nobody waits for any more."""
        tried.attempt.late = response.status
        self._user.on_late(tried.attempt, response)

    # -- time -----------------------------------------------------------------------------------------------------

    def _on_timeout(self) -> None:
        what = {"first-response": "response", "18x": "18x", "final": "final response"}[self._policy.timeout_until]
        self._give_up("timeout", f"no {self._missing(what)} in {self._target.timeout:g} s", to_next_target=True)

    def _on_hop_timeout(self) -> None:
        missing, seconds = self._missing("response"), self._policy.hop_timeout
        self._give_up("timeout", f"no {missing} in {seconds:g} s: the next address of the target is tried")

    def _missing(self, what: str) -> str:
        """What has not come: the connection, or what else is waited for."""
        return (self._line.coming if self._line is not None else "") or what

    def _on_ring_limit(self) -> None:
        line, tried, status = self._line, self._try, self._policy.no_answer_status
        assert line is not None and tried is not None
        self._enter(HuntState.OVER)
        line.cancel()
        why = f"no answer in {self._policy.ring_limit:g} s of ringing"
        self._end_attempt(tried.attempt, "no-answer", why)
        self._user.on_failed(Result(status, REASONS.get(status, ""), why))

    def _give_up(self, outcome: AttemptOutcome, why: str, to_next_target: bool = False) -> None:
        """Time is up for the INVITE under way. CANCEL goes now where a provisional has come, else as soon as one comes (9.1)."""
        line, tried = self._line, self._try
        assert line is not None and tried is not None
        self._move_on(tried.attempt, outcome, why, to_next_target=to_next_target)
        line.cancel()

    # -- the rest -------------------------------------------------------------------------------------------------

    def _move_on(
        self, attempt: Attempt, outcome: AttemptOutcome, why: str, response: Response | None = None, to_next_target: bool = False
    ) -> None:
        """The next address, or the next target."""
        self._enter(HuntState.LOCATING)
        self._soon(self._next_hop if self._hops and not to_next_target else self._next_target)
        self._end_attempt(attempt, outcome, why, response)

    def _unreachable(self, why: str) -> None:
        status = self._policy.unreachable_status
        self._failed = Result(status, REASONS.get(status, ""), why)

    def _end_attempt(self, attempt: Attempt, outcome: AttemptOutcome, why: str, response: Response | None = None) -> None:
        status, reason = (response.status, response.reason) if response is not None else (None, "")
        attempt.end(outcome, why, self._clock.seconds(), status, reason)
        self._user.on_attempt_ended(attempt)

    def _enter(self, state: HuntState) -> None:
        """The target's own timer runs on from one of its addresses to the next."""
        self.state = state
        if state is not HuntState.PROCEEDING:
            for timer in (self._hop_timer, self._ring, self._step):
                self._stop(timer)
            self._hop_timer = self._ring = self._step = None
        if state in (HuntState.LOCATING, HuntState.OVER):
            self._try = self._line = None
            self._lookup = None
        if state is HuntState.OVER:
            self._stop_target_timer()

    def _stop_target_timer(self) -> None:
        self._stop(self._timer)
        self._timer = None

    @staticmethod
    def _stop(timer: Timer | None) -> None:
        if timer is not None:
            timer.cancel()
