"""Seeded garbage for media ports: RTP, telephone-events, RTCP, SRTP, SRTCP, STUN, DTLS and noise, each honest but for some mutations."""

import random
import struct
from typing import NamedTuple

from tests.support.srtp_reference import Reference

EVENTS = 101
LONGEST = 1480
"""Octets of a packet: with index and tag it fits into what the emulator reads at a time."""
_KEPT = 64
_SOURCES = 500
"""More SSRCs than libsrtp may be made to remember under one key."""
_STEPS = (1, 1, 1, 1, 2, 0, -1, 101)
_LEAPS = (3001, 0x8000)
"""Of sequence numbers. Where SRTP was agreed a leap would lose the rollover counter, and all that follows would be refused."""
_NUMBERS = (0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_SIZES = (12, 13, 65, 172, 300, 576, 1200, 1400, 1472, LONGEST)

STUN = (
    bytes.fromhex("000100002112a442") + b"vsimvsimvsim",
    bytes.fromhex("000100182112a442") + b"vsimvsimvsim" + bytes.fromhex("000600046162636400240004" + "6e7e1eff" + "802a0008" + "00" * 8),
    bytes.fromhex("0101000c2112a442") + b"vsimvsimvsim" + bytes.fromhex("002000080001a147e112a643"),
)
DTLS = (
    bytes.fromhex("16fefd0000000000000000003a0100002e000000000000002efefd") + bytes(range(46)),
    bytes.fromhex("14fefd0000000000000001000101"),
    bytes.fromhex("15fefd00000000000000020002") + b"\x02\x28",
    bytes.fromhex("17fefd00010000000000010030") + bytes(48),
)


class Datagram(NamedTuple):
    """One for a media port. `fresh`: it bears a right tag that was not there before, so a secure stream may take it."""

    rtcp: bool
    data: bytes
    fresh: bool


def rtp(sequence: int, payload: bytes = b"\xff" * 160, payload_type: int = 0, timestamp: int | None = None, ssrc: int = 0xC0FFEE) -> bytes:
    """An honest packet."""
    at = sequence * 160 if timestamp is None else timestamp
    return struct.pack("!BBHII", 0x80, payload_type, sequence & 0xFFFF, at & 0xFFFFFFFF, ssrc) + payload


class Garbage:
    """Datagrams of one peer without end. The same `chance` gives the same ones."""

    def __init__(
        self,
        chance: random.Random,
        key: bytes | None,
        payload_types: tuple[int, ...] = (0, 0, 0, 8, EVENTS),
        event_type: int | None = EVENTS,
    ) -> None:
        """`key` is the peer's master key and salt where SRTP was agreed."""
        self._chance = chance
        self._secure = Reference(key) if key is not None else None
        self._types = payload_types
        self._event_type = EVENTS if event_type is None else event_type
        self._sequence = chance.randrange(1 << 16)
        self._timestamp = chance.randrange(1 << 32)
        self._sources = [chance.randrange(1 << 32) for _ in range(_SOURCES)]
        self._kept: list[Datagram] = []
        self._unsent: set[bytes] = set()  # under a right tag, and sent in a mutated form alone
        self._event = (0, 0, 0)  # code, timestamp and duration of the one that lasts
        self.ours = 0
        """The emulator's SSRC, once it is known: reports are about it."""
        self._kinds = (
            (self._audio, 30), (self._events, 20), (self._reports, 25), (self._replay, 8), (self._stun, 5), (self._dtls, 5),
            (self._noise, 7),
        )  # fmt: skip

    def take(self) -> Datagram:
        """The next one."""
        (make,) = self._chance.choices([kind for kind, _ in self._kinds], [weight for _, weight in self._kinds])
        datagram: Datagram = make()
        self.remember(datagram)
        return datagram

    def remember(self, datagram: Datagram) -> None:
        """One that may be sent again."""
        if len(self._kept) < _KEPT:
            self._kept.append(datagram)
        else:
            self._kept[self._chance.randrange(_KEPT)] = datagram

    # -- kinds ----------------------------------------------------------------------------------------------------

    def _audio(self) -> Datagram:
        chance = self._chance
        self._sequence += chance.choice(_STEPS if self._secure is not None else _STEPS + _LEAPS)
        self._timestamp += chance.choice((160, 160, 160, 0, -160, 320, 0x80000000))
        size = chance.choice((160, 160, 160, 0, 1, 33, chance.randrange(LONGEST - 11), *(octets - 12 for octets in _SIZES)))
        payload = chance.choice((b"\xff" * size, chance.randbytes(size)))
        return self._finish(self._packet(chance.choice(self._types), payload), False)

    def _events(self) -> Datagram:
        """A telephone-event: mostly one more packet of the one that lasts."""
        chance = self._chance
        self._sequence += chance.choice((1, 1, 1, 2, 0, -3))
        code, at, duration = self._event
        if chance.random() < 0.4:
            code = chance.choice((chance.randrange(16), chance.randrange(256), 16, 11))
            at, duration = self._timestamp + chance.choice((0, 800, 160)), 0
        duration = chance.choice((duration + 160, duration + 160, duration, 0, 0xFFFF, chance.randrange(1 << 16))) & 0xFFFF
        self._event = code, at, duration
        flags = chance.choice((10, 10, 10, 0x80 | 10, 0x80 | 10, chance.randrange(256)))
        payload = struct.pack("!BBH", code, flags, duration) * chance.choice((1, 1, 1, 1, 2, 300)) + chance.choice((b"", b"", b"\0"))
        return self._finish(self._packet(self._event_type, payload[: chance.choice((1500, 1500, 1500, 3, 0))][: LONGEST - 12], at), False)

    def _packet(self, payload_type: int, payload: bytes, timestamp: int | None = None) -> bytes:
        """RTP; now and then with a header extension, CSRCs and padding, true or not."""
        chance = self._chance
        source = chance.choice(self._sources[: chance.choice((1, 1, 1, 8, _SOURCES))])
        marker = chance.choice((0, 0, 0, 0x80))
        packet = bytearray(rtp(self._sequence, b"", marker | payload_type, self._timestamp if timestamp is None else timestamp, source))
        if chance.random() < 0.2:
            count = chance.randrange(16)
            packet[0] |= count
            packet += chance.randbytes(4 * chance.choice((count, count, 0, 15)))
        if chance.random() < 0.2:
            words = chance.choice((0, 1, 2, 5))
            packet[0] |= 0x10
            packet += struct.pack("!HH", 0xBEDE, chance.choice((words, words, words + 1, 0xFFFF, 0x7FFF))) + chance.randbytes(4 * words)
        packet += payload
        if chance.random() < 0.2:
            count = chance.randrange(1, 8)
            packet[0] |= 0x20
            packet += bytes(count - 1) + bytes((chance.choice((count, count, 0, 255, len(packet) & 0xFF)),))
        return bytes(packet[:LONGEST])

    def _reports(self) -> Datagram:
        """A compound packet, on either port, of which much is a lie."""
        chance = self._chance
        source = chance.choice(self._sources[: chance.choice((1, 8, _SOURCES))])
        compound = b""
        for _ in range(chance.choice((1, 1, 2, 2, 2, 3, 17))):
            compound += chance.choice((self._sender_report, self._receiver_report, self._description, self._goodbye, self._other))(source)
        return self._finish(compound[:LONGEST], chance.random() < 0.7, rtcp=True)

    def _sender_report(self, source: int) -> bytes:
        told = (self._number() for _ in range(5))
        return self._rtcp(200, struct.pack("!6I", source, *told), self._blocks())

    def _receiver_report(self, source: int) -> bytes:
        return self._rtcp(201, struct.pack("!I", source), self._blocks())

    def _blocks(self) -> list[bytes]:
        """Reception report blocks, of us mostly."""
        chance = self._chance
        subjects = (self.ours, self.ours, chance.randrange(1 << 32))
        return [
            struct.pack("!6I", chance.choice(subjects), *(self._number() for _ in range(5)))
            for _ in range(chance.choice((1, 1, 1, 1, 0, 2, 2, 31)))
        ]

    def _description(self, source: int) -> bytes:
        name = b"\xff\0\x1b[2J"[: self._chance.randrange(7)] + b"x" * self._chance.choice((4, 0, 200))
        item = struct.pack("!IBB", source, self._chance.choice((1, 1, 0, 8, 255)), self._chance.choice((len(name), len(name), 255))) + name
        return self._rtcp(202, b"", [item + bytes(4 - len(item) % 4)])

    def _goodbye(self, source: int) -> bytes:
        return self._rtcp(203, b"", [struct.pack("!I", source)] * self._chance.choice((1, 0, 31)))

    def _other(self, source: int) -> bytes:
        """APP, feedback, XR, and types that nobody has given a meaning."""
        kind = self._chance.choice((204, 205, 206, 207, 192, 195, 210, 223))
        return self._rtcp(kind, struct.pack("!I", source) + b"PING" + self._chance.randbytes(4 * self._chance.randrange(8)), [])

    def _rtcp(self, kind: int, head: bytes, parts: list[bytes]) -> bytes:
        chance = self._chance
        body = head + b"".join(parts)
        count = chance.choice((len(parts), len(parts), len(parts), len(parts), chance.randrange(32)))
        words = chance.choice((len(body) // 4,) * 8 + (0, 1, 0xFFFF, len(body) // 4 + 1, max(0, len(body) // 4 - 1)))
        return struct.pack("!BBH", 0x80 | count & 31, kind, words) + body

    def _number(self) -> int:
        bits = self._chance.getrandbits(36)
        return _NUMBERS[bits >> 33] if bits & 1 else bits >> 1 & 0xFFFFFFFF

    def _replay(self) -> Datagram:
        """Again what was sent before, as it was or mutated."""
        if not self._kept:
            return self._noise()
        again = self._chance.choice(self._kept)
        data = again.data if self._chance.random() < 0.5 else self._mutated(again.data)
        fresh = self._secure is None or data in self._unsent
        self._unsent.discard(data)
        return Datagram(self._chance.choice((again.rtcp, not again.rtcp)), data, fresh)

    def _stun(self) -> Datagram:
        return Datagram(self._chance.random() < 0.2, self._mutated(self._chance.choice(STUN)), self._secure is None)

    def _dtls(self) -> Datagram:
        return Datagram(self._chance.random() < 0.2, self._mutated(self._chance.choice(DTLS)), self._secure is None)

    def _noise(self) -> Datagram:
        size = self._chance.choice((0, 1, 2, 11, 12, self._chance.randrange(1500), self._chance.choice(_SIZES)))
        first = self._chance.choice((b"", b"\x80", b"\x80\xc8", b"\x80\x65", b"\x90\0", b"\xbf\xe5"))
        data = (first + self._chance.randbytes(size))[:size]
        return Datagram(self._chance.random() < 0.3, data, self._secure is None)

    # -- mutations ------------------------------------------------------------------------------------------------

    def _finish(self, packet: bytes, control: bool, rtcp: bool = False) -> Datagram:
        """Mutate, protect where SRTP was agreed, or both, in either order. A lie under a right tag is the one a stream has to believe."""
        chance = self._chance
        if chance.random() < 0.3:
            changed = self._mutated(packet)
            if self._secure is not None and not rtcp and chance.random() < 0.98:
                changed = changed[:2] + packet[2:4] + changed[4:]  # a leap makes all later packets of this SSRC too old
            packet = changed
        if self._secure is None:
            return Datagram(control, packet, True)
        if chance.random() < 0.1 or len(packet) < 12:
            return Datagram(control, packet, False)  # plain
        protected = self._secure.protect_rtcp(packet) if rtcp else self._secure.protect(packet)
        if chance.random() < 0.3:
            changed = self._mutated(protected)
            if changed != protected:
                self._unsent.add(protected)
            return Datagram(control, changed, changed == protected)
        return Datagram(control, protected, True)

    def _mutated(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(self._chance.choice((1, 1, 1, 2, 5))):
            changed = self._chance.choice(_MUTATIONS)(changed, self._chance)
        return bytes(changed[:1500])


def _flip(data: bytearray, chance: random.Random) -> bytearray:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return data


def _head(data: bytearray, chance: random.Random) -> bytearray:
    """Another version, padding, extension, count, marker or type."""
    if data:
        data[chance.randrange(min(2, len(data)))] = chance.choice((0, 0x40, 0x7F, 0x80, 0x8F, 0x90, 0xA0, 0xBF, 0xC0, 0xC8, 0xFF))
    return data


def _truncate(data: bytearray, chance: random.Random) -> bytearray:
    return data[: chance.choice((chance.randrange(len(data) + 1), 3, 4, 8, 11, 12, 13, 22, max(0, len(data) - 1)))]


def _extend(data: bytearray, chance: random.Random) -> bytearray:
    return data + chance.randbytes(chance.choice((1, 4, 10, 14, 200, 1500)))


def _resize(data: bytearray, chance: random.Random) -> bytearray:
    size: int = chance.choice(_SIZES)
    return data[:size] + bytes(size - len(data)) if len(data) < size else data[:size]


def _number(data: bytearray, chance: random.Random) -> bytearray:
    """An extreme number in two or four octets."""
    width = chance.choice((2, 4))
    if len(data) > width:
        at = chance.randrange(len(data) - width)
        data[at : at + width] = (chance.choice(_NUMBERS) & (1 << 8 * width) - 1).to_bytes(width, "big")
    return data


def _copy(data: bytearray, chance: random.Random) -> bytearray:
    """A piece of it somewhere else in it."""
    start, at = chance.randrange(len(data) + 1), chance.randrange(len(data) + 1)
    data[at:at] = data[start : start + chance.choice((4, 8, 24, 100))]
    return data


def _last(data: bytearray, chance: random.Random) -> bytearray:
    """The octet that counts the padding."""
    if data:
        data[-1] = chance.choice((0, 1, 4, 255, len(data) & 0xFF))
        data[0] |= 0x20
    return data


_MUTATIONS = (_flip, _flip, _flip, _head, _head, _truncate, _truncate, _extend, _resize, _number, _number, _copy, _last)
