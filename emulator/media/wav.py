"""WAV files: any that holds PCM or G.711, read as samples for a call.

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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from emulator.journal.findings import printable
from emulator.media import g711
from emulator.media.resample import resampled
from emulator.problems import in_words

MAX_OCTETS = 64 * 1024 * 1024
MAX_SECONDS = 600
MAX_CHANNELS = 8
MIN_RATE, MAX_RATE = 4000, 192_000
"""Samples a second."""

_MAX_CHUNKS = 1000
PCM, _IEEE, _ALAW, _ULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_READ = {PCM: (1, 2, 3, 4), _IEEE: (4, 8), _ALAW: (1,), _ULAW: (1,)}
"""Octets that a sample may have."""
_FLOAT = "float"
_NAMES = {2: "ADPCM", 0x11: "IMA ADPCM", 0x31: "GSM 06.10", 0x50: "MPEG", 0x55: "MP3"}
_SUBFORMAT = bytes.fromhex("000000001000800000aa00389b71")
"""What follows the format tag in the GUID of an extensible format."""

_SIGNED = bytes(octet ^ 0x80 for octet in range(256))
"""Samples of 8 bits are unsigned, around 128; all others are signed."""

_BLOCK_FRAMES = 8192
_CONVERT = "sox in.wav -r 8000 -c 1 -b 16 -e signed-integer out.wav"
_CUT = "sox in.wav -r 8000 -c 1 out.wav trim 0 60"


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
    with os.fdopen(open_regular(path, os.O_RDONLY, "read"), "rb") as file:
        try:
            octets = os.fstat(file.fileno()).st_size
            if octets > MAX_OCTETS:
                raise _Unreadable(f"{octets} octets, more than the {MAX_OCTETS} that are read; shorten it with: {_CUT}")
            return _samples(file, octets, rate)
        except _Unreadable as error:
            raise WavError(path, str(error)) from None
        except OSError as error:
            raise WavError(path, f"can't be read: {in_words(error)}; name a file that can") from None


def open_regular(path: str | Path, flags: int, what: str) -> int:
    """The descriptor of a regular file, which is to be `what`: read, or written. Raises `WavError` for anything else, and never waits
    for the other end of a FIFO."""
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
    """`width` is in octets of one sample of one channel; `law` is of G.711, `_FLOAT` for floating point, empty for PCM."""

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
        return resampled(blocks, form.rate, rate)
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
    if tag not in _READ:
        name = _NAMES.get(tag, f"format {tag:#06x}")
        raise _Unreadable(f"holds {name}, and only PCM, floating point and G.711 are read; convert it with: {_CONVERT}")
    if not 1 <= channels <= MAX_CHANNELS:
        raise _Unreadable(f"has {channels} channels, not 1 to {MAX_CHANNELS}; convert it with: {_CONVERT}")
    if not MIN_RATE <= rate <= MAX_RATE:
        raise _Unreadable(f"has {rate} samples a second, not {MIN_RATE} to {MAX_RATE}; convert it with: {_CONVERT}")
    width = (bits + 7) // 8
    if width not in _READ[tag] or align != width * channels:
        raise _Unreadable(f"has {bits} bits a sample in frames of {align} octets; convert it with: {_CONVERT}")
    return _Format({_ALAW: "PCMA", _ULAW: "PCMU", _IEEE: _FLOAT}.get(tag, ""), channels, rate, width)


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
    if form.law == _FLOAT:
        numbers = array("f" if form.width == 4 else "d", data)
        if sys.byteorder == "big":
            numbers.byteswap()
        return array("h", (max(-32768, min(32767, round(x * 32768))) if -2 < x < 2 else (x > 0) * 32767 - (x < 0) * 32768 for x in numbers))
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
