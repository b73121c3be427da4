"""Recordings that the standard `wave` module reads back."""

import errno
import os
import socket
import stat
import sys
import tempfile
import wave
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.media.recorder import Recorder
from emulator.media.wav import WavError, read


def recorded(path: Path) -> tuple[list[int], list[int]]:
    """Left and right of a recording, as the standard module reads them."""
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate(), file.getcomptype()) == (2, 2, 8000, "NONE")
        data = file.readframes(file.getnframes())
        assert len(data) == 4 * file.getnframes()
    samples = array("h", data)
    return samples[0::2].tolist(), samples[1::2].tolist()


def run(start: int, count: int) -> "array[int]":
    """Samples that tell where they belong."""
    return array("h", ((number % 30000) + 1 for number in range(start, start + count)))


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    made = Recorder(tmp_path / "call.wav")
    yield made
    made.close()


def path_of(recorder: Recorder) -> Path:
    return Path(recorder.path)


def test_left_is_heard_and_right_is_sent(recorder: Recorder) -> None:
    recorder.heard(0, array("h", [1, 2, 3]))
    recorder.sent(0, array("h", [-1, -2, -3]))
    recorder.close()
    assert recorded(path_of(recorder)) == ([1, 2, 3], [-1, -2, -3])
    assert path_of(recorder).stat().st_size == 44 + 12


def test_nothing_recorded_is_an_empty_recording(recorder: Recorder) -> None:
    recorder.close()
    assert recorded(path_of(recorder)) == ([], [])


def test_minutes_of_frames_in_order(recorder: Recorder) -> None:
    for start in range(0, 8000 * 65, 160):
        recorder.heard(start, run(start, 160))
        recorder.sent(start + 40, run(start, 160))
    recorder.close()
    left, right = recorded(path_of(recorder))
    assert left == [*run(0, 8000 * 65), *[0] * 40] and right == [*[0] * 40, *run(0, 8000 * 65)]
    assert recorder.seconds == 65.005 and not recorder.late and not recorder.truncated


def test_gaps_in_a_recording_are_silence_short_and_long(recorder: Recorder) -> None:
    recorder.sent(100, run(100, 50))
    recorder.heard(8000 * 30 + 7, run(0, 160))
    recorder.heard(8000 * 90, run(0, 1))
    recorder.close()
    left, right = recorded(path_of(recorder))
    assert len(left) == 8000 * 90 + 1
    assert [n for n, x in enumerate(left) if x] == [*range(8000 * 30 + 7, 8000 * 30 + 167), 8000 * 90]
    assert [n for n, x in enumerate(right) if x] == list(range(100, 150)) and right[100:150] == list(run(100, 50))


def test_the_later_of_two_that_overlap_wins(recorder: Recorder) -> None:
    recorder.heard(0, array("h", [1] * 10))
    recorder.heard(5, array("h", [2] * 10))
    recorder.heard(3, array("h", [3] * 4))
    recorder.close()
    assert recorded(path_of(recorder))[0] == [1, 1, 1, 3, 3, 3, 3, *[2] * 8]


def test_a_second_late_is_in_time_and_more_is_counted(recorder: Recorder) -> None:
    recorder.heard(0, run(0, 40000))
    recorder.sent(32000, run(0, 8000))
    assert recorder.late == 0
    recorder.sent(0, run(0, 160))
    assert recorder.late == 160
    recorder.close()
    left, right = recorded(path_of(recorder))
    assert left == list(run(0, 40000)) and right == [*[0] * 32000, *run(0, 8000)]


def test_what_comes_from_before_the_beginning_is_cut(recorder: Recorder) -> None:
    recorder.heard(-100, run(0, 160))
    recorder.heard(-500, run(0, 160))
    recorder.close()
    assert recorded(path_of(recorder))[0] == list(run(100, 60)) and recorder.late == 100 + 160


def test_a_killed_recorder_leaves_what_is_older_than_two_seconds(recorder: Recorder) -> None:
    """The file is read while the recorder is still open."""
    assert recorded(path_of(recorder)) == ([], [])
    for start in range(0, 80000, 160):
        recorder.heard(start, run(start, 160))
    left, right = recorded(path_of(recorder))
    assert 64000 <= len(left) <= 80000 and left == list(run(0, len(left))) and not any(right)


def test_the_memory_of_a_recorder_does_not_grow(recorder: Recorder) -> None:
    before = sys.getsizeof(recorder._frames)
    for start in (0, 8000, 20000, 3_000_000, 28_000_000):
        recorder.heard(start, run(0, 160_000))
        assert sys.getsizeof(recorder._frames) <= 2 * before


def test_the_longest_recording(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "x.wav", max_seconds=2)
    recorder.heard(15900, run(0, 100))
    assert not recorder.truncated
    recorder.heard(15950, run(0, 100))
    assert recorder.truncated
    recorder.sent(10**15, run(0, 100))
    recorder.close()
    left, right = recorded(tmp_path / "x.wav")
    assert left[15900:] == [*run(0, 50), *run(0, 50)] and len(right) == 16000 and not any(right)
    assert (tmp_path / "x.wav").stat().st_size == 44 + 4 * 16000 and recorder.seconds == 2


