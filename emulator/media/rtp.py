"""The RTP header (RFC 3550 5.1)."""

import struct

HEADER = struct.Struct("!BBHII")
"""V/P/X/CC, M/PT, sequence number, timestamp, SSRC: the twelve octets every packet begins with."""

HEADER_OCTETS = 12
VERSION_MASK = 0xC0
VERSION_2 = 0x80
PAYLOAD_TYPE_MASK = 0x7F
