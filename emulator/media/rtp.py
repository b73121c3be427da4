"""The RTP header (RFC 3550 5.1)."""

import struct

HEADER = struct.Struct("!BBHII")
"""V/P/X/CC, M/PT, sequence number, timestamp, SSRC: the twelve octets every packet begins with."""

HEADER_OCTETS = 12
VERSION_MASK = 0xC0
VERSION_2 = 0x80
MARKER = 0x80
PAYLOAD_TYPE_MASK = 0x7F
_PADDING, _EXTENSION, _SOURCES = 0x20, 0x10, 0x0F


def payload_of(buffer: bytes | bytearray | memoryview, length: int) -> tuple[int, int] | None:
    """Where the payload begins and ends in the first `length` octets: behind CSRCs and extension, before the padding.

    None when the header says more than there is.
    """
    first = buffer[0]
    start = HEADER_OCTETS + 4 * (first & _SOURCES)
    if first & _EXTENSION:
        if length < start + 4:
            return None
        start += 4 + 4 * (buffer[start + 2] << 8 | buffer[start + 3])
    end = length
    if first & _PADDING:
        if length <= start or not buffer[length - 1]:
            return None
        end -= buffer[length - 1]
    return (start, end) if start <= end else None
