"""How many calls an account may start in a second, and have up at once (vonage-facts 5 and defaults, item 15)."""

from collections import deque
from dataclasses import dataclass, replace

from emulator.clock import Clock
from emulator.counting import counted
from emulator.journal.findings import Finding

REAL_CALLS_PER_SECOND = 3
"""What Vonage's knowledge base gives for outbound SIP trunking; it names no cap on calls at once."""
LEGACY_LIMIT = 30
"""Calls in a second, and calls at once, in an older text of the same page."""
_WINDOW = 1.0
_TELL_AGAIN = 60.0


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """None leaves a bound to what is known of the real trunk, which is only told of, unless `strict`. `status` is invented: the real one
    is not known."""

    calls_per_second: int | None = None
    calls_at_once: int | None = None
    status: int = 503
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Excess:
    """A call beyond a bound: whether it is refused, and whether it is worth an event of its own (not each of a flood is)."""

    finding: Finding
    refused: bool
    told: bool


class CallLimits:
    """What each account has started lately. Bounded by the number of accounts times the rate."""

    def __init__(self, clock: Clock, policy: LimitPolicy | None = None) -> None:
        self.policy = policy or LimitPolicy()
        self._clock = clock
        self._rate = self.policy.calls_per_second or REAL_CALLS_PER_SECOND
        self._enforced = self.policy.strict or self.policy.calls_per_second is not None
        self._started: dict[str, deque[float]] = {}
        self._up: dict[str, int] = {}
        self._told: dict[str, float] = {}
        self._beyond: dict[str, Excess] = {}
        """What is said of a call too many a second, by account."""

    def start(self, account: str) -> Excess | None:
        """A call of `account` is about to start; None when it may. One that is refused is not counted and not queued."""
        policy, up = self.policy, self._up.get(account, 0)
        if policy.calls_at_once is not None and up >= policy.calls_at_once:
            return Excess(Finding("limit.calls-at-once", f"{counted(up, 'call')} of {account} at once"), True, True)
        now = self._clock.seconds()
        started = self._started.get(account)
        if started is None:
            started = self._started[account] = deque(maxlen=self._rate)
        excess = None
        if len(started) == self._rate and now - started[0] < _WINDOW:
            excess = self._beyond.get(account)
            if excess is None:
                finding = Finding("limit.calls-per-second", f"more than {counted(self._rate, 'call')} of {account} in a second")
                excess = self._beyond[account] = Excess(finding, self._enforced, False)
            if now - self._told.get(account, -_TELL_AGAIN) >= _TELL_AGAIN:
                self._told[account] = now
                excess = replace(excess, told=True)
            if self._enforced:
                return excess
        started.append(now)
        return excess

    def began(self, account: str) -> None:
        """A call is up."""
        self._up[account] = self._up.get(account, 0) + 1

    def ended(self, account: str) -> None:
        """It is over."""
        left = self._up.get(account, 0) - 1
        if left > 0:
            self._up[account] = left
        else:
            self._up.pop(account, None)
