"""WAV files: any that holds PCM or G.711 read as samples for a call, and a call recorded as one.

A WAV file is RIFF: chunks of an identifier, a length and so many octets, `fmt ` before `data` (Microsoft, Multimedia Programming Interface
and Data Specifications 1.0; WAVEFORMATEXTENSIBLE of its later revision). The standard `wave` module refuses G.711 and raises on its own
terms when a file is broken, so this reads the chunks itself.
"""

import errno
import math
import os
import stat
import struct
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from operator import mul
from pathlib import Path
from typing import BinaryIO, NoReturn

from emulator.journal.findings import printable
from emulator.media import g711
from emulator.problems import in_words

if sys.version_info >= (3, 12):
    _dot = math.sumprod
else:

    def _dot(a: Iterable[float], b: Iterable[float]) -> float:
        total: float = sum(map(mul, a, b))
        return total


MAX_OCTETS = 64 * 1024 * 1024
MAX_SECONDS = 600
MAX_CHANNELS = 8
MIN_RATE, MAX_RATE = 4000, 192_000
"""Samples a second."""

_MAX_CHUNKS = 1000
_PCM, _ALAW, _ULAW, _EXTENSIBLE = 1, 6, 7, 0xFFFE
_NAMES = {2: "ADPCM", 3: "floating-point numbers", 0x11: "IMA ADPCM", 0x31: "GSM 06.10", 0x50: "MPEG", 0x55: "MP3"}
_SUBFORMAT = bytes.fromhex("000000001000800000aa00389b71")
"""What follows the format tag in the GUID of an extensible format."""

_SIGNED = bytes(octet ^ 0x80 for octet in range(256))
"""Samples of 8 bits are unsigned, around 128; all others are signed."""

_BLOCK_FRAMES = 8192
_CONVERT = "sox in.wav -r 8000 -c 1 -b 16 -e signed-integer out.wav"
_CUT = "sox in.wav -r 8000 -c 1 out.wav trim 0 60"

_KAISER = 5.65
"""Of Kaiser's window: what is stopped is 60 dB down."""
_LOBES = 16
_CUTOFF = 0.9
"""Half the length of the low-pass in samples of the lower rate, and the fraction of half that rate where it is 6 dB down: with this window
flat to 0.39 of the rate (3.1 kHz of 8) and closed from half of it."""
_FIRST_LOBES = 1.7
_FIRST_CUTOFF = 1.9
"""The same of a first pass to twice the rate or more: flat to 0.4 of the rate in the end, closed from 1.5 of it."""
_MAX_PHASES = 512
"""Two rates without a common divisor would want a filter for each sample of a second; the nearest of so many is 56 dB exact."""


RECORDING_RATE = 8000
"""Samples a second of what is recorded."""
_WINDOW = RECORDING_RATE
"""How far, in samples, a piece may come behind the last one."""
_HELD = 2 * _WINDOW
_HEADER_OCTETS = 44
_FRAME_OCTETS = 4
_MAX_RECORDED = (0xFFFFFFFF - _HEADER_OCTETS) // _FRAME_OCTETS
"""Frames that the 32 bits of RIFF's lengths can count: 37 hours."""


class WavError(ValueError):
    """A WAV file can't be read or written; the text is one line that names the file, what is wrong and what to do."""

    def __init__(self, path: str | Path, what: str) -> None:
        super().__init__(f"{printable(str(path))}: {what}")


def read(path: str | Path, rate: int = 8000) -> "array[int]":
    """The file's samples at `rate` samples a second, 16 bits, its channels mixed into one.

    PCM of 8 to 32 bits and G.711, plain or extensible, 1 to 8 channels, 4000 to 192000 samples a second, at most 64 MiB and 10 minutes.
    A file cut short is read as far as it goes. Raises `WavError` for any other, or one without a sample.
    """
    if not MIN_RATE <= rate <= MAX_RATE:
        raise ValueError(f"a rate of {rate}; {MIN_RATE} to {MAX_RATE} samples a second is possible")
    with os.fdopen(_open(path, os.O_RDONLY, "read"), "rb") as file:
        try:
            octets = os.fstat(file.fileno()).st_size
            if octets > MAX_OCTETS:
                raise _Unreadable(f"{octets} octets, more than the {MAX_OCTETS} that are read; shorten it with: {_CUT}")
            return _samples(file, octets, rate)
        except _Unreadable as error:
            raise WavError(path, str(error)) from None
        except OSError as error:
            raise WavError(path, f"can't be read: {in_words(error)}; name a file that can") from None


