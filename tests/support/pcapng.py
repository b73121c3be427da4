"""Reads captures by the specifications of their layers, and imports nothing of `emulator`: lengths, padding and checksums must be right."""

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_END, _COMMENT = 0, 1


@dataclass
class Packet:
    """What stands in one packet. `at` in microseconds of Unix time; of TCP, `sequence` and `acknowledged`."""

    at: int
    interface: str
    flags: int
    comments: list[str]
    version: int
    protocol: str
    source: tuple[str, int]
    target: tuple[str, int]
    payload: bytes
    sequence: int = 0
    acknowledged: int = 0


@dataclass
class Capture:
    comments: list[str]
    program: str
    interfaces: list[str]
    packets: list[Packet]


def read(data: bytes) -> Capture:
    """Fails an assertion at whatever is wrong."""
    capture = Capture([], "", [], [])
    for number, (kind, body) in enumerate(_blocks(data)):
        assert (number == 0) == (kind == 0x0A0D0D0A), "one section, at the beginning"
        if kind == 0x0A0D0D0A:
            order, major, minor, length = struct.unpack_from("<IHHq", body)
            assert (order, major, minor, length) == (0x1A2B3C4D, 1, 0, -1)
            options = list(_options(body[16:]))
            capture.comments = [value.decode() for code, value in options if code == _COMMENT]
            capture.program = dict(options)[4].decode()
        elif kind == 1:
            assert not capture.packets, "interfaces come before packets"
            link, reserved, snap = struct.unpack_from("<HHI", body)
            assert (link, reserved) == (101, 0) and snap >= 65535
            capture.interfaces.append(dict(_options(body[8:]))[2].decode())
        else:
            assert kind == 6
            capture.packets.append(_packet(body, capture.interfaces))
    assert capture.interfaces, "libpcap wants one"
    return capture


def _blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        assert length % 4 == 0 and length >= 12 and at + length <= len(data)
        assert struct.unpack_from("<I", data, at + length - 4) == (length,)
        yield kind, data[at + 8 : at + length - 4]
        at += length


def _options(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while True:
        code, length = struct.unpack_from("<HH", data, at)
        if code == _END:
            assert length == 0 and at + 4 == len(data)
            return
        yield code, data[at + 4 : at + 4 + length]
        at += 4 + length
        assert not any(data[at : at + -at % 4])
        at += -at % 4


def _packet(body: bytes, interfaces: list[str]) -> Packet:
    interface, high, low, captured, original = struct.unpack_from("<IIIII", body)
    assert captured == original
    options = list(_options(body[20 + captured + -captured % 4 :]))
    head: dict[str, Any] = {
        "at": high << 32 | low,
        "interface": interfaces[interface],
        "flags": struct.unpack("<I", dict(options)[2])[0],
        "comments": [value.decode() for code, value in options if code == _COMMENT],
    }
    packet = body[20 : 20 + captured]
    version = packet[0] >> 4
    if version == 4:
        assert packet[0] == 0x45 and len(packet) == int.from_bytes(packet[2:4], "big") <= 65535
        assert _sum(packet[:20]) == 0xFFFF
        protocol, ends, content = packet[9], (packet[12:16], packet[16:20]), packet[20:]
        pseudo = packet[12:20] + struct.pack(">BBH", 0, protocol, len(content))
        family = socket.AF_INET
    else:
        assert version == 6 and packet[:4] == b"\x60\0\0\0" and len(packet) == 40 + int.from_bytes(packet[4:6], "big")
        protocol, ends, content = packet[6], (packet[8:24], packet[24:40]), packet[40:]
        pseudo = packet[8:40] + struct.pack(">IHBB", len(content), 0, 0, protocol)
        family = socket.AF_INET6
    assert _sum(pseudo + content) == 0xFFFF
    source, target = (socket.inet_ntop(family, end) for end in ends)
    ports = struct.unpack_from(">HH", content)
    head |= {"version": version, "source": (source, ports[0]), "target": (target, ports[1])}
    if protocol == 17:
        assert int.from_bytes(content[4:6], "big") == len(content) and content[6:8] != b"\0\0"
        return Packet(**head, protocol="UDP", payload=content[8:])
    assert protocol == 6
    sequence, acknowledged, words, flags, window, _, urgent = struct.unpack_from(">IIBBHHH", content, 4)
    assert (words, flags, urgent) == (0x50, 0x18, 0) and window >= 65535
    return Packet(**head, protocol="TCP", payload=content[20:], sequence=sequence, acknowledged=acknowledged)


def _sum(data: bytes) -> int:
    """RFC 1071's own way: a word at a time."""
    total = 0
    for at in range(0, len(data), 2):
        total += int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big")
        total = (total & 0xFFFF) + (total >> 16)
    return total
