"""Impairments that change what is in a packet: its header, its payload, its length, its tag."""

from typing import Annotated

from emulator.chance import Chance
from emulator.clock import Clock
from emulator.media.impair import Count, Impairment, Moment, Packets, Pattern, Probability, Range
from emulator.media.rtp import HEADER_OCTETS, PAYLOAD_TYPE_MASK

_AFTER_PACKETS = 50
"""When what changes in mid-call does so if nobody says: after one second of 20 ms packets."""
_TAG_OCTETS = 10
"""HMAC-SHA1-80 (RFC 3711 4.2.1)."""


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
