"""Frames of a codec into packets that last as long as the other side wants them to (RFC 8866 6.4, ptime)."""

from collections.abc import Sequence
from math import gcd

_SPEEX_BITS = 556
"""Of a wideband frame at quality 8, which is what is shipped; padding follows (RFC 5574 3.3)."""


def packed(codec: str, frames: Sequence[bytes], milliseconds: int, wanted: int) -> tuple[bytes, ...]:
    """`frames`, each of `milliseconds` and all of one size, that are played over and over, as payloads of `wanted` milliseconds.

    They may have to be gone through several times until the end of a packet is the end of a frame. `wanted` is a multiple of what the
    codec has as its shortest frame. The codecs of the trunk put frames one behind the other; those of speex are not whole octets.
    """
    if wanted == milliseconds or not frames:
        return tuple(frames)
    total = len(frames) * milliseconds
    rounds = wanted // gcd(total, wanted)
    if codec == "speex":
        each = wanted // milliseconds
        return tuple(_joined([frames[(at + k) % len(frames)] for k in range(each)]) for at in range(0, len(frames) * rounds, each))
    data = b"".join(frames) * rounds
    octets = len(frames[0]) * wanted // milliseconds
    return tuple(data[at : at + octets] for at in range(0, len(data), octets))


def _joined(frames: Sequence[bytes]) -> bytes:
    """Frames of speex, bit by bit, and a zero and ones up to the octet."""
    bits = "".join(f"{int.from_bytes(frame):0{8 * len(frame)}b}"[:_SPEEX_BITS] for frame in frames)
    if len(bits) % 8:
        bits += "0".ljust(8 - len(bits) % 8, "1")
    return int(bits, 2).to_bytes(len(bits) // 8)
