"""Payloads to samples, for recordings: G.711 by itself, the other codecs with PyAV (the `audio` extra)."""

from array import array
from typing import Any, Protocol

from emulator.media import g711

_NAMES = {"G722": ("g722", 16000), "G729": ("g729", 8000), "iLBC": ("ilbc", 8000), "speex": ("speex", 16000)}
"""FFmpeg's name, and the rate it decodes to."""
_SILENCE = 160
# A half-band low-pass filter, 15 taps of a windowed sinc: what lies above 4,000 Hz must not come back below it.
_HALF_BAND = (-0.0023, 0.0, 0.0147, 0.0, -0.0547, 0.0, 0.2932, 0.5, 0.2932, 0.0, -0.0547, 0.0, 0.0147, 0.0, -0.0023)


class Decoder(Protocol):
    """One direction of one call."""

    def decode(self, payload: bytes) -> "array[int]":
        """Samples at 8,000 Hz. Never raises: what can't be decoded is 20 ms of silence."""


class _G711:
    def __init__(self, codec: str) -> None:
        self._codec = codec

    def decode(self, payload: bytes) -> "array[int]":
        return g711.decode(self._codec, payload)


class _Av:
    """FFmpeg's decoder."""

    def __init__(self, context: Any, av: Any, rate: int) -> None:
        self._context = context
        self._av = av
        self._halves = rate == 16000
        self._tail: list[int] = [0] * (len(_HALF_BAND) - 1)
        self.errors = 0
        """Payloads that could not be decoded."""

    def decode(self, payload: bytes) -> "array[int]":
        samples = array("h")
        try:
            for frame in self._context.decode(self._av.Packet(payload)):
                samples.extend(_mono(frame))
        except (self._av.FFmpegError, ValueError):
            self.errors += 1
            return array("h", bytes(2 * _SILENCE))
        return self._halved(samples) if self._halves else samples

    def _halved(self, samples: "array[int]") -> "array[int]":
        line = [*self._tail, *samples]
        self._tail = line[-(len(_HALF_BAND) - 1) :]
        taps = [(k, tap) for k, tap in enumerate(_HALF_BAND) if tap]
        return array(
            "h",
            (max(-32768, min(32767, round(sum(line[at + k] * tap for k, tap in taps)))) for at in range(0, len(samples) - 1, 2)),
        )


def _mono(frame: Any) -> "array[int]":
    """The samples of a frame as 16 bits, whatever the decoder made of them."""
    data = bytes(frame.planes[0])
    if frame.format.name.startswith("flt"):
        floats = array("f", data[: 4 * frame.samples])
        return array("h", (max(-32768, min(32767, round(32767 * x))) for x in floats))
    return array("h", data[: 2 * frame.samples])


def decoder(codec: str, mode: int = 30) -> Decoder | None:
    """A decoder for `codec`, None where PyAV is needed and not there. `mode` is iLBC's, which its payloads tell by their size too."""
    if codec in ("PCMU", "PCMA"):
        return _G711(codec)
    try:
        import av
    except ImportError:
        return None
    name, rate = _NAMES[codec]
    try:
        context: Any = av.codec.CodecContext.create(name, "r")
    except (av.FFmpegError, ValueError):
        return None
    context.sample_rate, context.layout = rate, "mono"
    return _Av(context, av, rate)
