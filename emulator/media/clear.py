"""SRTP that was kept, as the RTP in it: with the keys of the descriptions, as who reads a capture has them."""

from collections.abc import Iterable, Iterator

from emulator.journal.datagrams import Datagram
from emulator.media.libsrtp import TRAILER_OCTETS, Fault, SrtpError
from emulator.media.rtp import HEADER_OCTETS, VERSION_2, VERSION_MASK
from emulator.media.srtp import Inbound

_LONGEST = 0xFFFF


def clear(datagrams: Iterable[Datagram]) -> Iterator[tuple[Datagram, str]]:
    """Each packet of a call, from its first one on, without SRTP; where that can't be, as it was, with the reason. Strangers' packets, and
    what is neither RTP nor RTCP, stay as they are."""
    contexts: dict[tuple[bool, bytes], _Context] = {}
    try:
        for datagram in datagrams:
            data, keys = datagram.data, datagram.keys
            if keys is None or datagram.note == "media.stranger" or len(data) < HEADER_OCTETS or data[0] & VERSION_MASK != VERSION_2:
                yield datagram, ""
                continue
            which = (datagram.incoming, keys[datagram.incoming])
            context = contexts.get(which) or contexts.setdefault(which, _Context(which[1]))
            try:
                yield datagram._replace(data=context.open(data)), ""
            except SrtpError as error:
                yield datagram, error.kind.value
    finally:
        for context in contexts.values():
            context.close()


class _Context:
    """One direction under one key."""

    def __init__(self, key: bytes) -> None:
        self._inbound = Inbound(key)
        self._buffer = bytearray(_LONGEST + TRAILER_OCTETS)
        self._opened: dict[bytes, bytes] = {}
        self.close = self._inbound.close

    def open(self, data: bytes) -> bytes:
        """Raises `SrtpError`. What came or went twice is there twice, which libsrtp would not have."""
        try:
            plain = self._inbound.unprotect_rtcp(data) if 192 <= data[1] <= 223 else self._unprotect(data)
        except SrtpError as error:
            if error.kind is not Fault.REPLAYED or data not in self._opened:
                raise
            return self._opened[data]
        self._opened[data] = plain
        return plain

    def _unprotect(self, data: bytes) -> bytes:
        self._buffer[: len(data)] = data
        return bytes(memoryview(self._buffer)[: self._inbound.unprotect(self._buffer, len(data))])
