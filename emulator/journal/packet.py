"""SIP messages and media in the IP packets that would have carried them: IPv4 or IPv6, UDP or TCP, with lengths and checksums."""

import struct
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from emulator.sip.flow import Address

UDP_MOST = 65507
"""Octets of a datagram's payload at most: what IPv4's 16 bits of length leave beside its header and that of UDP."""
_SEGMENT_MOST = 65495  # the same beside a TCP header
_UDP, _TCP = 17, 6
_HOPS = 64
_DONT_FRAGMENT = 0x4000
_TCP_WORDS = 5 << 4
_PSH_ACK = 0x18
_WINDOW = 65535
_FIRST_SEQUENCE = 1

Ip = IPv4Address | IPv6Address


def datagram(source: Address, target: Address, payload: bytes) -> bytes:
    """A UDP datagram (RFC 768) with at most `UDP_MOST` octets of `payload`: the first ones."""
    ours, theirs = _hosts(source, target)
    payload = payload[:UDP_MOST]
    length = 8 + len(payload)
    ports = struct.pack(">HHH", source[1], target[1], length)
    # "If the computed checksum is zero, it is transmitted as all ones"
    check = _checksum(_pseudo(ours, theirs, _UDP, length) + ports + b"\0\0" + payload) or 0xFFFF
    return _packet(ours, theirs, _UDP, ports + check.to_bytes(2, "big") + payload)


class Streams:
    """TCP (RFC 9293): what goes between two addresses is one stream with two directions. Each segment acknowledges all that came before it,
    so that nothing is missing, repeated or unacknowledged; handshakes and bare acknowledgements there are none."""

    def __init__(self) -> None:
        self._next: dict[tuple[Ip, int, Ip, int], int] = {}
        """The sequence number that comes next, by direction."""

    def segments(self, source: Address, target: Address, data: bytes) -> list[bytes]:
        """The packets that bring `data`: one, unless it is longer than a packet can be; none for no data."""
        ours, theirs = _hosts(source, target)
        there, back = (ours, source[1], theirs, target[1]), (theirs, target[1], ours, source[1])
        packets: list[bytes] = []
        for start in range(0, len(data), _SEGMENT_MOST):
            part = data[start : start + _SEGMENT_MOST]
            sequence = self._next.get(there, _FIRST_SEQUENCE)
            head = struct.pack(
                ">HHIIBBH", source[1], target[1], sequence, self._next.get(back, _FIRST_SEQUENCE), _TCP_WORDS, _PSH_ACK, _WINDOW
            )
            check = _checksum(_pseudo(ours, theirs, _TCP, 20 + len(part)) + head + b"\0\0\0\0" + part)
            packets.append(_packet(ours, theirs, _TCP, head + struct.pack(">HH", check, 0) + part))
            self._next[there] = (sequence + len(part)) & 0xFFFFFFFF
        return packets


def _packet(source: Ip, target: Ip, protocol: int, content: bytes) -> bytes:
    if isinstance(source, IPv6Address):
        return struct.pack(">IHBB", 6 << 28, len(content), protocol, _HOPS) + source.packed + target.packed + content  # RFC 8200 3
    head = struct.pack(">BBHHHBB", 0x45, 0, 20 + len(content), 0, _DONT_FRAGMENT, _HOPS, protocol)
    check = _checksum(head + b"\0\0" + source.packed + target.packed)
    return head + check.to_bytes(2, "big") + source.packed + target.packed + content  # RFC 791 3.1


def _pseudo(source: Ip, target: Ip, protocol: int, length: int) -> bytes:
    """What a checksum covers besides (RFC 768, RFC 8200 8.1); IPv6 writes it longer, with the same sum."""
    return source.packed + target.packed + struct.pack(">HH", protocol, length)


def _checksum(data: bytes) -> int:
    """RFC 1071: the complement of the sum of all 16-bit words, their carries added again: that sum is a remainder."""
    total = int.from_bytes(data + b"\0" * (len(data) % 2), "big")
    return ~((total - 1) % 0xFFFF + 1) & 0xFFFF if total else 0xFFFF


@lru_cache(maxsize=256)
def _hosts(source: Address, target: Address) -> tuple[Ip, Ip]:
    """Both as addresses of one family. A host that is no address is the unspecified one; IPv4 beside IPv6 is mapped (RFC 4291 2.5.5.2)."""
    known = [_address(host) for host, _ in (source, target)]
    six = any(isinstance(one, IPv6Address) for one in known)
    if not six:
        ours, theirs = (one if one is not None else IPv4Address(0) for one in known)
        return ours, theirs
    ours, theirs = (
        IPv6Address(0) if one is None else one if isinstance(one, IPv6Address) else IPv6Address(0xFFFF << 32 | int(one)) for one in known
    )
    return ours, theirs


def _address(host: str) -> Ip | None:
    try:
        return ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None
