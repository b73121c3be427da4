"""Plays frames: packets of audio at the pace of their codec, over and over."""

from collections.abc import Sequence
from typing import Protocol

from emulator.clock import Clock, Timer
from emulator.media.offer import Agreement

_BEHIND = 0.2
"""Seconds a player may be late before it lets packets go: a stalled process must not send a burst."""


class Line(Protocol):
    """What is played on: a stream."""

    agreement: Agreement

    def media_time(self, clock: int) -> int:
        """The timestamp of now in `clock` units a second."""

    def mark_time(self, timestamp: int) -> None:
        """Audio bears this timestamp now."""

    def emit(self, payload_type: int, marker: bool, timestamp: int, payload: bytes) -> None:
        """Send one packet."""


class Player:
    """`frames` are the payloads of one packet each, `seconds` and `step` what each lasts, in seconds and in timestamp units."""

    def __init__(self, line: Line, clock: Clock, frames: Sequence[bytes], seconds: float, step: int, repeats: bool = True) -> None:
        self._line = line
        self._clock = clock
        self._frames = frames
        self._seconds = seconds
        self._step = step
        self._repeats = repeats
        self._timer: Timer | None = None
        self._at = 0
        self._skipped = 0  # packets that were let go before the next one
        self._due = 0.0
        self._timestamp = 0

    def start(self) -> None:
        """Play from the beginning; the first packet bears the marker, and so does the one after a gap (RFC 3551 4.1)."""
        self.stop()
        self._at, self._skipped, self._due = 0, 0, self._clock.seconds()
        self._timestamp = self._line.media_time(self._line.agreement.codec.clock)
        self._timer = self._clock.call_later(0.0, self._play)  # behind the message that begins it

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _play(self) -> None:
        self._timer = None
        at, agreement = self._at, self._line.agreement
        if not self._frames or (at >= len(self._frames) and not self._repeats):
            return
        self._line.mark_time(self._timestamp)
        self._line.emit(agreement.payload_type, at == 0 or self._skipped > 0, self._timestamp, self._frames[at % len(self._frames)])
        self._at = at + 1
        behind = self._clock.seconds() - self._due
        self._skipped = skipped = int(behind / self._seconds) if behind > _BEHIND else 0
        self._timestamp += self._step * (1 + skipped)
        self._due += self._seconds * (1 + skipped)
        self._timer = self._clock.call_later(max(0.0, self._due - self._clock.seconds()), self._play)
