"""WAV files of every kind read, and broken ones refused in one line."""

import math
import os
import struct
import sys
import tempfile
import wave
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.media import g711, wav
from emulator.media.wav import WavError, read

GUID = bytes.fromhex("000000001000800000aa00389b71")


def chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def fmt(tag: int = 1, channels: int = 1, rate: int = 8000, bits: int = 16, extensible: bool = False, align: int | None = None) -> bytes:
    if align is None:
        align = channels * ((bits + 7) // 8)
    head = struct.pack("<HHIIHH", 0xFFFE if extensible else tag, channels, rate, rate * align, align, bits)
    return head + (struct.pack("<HHIH", 22, bits, 0, tag) + GUID if extensible else b"")


def riff(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def packed(samples: list[int], bits: int) -> bytes:
    """Samples of `bits` bits as a file has them: unsigned when they are 8."""
    if bits == 8:
        return bytes(sample + 128 for sample in samples)
    return b"".join(sample.to_bytes(bits // 8, "little", signed=True) for sample in samples)


def plain(samples: list[int], rate: int = 8000, channels: int = 1) -> bytes:
    return riff(chunk(b"fmt ", fmt(channels=channels, rate=rate)), chunk(b"data", packed(samples, 16)))


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[bytes], Path]:
    def save(data: bytes) -> Path:
        path = tmp_path / "x.wav"
        path.write_bytes(data)
        return path

    return save


Save = Callable[[bytes], Path]


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_pcm_of_every_width(saved: Save, bits: int, extensible: bool) -> None:
    """Wide samples lose what is below 16 bits, 8 bits are moved up."""
    top = 1 << bits - 1
    samples = [0, 1, -1, top - 1, -top, top // 3, -top // 3]
    data = riff(chunk(b"fmt ", fmt(bits=bits, extensible=extensible)), chunk(b"data", packed(samples, bits)))
    assert list(read(saved(data))) == [sample << 8 if bits == 8 else sample >> bits - 16 for sample in samples]


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize(("bits", "code"), [(32, "f"), (64, "d")])
def test_floating_point_as_synthesised_speech_often_is(saved: Save, bits: int, code: str, extensible: bool) -> None:
    """Full scale is 1; what is beyond it is clipped, and what is no number is silent."""
    given = [0.0, 0.5, -0.5, 1.0, -1.0, 3.0, math.inf, -math.inf, math.nan]
    head = chunk(b"fmt ", fmt(3, bits=bits, extensible=extensible))
    data = riff(head, chunk(b"fact", struct.pack("<I", len(given))), chunk(b"data", struct.pack(f"<{len(given)}{code}", *given)))
    assert list(read(saved(data))) == [0, 16384, -16384, 32767, -32768, 32767, 32767, -32768, 0]


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize(("tag", "law"), [(6, "PCMA"), (7, "PCMU")])
def test_g711(saved: Save, tag: int, law: str, extensible: bool) -> None:
    codes = bytes(range(256))
    data = riff(chunk(b"fmt ", fmt(tag, bits=8, extensible=extensible)), chunk(b"fact", bytes(4)), chunk(b"data", codes))
    assert read(saved(data)) == g711.decode(law, codes)


@pytest.mark.parametrize("channels", range(1, 9))
def test_channels_are_mixed(saved: Save, channels: int) -> None:
    frames = [[1000 * (channel + 1) + 8 * n for channel in range(channels)] for n in range(50)]
    expected = [sum(frame) // channels for frame in frames]
    assert list(read(saved(plain([x for frame in frames for x in frame], channels=channels)))) == expected


def test_full_scale_on_two_channels_does_not_wrap(saved: Save) -> None:
    assert list(read(saved(plain([32767, 32767, -32768, -32768], channels=2)))) == [32767, -32768]


def test_what_the_standard_module_writes(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 3, 8000, 0, "NONE", ""))
        file.writeframes(packed([256000, 512000, -256000, -512000], 24))
    assert list(read(path)) == list(read(str(path))) == [1500, -1500]


def test_chunks_before_between_and_behind_odd_ones_too(saved: Save) -> None:
    data = riff(
        chunk(b"LIST", b"odd"),
        chunk(b"fmt ", fmt() + b"\0\0"),
        chunk(b"junk", b""),
        chunk(b"data", packed([5, 6], 16)),
        chunk(b"id3 ", b"x"),
    )
    assert list(read(saved(data))) == [5, 6]


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFFFFF, 9])
def test_a_length_beyond_the_end_is_read_as_far_as_the_file_goes(saved: Save, length: int) -> None:
    """As pipes and killed recorders leave it; half a sample at the end is dropped."""
    assert list(read(saved(riff(chunk(b"fmt ", fmt()), b"data" + struct.pack("<I", length) + packed([1, 2, 3], 16) + b"\x07")))) == [
        1,
        2,
        3,
    ]


def test_samples_are_read_across_blocks(saved: Save) -> None:
    samples = [(n * 7919) % 65536 - 32768 for n in range(3 * wav._BLOCK_FRAMES + 17)]
    assert list(read(saved(plain(samples)))) == samples


def test_the_octets_are_swapped_on_a_big_endian_machine(saved: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(plain([0x0102, 0x0304]))
    monkeypatch.setattr(sys, "byteorder", "big")
    assert list(read(path)) == [0x0201, 0x0403]


def sine(frequency: float, rate: int, seconds: float, peak: float = 16000) -> list[int]:
    return [round(peak * math.sin(math.tau * frequency * n / rate + 0.3)) for n in range(int(rate * seconds))]


@pytest.mark.parametrize("target", [8000, 16000])
@pytest.mark.parametrize("rate", [4000, 8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000, 191999, 8001])
def test_a_tone_stays_what_it_was(saved: Save, rate: int, target: int) -> None:
    """Frequency, level and phase of 1 kHz: what differs from the tone made at the rate wanted is 50 dB below it."""
    samples = numpy.array(read(saved(plain(sine(1000, rate, 0.25), rate)), target), dtype=float)
    expected = numpy.array(sine(1000, target, 0.25), dtype=float)
    assert abs(len(samples) - len(expected)) <= 1
    middle = slice(len(expected) // 8, -len(expected) // 8)
    error = samples[: len(expected)][middle] - expected[: len(samples)][middle]
    assert numpy.sqrt((error**2).mean()) < 16000 / math.sqrt(2) * 10 ** (-50 / 20)


@pytest.mark.parametrize("rate", [11025, 16000, 44100, 48000, 192000])
@pytest.mark.parametrize("frequency", [300, 2000, 3100])
def test_speech_passes(saved: Save, rate: int, frequency: float) -> None:
    samples = numpy.array(read(saved(plain(sine(frequency, rate, 0.2), rate))), dtype=float)[200:-200]
    assert 20 * math.log10(samples.std() / (16000 / math.sqrt(2))) == pytest.approx(0, abs=0.2)


@pytest.mark.parametrize(
    ("rate", "frequency"),
    [
        (11025, 4400),
        (16000, 4400),
        (16000, 7000),
        (44100, 5000),
        (44100, 15000),
        (48000, 9000),
        (48000, 13000),
        (48000, 15500),
        (192000, 60000),
    ],
)
def test_what_would_alias_is_60_db_down(saved: Save, rate: int, frequency: float) -> None:
    samples = numpy.array(read(saved(plain(sine(frequency, rate, 0.2), rate))), dtype=float)[200:-200]
    assert samples.std() < 16000 / math.sqrt(2) * 10 ** (-60 / 20)


def test_images_are_60_db_down(saved: Save) -> None:
    spectrum = numpy.abs(numpy.fft.rfft(read(saved(plain(sine(1500, 8000, 0.5), 8000)), 16000)[1000:7000] * numpy.hanning(6000)))
    assert spectrum[2100:].max() < spectrum.max() / 1000  # 5600 Hz and above; the image is at 6500


@pytest.mark.parametrize("rate", [4000, 16000, 44100, 192000])
def test_a_standing_level_stays_to_the_last_bit(saved: Save, rate: int) -> None:
    samples = read(saved(plain([12345] * rate, rate)))
    assert abs(len(samples) - 8000) <= 1 and set(samples[200:-200]) == {12345}


def test_a_square_at_full_scale_is_clipped(saved: Save) -> None:
    samples = read(saved(plain([32767 if n // 40 % 2 else -32768 for n in range(8000)], 16000)))
    assert (min(samples), max(samples)) == (-32768, 32767)


@pytest.mark.parametrize("rate", [4000, 44100, 192000])
def test_one_sample_is_enough(saved: Save, rate: int) -> None:
    assert len(read(saved(plain([10000], rate)))) in (1, 2)


@pytest.mark.parametrize("rate", [3999, 192001, 0])
def test_a_rate_wanted_beyond_the_bounds_is_refused(saved: Save, rate: int) -> None:
    with pytest.raises(ValueError, match="samples a second is possible"):
        read(saved(plain([1])), rate)


def refused(path: str | Path) -> str:
    """The one line that says what is wrong, and of which file."""
    with pytest.raises(WavError) as caught:
        read(path)
    text = str(caught.value)
    assert text.isprintable() and text.startswith(str(path)) and len(text) < 500
    return text


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"ID3\x04\x00 and so on", r"begins with b'ID3\x04\x00 and so'; convert it with: sox in.mp3 -r 8000 -c 1 out.wav"),
        (b"", "no WAV file: it is empty; convert it with: sox"),
        (b"RIFF\0\0\0\0AVI ", "no WAV file: it begins with b'RIFF"),
        (b"RIFX\0\0\0\0WAVE", "no WAV file: it begins with b'RIFX"),
        (b"RIFF\0\0\0\0WAVE", "ends before its samples"),
        (riff(chunk(b"fmt ", fmt())), "ends before its samples"),
        (riff(chunk(b"data", b"1234"), chunk(b"fmt ", fmt())), "its samples come before their format"),
        (riff(chunk(b"fmt ", fmt()[:14]), chunk(b"data", b"1234")), "its format is cut short"),
        (riff(chunk(b"fmt ", fmt()), chunk(b"data", b"")), "holds no samples"),
        (riff(chunk(b"fmt ", fmt()), chunk(b"data", b"1")), "holds no samples"),
        (riff(chunk(b"fmt ", fmt(3, bits=16)), chunk(b"data", bytes(8))), "has 16 bits a sample in frames of 2 octets; convert it with"),
        (riff(chunk(b"fmt ", fmt(0x11, bits=8)), chunk(b"data", bytes(8))), "holds IMA ADPCM, and only PCM, floating point and G.711 are"),
        (riff(chunk(b"fmt ", fmt(0x55)), chunk(b"data", bytes(8))), "holds MP3"),
        (riff(chunk(b"fmt ", fmt(0x1234)), chunk(b"data", bytes(8))), "holds format 0x1234"),
        (riff(chunk(b"fmt ", fmt(0x55, bits=32, extensible=True)), chunk(b"data", bytes(8))), "holds MP3"),
        (riff(chunk(b"fmt ", fmt(extensible=True)[:-1] + b"!"), chunk(b"data", bytes(8))), "holds format 0xfffe"),
        (riff(chunk(b"fmt ", fmt(extensible=True)[:30]), chunk(b"data", bytes(8))), "holds format 0xfffe"),
        (riff(chunk(b"fmt ", fmt(channels=0)), chunk(b"data", bytes(8))), "has 0 channels, not 1 to 8"),
        (riff(chunk(b"fmt ", fmt(channels=9)), chunk(b"data", bytes(18))), "has 9 channels, not 1 to 8"),
        (riff(chunk(b"fmt ", fmt(rate=3999)), chunk(b"data", bytes(8))), "has 3999 samples a second, not 4000 to 192000"),
        (riff(chunk(b"fmt ", fmt(rate=192001)), chunk(b"data", bytes(8))), "has 192001 samples a second"),
        (riff(chunk(b"fmt ", fmt(bits=0)), chunk(b"data", bytes(8))), "has 0 bits a sample in frames of 0 octets"),
        (riff(chunk(b"fmt ", fmt(bits=40)), chunk(b"data", bytes(8))), "has 40 bits a sample"),
        (riff(chunk(b"fmt ", fmt(7, bits=16)), chunk(b"data", bytes(8))), "has 16 bits a sample in frames of 2 octets"),
        (riff(chunk(b"fmt ", fmt(align=4)), chunk(b"data", bytes(8))), "has 16 bits a sample in frames of 4 octets"),
        (riff(*[chunk(b"junk", b"")] * 1001, chunk(b"fmt ", fmt()), chunk(b"data", bytes(8))), "no samples in its first 1000 chunks"),
        (riff(chunk(b"fmt ", fmt(bits=8)), chunk(b"data", bytes(600 * 8000 + 1))), "lasts 601 s, more than the 600 s"),
    ],
)  # fmt: skip
def test_what_is_refused_and_how_it_is_said(saved: Save, data: bytes, what: str) -> None:
    text = refused(saved(data))
    assert what in text and " sox " in text  # and a command that mends it


def test_ten_minutes_are_read(saved: Save) -> None:
    assert len(read(saved(riff(chunk(b"fmt ", fmt(bits=8)), chunk(b"data", bytes(600 * 8000)))))) == 600 * 8000


def test_a_file_too_big_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "big.wav"
    path.write_bytes(plain([1]))
    os.truncate(path, wav.MAX_OCTETS)
    assert list(read(path)) == [1]
    os.truncate(path, wav.MAX_OCTETS + 1)
    assert f"{wav.MAX_OCTETS + 1} octets, more than" in refused(path)


def test_no_file_a_directory_a_fifo_and_a_device(tmp_path: Path) -> None:
    assert "can't be read: no such file or directory" in refused(tmp_path / "none.wav")
    assert "not a regular file" in refused(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    assert "not a regular file" in refused(tmp_path / "fifo")
    assert "not a regular file" in refused("/dev/zero")


@pytest.mark.parametrize("name", ["a\0b.wav", "\ud800.wav"])
def test_names_that_no_file_can_have(name: str) -> None:
    with pytest.raises(WavError, match="no file can have this name") as caught:
        read(name)
    assert str(caught.value).isprintable()


def test_a_name_with_a_line_end_stays_one_line(tmp_path: Path) -> None:
    with pytest.raises(WavError) as caught:
        read(tmp_path / "a\nb.wav")
    assert str(caught.value).isprintable() and r"a\x0ab.wav: can't be read" in str(caught.value)


def test_no_descriptor_is_left_open(tmp_path: Path, saved: Save) -> None:
    before = len(os.listdir("/proc/self/fd"))
    refused(saved(b"x"))
    refused(tmp_path)
    read(saved(plain([1])))
    assert len(os.listdir("/proc/self/fd")) == before


GOOD = (
    plain([1, -2, 3, -4] * 20),
    plain([1, -2, 3, -4] * 20, 44100, 2),
    riff(
        chunk(b"LIST", b"abc"), chunk(b"fmt ", fmt(6, bits=8, extensible=True)), chunk(b"fact", bytes(4)), chunk(b"data", bytes(range(99)))
    ),
    riff(chunk(b"fmt ", fmt(bits=24, rate=191999, channels=3)), chunk(b"data", bytes(range(90)))),
)


def survives(data: bytes) -> None:
    """Samples, or a `WavError` of one line."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        file.write(data)
        file.flush()
        try:
            assert 0 < len(read(file.name)) <= 600 * 8000
        except WavError as error:
            assert str(error).isprintable() and str(error).startswith(file.name)


@pytest.mark.parametrize("good", GOOD)
def test_the_seeds_of_the_mutations_are_read(saved: Save, good: bytes) -> None:
    assert len(read(saved(good))) > 0


@given(data=st.binary(max_size=200))
def test_any_octets(data: bytes) -> None:
    survives(data)


@given(good=st.sampled_from(GOOD), edits=st.lists(st.tuples(st.integers(0, 79), st.integers(0, 255)), max_size=6), cut=st.integers(0, 400))
def test_good_files_spoiled(good: bytes, edits: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(good)
    for at, octet in edits:
        data[at] = octet
    survives(bytes(data[: cut or None]))


@given(
    tag=st.sampled_from([1, 6, 7, 0xFFFE, 3]), channels=st.integers(0, 10), rate=st.integers(3000, 200_000), bits=st.integers(0, 40),
    extensible=st.booleans(), data=st.binary(max_size=300),
)  # fmt: skip
def test_any_octets_in_any_format(tag: int, channels: int, rate: int, bits: int, extensible: bool, data: bytes) -> None:
    survives(riff(chunk(b"fmt ", fmt(tag, channels, rate, bits, extensible)), chunk(b"data", data)))
