"""A call as a WAV file: two channels, written as it goes."""

import errno
import os
import struct
import sys
from array import array
from pathlib import Path
from typing import NoReturn

from emulator.media.wav import PCM, WavError, open_regular
from emulator.problems import in_words

RECORDING_RATE = 8000
"""Samples a second of what is recorded."""
_WINDOW = RECORDING_RATE
"""How far, in samples, a piece may come behind the last one."""
_HELD = 2 * _WINDOW
_HEADER_OCTETS = 44
_FRAME_OCTETS = 4
_MAX_RECORDED = (0xFFFFFFFF - _HEADER_OCTETS) // _FRAME_OCTETS
"""Frames that the 32 bits of RIFF's lengths can count: 37 hours."""


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

    def __init__(
        self, path: str | Path, max_seconds: float = 3600, allowance: Allowance | None = None, descriptors: int = sys.maxsize
    ) -> None:
        """Begin the file, readable by its owner alone; a regular file of that name is overwritten, a symbolic link is not followed.
        `allowance` is what is left for this one and others; nothing more is recorded once it is used up. File descriptors of a number
        from `descriptors` on are left to others.

        Raises `WavError` when it can't be written, here and in every other method.
        """
        limit = int(max_seconds * RECORDING_RATE)
        if not 0 < limit <= _MAX_RECORDED:
            raise ValueError(f"a recording of {max_seconds} s at most; {_MAX_RECORDED // RECORDING_RATE} s is the most there can be")
        if _next_descriptor() >= descriptors:
            raise WavError(path, "not begun: open files are near their limit; raise it (ulimit -n), or record fewer calls at once")
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
        self._descriptor: int | None = open_regular(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, "written")
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


def _next_descriptor() -> int:
    """The number that a file has which is opened now: the lowest that is free. A file must not be made, or cut off, to learn it."""
    try:
        descriptor = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            return sys.maxsize
        raise
    os.close(descriptor)
    return descriptor


def _header(frames: int) -> bytes:
    """RIFF, format and the head of the samples, for so many frames of two channels."""
    octets = frames * _FRAME_OCTETS
    rate, align = RECORDING_RATE, _FRAME_OCTETS
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, PCM, 2, rate, rate * align, align, 16)
    return struct.pack("<4sI4s", b"RIFF", _HEADER_OCTETS - 8 + octets, b"WAVE") + form + struct.pack("<4sI", b"data", octets)
