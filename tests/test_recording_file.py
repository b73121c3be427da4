"""The recording of a call, read in pieces."""

from pathlib import Path

import pytest

from emulator.journal.record import CallRecord
from emulator.recording_file import opened
from emulator.yaml import Unusable


def of(path: Path | str) -> CallRecord:
    record = CallRecord("7", "x", 0.0, 0.0)
    record.recording = str(path)
    return record


@pytest.mark.parametrize("octets", [0, 1, 65536, 200_000])
def test_all_of_it_comes_and_its_length_is_known_before(tmp_path: Path, octets: int) -> None:
    file = tmp_path / "call.wav"
    file.write_bytes(bytes(range(256)) * (octets // 256 + 1))
    with file.open("r+b") as cut:
        cut.truncate(octets)
    pieces, length = opened(of(file))
    read = list(pieces)
    assert (length, b"".join(read)) == (octets, file.read_bytes()) and all(len(piece) <= 65536 for piece in read)


def test_no_recording_is_told_with_its_cause(tmp_path: Path) -> None:
    for path, why in (("", "call 7 was not recorded; ring with record"), (tmp_path / "gone.wav", "is not there any more (no such file")):
        with pytest.raises(Unusable) as caught:
            opened(of(path))
        assert why in str(caught.value)


def test_one_that_is_too_long_is_named(tmp_path: Path) -> None:
    file = tmp_path / "long.wav"
    with file.open("wb") as sparse:
        sparse.truncate((32 << 20) + 1)
    with pytest.raises(Unusable, match=r"is longer than can be had this way; it is .*long\.wav"):
        opened(of(file))
