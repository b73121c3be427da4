"""Where packets go in a recording, and what decodes them."""

import wave
from array import array
from itertools import pairwise
from pathlib import Path

import pytest

from emulator.clock import SteppedClock
from emulator.ids import Ids
from emulator.media import g711, shipped
from emulator.media.codecs import ILBC, PCMU
from emulator.media.offer import Agreement
from emulator.media.recorder import Recorder
from emulator.media.recording import Recording
from emulator.media.stream import Stream

REMOTE = ("192.0.2.1", 4000)


class Tape:
    """A stream that is recorded."""

    def __init__(self, path: Path, agreement: Agreement) -> None:
        self.clock = SteppedClock()
        self.timestamp = 0xFFFFFC00  # which wraps soon
        self.stream = Stream(agreement, self.clock, Ids(1))
        self.recorder = Recorder(path)
        self.recording = Recording(self.stream, self.recorder, self.clock)

    def hear(self, payload: bytes, seconds: float = 0.02) -> None:
        """A packet whose timestamp is that of the one before and so many seconds."""
        assert self.stream.tap_heard is not None
        self.timestamp = (self.timestamp + round(seconds * self.stream.agreement.codec.clock)) & 0xFFFFFFFF
        self.stream.tap_heard(self.stream.agreement.payload_type, self.timestamp, payload)

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


def test_what_was_read_late_stands_where_its_timestamp_says(tmp_path: Path) -> None:
    """A machine that was busy for half a second reads what came meanwhile at once."""
    tape = Tape(tmp_path / "a.wav", Agreement(PCMU, 0, None, 0, REMOTE, None, True, True))
    payloads = [bytes((0x80 + k,)) * 160 for k in range(60)]
    for payload in payloads[:10]:
        tape.hear(payload)
        tape.clock.advance(0.02)
    tape.clock.advance(0.6)
    for payload in payloads[10:40]:
        tape.hear(payload)
    for payload in payloads[40:]:
        tape.hear(payload)
        tape.clock.advance(0.02)
    assert tape.samples() == g711.decode("PCMU", b"".join(payloads))


def test_a_pause_in_timestamps_is_one_and_a_jump_of_theirs_is_none(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "a.wav", Agreement(PCMU, 0, None, 0, REMOTE, None, True, True))
    tape.hear(b"\x80" * 160)
    tape.clock.advance(0.1)
    tape.hear(b"\x80" * 160, 0.5)  # it came early for its timestamp
    tape.clock.advance(0.02)
    tape.hear(b"\x80" * 160, 5000)  # another source
    samples = tape.samples()
    assert [at for at in range(0, len(samples), 160) if samples[at]] == [0, 960, 4000]


def test_another_frame_of_ilbc_gets_another_decoder(tmp_path: Path) -> None:
    pytest.importorskip("av")
    tape = Tape(tmp_path / "a.wav", Agreement(ILBC, 97, None, 0, REMOTE, None, True, True, mode=20))
    for mode in (20, 30):
        tape.stream.agreement.mode = mode
        for payload in shipped.frames("iLBC", "tone", mode):
            tape.hear(payload, mode / 1000)
            tape.clock.advance(mode / 1000)
    samples = tape.samples()
    for part in (samples[4000:7500], samples[11000:15000]):
        assert max(part) > 5000
        crossings = sum(a < 0 <= b for a, b in pairwise(part)) / len(part) * 8000
        assert crossings == pytest.approx(shipped.HERTZ, abs=10)
