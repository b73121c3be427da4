"""The telephone-events that one call hears: each digit is told of, and echoed, when it has ended."""

from collections.abc import Callable
from typing import Protocol

from emulator.clock import Clock, Timer
from emulator.counting import counted
from emulator.journal.findings import Finding
from emulator.media.dialler import Dialler
from emulator.media.dtmf import Digit, Digits
from emulator.media.offer import Agreement
from emulator.media.plan import Plan

_KEPT = 256
"""Digits of a call that are told of."""


class Line(Protocol):
    """Whose events these are: a stream."""

    agreement: Agreement
    plan: Plan
    digits: list[Digit]

    @property
    def dialler(self) -> Dialler:
        """Sends digits."""


class Events:
    """What one call's events say. `told` is called with each digit that has ended, up to 256 of them."""

    __slots__ = ("_clock", "_digits", "_echoes", "_event_clock", "_findings", "_line", "_quiet", "_told", "_unheeded")

    def __init__(self, line: Line, clock: Clock, told: Callable[[Digit], None] | None) -> None:
        self._line: Line | None = line
        self._clock = clock
        self._told = told
        self._echoes = line.plan.echo_digits and line.plan.echoes
        self._event_clock = 0
        self._digits: Digits | None = None
        self._findings: dict[str, Finding] = {}  # of events whose clock is no longer agreed: each code once, however often it changes
        self._quiet: Timer | None = None
        self._unheeded = 0

    def packet(self, marker: bool, sequence: int, timestamp: int, payload: bytes, now: float) -> None:
        """One packet of the agreed type. Nothing happens after `close`."""
        if self._line is None:
            return
        if self._digits is None or self._event_clock != self._line.agreement.event_clock:
            self._settle(now)
            self._event_clock = self._line.agreement.event_clock
            self._digits = Digits(self._event_clock, self._digit)
        self._digits.packet(marker, sequence, timestamp, payload, now)
        if self._quiet is None:
            self._await_quiet()

    def _await_quiet(self) -> None:
        """An event whose end never comes has ended when its packets have."""
        due = self._digits.due if self._digits is not None else None
        self._quiet = self._clock.call_later(max(0.0, due - self._clock.seconds()), self._on_quiet) if due is not None else None

    def _on_quiet(self) -> None:
        if self._digits is not None:
            self._digits.expire(self._clock.seconds())
        self._await_quiet()

    def _digit(self, digit: Digit) -> None:
        line = self._line
        if line is None:
            return
        if len(line.digits) >= _KEPT:  # whoever sends so many sends garbage, and each would be a line in the log
            self._unheeded += 1
            return
        line.digits.append(digit)
        if self._echoes and line.agreement.send and line.agreement.receive:
            line.dialler.dial(digit.name, digit.duration)
        if self._told is not None:
            self._told(digit)

    def _settle(self, now: float) -> None:
        """What was under way has ended, and what was odd about it is kept."""
        digits, self._digits = self._digits, None
        if digits is not None:
            digits.close(now)
            self._note(digits)

    def _note(self, digits: Digits) -> None:
        for finding in digits.findings():
            self._findings.setdefault(finding.code, finding)

    def close(self) -> None:
        """The call is over: a digit under way is a digit, and is echoed no more. Harmless when done before."""
        self._echoes = False
        if self._quiet is not None:
            self._quiet.cancel()
        self._settle(self._clock.seconds())
        self._line = self._told = None

    def findings(self) -> list[Finding]:
        """What was odd about the events so far."""
        now = self._digits.findings() if self._digits is not None else []
        found = [*self._findings.values(), *(finding for finding in now if finding.code not in self._findings)]
        if self._unheeded:
            found.append(Finding("dtmf.too-many", f"{counted(self._unheeded, 'digit')} after the first {_KEPT}"))
        return found
