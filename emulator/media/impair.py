"""What a network, or a broken trunk, does to the RTP of one call in one direction: one impairment, one small class.

Each is called with a whole RTP packet and hands on none, one or two to `inner`; any of them goes round a stream's `send` or what it
receives. Packets belong to whoever calls: their buffer is used again, so what is kept or sent twice is copied first. With SRTP, what
rewrites a packet (silence, payload-type, ssrc-change, sequence-jump, timestamp-jump) belongs before protection, the rest after it.

What a parameter may be stands in its annotation; `emulator.media.chain` makes impairments from descriptions and holds them to that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from emulator.chance import Chance
from emulator.clock import Clock, Timer
from emulator.media.rtp import HEADER_OCTETS, PAYLOAD_TYPE_MASK

Packets = Callable[[bytes | memoryview], Any]
"""Takes one whole RTP packet; may raise `OSError`."""

MOST_HELD = 200
"""Packets of one call that wait at a time: four seconds of 20 ms packets."""

_AFTER_PACKETS = 50
"""When what changes in mid-call does so if nobody says: after one second of 20 ms packets."""
_LONGEST_WAIT = 1.0
"""Seconds after which a packet held for reordering goes out although too few came after it."""
_APART = 1e-6
"""Seconds between packets that jitter would have turned round; more than the rounding of a clock's sums."""
_TAG_OCTETS = 10
"""HMAC-SHA1-80 (RFC 3711 4.2.1)."""


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


# What loses packets


class _Losing(Impairment):
    @property
    def lost(self) -> int:
        return self.hit

    def _impair(self, packet: bytes | memoryview) -> None:
        if self._loses():
            self.hit += 1
        else:
            self._send(packet)

    def _loses(self) -> bool:
        raise NotImplementedError


class Loss(_Losing):
    """Each packet is lost with `probability`, whatever happened to those before it."""

    def __init__(self, inner: Packets, clock: Clock, chance: Chance, probability: Probability) -> None:
        super().__init__(inner, clock, chance)
        self._probability = probability

    def _loses(self) -> bool:
        return self._chance.happens(self._probability)


class Burst(_Losing):
    """Losses in a row (Gilbert's model): one begins with `probability` at each packet and is `length` packets long on average."""

    def __init__(
        self,
        inner: Packets,
        clock: Clock,
        chance: Chance,
        probability: Probability,
        length: Annotated[float, Range(1, 10_000, "packets")],
    ) -> None:
        super().__init__(inner, clock, chance)
        self._begins = probability
        self._goes_on = 1.0 - 1.0 / length
        self._losing = False

    def _loses(self) -> bool:
        self._losing = self._chance.happens(self._goes_on if self._losing else self._begins)
        return self._losing


class LosePattern(_Losing):
    """`pattern` over and over: `x` is lost, `.` is not."""

    def __init__(
        self, inner: Packets, clock: Clock, chance: Chance, pattern: Annotated[str, Pattern("[.x]{1,1000}", "dots and x's such as '..x.x'")]
    ) -> None:
        super().__init__(inner, clock, chance)
        self._pattern = pattern

    def _loses(self) -> bool:
        return self._pattern[(self.seen - 1) % len(self._pattern)] == "x"


class OneWay(_Losing):
    """Everything is lost."""

    def _loses(self) -> bool:
        return True


class LateStart(_Losing):
    """Everything is lost in the first `seconds` after this was made."""

    def __init__(self, inner: Packets, clock: Clock, chance: Chance, seconds: Moment) -> None:
        super().__init__(inner, clock, chance)
        self._until = clock.seconds() + seconds

    def _loses(self) -> bool:
        return self._clock.seconds() < self._until


class EarlyStop(_Losing):
    """Everything is lost from `seconds` after this was made."""

    def __init__(self, inner: Packets, clock: Clock, chance: Chance, seconds: Moment) -> None:
        super().__init__(inner, clock, chance)
        self._from = clock.seconds() + seconds

    def _loses(self) -> bool:
        return self._clock.seconds() >= self._from


