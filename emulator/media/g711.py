"""PCMU and PCMA as samples and back (ITU-T G.711), by tables that are built when first needed.

Samples are 16 bits, signed, at G.711's own scale: a sine whose peak is 32768 has +3.14 dBm0. Where an input lies on a decision value, on
which G.711 is silent, it goes the way of the ITU's reference software (G.191, `alaw_compress` and `ulaw_compress`).
"""

import sys
from array import array
from dataclasses import dataclass
from functools import cache

_SAMPLES = 32768
"""Samples of one sign."""
_ULAW_BIAS = 132
"""33 in the 14 bits of G.711 2.2: it makes all of µ-law's segments powers of two."""


@dataclass(frozen=True, slots=True)
class _Tables:
    """`low` and `high` are the octets of the sample of each code; `codes` has the code of each sample, the negative ones from behind."""

    low: bytes
    high: bytes
    codes: list[int]
    """A list and not bytes: its look-up costs a third less."""


def decode(name: str, data: bytes | memoryview) -> "array[int]":
    """One 16-bit sample for each octet of `data`; `name` is PCMU or PCMA. Raises `ValueError` for any other."""
    tables = _tables(name)
    octets = bytes(data)
    # Two translations and two strided copies: a fifth of what a look-up per octet costs.
    samples = bytearray(2 * len(octets))
    samples[0::2] = octets.translate(tables.low)
    samples[1::2] = octets.translate(tables.high)
    decoded = array("h")
    decoded.frombytes(samples)
    if sys.byteorder == "big":
        decoded.byteswap()
    return decoded


def encode(name: str, samples: "array[int]") -> bytes:
    """One octet for each 16-bit sample; `name` is PCMU or PCMA. Raises `ValueError` for any other."""
    # Python's own rule that -1 is the last index makes the sign bit of a sample part of its index.
    return bytes(map(_tables(name).codes.__getitem__, samples))


@cache
def _tables(name: str) -> _Tables:
    if name == "PCMA":
        intervals = _alaw()
        mask = 0x55  # G.711 table 1a, note 2: the even bits are inverted
    elif name == "PCMU":
        intervals = _ulaw()
        mask = 0x7F  # G.711 table 2a, note 2: all seven bits of the magnitude are inverted
    else:
        raise ValueError(f"{name} is no codec of G.711; PCMU and PCMA are")
    samples = array("h", bytes(512))
    positive, negative = bytearray(), bytearray()
    for magnitude, (width, value) in enumerate(intervals):
        code = magnitude ^ mask
        samples[0x80 | code] = value  # the sign bit is 1 for a positive sample
        samples[code] = -value
        positive += bytes((0x80 | code,)) * width
        negative += bytes((code,)) * width
    if sys.byteorder == "big":
        samples.byteswap()
    octets = samples.tobytes()
    return _Tables(octets[0::2], octets[1::2], list(positive + negative[::-1]))


def _alaw() -> list[tuple[int, int]]:
    """How many samples of one sign each of the 128 magnitudes stands for, and the sample it decodes to (G.711 table 1a)."""
    intervals, edge = [], 0
    for magnitude in range(128):
        width = 16 << max(0, (magnitude >> 4) - 1)  # the first two segments have the same step
        intervals.append((width, edge + width // 2))
        edge += width
    return intervals


def _ulaw() -> list[tuple[int, int]]:
    """The same for µ-law (table 2a): the first interval is cut in half at zero, the last reaches to the end of the scale."""
    intervals, below = [], 0
    for magnitude in range(128):
        width = 8 << (magnitude >> 4)
        edge = (_ULAW_BIAS - 4 << (magnitude >> 4)) + width * (magnitude & 15) - _ULAW_BIAS
        above = _SAMPLES if magnitude == 127 else edge + width
        intervals.append((above - below, edge + width // 2))
        below = above
    return intervals
