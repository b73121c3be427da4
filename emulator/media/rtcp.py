"""RTCP (RFC 3550 6): compound packets read with every length checked, and the reports we send."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

SR, RR, SDES, BYE = 200, 201, 202, 203
_HEADER = struct.Struct("!BBH")
_SENDER = struct.Struct("!IIIIII")
_BLOCK = struct.Struct("!IIIIII")
_NTP_EPOCH = 2_208_988_800
MAX_PACKETS = 16


class RtcpError(ValueError):
    """Octets that are no RTCP compound packet."""


@dataclass(slots=True)
class SenderInfo:
    """What a sender report said: its SSRC, the middle 32 bits of its NTP time (6.4.1, LSR), and what it has sent."""

    ssrc: int
    ntp_middle: int
    packets: int
    octets: int


@dataclass(slots=True)
class Block:
    """A reception report block (6.4.1): what the other side says it hears of `ssrc`.

    `fraction` is in 1/256 since its last report, `lost` signed, `jitter` in timestamp units, `lsr` and `dlsr` in 1/65536 s.
    """

    ssrc: int
    fraction: int
    lost: int
    highest: int
    jitter: int
    lsr: int
    dlsr: int


@dataclass(slots=True)
class Compound:
    """A compound packet: the types of its packets, the sender info of its first SR, the blocks of all reports."""

    types: set[int]
    sender: SenderInfo | None
    blocks: list[Block]
    reduced: bool = False
    """Whether it does not begin with a report, as every compound packet must (6.1) where RFC 5506 was not agreed."""


def parse(data: bytes | memoryview) -> Compound:
    """A compound packet read.

    Raises `RtcpError` when version, first type or any length is wrong (A.2).
    """
    at, total = 0, len(data)
    types: set[int] = set()
    sender: SenderInfo | None = None
    blocks: list[Block] = []
    count, reduced = 0, False
    while at < total:
        if total - at < 4:
            raise RtcpError("a header cut short")
        first, kind, words = _HEADER.unpack_from(data, at)
        octets = 4 * (words + 1)
        if first & 0xC0 != 0x80:
            raise RtcpError("not version 2")
        if not 192 <= kind <= 223:
            raise RtcpError(f"a packet of type {kind}")
        if at == 0 and kind not in (SR, RR):
            reduced = True
        if octets > total - at:
            raise RtcpError("a length beyond the packet")
        if kind == SR:
            if octets < 28 + 24 * (first & 31):
                raise RtcpError("a sender report too short for its blocks")
            ssrc, seconds, fraction, _, packets, sent = _SENDER.unpack_from(data, at + 4)
            sender = sender or SenderInfo(ssrc, (seconds & 0xFFFF) << 16 | fraction >> 16, packets, sent)
            blocks.extend(_blocks(data, at + 28, first & 31))
        elif kind == RR:
            if octets < 8 + 24 * (first & 31):
                raise RtcpError("a receiver report too short for its blocks")
            blocks.extend(_blocks(data, at + 8, first & 31))
        types.add(kind)
        count += 1
        if count > MAX_PACKETS:
            raise RtcpError(f"more than {MAX_PACKETS} packets in one")
        at += octets
    if not types:
        raise RtcpError("an empty packet")
    return Compound(types, sender, blocks, reduced)


def _blocks(data: bytes | memoryview, at: int, count: int) -> Iterator[Block]:
    for place in range(at, at + 24 * count, 24):
        ssrc, losses, highest, jitter, lsr, dlsr = _BLOCK.unpack_from(data, place)
        lost = losses & 0xFFFFFF
        yield Block(ssrc, losses >> 24, lost - 0x1000000 if lost & 0x800000 else lost, highest, jitter, lsr, dlsr)


def ntp_middle(wall: float) -> int:
    """The middle 32 bits of the NTP time of Unix time `wall` (6.4.1)."""
    ntp = wall + _NTP_EPOCH
    return int(ntp * 65536) & 0xFFFFFFFF


def report_block(ssrc: int, lost_fraction: int, lost: int, highest: int, jitter: int, lsr: int, dlsr: int) -> bytes:
    """A reception report block (6.4.1); `lost` is clamped to 24 signed bits, `dlsr` in units of 1/65536 s."""
    lost = max(-0x800000, min(0x7FFFFF, lost)) & 0xFFFFFF
    return _BLOCK.pack(ssrc, lost_fraction << 24 | lost, highest & 0xFFFFFFFF, jitter & 0xFFFFFFFF, lsr, dlsr & 0xFFFFFFFF)


def sender_report(ssrc: int, wall: float, timestamp: int, packets: int, octets: int, blocks: bytes) -> bytes:
    """A sender report; `wall` is Unix time in seconds."""
    ntp = wall + _NTP_EPOCH
    seconds = int(ntp)
    body = _SENDER.pack(
        ssrc,
        seconds & 0xFFFFFFFF,
        int((ntp - seconds) * 4294967296),
        timestamp & 0xFFFFFFFF,
        packets & 0xFFFFFFFF,
        octets & 0xFFFFFFFF,
    )
    return _packet(SR, len(blocks) // 24, body + blocks)


def receiver_report(ssrc: int, blocks: bytes) -> bytes:
    """A receiver report."""
    return _packet(RR, len(blocks) // 24, struct.pack("!I", ssrc) + blocks)


def description(ssrc: int, cname: str) -> bytes:
    """An SDES packet with the one item every compound packet must hold, CNAME (6.5)."""
    name = cname.encode()[:255]
    chunk = struct.pack("!IBB", ssrc, 1, len(name)) + name
    return _packet(SDES, 1, chunk + b"\0" * (4 - len(chunk) % 4))


def bye(ssrc: int) -> bytes:
    """A BYE packet (6.6)."""
    return _packet(BYE, 1, struct.pack("!I", ssrc))


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return _HEADER.pack(0x80 | count, kind, len(body) // 4) + body