# What holds packets back


class Room:
    """How many packets may wait; shared by all that hold packets of one call."""

    def __init__(self, most: int = MOST_HELD) -> None:
        self.most = most
        self.taken = 0


class Holding(Impairment):
    """Packets that wait, each on its timer. Without room for one more the one that has waited longest goes out at once."""

    def __init__(self, inner: Packets, clock: Clock, chance: Chance) -> None:
        super().__init__(inner, clock, chance)
        self.room = Room()
        """A chain puts the one of the call here before the first packet."""
        self._held: dict[int, tuple[Timer, bytes]] = {}
        self.early = 0
        """Packets sent before their time for want of room."""
        self.refused = 0
        """Packets whose sending raised `OSError`: a timer has no caller to tell."""

    def _hold(self, packet: bytes | memoryview, seconds: float) -> float:
        """Keep a copy for `seconds`; returns when it is due."""
        self.hit += 1
        key = self.hit
        timer = self._clock.call_later(seconds, self._release, key)
        self._held[key] = (timer, bytes(packet))
        self.room.taken += 1
        if self.room.taken > self.room.most:
            self.early += 1
            self._release_oldest()
        return timer.due

    def _release_oldest(self) -> None:
        self._release(next(iter(self._held)))

    def _release(self, key: int) -> None:
        timer, packet = self._held.pop(key)
        timer.cancel()
        self.room.taken -= 1
        try:
            self._send(packet)
        except OSError:
            self.refused += 1

    def close(self) -> None:
        """Also drops what waits."""
        super().close()
        for timer, _ in self._held.values():
            timer.cancel()
        self.room.taken -= len(self._held)
        self._held.clear()

    def counters(self) -> dict[str, int]:
        return {**super().counters(), "early": self.early, "refused": self.refused}


class Delay(Holding):
    """Each packet comes `seconds` later."""

    def __init__(self, inner: Packets, clock: Clock, chance: Chance, seconds: Wait) -> None:
        super().__init__(inner, clock, chance)
        self._seconds = seconds

    def _impair(self, packet: bytes | memoryview) -> None:
        if self._seconds:
            self._hold(packet, self._seconds)
        else:
            self._send(packet)


class Jitter(Holding):
    """Each packet comes later by another time: `mean` seconds, with `deviation` seconds as the standard deviation of the bell curve
    (`normal`) or as the most to either side (`uniform`); never less than 0. Their order stays unless `reorder`."""

    def __init__(
        self,
        inner: Packets,
        clock: Clock,
        chance: Chance,
        mean: Wait,
        deviation: Wait,
        distribution: Literal["normal", "uniform"] = "normal",
        reorder: bool = False,
    ) -> None:
        super().__init__(inner, clock, chance)
        self._mean = mean
        self._deviation = deviation
        self._normal = distribution == "normal"
        self._reorder = reorder
        self._last = float("-inf")

    def _impair(self, packet: bytes | memoryview) -> None:
        delay = self._drawn()
        if self._held and not self._reorder:
            delay = max(delay, self._last + _APART - self._clock.seconds())
        elif delay <= 0.0:
            self._send(packet)
            return
        self._last = self._hold(packet, max(delay, 0.0))

    def _drawn(self) -> float:
        """Seconds; may be negative."""
        if self._normal:
            return self._chance.normal(self._mean, self._deviation)
        return self._chance.uniform(self._mean - self._deviation, self._mean + self._deviation)


class Reorder(Holding):
    """With `probability` a packet lets the next `by` packets pass, or waits a second if fewer come. One at a time, so that even with
    probability 1 the order is another: 2 1 4 3."""

    def __init__(
        self,
        inner: Packets,
        clock: Clock,
        chance: Chance,
        probability: Probability,
        by: Annotated[int, Range(1, 50, "packets")] = 1,
    ) -> None:
        super().__init__(inner, clock, chance)
        self._probability = probability
        self._by = by
        self._left = 0

    def _impair(self, packet: bytes | memoryview) -> None:
        if not self._held:
            if self._chance.happens(self._probability):
                self._left = self._by
                self._hold(packet, _LONGEST_WAIT)
            else:
                self._send(packet)
            return
        self._left -= 1
        try:
            self._send(packet)
        finally:
            if not self._left and self._held:  # whoever was sent to may have closed us
                self._release_oldest()


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