@pytest.mark.parametrize("seconds", [0, -1, 1e9])
def test_a_length_that_no_file_can_have_is_refused(tmp_path: Path, seconds: float) -> None:
    with pytest.raises(ValueError, match="134217 s is the most"):
        Recorder(tmp_path / "x.wav", seconds)
    assert not (tmp_path / "x.wav").exists()


def test_closing_twice_and_recording_after_it(recorder: Recorder) -> None:
    recorder.heard(0, run(0, 10))
    recorder.close()
    recorder.heard(0, run(5, 100))
    recorder.sent(10**6, run(5, 100))
    recorder.close()
    assert recorded(path_of(recorder)) == (list(run(0, 10)), [0] * 10)


def test_a_recording_can_be_played(recorder: Recorder) -> None:
    recorder.heard(0, array("h", [100] * 20))
    recorder.sent(0, array("h", [300] * 20))
    recorder.close()
    assert list(read(recorder.path)) == [200] * 20


def test_a_recording_is_little_endian_on_any_machine(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder.heard(0, array("h", [0x0102]))
    monkeypatch.setattr(sys, "byteorder", "big")
    recorder.close()
    monkeypatch.undo()
    assert recorded(path_of(recorder))[0] == [0x0201]


@given(
    pieces=st.lists(st.tuples(st.booleans(), st.integers(-300, 60000), st.integers(0, 20000), st.integers(-32768, 32767)), max_size=12),
    limit=st.sampled_from([1, 3, 3600]),
)
def test_any_pieces_recorded(pieces: list[tuple[bool, int, int, int]], limit: int) -> None:
    """Against two plain lists: nothing is ever misplaced, and nothing is lost but what is counted as late or beyond the end."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "x.wav"
        recorder = Recorder(path, limit)
        expected: list[dict[int, int]] = [{}, {}]
        kept = ended = late = 0
        for left, offset, count, value in pieces:
            (recorder.heard if left else recorder.sent)(offset, array("h", [value]) * count)
            end = min(offset + count, limit * 8000)
            first = max(offset, kept)
            late += min(first, offset + count) - offset
            for at in range(first, end):
                expected[not left][at] = value
            if first < end:
                ended = max(ended, end)
            kept = recorder._begin
            assert kept <= max(0, ended - 8000), "what comes within a second must still have a place"
        truncated = any(offset + count > limit * 8000 for _, offset, count, _ in pieces)
        recorder.close()
        left_channel, right_channel = recorded(path)
        assert left_channel == [expected[0].get(at, 0) for at in range(ended)]
        assert right_channel == [expected[1].get(at, 0) for at in range(ended)]
        assert (recorder.late, recorder.truncated) == (late, truncated)


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "new.wav"
    Recorder(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_regular_file_is_overwritten_and_made_private(tmp_path: Path) -> None:
    path = tmp_path / "old.wav"
    path.write_bytes(b"x" * 100_000)
    path.chmod(0o644)
    Recorder(path).close()
    assert path.stat().st_size == 44 and stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_bytes(b"precious")
    (tmp_path / "link.wav").symlink_to(target)
    with pytest.raises(WavError, match=r"link\.wav: can't be written: it is a symbolic link"):
        Recorder(tmp_path / "link.wav")
    assert target.read_bytes() == b"precious"


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for path in (tmp_path, tmp_path / "fifo", tmp_path / "socket", Path("/dev/null"), tmp_path / "no" / "x.wav", Path("a\0b")):
            with pytest.raises(WavError, match="can't be written") as caught:
                Recorder(path)
            assert str(caught.value).isprintable()


def test_a_fifo_that_somebody_reads_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(WavError, match="not a regular file"):
            Recorder(tmp_path / "fifo")
    finally:
        os.close(reader)


def test_a_full_disk_is_said_once_and_ends_the_recording(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    recorder.heard(0, run(0, 8000))
    descriptors = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(WavError, match=r"call\.wav: can't be written: no space left on device"):
        recorder.heard(40000, run(0, 160))
    assert len(os.listdir("/proc/self/fd")) == descriptors - 1
    recorder.heard(80000, run(0, 160))
    recorder.close()


def test_a_disk_that_takes_little_at_a_time(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, place: whole(descriptor, data[:1000], place))
    recorder.heard(0, run(0, 30000))
    recorder.close()
    assert recorded(path_of(recorder))[0] == list(run(0, 30000))


def test_an_error_at_the_very_end_is_said_too(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    close = os.close

    def fails(descriptor: int) -> None:
        close(descriptor)
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "close", fails)
        with pytest.raises(WavError, match="can't be written: input/output error"):
            recorder.close()
    recorder.close()


def test_descriptors_that_are_left_to_others(tmp_path: Path) -> None:
    """The file is not begun: what was there before stays."""
    path = tmp_path / "call.wav"
    path.write_bytes(b"before")
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    with pytest.raises(WavError, match="open files are near their limit"):
        Recorder(path, descriptors=free)
    assert path.read_bytes() == b"before"
    with pytest.raises(WavError, match="open files are near their limit"):
        Recorder(tmp_path / "other.wav", descriptors=free)
    assert not (tmp_path / "other.wav").exists()
    Recorder(path, descriptors=free + 1).close()
    assert path.read_bytes().startswith(b"RIFF")


def test_without_any_descriptor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*how: object, **more: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "open", none)
    with pytest.raises(WavError, match="open files are near their limit"):
        Recorder(tmp_path / "call.wav")
