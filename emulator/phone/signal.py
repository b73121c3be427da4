"""What the phone plays to know it again when it comes back: in G.711 a tone that rises, so that no two packets are alike."""

import math
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from emulator.media import g711, shipped
from emulator.media.tone import PEAK_AT_0_DBM0

SECONDS = 8.0
"""Of the signal; after that it begins anew. Longer than any echo takes to come back."""
_FIRST_HERTZ, _LAST_HERTZ = 300.0, 3300.0
_LEVEL_DBM0 = -10.0
_RATE = 8000
_QUIET = 8
"""The samples next to zero, of 32,768."""
_G711 = ("PCMU", "PCMA")


@dataclass(frozen=True, slots=True)
class Signal:
    """`frames` are payloads of one packet each, `seconds` and `step` what each lasts, in seconds and in units of the RTP clock.

    `distinct` says that no two are alike, and that any hundred octets of them are found in one place only. `quiet` are the octets that
    silence is made of, where a codec has such.
    """

    frames: tuple[bytes, ...]
    seconds: float
    step: int
    distinct: bool
    quiet: frozenset[int] = frozenset()


def signal(codec: str, mode: int = 30) -> Signal:
    """The signal in a codec of `emulator.media.codecs`; `mode` is iLBC's. Those that can't be encoded here play the shipped tone."""
    if codec in _G711:
        return _rising(codec)
    return Signal(
        shipped.frames(codec, shipped.TONE, mode), shipped.packet_seconds(codec, mode), shipped.timestamp_step(codec, mode), False
    )


def prepare(codecs: Iterable[str]) -> None:
    """Make the signal now where that takes a while, and not when a call is answered."""
    for codec in codecs:
        if codec in _G711:
            _rising(codec)


@cache
def _samples() -> "array[int]":
    peak = PEAK_AT_0_DBM0 * 10 ** (_LEVEL_DBM0 / 20)
    count = round(SECONDS * _RATE)
    slope = (_LAST_HERTZ - _FIRST_HERTZ) / SECONDS
    samples = array("h")
    for number in range(count):
        at = number / _RATE
        samples.append(round(peak * math.sin(math.tau * (_FIRST_HERTZ + slope * at / 2) * at)))
    return samples


@cache
def _rising(codec: str) -> Signal:
    # G.711 has two zeros, of which one turns into the other when it is decoded and encoded: what is played has none of that kind, so it
    # comes back as it was from a far end that does so.
    data = g711.encode(codec, g711.decode(codec, g711.encode(codec, _samples())))
    levels = g711.decode(codec, bytes(range(256)))
    quiet = frozenset(octet for octet, level in enumerate(levels) if abs(level) <= _QUIET)
    return Signal(tuple(data[at : at + 160] for at in range(0, len(data), 160)), 0.02, 160, True, quiet)