# What rewrites packets


class _Rewriting(Impairment):
    def _impair(self, packet: bytes | memoryview) -> None:
        rewritten = self._rewritten(packet)
        if rewritten is None:
            self._send(packet)
        else:
            self.hit += 1
            self._send(rewritten)

    def _rewritten(self, packet: bytes | memoryview) -> bytes | None:
        """None when the packet stays as it is; that includes what is too short to be rewritten."""
        raise NotImplementedError


def _replace(packet: bytes | memoryview, at: int, octets: bytes) -> bytes:
    """A copy with `octets` in place of as many from `at`."""
    return b"".join((packet[:at], octets, packet[at + len(octets) :]))


def _flip(packet: bytes | memoryview, at: int, bits: int) -> bytes:
    return _replace(packet, at, bytes((packet[at] ^ bits,)))


def _payload_at(packet: bytes | memoryview) -> int:
    """Where the payload begins (RFC 3550 5.1, 5.3.1); the packet's end when it has none."""
    if len(packet) < HEADER_OCTETS:
        return len(packet)
    at = HEADER_OCTETS + 4 * (packet[0] & 0x0F)
    if packet[0] & 0x10:
        at += 4 + 4 * int.from_bytes(packet[at + 2 : at + 4], "big")
    return min(at, len(packet))


