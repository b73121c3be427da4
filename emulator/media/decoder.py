"""Payloads to samples, for recordings: G.711 by itself, the other codecs with PyAV (the `audio` extra)."""

import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from emulator.media import g711, shipped


@dataclass(frozen=True, slots=True)
class _Codec:
    """`octets` are of one frame, 0 where a payload of any length can be decoded; `bit_rate` where FFmpeg wants to know it."""

    ffmpeg: str
    rate: int
    octets: int = 0
    bit_rate: int = 0


_CODECS = {
    ("G722", 0): _Codec("g722", 16000),
    ("G729", 0): _Codec("g729", 8000, 10),  # FFmpeg would take 8 octets for a frame of annex D
    # It tells the two modes by their bit rate alone (RFC 3952 2), and without one decodes 30 ms as 20.
    ("iLBC", 20): _Codec("ilbc", 8000, 38, 15200),
    ("iLBC", 30): _Codec("ilbc", 8000, 50, 13333),
    ("speex", 0): _Codec("speex", 16000),
}

_LONGEST = 0.2
"""Seconds that a payload may last whose frames have no fixed size (RFC 3551 4.2: receivers take up to 200 ms). The shortest of speex has
five bits, so that a datagram of zeros would decode to half a minute."""

_TAPS = [0.5 * math.sin(math.pi * k / 2) / (math.pi * k / 2) * (0.54 + 0.46 * math.cos(math.pi * k / 12)) for k in (1, 3, 5, 7, 9, 11)]
"""One side of a half-band low-pass of 23 taps, a sinc in Hamming's window: flat to 3,000 Hz of 16,000 samples a second and closed from
5,000. Its even taps are 0, but for the 1/2 in the middle."""


class Decoder(Protocol):
    """One direction of one call."""

    errors: int
    """Payloads that could not be decoded, or not to their end."""

    def decode(self, payload: bytes) -> "array[int]":
        """Samples at 8,000 Hz. Never raises: of what can't be decoded comes silence as long as a packet; of nothing comes nothing."""


class _G711:
    def __init__(self, codec: str) -> None:
        self._codec = codec
        self.errors = 0

    def decode(self, payload: bytes) -> "array[int]":
        return g711.decode(self._codec, payload)


class _Av:
    """FFmpeg's decoder. Raises what PyAV does when FFmpeg has none for this codec."""

    def __init__(self, av: Any, codec: _Codec, seconds: float) -> None:
        self._av = av
        self._codec = codec
        self._silence = round(seconds * codec.rate)
        self._context: Any = av.codec.CodecContext.create(codec.ffmpeg, "r")
        self._context.sample_rate, self._context.layout = codec.rate, "mono"
        if codec.bit_rate:
            self._context.bit_rate = codec.bit_rate
        self._around = array("h", bytes(2 * (2 * len(_TAPS) - 1)))
        self._middle = array("h", bytes(2 * len(_TAPS)))
        self.errors = 0

    def decode(self, payload: bytes) -> "array[int]":
        samples = array("h")
        if not payload:
            return samples  # to FFmpeg an empty packet is the end of it all
        whole = len(payload) - len(payload) % (self._codec.octets or 1)
        wrong = whole < len(payload)
        try:
            for frame in self._frames(payload[:whole]):
                samples.extend(_mono(frame))
                if not self._codec.octets and len(samples) > _LONGEST * self._codec.rate:
                    raise ValueError("too long")
        except (self._av.FFmpegError, ValueError):
            wrong, samples = True, array("h")
        self.errors += wrong
        samples = samples or array("h", bytes(2 * self._silence))
        return self._halved(samples) if self._codec.rate == 16000 else samples

    def _frames(self, data: bytes) -> Iterator[Any]:
        step = self._codec.octets or len(data)
        for at in range(0, len(data), step):
            yield from self._context.decode(self._av.Packet(data[at : at + step]))

    def _halved(self, samples: "array[int]") -> "array[int]":
        """Every other sample of what is left below 4,000 Hz; the filter goes on from one packet to the next, 0.7 ms behind."""
        count, reach = len(samples) // 2, 2 * len(_TAPS)
        around, middle = self._around + samples[0::2], self._middle + samples[1::2]
        self._around, self._middle = around[count:], middle[count:]
        t, u, v, w, x, y = _TAPS
        # Written out, because the loop is what costs: a sum for each sample takes several times as long.
        filtered = (
            m / 2 + t * (f + g) + u * (e + h) + v * (d + i) + w * (c + j) + x * (b + k) + y * (a + n)
            for a, b, c, d, e, f, g, h, i, j, k, n, m in zip(*(around[at : at + count] for at in range(reach)), middle, strict=False)
        )
        return array("h", map(_clipped, filtered))


def _mono(frame: Any) -> "array[int]":
    """The samples of a frame as 16 bits, whatever FFmpeg made of them; a plane is longer than its samples."""
    data = memoryview(frame.planes[0]).cast("B")
    if frame.format.name.startswith("flt"):
        return array("h", (_clipped(32767 * value) for value in data[: 4 * frame.samples].cast("f")))
    return array("h", data[: 2 * frame.samples].tobytes())


def _clipped(value: float) -> int:
    """The nearest of 16 bits; infinity and what is no number are the greatest."""
    return round(-32768 if value < -32768 else value if value < 32767 else 32767)


def decoder(codec: str, mode: int = 30) -> Decoder | None:
    """A decoder for `codec`, a name of `emulator.media.codecs`; None where PyAV is needed and not there, or has none.

    `mode` is iLBC's, 20 or 30: its payloads are decoded as it says. The first call that needs PyAV imports it, a tenth of a second.
    """
    if codec in ("PCMU", "PCMA"):
        return _G711(codec)
    known = _CODECS.get((codec, mode if codec == "iLBC" else 0))
    if known is None:
        return None
    try:
        import av
    except ImportError:
        return None
    try:
        made = _Av(av, known, shipped.packet_seconds(codec, mode))
    except (av.FFmpegError, ValueError):
        return None
    if codec == "iLBC":
        made.decode(shipped.frames(codec, shipped.SILENCE, mode)[0])  # FFmpeg's overshoots when its first frame is a loud one
    return made
