"""What passed the media ports of calls, kept for their captures: of each call the first packets, of all together so many octets.

All packets of a call are in one piece, each behind a few octets about it: an object for each would take more room than most of them.
What is kept of a call has no gap, for in a capture a gap would look like loss: after the first packet without room none is kept.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from emulator.sip.flow import Address

Keys = tuple[bytes, bytes]
"""SRTP master keys with salts: of what we send, and of what we hear."""

_ABOUT = struct.Struct("=dHHB")
"""Of a packet: when it passed, by the monotonic clock, the number of its way, its octets, the number of what was found about it."""
_NOTE_AT = _ABOUT.size - 1
_NO_WAY, _MOST_WAYS = 0xFFFF, 0xFFFF
"""In place of a way: no packet, but the keys that hold from here on, 60 octets or none."""
_WAY_OCTETS = 256
"""What a pair of addresses takes, about."""
_OTHERS = 16
"""So many ways, and so many keys, a call may have beside one for each packet: a client that moves on and on must not take all there is."""
_STRANGERS = 3
"""Of the packets of a call this power of two may be strangers': a flood of theirs must not take the place of its media."""


class Datagram(NamedTuple):
    """A packet on the wire. `at` is in seconds on the monotonic clock; `incoming` as the emulator sees it; `note` is the code of what was
    found about it, or empty; `keys` are those that the descriptions had agreed on by then, None for plain RTP."""

    at: float
    incoming: bool
    local: Address
    peer: Address
    data: bytes
    note: str
    keys: Keys | None


class Shelf:
    """What is kept of all calls. Those that are over make room for others, the one that ended first before all."""

    def __init__(self, packets: int, octets: int) -> None:
        """`packets` of each call, `octets` of all."""
        self.packets = packets
        self._most = octets
        self.octets = 0
        """Of all that is kept, with what is noted about it."""
        self._over: dict[Datagrams, None] = {}

    def begin(self) -> "Datagrams":
        """Those of a new call."""
        return Datagrams(self)

    def _grant(self, octets: int, asks: "Datagrams") -> bool:
        """Whether there is room, or can be made, for so many octets more."""
        while self.octets + octets > self._most:
            oldest = next((one for one in self._over if one is not asks), None)
            if oldest is None:
                return False
            oldest.drop()
        self.octets += octets
        return True


class Datagrams:
    """Those of one call, the first one first; they can be iterated over."""

    __slots__ = (
        "_about", "_codes", "_keys", "_numbers", "_octets", "_rekeyed", "_shelf", "_strangers", "_ways", "full", "made_room", "missed",
        "packets", "secure", "strangers_missed",
    )  # fmt: skip

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._about = bytearray()
        self._ways: list[tuple[bool, Address, Address]] = []
        self._numbers: dict[tuple[bool, Address, Address], int] = {}
        self._codes: list[str] = [""]
        self._octets = 0
        self._keys: Keys | None = None
        self._rekeyed = 0
        self._strangers = 0
        self.packets = 0
        """Those that are kept."""
        self.full = False
        """No more of it is kept."""
        self.missed = 0
        """Packets that were not kept, strangers' apart."""
        self.strangers_missed = 0
        self.secure = False
        """Some of them were to be SRTP."""
        self.made_room = False
        """There were some; they made room for those of other calls."""

    @property
    def octets(self) -> int:
        """Of what is kept, with what is noted about it."""
        return self._octets

    def way(self, incoming: bool, local: Address, peer: Address) -> int:
        """The number of the way between two addresses, for `keep`."""
        way = (incoming, local, peer)
        number = self._numbers.get(way)
        if number is None:
            number = len(self._ways)
            if number >= min(_MOST_WAYS, self._shelf.packets + _OTHERS) or not self._grant(_WAY_OCTETS):
                self.full = True
                return _NO_WAY
            self._numbers[way] = number
            self._ways.append(way)
        return number

    def keep(self, at: float, way: int, data: bytes | memoryview) -> int:
        """Keep a packet, copied; its place, for `note`. -1 when it is not kept, which is counted."""
        length = len(data)
        if way < len(self._ways) and (self.packets >= self._shelf.packets or length > 0xFFFF or not self._grant(_ABOUT.size + length)):
            self.full = True
        if self.full or way >= len(self._ways):
            self.missed += 1
            return -1
        about = self._about
        place = len(about)
        about += _ABOUT.pack(at, way, length, 0)
        about += data
        self.packets += 1
        return place

    def stranger(self, at: float, local: Address, peer: Address, data: bytes | memoryview, code: str) -> None:
        """Keep a packet that is none of the call's, with the finding it made, unless there were many."""
        if self.full or self._strangers >= self._shelf.packets >> _STRANGERS:
            self.strangers_missed += 1
            return
        self._strangers += 1
        place = self.keep(at, self.way(True, local, peer), data)
        if place >= 0:
            self.note(place, code)

    def note(self, place: int, code: str) -> None:
        """The packet at `place` made a finding."""
        if place < len(self._about):  # it has not made room meanwhile
            if code not in self._codes:
                self._codes.append(code)
            self._about[place + _NOTE_AT] = self._codes.index(code)

    def rekey(self, keys: Keys | None) -> None:
        """From here on packets are secured with these keys, or plain; harmless when they are already."""
        if keys == self._keys:
            return
        self._keys = keys
        self.secure = self.secure or keys is not None
        octets = keys[0] + keys[1] if keys is not None else b""
        self._rekeyed += 1
        if self._rekeyed > self._shelf.packets + _OTHERS or not self._grant(_ABOUT.size + len(octets)):
            self.full = True
            return
        self._about += _ABOUT.pack(0.0, _NO_WAY, len(octets), 0) + octets

    def end(self) -> None:
        """The call is over: what is kept of it may make room. `begin_again` takes that back; both are harmless when done before."""
        if not self.made_room:
            self._shelf._over.setdefault(self)

    def begin_again(self) -> None:
        """The call has other media ports, after those of an attempt that failed."""
        self._shelf._over.pop(self, None)

    def drop(self) -> None:
        """Forget all, and keep nothing from now on; harmless when done before."""
        self._shelf._over.pop(self, None)
        self._shelf.octets -= self._octets
        self.missed += self.packets
        self.made_room = self.made_room or self.packets > 0
        self.packets = self._octets = 0
        self.full = True
        self._about = bytearray()
        self._ways, self._numbers = [], {}

    def _grant(self, octets: int) -> bool:
        if self.full or not self._shelf._grant(octets, self):
            return False
        self._octets += octets
        return True

    def __iter__(self) -> Iterator[Datagram]:
        """Those that are there when the first is asked for, whatever is kept or dropped meanwhile."""
        about, ways, at = self._about, self._ways, 0
        end = len(about)
        keys: Keys | None = None
        while at < end:
            when, way, length, code = _ABOUT.unpack_from(about, at)
            at += _ABOUT.size
            data = bytes(about[at : at + length])
            at += length
            if way == _NO_WAY:
                keys = (data[: length // 2], data[length // 2 :]) if data else None
            else:
                incoming, local, peer = ways[way]
                yield Datagram(when, incoming, local, peer, data, self._codes[code], keys)