class Silence(_Rewriting):
    """The payload is `octets` over and over, the codec's silence, and as long as it was; gone when there are no `octets`.

    In descriptions `octets` is hexadecimal text, and the codec's when left out. Telephone-events are silenced like everything else.
    """

    def __init__(
        self,
        inner: Packets,
        clock: Clock,
        chance: Chance,
        octets: Annotated[bytes, Pattern("([0-9A-Fa-f]{2}){1,500}", "octets in hexadecimal such as 'ff'")] = b"\xff",
    ) -> None:
        super().__init__(inner, clock, chance)
        self._octets = octets

    def _rewritten(self, packet: bytes | memoryview) -> bytes | None:
        at, end = _payload_at(packet), len(packet)
        if at < end and packet[0] & 0x20:
            end -= packet[end - 1]  # padding ends with its own length
        if at >= end:
            return None
        octets = self._octets
        if not octets:
            return bytes(packet[:at]) + bytes(packet[end:])
        return _replace(packet, at, (octets * ((end - at) // len(octets) + 1))[: end - at])


class WrongPayloadType(_Rewriting):
    """The payload type is `number`; the marker bit stays."""

    def __init__(self, inner: Packets, clock: Clock, chance: Chance, number: Annotated[int, Range(0, 127)]) -> None:
        super().__init__(inner, clock, chance)
        self._number = number

    def _rewritten(self, packet: bytes | memoryview) -> bytes | None:
        if len(packet) < HEADER_OCTETS:
            return None
        return _replace(packet, 1, bytes((packet[1] & ~PAYLOAD_TYPE_MASK | self._number,)))


class _FromThenOn(_Rewriting):
    """What changes in mid-call and stays so: `seconds` after this was made or after `packets`, whichever comes first."""

    def __init__(self, inner: Packets, clock: Clock, chance: Chance, seconds: Moment | None = None, packets: Count | None = None) -> None:
        super().__init__(inner, clock, chance)
        if seconds is None and packets is None:
            packets = _AFTER_PACKETS
        self._from = float("inf") if seconds is None else clock.seconds() + seconds
        self._after: float = float("inf") if packets is None else packets

    def _rewritten(self, packet: bytes | memoryview) -> bytes | None:
        if len(packet) < HEADER_OCTETS or (self.seen <= self._after and self._clock.seconds() < self._from):
            return None
        return self._changed(packet)

    def _changed(self, packet: bytes | memoryview) -> bytes:
        raise NotImplementedError


class SsrcChange(_FromThenOn):
    """Another SSRC and another start of the sequence, both random; the timestamp goes on. `packets=0` has it so from the first."""

    _ssrc: bytes | None = None
    _shift = 0

    def _changed(self, packet: bytes | memoryview) -> bytes:
        sequence = int.from_bytes(packet[2:4], "big")
        while self._ssrc is None or self._ssrc == packet[8:12]:
            self._ssrc = self._chance.number(1 << 32).to_bytes(4, "big")
            self._shift = self._chance.number(1 << 15) - sequence
        return b"".join((packet[:2], (sequence + self._shift & 0xFFFF).to_bytes(2, "big"), packet[4:8], self._ssrc, packet[12:]))


class SequenceJump(_FromThenOn):
    """The sequence number is `by` more than it should be."""

    def __init__(
        self,
        inner: Packets,
        clock: Clock,
        chance: Chance,
        by: Annotated[int, Range(-65535, 65535)],
        seconds: Moment | None = None,
        packets: Count | None = None,
    ) -> None:
        super().__init__(inner, clock, chance, seconds, packets)
        self._by = by

    def _changed(self, packet: bytes | memoryview) -> bytes:
        sequence = int.from_bytes(packet[2:4], "big") + self._by & 0xFFFF
        return _replace(packet, 2, sequence.to_bytes(2, "big"))


class TimestampJump(_FromThenOn):
    """The timestamp is `by` units of the codec's clock more than it should be."""

    def __init__(
        self,
        inner: Packets,
        clock: Clock,
        chance: Chance,
        by: Annotated[int, Range(-0xFFFFFFFF, 0xFFFFFFFF)],
        seconds: Moment | None = None,
        packets: Count | None = None,
    ) -> None:
        super().__init__(inner, clock, chance, seconds, packets)
        self._by = by

    def _changed(self, packet: bytes | memoryview) -> bytes:
        timestamp = int.from_bytes(packet[4:8], "big") + self._by & 0xFFFFFFFF
        return _replace(packet, 4, timestamp.to_bytes(4, "big"))


class Corrupt(_Rewriting):
    """With `probability` some bits of one octet behind the header are flipped."""

    def __init__(self, inner: Packets, clock: Clock, chance: Chance, probability: Probability) -> None:
        super().__init__(inner, clock, chance)
        self._probability = probability

    def _rewritten(self, packet: bytes | memoryview) -> bytes | None:
        at = _payload_at(packet)
        if not self._chance.happens(self._probability) or at == len(packet):
            return None
        return _flip(packet, at + self._chance.number(len(packet) - at), 1 + self._chance.number(255))


class Truncate(_Rewriting):
    """Of the whole packet, header included, `octets` are left."""

    def __init__(self, inner: Packets, clock: Clock, chance: Chance, octets: Annotated[int, Range(0, 1500, "octets")]) -> None:
        super().__init__(inner, clock, chance)
        self._octets = octets

    def _rewritten(self, packet: bytes | memoryview) -> bytes | None:
        return bytes(packet[: self._octets]) if len(packet) > self._octets else None


class BadTag(_Rewriting):
    """With `probability` one bit of an SRTP packet's tag is flipped. Packets must be protected already."""

    def __init__(self, inner: Packets, clock: Clock, chance: Chance, probability: Probability = 1.0) -> None:
        super().__init__(inner, clock, chance)
        self._probability = probability

    def _rewritten(self, packet: bytes | memoryview) -> bytes | None:
        if not self._chance.happens(self._probability) or len(packet) < HEADER_OCTETS + _TAG_OCTETS:
            return None
        bit = self._chance.number(8 * _TAG_OCTETS)
        return _flip(packet, len(packet) - 1 - bit // 8, 1 << bit % 8)
