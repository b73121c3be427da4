"""Sends digits as telephone-events, one after the other (RFC 4733 2.5.1)."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from emulator.clock import Clock, Timer
from emulator.media.dtmf_sender import Packet, Quirk, parse_digits, rate, send
from emulator.media.offer import Agreement

DURATION = 0.1
"""Seconds of a digit where nobody says."""
GAP = 0.06
"""Seconds between two digits: receivers want 40 ms at least (ITU-T Q.24)."""
_WAITING = 64
_LONGEST = 8.0


class Line(Protocol):
    """What digits are sent on: a stream."""

    agreement: Agreement

    def media_time(self, clock: int) -> int:
        """The timestamp of now in `clock` units a second."""

    def emit(self, payload_type: int, marker: bool, timestamp: int, payload: bytes) -> None:
        """Send one packet."""


class Dialler:
    """The digits of one call that wait to be sent; at most 64, what comes beyond is dropped."""

    def __init__(self, line: Line, clock: Clock) -> None:
        self._line = line
        self._clock = clock
        self._waiting: deque[tuple[str, float]] = deque()
        self._timer: Timer | None = None
        self._stopped = False
        self.quirk: Quirk | None = None
        self.done: Callable[[], None] | None = None
        """Called when nothing waits any more."""
        self.sent = 0

    def dial(self, digit: str, duration: float = DURATION) -> None:
        """One more digit, a name of `emulator.media.telephone_event`, of `duration` seconds. Nothing happens where no event was agreed."""
        if self._stopped or self._line.agreement.event_type is None or len(self._waiting) >= _WAITING or digit.startswith("event "):
            return
        self._waiting.append((digit, min(_LONGEST, max(0.02, duration))))
        if self._timer is None:
            self._next()

    def dial_all(self, text: str, duration: float = DURATION) -> None:
        """A string of digits and commas; `ValueError` names the place of what is neither."""
        for item in parse_digits(text):
            if isinstance(item, str):
                self.dial(item, duration)
            elif self._timer is not None and len(self._waiting) < _WAITING:
                self._waiting.append(("", item))

    def stop(self) -> None:
        """Nothing more is sent."""
        self._stopped = True
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _next(self) -> None:
        self._timer = None
        if not self._waiting:
            if self.done is not None:
                self.done()
            return
        digit, seconds = self._waiting.popleft()
        if not digit:
            self._timer = self._clock.call_later(seconds, self._next)
            return
        if self._line.agreement.event_type is None:  # a re-INVITE has taken events away since
            self._waiting.clear()
            return
        clock = self._line.agreement.event_clock
        packets = send(digit, self._line.media_time(rate(clock, self.quirk)), seconds, clock, quirk=self.quirk)
        self.sent += 1
        self._send(packets, next(packets, None), self._clock.seconds())

    def _send(self, packets: Iterator[Packet], packet: Packet | None, began: float) -> None:
        """Send what is due and wait for what is not; the pace is that of the event, however late a timer is."""
        event_type = self._line.agreement.event_type
        while packet is not None and event_type is not None:
            wait = began + packet.delay - self._clock.seconds()
            if wait > 0:
                self._timer = self._clock.call_later(wait, self._send, packets, packet, began)
                return
            self._line.emit(event_type, packet.marker, packet.timestamp, packet.payload)
            packet = next(packets, None)
        self._timer = self._clock.call_later(GAP, self._next)
