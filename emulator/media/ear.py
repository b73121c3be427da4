"""Listens for digits that are sent as tones, which the trunk does not relay (page: DTMF is RFC 4733).

To look at every packet of every call would cost ten times what the echo costs. So one call is looked at every 40 ms, each in its turn: with
one call up every other packet is looked at, with a hundred one in four seconds.
"""

from collections import deque

from emulator.clock import Clock, Timer
from emulator.media import g711
from emulator.media.stream import Stream, Tap
from emulator.media.tone import digit_in

PACE = 0.04
_G711 = frozenset({"PCMU", "PCMA"})


class Ear:
    """The calls that are listened to. A digit must be in two packets running, or a voice would pass for one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._streams: deque[Stream] = deque()
        self._timer: Timer | None = None

    def add(self, stream: Stream) -> None:
        """Listen to a call whose codec is G.711, until a tone has been heard in it."""
        if stream.agreement.codec.name in _G711 and stream not in self._streams:
            self._streams.append(stream)
            if self._timer is None:
                self._timer = self._clock.call_later(PACE, self._look)

    def remove(self, stream: Stream) -> None:
        """The call is over."""
        if stream in self._streams:
            self._streams.remove(stream)

    def _look(self) -> None:
        self._timer = None
        if not self._streams:
            return
        self._timer = self._clock.call_later(PACE, self._look)
        stream = self._streams[0]
        self._streams.rotate(-1)
        if not getattr(stream.tap_heard, "is_look", False):
            stream.tap_heard = _Look(self, stream, stream.tap_heard)

    def _heard(self, stream: Stream, digit: str) -> None:
        stream.in_band = digit
        self.remove(stream)


class _Look:
    """Takes the next packet of a call, and one more when it sounds like a digit; whoever listened before goes on."""

    is_look = True

    def __init__(self, ear: Ear, stream: Stream, before: Tap | None) -> None:
        self._ear = ear
        self._stream = stream
        self._before = before
        self._digit: str | None = None

    def __call__(self, payload_type: int, timestamp: int, payload: bytes) -> None:
        if self._before is not None:
            self._before(payload_type, timestamp, payload)
        codec = self._stream.agreement.codec.name
        digit = digit_in(g711.decode(codec, payload)) if codec in _G711 and len(payload) >= 160 else None
        if digit is not None and self._digit is None:
            self._digit = digit
            return
        self._stream.tap_heard = self._before
        if digit is not None and digit == self._digit:
            self._ear._heard(self._stream, digit)
