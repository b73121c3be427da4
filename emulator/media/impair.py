"""What a network, or a broken trunk, does to the RTP of one call in one direction: one impairment, one small class.

Each is called with a whole RTP packet and hands on none, one or two to `inner`; any of them goes round a stream's `send` or what it
receives. Packets belong to whoever calls: their buffer is used again, so what is kept or sent twice is copied first. With SRTP, what
rewrites a packet (silence, payload-type, ssrc-change, sequence-jump, timestamp-jump) belongs before protection, the rest after it.

Here stands what all share; what loses packets, holds them back or rewrites them has a module each. What a parameter may be stands in its
annotation; `emulator.media.chain` makes impairments from descriptions and holds them to that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from emulator.chance import Chance
from emulator.clock import Clock

Packets = Callable[[bytes | memoryview], Any]
"""Takes one whole RTP packet; may raise `OSError`."""


@dataclass(frozen=True, slots=True)
class Range:
    """What a parameter may be: a number, both ends included."""

    low: float
    high: float
    unit: str = ""

    def __str__(self) -> str:
        return f"from {self.low:.10g} to {self.high:.10g}{self.unit and ' ' + self.unit}"


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a parameter may be: text, all of which matches; `meaning` says it to a person."""

    regex: str
    meaning: str


Probability = Annotated[float, Range(0, 1)]
Wait = Annotated[float, Range(0, 60, "seconds")]
Moment = Annotated[float, Range(0, 86400, "seconds")]
Count = Annotated[int, Range(0, 1_000_000, "packets")]


def discard(packet: object) -> None:
    """Where packets go after the end."""


class Impairment:
    """One impairment. `_impair` says what happens to a packet."""

    def __init__(self, inner: Packets, clock: Clock, chance: Chance) -> None:
        self._send = inner
        self._clock = clock
        self._chance = chance
        self._closed = False
        self.seen = 0
        """Packets that came."""
        self.hit = 0
        """Packets that did not go on as they came."""

    def __call__(self, packet: bytes | memoryview) -> None:
        """Raises what `inner` raises."""
        if not self._closed:
            self.seen += 1
            self._impair(packet)

    def _impair(self, packet: bytes | memoryview) -> None:
        raise NotImplementedError

    @property
    def lost(self) -> int:
        """Packets that went nowhere."""
        return 0

    def close(self) -> None:
        """Nothing is sent from now on; harmless when done before."""
        self._closed = True
        self._send = discard

    def counters(self) -> dict[str, int]:
        return {"seen": self.seen, "hit": self.hit}


class Duplicate(Impairment):
    """With `probability` a packet comes twice."""

    def __init__(self, inner: Packets, clock: Clock, chance: Chance, probability: Probability) -> None:
        super().__init__(inner, clock, chance)
        self._probability = probability

    def _impair(self, packet: bytes | memoryview) -> None:
        if not self._chance.happens(self._probability):
            self._send(packet)
            return
        self.hit += 1
        copy = bytes(packet)  # before the first is sent: protection encrypts in place
        self._send(packet)
        self._send(copy)
