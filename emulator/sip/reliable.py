"""Reliable provisional responses (RFC 3262), the side that answers: one at a time, sent again until its PRACK comes."""

from collections.abc import Callable

from emulator.clock import Clock, Timer
from emulator.sip.grammar import number
from emulator.sip.message import Request
from emulator.sip.timers import Timers
from emulator.sip.transaction import InviteServer

_RSEQ_BELOW = 0x7FFFFFFF


class ReliableProvisional:
    """The reliable provisional responses to one INVITE."""

    __slots__ = ("_clock", "_interval", "_on_give_up", "_rseq", "_timer", "_timers", "_transaction", "_until", "waiting")

    def __init__(self, transaction: InviteServer, clock: Clock, timers: Timers, first: int, on_give_up: Callable[[], None]) -> None:
        """`first` is the first RSeq, "chosen uniformly between 1 and 2**31 - 1" (3); `on_give_up` hears that no PRACK came in 64*T1."""
        self._transaction = transaction
        self._clock = clock
        self._timers = timers
        self._rseq = first % _RSEQ_BELOW or 1
        self._on_give_up = on_give_up
        self._interval = 0.0
        self._until = 0.0
        self._timer: Timer | None = None
        self.waiting = False
        """A response has been sent and its PRACK has not come: no other may follow (3)."""

    def send(self, status: int, headers: str, body: bytes) -> None:
        """Send a 101 to 199."""
        self._transaction.respond(status, f"Require: 100rel\r\nRSeq: {self._rseq}\r\n{headers}", body)
        self.waiting = True
        self._interval = self._timers.t1
        self._until = self._clock.seconds() + self._timers.give_up
        self._timer = self._clock.call_later(self._interval, self._again)

    def _again(self) -> None:
        left = self._until - self._clock.seconds()
        if left <= 0:
            self.stop()
            self._on_give_up()
            return
        self._transaction.resend()
        self._interval *= 2  # "starts at T1 seconds, and is doubled for each retransmission": no T2 here (3)
        self._timer = self._clock.call_later(min(self._interval, left), self._again)

    def acknowledge(self, prack: Request) -> bool:
        """Whether a PRACK's RAck names the response that waits: RSeq, CSeq number and method of the INVITE (7.2)."""
        parts = (prack.get("rack") or "").split()
        if not self.waiting or len(parts) != 3:
            return False
        cseq = self._transaction.request.cseq
        if (number(parts[0]), number(parts[1]), parts[2]) != (self._rseq, cseq.number, cseq.method):
            return False
        self.stop()
        self._rseq += 1
        return True

    def stop(self) -> None:
        """Nothing is sent again."""
        self.waiting = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
