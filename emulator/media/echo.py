"""The echo of a packet of audio about which nothing is out of the ordinary: the straight line.

With hundreds of calls a packet's time goes into fetching what the processor's cache does not hold any more, and whatever a call has of its
own must be fetched for each of its packets. So the line touches little: one object, its contexts and its socket. It counts nothing; it
notes what differs from the packet before, and 32 notes are counted at once, or fewer when somebody asks. All else goes to the stream,
which looks at everything: another source, payload type or length, a marker, RTCP, what is no RTP, and a call that somebody listens to.
"""

import struct
from collections.abc import Callable
from functools import cache
from types import MethodType
from typing import Any, Protocol

from emulator.media.libsrtp import TRAILER_OCTETS, Library, fault, library
from emulator.media.rtp import HEADER, HEADER_OCTETS, VERSION_2
from emulator.media.srtp import TAG_OCTETS, Inbound, Outbound

Reader = Callable[[bytearray, memoryview, int], None]
"""Takes a datagram of so many octets at the start of the buffer, and the buffer's memoryview; see `Stream.receive`."""
Straight = Callable[["Slot", int], bool | None]
"""Makes the datagram in a slot the one that goes back. True when the slot is ready to be sent, False when nothing is to be sent, None when
the datagram does not go straight: it is as it came then, and nothing was counted."""

_REWRITTEN = struct.Struct("!HII")
"""Sequence number, timestamp and SSRC, from the third octet of a packet on."""
_NOTE = struct.Struct("=dIH")
"""Of a packet: when it came, in seconds, its timestamp and sequence number."""
_NOTE_OCTETS = _NOTE.size
_FIELDS = 3
_NOTES = 32
_LAST = _NOTES - 1
_NOTED = [struct.Struct("=" + _NOTE.format[1:] * count) for count in range(_NOTES + 1)]


class Slot:
    """Room for one packet: it is read into `buffer`, changed there, and `send` sends it."""

    __slots__ = ("buffer", "echo", "length", "piece", "place", "view")

    def __init__(self, buffer: bytearray, view: memoryview) -> None:
        """`view` is a memoryview of `buffer`, which has TRAILER_OCTETS of room behind the longest packet."""
        self.buffer = buffer
        self.view = view
        self.place: Any = None
        """`buffer` as libsrtp takes it."""
        self.length = 0
        self.piece = view[:0]
        """What is sent: the first `length` octets."""
        self.echo: Echo | None = None
        """Whose packet it is."""

    def fit(self, length: int) -> None:
        """Have `piece` so many octets."""
        self.length, self.piece = length, self.view[:length]

    def send(self) -> None:
        """Send the packet of the echo that made it. Raises `OSError`; the packet counts as unsent then."""
        echo = self.echo
        assert echo is not None
        try:
            echo.send(self.piece)
        except OSError:
            echo.unsent(self.length)
            raise


_slot = Slot(bytearray(), memoryview(b""))
"""That of the buffer from which a packet was sent at once last: whoever reads for many calls has one buffer."""


class Line(Protocol):
    """Whose echo this is: a stream."""

    otherwise: Reader
    """Takes whatever does not go straight, as it came."""

    def count(self, octets: int, arrivals: tuple[float, ...], timestamps: tuple[int, ...], sequences: tuple[int, ...]) -> None:
        """Packets of the source heard last, of `octets` each, headers included; every one was echoed."""

    def unsent(self, octets: int) -> None:
        """The last packet that was counted could not be sent."""

    def refuse(self, status: int) -> None:
        """A packet that SRTP did not let through, as libsrtp says."""