def _open(path: str | Path, flags: int, what: str) -> int:
    """The descriptor of a regular file; raises `WavError` for anything else, and never waits for the other end of a FIFO."""
    try:
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, 0o600)
    except OSError as error:
        reason = "it is a symbolic link" if error.errno == errno.ELOOP and flags & os.O_NOFOLLOW else in_words(error)
        raise WavError(path, f"can't be {what}: {reason}; name a file that can") from None
    except ValueError:  # an octet of zero, or a character that the system's encoding lacks
        raise WavError(path, f"can't be {what}: no file can have this name; name one that can") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise WavError(path, f"can't be {what}: not a regular file; name one that is")
    return descriptor


class _Unreadable(Exception):
    """What is wrong with the octets of a file, and what to do about it."""


@dataclass(frozen=True, slots=True)
class _Format:
    """`width` is in octets of one sample of one channel; `law` is of G.711, empty for PCM."""

    law: str
    channels: int
    rate: int
    width: int


def _samples(file: BinaryIO, size: int, rate: int) -> "array[int]":
    form, octets = _find_data(file, size)
    frames = octets // (form.width * form.channels)
    if frames == 0:
        raise _Unreadable(f"holds no samples; record some, or make silence with: sox -n -r {rate} -c 1 out.wav trim 0 1")
    if frames > MAX_SECONDS * form.rate:
        raise _Unreadable(f"lasts {math.ceil(frames / form.rate)} s, more than the {MAX_SECONDS} s that are read; shorten it with: {_CUT}")
    blocks = _mono(file, form, frames)
    if form.rate != rate:
        return _resampled(blocks, form.rate, rate)
    samples = array("h")
    for block in blocks:
        samples.extend(block)
    return samples


def _find_data(file: BinaryIO, size: int) -> tuple[_Format, int]:
    """The format, and how many octets of samples follow where the file of `size` octets stands now."""
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        begin = f"begins with {head!r}" if head else "is empty"
        raise _Unreadable(f"no WAV file: it {begin}; convert it with: sox in.mp3 -r 8000 -c 1 out.wav")
    form: _Format | None = None
    for _ in range(_MAX_CHUNKS):
        header = file.read(8)
        if len(header) < 8:
            raise _Unreadable(f"no WAV file that can be played: it ends before its samples; make it anew with: {_CONVERT}")
        name, octets = struct.unpack("<4sI", header)
        here = file.tell()
        if name == b"data":
            if form is None:
                raise _Unreadable(f"its samples come before their format; write it anew with: {_CONVERT}")
            return form, min(octets, size - here)  # a recorder that was killed, or wrote to a pipe, leaves a length beyond the end
        if name == b"fmt ":
            form = _format(file.read(min(octets, 40)))
        file.seek(here + octets + octets % 2)  # chunks are padded to an even length
    raise _Unreadable(f"no samples in its first {_MAX_CHUNKS} chunks; write it anew with: {_CONVERT}")


def _format(chunk: bytes) -> _Format:
    """What a `fmt ` chunk says."""
    if len(chunk) < 16:
        raise _Unreadable(f"its format is cut short; write it anew with: {_CONVERT}")
    tag, channels, rate, _, align, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _EXTENSIBLE and len(chunk) >= 40 and chunk[26:40] == _SUBFORMAT:
        (tag,) = struct.unpack_from("<H", chunk, 24)
    if tag not in (_PCM, _ALAW, _ULAW):
        name = _NAMES.get(tag, f"format {tag:#06x}")
        raise _Unreadable(f"holds {name}, and only PCM and G.711 are read; convert it with: {_CONVERT}")
    if not 1 <= channels <= MAX_CHANNELS:
        raise _Unreadable(f"has {channels} channels, not 1 to {MAX_CHANNELS}; convert it with: {_CONVERT}")
    if not MIN_RATE <= rate <= MAX_RATE:
        raise _Unreadable(f"has {rate} samples a second, not {MIN_RATE} to {MAX_RATE}; convert it with: {_CONVERT}")
    width = (bits + 7) // 8
    if not 1 <= width <= (4 if tag == _PCM else 1) or align != width * channels:
        raise _Unreadable(f"has {bits} bits a sample in frames of {align} octets; convert it with: {_CONVERT}")
    return _Format({_ALAW: "PCMA", _ULAW: "PCMU"}.get(tag, ""), channels, rate, width)


