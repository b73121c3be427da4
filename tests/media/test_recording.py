"""Where packets go in a recording, and what decodes them."""

import wave
from array import array
from itertools import pairwise
from pathlib import Path

import pytest

from emulator.clock import SteppedClock
from emulator.ids import Ids
from emulator.media import shipped
from emulator.media.codecs import ILBC, PCMU
from emulator.media.offer import Agreement
from emulator.media.recording import Recording
from emulator.media.stream import Stream
from emulator.media.wav import Recorder

REMOTE = ("192.0.2.1", 4000)


class Tape:
    """A stream that is recorded."""

    def __init__(self, path: Path, agreement: Agreement) -> None:
        self.clock = SteppedClock()
        self.stream = Stream(agreement, self.clock, Ids(1))
        self.recorder = Recorder(path)
        self.recording = Recording(self.stream, self.recorder, self.clock)

    def hear(self, payload: bytes) -> None:
        assert self.stream.tap_heard is not None
        self.stream.tap_heard(self.stream.agreement.payload_type, payload)

    def samples(self) -> "array[int]":
        """The left channel."""
        self.recording.close()
        with wave.open(str(self.recorder.path)) as file:
            both = array("h", file.readframes(file.getnframes()))
        return both[0::2]


def test_jitter_is_no_silence_and_a_pause_is(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "a.wav", Agreement(PCMU, 0, None, 0, REMOTE, None, True, True))
    for k in range(10):
        tape.hear(b"\x80" * 160)
        tape.clock.advance(0.05 if k % 2 else 0.0)
    tape.clock.advance(1)
    tape.hear(b"\x80" * 160)
    samples = tape.samples()
    assert samples[:1600].count(0) == 0 and set(samples[1600:8000]) == {0}
    assert len(samples) == pytest.approx(8000 * 1.25 + 160, abs=2)


def test_another_frame_of_ilbc_gets_another_decoder(tmp_path: Path) -> None:
    pytest.importorskip("av")
    tape = Tape(tmp_path / "a.wav", Agreement(ILBC, 97, None, 0, REMOTE, None, True, True, mode=20))
    for mode in (20, 30):
        tape.stream.agreement.mode = mode
        for payload in shipped.frames("iLBC", "tone", mode):
            tape.hear(payload)
            tape.clock.advance(mode / 1000)
    samples = tape.samples()
    for part in (samples[4000:7500], samples[11000:15000]):
        assert max(part) > 5000
        crossings = sum(a < 0 <= b for a, b in pairwise(part)) / len(part) * 8000
        assert crossings == pytest.approx(shipped.HERTZ, abs=10)
