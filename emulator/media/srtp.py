"""SRTP and SRTCP (RFC 3711): one direction of one call, one key, AES_CM_128_HMAC_SHA1_80."""

from typing import Any

from emulator.media.crypto import KEY_OCTETS
from emulator.media.libsrtp import TRAILER_OCTETS, Fault, SrtpError, fault, library
from emulator.media.rtp import HEADER_OCTETS

RTCP_TRAILER_OCTETS = 148
TAG_OCTETS = 10
MAX_SOURCES = 64
"""SSRCs one key is taken from. libsrtp keeps a stream for each and forgets none; forgetting one would let its packets be replayed."""

_RTCP_HEADER_OCTETS = 8
_NO_CONTEXT = 13  # srtp_err_status_no_ctx


class Context:
    """What both directions share. `close` frees libsrtp's memory; a context that is closed takes no packet."""

    __slots__ = ("_buffer", "_context", "_length", "_library", "_place", "_room", "_rtcp", "_rtp")

    def __init__(self, key: bytes, inbound: bool, repeats: bool) -> None:
        """`key` is master key and salt, 30 octets. Raises `ValueError` for another length, `SrtpError` when libsrtp refuses."""
        if len(key) != KEY_OCTETS:
            raise ValueError(f"key and salt are {len(key)} octets where {KEY_OCTETS} are wanted")
        self._library = found = library()
        self._context = found.open(bytes(key), inbound, repeats)
        self._rtp = found.unprotect if inbound else found.protect
        self._rtcp = found.unprotect_rtcp if inbound else found.protect_rtcp
        self._length = found.length()
        self._buffer: bytearray | None = None
        self._place: Any = None
        self._room = 0

    @property
    def handle(self) -> Any:
        """What `Library` calls take; it is good until `close`."""
        return self._context

    def close(self) -> None:
        """Free what libsrtp holds; harmless when done before."""
        if self._context is not None:
            self._library.close(self._context)
            self._context = self._buffer = self._place = None
            self._rtp = self._rtcp = _closed

    def _hold(self, buffer: bytearray, room: int) -> None:
        """Remember where `buffer` is: the pointer is made once, as long as packets come in the same one."""
        self._place = self._library.place(buffer)
        self._buffer, self._room = buffer, room

    def _change_rtcp(self, data: bytes, room: int) -> bytes:
        scratch = bytearray(data) + bytes(room)
        length = self._length
        length[0] = len(data)
        status = self._rtcp(self._context, self._library.place(scratch), length)
        if status:
            raise fault(status)
        return bytes(memoryview(scratch)[: length[0]])


class Inbound(Context):
    """What one peer sends, under its key and any SSRC. Nothing moves (rollover counter, replay list) before a packet is authentic."""

    __slots__ = ("_source", "_sources")

    def __init__(self, key: bytes) -> None:
        super().__init__(key, inbound=True, repeats=False)
        self._source: bytearray | None = None
        self._sources: set[bytes] = set()

    def unprotect(self, buffer: bytearray, length: int) -> int:
        """The first `length` octets of `buffer` from SRTP to RTP, in place; how many remain. Raises `SrtpError`."""
        if buffer is not self._buffer:
            self._hold(buffer, len(buffer))
        if not HEADER_OCTETS <= length <= self._room:
            raise SrtpError(Fault.MALFORMED)
        source = buffer[8:12]
        other = source != self._source
        if other:
            self._admit(bytes(source))
        box = self._length
        box[0] = length
        status = self._rtp(self._context, self._place, box)
        if status:
            raise fault(status)
        if other:
            self._source = source
            self._sources.add(bytes(source))
        plain: int = box[0]
        return plain

    def unprotect_rtcp(self, data: bytes) -> bytes:
        """An SRTCP packet as RTCP. Raises `SrtpError`."""
        if len(data) < _RTCP_HEADER_OCTETS:
            raise SrtpError(Fault.MALFORMED)
        source = bytes(data[4:8])
        self._admit(source)
        plain = self._change_rtcp(data, 0)
        self._sources.add(source)
        return plain

    def _admit(self, source: bytes) -> None:
        if source not in self._sources and len(self._sources) >= MAX_SOURCES:
            raise SrtpError(Fault.SOURCES)


class Outbound(Context):
    """What we send under our key."""

    __slots__ = ()

    def __init__(self, key: bytes, repeats: bool = False) -> None:
        """`repeats` lets a sequence number be protected again, for a packet that is to go out twice: only with the same payload, as
        two under one number give their difference away (RFC 3711 9.1)."""
        super().__init__(key, inbound=False, repeats=repeats)

    def protect(self, buffer: bytearray, length: int) -> int:
        """The first `length` octets of `buffer` from RTP to SRTP, in place; how many they became. Raises `SrtpError`.

        At least `TRAILER_OCTETS` of room stand behind them, or the packet is refused.
        """
        if buffer is not self._buffer:
            self._hold(buffer, len(buffer) - TRAILER_OCTETS)
        if not HEADER_OCTETS <= length <= self._room:
            raise SrtpError(Fault.MALFORMED)
        box = self._length
        box[0] = length
        status = self._rtp(self._context, self._place, box)
        if status:
            raise fault(status)
        secured: int = box[0]
        return secured

    def protect_rtcp(self, data: bytes) -> bytes:
        """An RTCP compound packet as SRTCP, encrypted. Raises `SrtpError`."""
        if len(data) < _RTCP_HEADER_OCTETS:
            raise SrtpError(Fault.MALFORMED)
        return self._change_rtcp(data, RTCP_TRAILER_OCTETS)


def bad_tag(buffer: bytearray, length: int) -> None:
    """Spoil the authentication tag of the SRTP packet in the first `length` octets of `buffer`: its last bit is flipped."""
    buffer[length - 1] ^= 1


def _closed(context: Any, place: Any, length: Any) -> int:
    return _NO_CONTEXT
