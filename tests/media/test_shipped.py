"""The frames that are shipped: so many, so long, and what FFmpeg hears in them."""

import math
from array import array
from importlib.resources import files

import pytest

from emulator.media import g711, shipped
from emulator.media.codecs import CODECS, ILBC_MODES
from emulator.media.decoder import decoder
from emulator.media.tone import tone

# Codec, mode, packets, octets, seconds and units of the RTP clock of each (RFC 3551 4.5, 3952 3, 5574 3).
PACKETS = [
    ("PCMU", 30, 50, 160, 0.02, 160),
    ("PCMA", 30, 50, 160, 0.02, 160),
    ("G722", 30, 50, 160, 0.02, 160),
    ("G729", 30, 50, 20, 0.02, 160),
    ("iLBC", 20, 50, 38, 0.02, 160),
    ("iLBC", 30, 30, 50, 0.03, 240),
    ("speex", 30, 50, 70, 0.02, 320),
]
EACH = [packet[:2] for packet in PACKETS]
WHAT = ("tone", "silence")


def level(samples: "array[int]") -> float:
    """dBm0, of a sine of the same power."""
    return 10 * math.log10(max(1e-6, 2 * sum(x * x for x in samples) / len(samples)) / 32768**2) + 3.14


def share_at(hertz: float, samples: "array[int]", rate: int = 8000) -> float:
    """Of the energy, how much is at one frequency."""
    real = sum(x * math.cos(math.tau * hertz * k / rate) for k, x in enumerate(samples))
    imaginary = sum(x * math.sin(math.tau * hertz * k / rate) for k, x in enumerate(samples))
    return 2 * (real**2 + imaginary**2) / len(samples) / sum(x * x for x in samples)


def heard(codec: str, mode: int, what: str, rounds: int) -> "array[int]":
    if codec not in ("PCMU", "PCMA"):
        pytest.importorskip("av")
    made = decoder(codec, mode)
    assert made is not None
    samples = array("h")
    for payload in shipped.frames(codec, what, mode) * rounds:
        samples.extend(made.decode(payload))
    assert made.errors == 0
    return samples


def test_every_codec_of_the_trunk_has_them() -> None:
    assert {codec for codec, _ in EACH} == {codec.name for codec in CODECS}
    assert {mode for codec, mode in EACH if codec == "iLBC"} == set(ILBC_MODES)


@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize(("codec", "mode", "count", "octets", "seconds", "step"), PACKETS)
def test_packets_and_their_time(codec: str, mode: int, count: int, octets: int, seconds: float, step: int, what: str) -> None:
    frames = shipped.frames(codec, what, mode)
    assert len(frames) == count and {len(frame) for frame in frames} == {octets}
    assert shipped.packet_seconds(codec, mode) == seconds and shipped.timestamp_step(codec, mode) == step
    clock = next(known.clock for known in CODECS if known.name == codec)
    assert step == round(seconds * clock)
    assert frames is shipped.frames(codec, what, mode), "read once"


@pytest.mark.parametrize(("codec", "mode", "count", "octets", "seconds", "step"), PACKETS)
def test_a_loop_has_whole_periods(codec: str, mode: int, count: int, octets: int, seconds: float, step: int) -> None:
    periods = count * seconds * shipped.HERTZ
    assert periods == pytest.approx(round(periods))


@pytest.mark.parametrize("law", ["PCMU", "PCMA"])
def test_g711_is_made_here(law: str) -> None:
    assert b"".join(shipped.frames(law, "tone")) == g711.encode(law, tone([440], 1.0, level_dbm0=-10))
    assert set(b"".join(shipped.frames(law, "silence"))) == set(next(codec.silence for codec in CODECS if codec.name == law))


def test_the_last_bit_of_ilbc_is_zero() -> None:
    """One would mean an empty frame, which a decoder takes for a lost one (RFC 3951 3.8)."""
    for mode in ILBC_MODES:
        assert all(frame[-1] & 1 == 0 for what in WHAT for frame in shipped.frames("iLBC", what, mode))


def test_a_frame_of_speex_is_wideband_and_ends_in_padding() -> None:
    """364 bits of narrowband in submode 6 and 192 of wideband in submode 3, then a zero and ones up to the octet (RFC 5574 3.3)."""
    for frame in (frame for what in WHAT for frame in shipped.frames("speex", what)):
        bits = f"{int.from_bytes(frame):0560b}"
        assert bits[:5] == "00110" and bits[364:368] == "1011" and bits[556:] == "0111"


@pytest.mark.parametrize(
    ("codec", "what", "mode"),
    [("opus", "tone", 30), ("pcmu", "tone", 30), ("iLBC20", "tone", 30), ("PCMU", "music", 30), ("G722", "", 30), ("iLBC", "tone", 25)],
)
def test_what_there_is_not(codec: str, what: str, mode: int) -> None:
    with pytest.raises(KeyError):
        shipped.frames(codec, what, mode)


@pytest.mark.parametrize(("codec", "mode"), [("opus", 30), ("iLBC", 0)])
def test_what_has_no_time(codec: str, mode: int) -> None:
    with pytest.raises(KeyError):
        shipped.packet_seconds(codec, mode)
    with pytest.raises(KeyError):
        shipped.timestamp_step(codec, mode)


def test_they_are_small() -> None:
    sizes = [len(file.read_bytes()) for file in files("emulator.media").joinpath("frames").iterdir()]
    assert len(sizes) == 10 and sum(sizes) < 60_000


@pytest.mark.parametrize(("codec", "mode"), EACH)
def test_the_tone_is_heard_at_its_level(codec: str, mode: int) -> None:
    """In the first round, after the tenth of a second or two that a codec needs to start, and in every window of the second."""
    samples = heard(codec, mode, "tone", 2)
    start = 1600
    assert share_at(shipped.HERTZ, samples[-4000:]) > 0.97
    for at in range(start, len(samples) - 400, 400):
        assert level(samples[at : at + 400]) == pytest.approx(shipped.LEVEL_DBM0, abs=2), f"sample {at}"
    assert max(map(abs, samples)) < 9000, "nothing overshoots"


@pytest.mark.parametrize(("codec", "mode"), EACH)
def test_a_loop_has_no_seam(codec: str, mode: int) -> None:
    """Around where the second round begins the tone is as pure as elsewhere, and no sample jumps."""
    samples = heard(codec, mode, "tone", 2)
    seam = len(samples) // 2
    # 25 ms are eleven periods.
    shares = [share_at(shipped.HERTZ, samples[at : at + 200]) for at in range(seam - 1000, seam + 1000, 200)]
    assert min(shares) > 0.9
    steepest = math.tau * shipped.HERTZ / 8000 * 7211
    assert max(abs(b - a) for a, b in zip(samples[seam - 800 :], samples[seam - 799 : seam + 800], strict=False)) < 1.5 * steepest


@pytest.mark.parametrize(("codec", "mode"), EACH)
def test_silence_is_silent(codec: str, mode: int) -> None:
    samples = heard(codec, mode, "silence", 2)
    assert level(samples) < -60 and max(map(abs, samples)) < 100


@pytest.mark.parametrize(("codec", "mode"), EACH)
def test_silence_after_the_tone_is_silent_soon(codec: str, mode: int) -> None:
    if codec not in ("PCMU", "PCMA"):
        pytest.importorskip("av")
    made = decoder(codec, mode)
    assert made is not None
    samples = array("h")
    for what in WHAT:
        for payload in shipped.frames(codec, what, mode):
            samples.extend(made.decode(payload))
    assert level(samples[len(samples) // 2 + 2000 :]) < -50