def _mono(file: BinaryIO, form: _Format, frames: int) -> Iterator[list[int]]:
    """The samples in blocks, channels mixed."""
    octets = form.width * form.channels
    while frames > 0:
        data = file.read(min(frames, _BLOCK_FRAMES) * octets)
        count = len(data) // octets
        if count == 0:
            return  # the file has become shorter since
        frames -= count
        samples = _linear(data[: count * octets], form)
        if form.channels == 1:
            yield samples.tolist()
        else:
            columns = (samples[channel :: form.channels] for channel in range(form.channels))
            yield [sum(frame) // form.channels for frame in zip(*columns, strict=True)]


def _linear(data: bytes, form: _Format) -> "array[int]":
    """Samples of 16 bits; of wider ones the upper 16."""
    if form.law:
        return g711.decode(form.law, data)
    width = form.width
    octets = bytearray(2 * (len(data) // width))
    if width == 1:
        octets[1::2] = data.translate(_SIGNED)
    else:
        octets[0::2] = data[width - 2 :: width]
        octets[1::2] = data[width - 1 :: width]
    samples = array("h")
    samples.frombytes(octets)
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _resampled(blocks: Iterable[Sequence[float]], source: int, target: int) -> "array[int]":
    """From `source` to `target` samples a second by windowed sincs, in two passes when the way is long: the first, which needs only keep
    clear of what the second will keep, is short, and the second has fewer samples to go over."""
    fewer = max(1, source // (2 * target))
    if fewer > 1:
        blocks = _filtered(blocks, fewer, 1, math.ceil(_FIRST_LOBES * source / target), _FIRST_CUTOFF * target / source)
    ratio = Fraction(source, fewer * target)
    scale = max(1.0, float(ratio))
    made = array("h")
    for block in _filtered(blocks, ratio.numerator, ratio.denominator, math.ceil(_LOBES * scale), _CUTOFF / scale):
        made.extend(max(-32768, min(32767, round(value))) for value in block)
    return made


def _filtered(blocks: Iterable[Sequence[float]], steps: int, parts: int, half: int, cutoff: float) -> Iterator[list[float]]:
    """A value at every `steps` / `parts` samples, each from `half` of them on either side; `cutoff` is a fraction of half their rate."""
    phases = min(parts, _MAX_PHASES)
    filters: dict[int, list[float]] = {}
    held = [0.0] * (half - 1)  # so that the first sample has neighbours
    begin = 1 - half  # the number of the sample held[0]
    number = 0
    for block in chain(blocks, ([0.0] * half,)):
        held.extend(map(float, block))
        made = []
        while True:
            at, part = divmod(number * steps, parts)
            first = at + 1 - half - begin
            if first + 2 * half > len(held):
                break
            phase = (part * phases + parts // 2) // parts
            taps = filters.get(phase)
            if taps is None:
                taps = filters[phase] = _taps(half, phase / phases, cutoff)
            made.append(_dot(taps, held[first : first + 2 * half]))
            number += 1
        used = min(first, len(held))
        del held[:used]
        begin += used
        yield made


def _taps(half: int, fraction: float, cutoff: float) -> list[float]:
    """The low-pass around a point `fraction` of a sample behind the one in its middle; a standing level passes unchanged."""
    taps = []
    for place in range(1 - half, half + 1):
        distance = place - fraction
        x = math.pi * cutoff * distance
        window = _bessel(_KAISER * math.sqrt(max(0.0, 1 - (distance / half) ** 2)))
        taps.append(window * (math.sin(x) / x if x else 1.0))
    total = sum(taps)
    return [tap / total for tap in taps]


def _bessel(x: float) -> float:
    """I0, the modified Bessel function of order zero, of which Kaiser's window is made; its series to 1e-9 for what is asked here."""
    total = term = 1.0
    for n in range(1, 20):
        term *= (x / (2 * n)) ** 2
        total += term
    return total


class Allowance:
    """What several recordings may take together, in octets."""

    def __init__(self, octets: int) -> None:
        self.left = octets

    def take(self, octets: int) -> int:
        """As many of these as are left; they are taken."""
        taken = min(octets, self.left)
        self.left -= taken
        return taken


class Recorder:
    """A call as a WAV file of two channels, left what was heard, right what was sent: 8000 samples a second, PCM of 16 bits.

    Pieces are placed by the number of their first sample since the recording began. They may come in any order within a second, of two
    that overlap the later call wins, and between them is silence. What is older than a second or two is in the file, under a header that
    counts it: a crash costs no more than that. Once closed, or once writing has failed, nothing more is recorded.
    """

    __slots__ = ("_allowance", "_begin", "_descriptor", "_end", "_frames", "_limit", "full", "late", "path", "truncated")

    def __init__(self, path: str | Path, max_seconds: float = 3600, allowance: Allowance | None = None) -> None:
        """Begin the file, readable by its owner alone; a regular file of that name is overwritten, a symbolic link is not followed.
        `allowance` is what is left for this one and others; nothing more is recorded once it is used up.

        Raises `WavError` when it can't be written, here and in every other method.
        """
        limit = int(max_seconds * RECORDING_RATE)
        if not 0 < limit <= _MAX_RECORDED:
            raise ValueError(f"a recording of {max_seconds} s at most; {_MAX_RECORDED // RECORDING_RATE} s is the most there can be")
        self.path = path
        self.truncated = False
        """Something came after `max_seconds` and is not in the file."""
        self.full = False
        """The allowance was used up before the end."""
        self.late = 0
        """Samples that came more than a second behind the last, or from before the beginning, and are not in the file."""
        self._limit = limit
        self._allowance = allowance
        self._begin = 0  # the frame that _frames begins with; those before are in the file
        self._end = 0  # one beyond the last frame that was ever placed
        self._frames = array("h", bytes(_HELD * _FRAME_OCTETS))
        self._descriptor: int | None = _open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, "written")
        try:
            os.ftruncate(self._descriptor, 0)
            os.fchmod(self._descriptor, 0o600)
        except OSError as error:
            self._fail(error)
        self._write(0, _header(0))

    @property
    def seconds(self) -> float:
        """How long the recording is so far."""
        return self._end / RECORDING_RATE

    def heard(self, offset_samples: int, samples: "array[int]") -> None:
        """Place what the other side said."""
        self._place(0, offset_samples, samples)

    def sent(self, offset_samples: int, samples: "array[int]") -> None:
        """Place what we said."""
        self._place(1, offset_samples, samples)

    def close(self) -> None:
        """Write what is held and the final lengths; harmless when done before."""
        descriptor = self._descriptor
        if descriptor is None:
            return
        self._flush(self._end)
        self._descriptor = None
        self._frames = array("h")
        try:
            os.close(descriptor)
        except OSError as error:  # where a file system of the network says that the last octets are lost
            self._fail(error)

    def _place(self, channel: int, offset: int, samples: "array[int]") -> None:
        if self._descriptor is None:
            return
        end = offset + len(samples)
        first = max(offset, self._begin)
        self.late += min(first, end) - offset
        if end > self._limit:
            self.truncated = True
            end = self._limit
        while first < end:
            upto = min(end, first + _WINDOW)
            if upto - self._begin > _HELD:
                self._flush(upto - _WINDOW)
            at = 2 * (first - self._begin) + channel
            self._frames[at : at + 2 * (upto - first) : 2] = samples[first - offset : upto - offset]
            self._end = max(self._end, upto)
            first = upto

    def _flush(self, upto: int) -> None:
        """Write the frames before `upto` and forget them; silence that nothing follows yet is left out."""
        count = min(self._end, upto) - self._begin
        if count > 0 and self._allowance is not None:
            allowed = self._allowance.take(count * _FRAME_OCTETS) // _FRAME_OCTETS
            if allowed < count:
                self.full = True
                count, self._limit = allowed, self._begin + allowed
                self._end = self._limit
        if count > 0:
            written = self._frames[: 2 * count]
            if sys.byteorder == "big":
                written.byteswap()
            # A gap before the first frame becomes a hole in the file, which reads as silence.
            self._write(_HEADER_OCTETS + self._begin * _FRAME_OCTETS, written.tobytes())
            self._write(0, _header(self._begin + count))  # after the frames: it never counts what is not there
            del self._frames[: 2 * count]
            self._frames.frombytes(bytes(count * _FRAME_OCTETS))
        self._begin = upto

    def _write(self, place: int, data: bytes) -> None:
        assert self._descriptor is not None
        try:
            while data:
                written = os.pwrite(self._descriptor, data, place)
                place, data = place + written, data[written:]
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> NoReturn:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
        raise WavError(self.path, f"can't be written: {in_words(error)}; make room, or name another file") from None


def _header(frames: int) -> bytes:
    """RIFF, format and the head of the samples, for so many frames of two channels."""
    octets = frames * _FRAME_OCTETS
    rate, align = RECORDING_RATE, _FRAME_OCTETS
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, _PCM, 2, rate, rate * align, align, 16)
    return struct.pack("<4sI4s", b"RIFF", _HEADER_OCTETS - 8 + octets, b"WAVE") + form + struct.pack("<4sI", b"data", octets)
