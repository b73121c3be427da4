"""Messages and packets as a file that Wireshark, tshark, tcpdump and sngrep read.

pcapng and not classic pcap, for it has room for words: what was found about a message is a comment of its packet, and what is to be known
of the capture is a comment of the whole. libpcap reads files of one section whose interfaces are all alike, so these are: raw IP, without
an Ethernet that never was.

TLS is left out: its messages are shown as TCP on the same ports, where tshark finds SIP in them.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from emulator import __version__
from emulator.journal.packet import UDP_MOST, Streams, datagram
from emulator.sip.flow import Path

CONTENT_TYPE = "application/x-pcapng"

_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6  # block types
_BYTE_ORDER = 0x1A2B3C4D
_RAW_IP = 101  # LINKTYPE_RAW: a packet begins with its IP header
_SNAP = 262144  # the most that libpcap takes
_COMMENT, _NAME, _FLAGS, _PROGRAM = 1, 2, 2, 4  # options; their numbers begin anew in each type of block
_INBOUND, _OUTBOUND = 1, 2
_MOST = 65000
"""Octets of a comment; an option holds 65,535."""
_CUT = "…"


class Packet(NamedTuple):
    """A message, or a packet of media. `at` is Unix time in seconds; `incoming` as the emulator sees it; `interface` names the proxy."""

    at: float
    incoming: bool
    interface: str
    path: Path
    data: bytes
    comments: Sequence[str] = ()


def pcapng(packets: Sequence[Packet], comment: str) -> bytes:
    """The file as a whole, with the interfaces of its packets."""
    return b"".join(pieces(packets, dict.fromkeys(packet.interface for packet in packets), comment))


def pieces(packets: Iterable[Packet], interfaces: Iterable[str], comment: str) -> Iterator[bytes]:
    """A file in pieces, one for each message; `comment` is about all of it. Each message is one packet, unless TCP needs several for it."""
    places = {name: place for place, name in enumerate(interfaces)}
    section = struct.pack("<IHHq", _BYTE_ORDER, 1, 0, -1) + _options((_COMMENT, _text(comment)), (_PROGRAM, f"vsim {__version__}".encode()))
    yield _block(_SECTION, section)
    for name in places or ("none",):  # a file without any is refused by libpcap
        yield _block(_INTERFACE, struct.pack("<HHI", _RAW_IP, 0, _SNAP) + _options((_NAME, _text(name))))
    streams = Streams()
    for packet in packets:  # the first of any interface comes behind all interfaces
        yield b"".join(_blocks(packet, places[packet.interface], streams))


def count(file: bytes) -> int:
    """How many packets a file of ours has."""
    found = at = 0
    while at + 8 <= len(file):
        kind, length = struct.unpack_from("<II", file, at)
        found += kind == _PACKET
        at += max(12, length)
    return found


def _blocks(packet: Packet, interface: int, streams: Streams) -> list[bytes]:
    path, data, comments = packet.path, packet.data, list(packet.comments)
    source, target = (path.peer, path.local) if packet.incoming else (path.local, path.peer)
    if path.transport != "UDP":
        carried = streams.segments(source, target, data)
        if not path.connected:
            comments.insert(0, "this did not leave: the connection has not come about")
    else:
        carried = [datagram(source, target, data)]
        if len(data) > UDP_MOST:
            comments.insert(
                0, f"{len(data)} octets are more than a datagram takes: this did not leave; its first {UDP_MOST} octets are shown"
            )
    micros = max(0, round(packet.at * 1e6))
    flags = (_FLAGS, struct.pack("<I", _INBOUND if packet.incoming else _OUTBOUND))
    blocks: list[bytes] = []
    for octets in carried:
        head = struct.pack("<IIIII", interface, micros >> 32, micros & 0xFFFFFFFF, len(octets), len(octets))
        last = len(blocks) == len(carried) - 1  # the one in whose place a reader shows the message
        said = ((_COMMENT, _text("\n".join(comments))),) if comments and last else ()
        blocks.append(_block(_PACKET, head + _padded(octets) + _options(*said, flags)))
    return blocks


def _block(kind: int, content: bytes) -> bytes:
    length = struct.pack("<I", 12 + len(content))
    return struct.pack("<I", kind) + length + content + length


def _options(*options: tuple[int, bytes]) -> bytes:
    return b"".join(struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options) + b"\0\0\0\0"


def _padded(octets: bytes) -> bytes:
    return octets + b"\0" * (-len(octets) % 4)


def _text(text: str) -> bytes:
    """As an option has it: UTF-8, of a length that fits."""
    octets = text.encode("utf-8", "replace")
    return octets if len(octets) <= _MOST else octets[:_MOST].decode("utf-8", "ignore").encode() + _CUT.encode()