class Echo:
    """The straight line of one call. It is shut until `open` says which packets may take it."""

    __slots__ = (
        "_inbound", "_length", "_line", "_noted", "_notes", "_outbound", "_payload_type", "_seconds", "_source", "_ssrc", "send",
        "sequence",
    )  # fmt: skip

    def __init__(self, line: Line, seconds: Callable[[], float], ssrc: int, sequence: int, send: Callable[[Any], Any]) -> None:
        """`ssrc` and `sequence` are ours; the next packet has the number after `sequence`."""
        self._line: Line | None = line
        self._seconds = seconds
        self._inbound: Any = None
        self._outbound: Any = None
        self._notes = bytearray(_NOTES * _NOTE.size)
        self._noted = 0
        self._source: int | None = None  # None shuts the line
        self._payload_type = 0
        self._length = 0  # of a packet as it comes
        self._ssrc = ssrc
        self.sequence = sequence
        self.send = send

    def straight(self, inbound: Inbound | None, outbound: Outbound | None) -> Straight | None:
        """What makes packets under these keys ready to be sent, shut to begin with; None where only one direction has a key."""
        self.shut()
        self._inbound = self._outbound = None
        if inbound is None and outbound is None:
            return self._plain
        if inbound is None or outbound is None:
            return None
        self._inbound, self._outbound = inbound.handle, outbound.handle
        return MethodType(_secure(library()), self)

    def reader(self, straight: Straight) -> Reader:
        """Sends what goes straight at once, and has the line take the rest."""

        def receive(buffer: bytearray, view: memoryview, length: int) -> None:
            global _slot
            if _slot.buffer is not buffer:
                _slot = Slot(buffer, view)
            slot = _slot
            leaves = straight(slot, length) if length + TRAILER_OCTETS <= len(buffer) else None
            if leaves:
                slot.send()
            elif leaves is None and self._line is not None:
                self._line.otherwise(buffer, view, length)

        return receive

    def open(self, source: int, payload_type: int, octets: int) -> None:
        """From now on packets of this SSRC and type go straight, where they have as many octets, headers included and protection not."""
        self._source, self._payload_type = source, payload_type
        self._length = octets if self._inbound is None else octets + TAG_OCTETS

    def shut(self) -> None:
        """Nothing goes straight until `open`."""
        self.settle()
        self._source = None

    def number(self) -> int:
        """The sequence number of the next packet of ours."""
        self.sequence = own = (self.sequence + 1) & 0xFFFF
        return own

    def settle(self) -> None:
        """Have what was noted counted."""
        noted, self._noted = self._noted, 0
        if noted and self._line is not None:
            fields = _NOTED[noted].unpack_from(self._notes)
            octets = self._length if self._inbound is None else self._length - TAG_OCTETS
            self._line.count(octets, fields[::_FIELDS], fields[1::_FIELDS], fields[2::_FIELDS])

    def close(self) -> None:
        """The call is over: nothing goes straight any more."""
        self.shut()
        self._line = self._inbound = self._outbound = None

    def unsent(self, octets: int) -> None:
        """The last packet that was counted, of so many octets on the wire, could not be sent."""
        self.settle()
        if self._line is not None:
            self._line.unsent(octets if self._inbound is None else octets - TAG_OCTETS)

    def _plain(self, slot: Slot, length: int) -> bool | None:
        if length != self._length or length < HEADER_OCTETS:
            return None
        buffer = slot.buffer
        first, second, sequence, timestamp, source = HEADER.unpack_from(buffer)
        if source != self._source or second != self._payload_type or first != VERSION_2:
            return None
        noted = self._noted
        _NOTE.pack_into(self._notes, noted * _NOTE_OCTETS, self._seconds(), timestamp, sequence)
        self._noted = noted + 1
        self.sequence = own = (self.sequence + 1) & 0xFFFF
        _REWRITTEN.pack_into(buffer, 2, own, timestamp, self._ssrc)
        if noted == _LAST:
            self.settle()
        if length != slot.length:
            slot.fit(length)
        slot.echo = self
        return True


@cache
def _secure(library: Library) -> Callable[[Echo, Slot, int], bool | None]:
    """`Echo._plain` with SRTP on both sides; what all calls share is at hand without asking any of them."""
    unprotect, protect, box = library.unprotect, library.protect, library.length()
    unpack, note, rewrite = HEADER.unpack_from, _NOTE.pack_into, _REWRITTEN.pack_into
    boxed = -1  # what the box holds, for it is dear to write: a packet leaves as long as it came, for a tag goes and a tag comes

    def straight(echo: Echo, slot: Slot, length: int) -> bool | None:
        nonlocal boxed
        if length != echo._length or length < HEADER_OCTETS:
            return None
        buffer = slot.buffer
        first, second, sequence, timestamp, source = unpack(buffer)
        if source != echo._source or second != echo._payload_type or first != VERSION_2:
            return None
        if length != boxed:
            box[0] = boxed = length
        place = slot.place
        if place is None:
            place = slot.place = library.place(buffer)
        status = unprotect(echo._inbound, place, box)
        if status:
            boxed = -1
            if echo._line is not None:
                echo._line.refuse(status)
            return False
        noted = echo._noted
        note(echo._notes, noted * _NOTE_OCTETS, echo._seconds(), timestamp, sequence)
        echo._noted = noted + 1
        echo.sequence = own = (echo.sequence + 1) & 0xFFFF
        rewrite(buffer, 2, own, timestamp, echo._ssrc)
        if noted == _LAST:
            echo.settle()
        status = protect(echo._outbound, place, box)
        if status:
            boxed = -1
            echo.unsent(length)
            raise fault(status)
        if length != slot.length:
            slot.fit(length)
        slot.echo = echo
        return True

    return straight
