"""Decoders for recordings: what comes out of good payloads, of others, and where PyAV is not there."""

import math
import sys
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.media import g711, shipped
from emulator.media.decoder import _TAPS, Decoder, decoder

FFMPEG = [("G722", 30), ("G729", 30), ("iLBC", 20), ("iLBC", 30), ("speex", 30)]
EACH = [("PCMU", 30), ("PCMA", 30), *FFMPEG]


def made(codec: str, mode: int = 30) -> Decoder:
    if codec not in ("PCMU", "PCMA"):
        pytest.importorskip("av")
    found = decoder(codec, mode)
    assert found is not None
    return found


def strongest(samples: "array[int]") -> int:
    """The frequency in Hz, of every tenth up to 1,000, that has the most energy."""

    def energy(hertz: int) -> float:
        angle = math.tau * hertz / 8000
        real = sum(x * math.cos(angle * k) for k, x in enumerate(samples))
        imaginary = sum(x * math.sin(angle * k) for k, x in enumerate(samples))
        return real**2 + imaginary**2

    return max(range(100, 1000, 10), key=energy)


@pytest.mark.parametrize(("codec", "mode"), EACH)
def test_a_packet_gives_its_time_in_samples_and_the_tone(codec: str, mode: int) -> None:
    decode = made(codec, mode)
    samples = array("h")
    for payload in shipped.frames(codec, "tone", mode):
        decoded = decode.decode(payload)
        assert len(decoded) == round(shipped.packet_seconds(codec, mode) * 8000) and decoded.typecode == "h"
        samples.extend(decoded)
    assert strongest(samples[-1600:]) == 440 and decode.errors == 0


@pytest.mark.parametrize(("codec", "mode"), [each for each in EACH if each[0] != "speex"])
def test_a_payload_of_two_packets_is_twice_as_long(codec: str, mode: int) -> None:
    first, second = shipped.frames(codec, "tone", mode)[:2]
    one, two = made(codec, mode), made(codec, mode)
    assert one.decode(first) + one.decode(second) == two.decode(first + second)
    assert two.errors == 0


def test_half_a_packet_of_g729_is_one_frame() -> None:
    assert len(made("G729").decode(shipped.frames("G729", "tone")[0][:10])) == 80


@pytest.mark.parametrize(
    ("codec", "mode", "payload"),
    [
        ("G729", 30, bytes(2)),  # a SID frame of annex B alone, which is never agreed
        ("G729", 30, bytes(8)),  # annex D
        ("G729", 30, bytes(9)),
        ("iLBC", 20, bytes(37)),
        ("iLBC", 30, bytes(38)),  # a frame of the other mode
        ("speex", 30, b"\xff" * 70),  # begins with what can only be the end
        ("speex", 30, bytes(160)),  # 256 frames of five bits
    ],
)
def test_garbage_is_silence_as_long_as_a_packet(codec: str, mode: int, payload: bytes) -> None:
    decode = made(codec, mode)
    samples = decode.decode(payload)
    assert samples == array("h", bytes(2 * round(shipped.packet_seconds(codec, mode) * 8000)))
    assert decode.errors == 1


@pytest.mark.parametrize(("codec", "mode"), [("G729", 30), ("iLBC", 20), ("iLBC", 30)])
def test_what_is_left_over_is_counted_and_the_rest_decoded(codec: str, mode: int) -> None:
    decode, other = made(codec, mode), made(codec, mode)
    payload = shipped.frames(codec, "tone", mode)[0]
    assert decode.decode(payload + b"\0\0") == other.decode(payload)
    assert (decode.errors, other.errors) == (1, 0)


@pytest.mark.parametrize(("codec", "mode"), EACH)
@pytest.mark.parametrize("other", [b"", b"\xff" * 70, b"\0", bytes(200)], ids=["empty", "ones", "short", "zeros"])
def test_what_follows_garbage_is_decoded(codec: str, mode: int, other: bytes) -> None:
    """An empty payload is to FFmpeg the end of the stream; it must not become the end of the recording."""
    decode = made(codec, mode)
    assert len(decode.decode(b"")) == 0
    decode.decode(other)
    samples = array("h")
    for payload in shipped.frames(codec, "tone", mode):
        samples.extend(decode.decode(payload))
    assert strongest(samples[-1600:]) == 440 and max(map(abs, samples[-1600:])) > 5000
    assert decode.errors <= 1


@settings(max_examples=150, deadline=None)
@given(
    codec=st.sampled_from(EACH),
    payloads=st.lists(st.one_of(st.binary(max_size=220), st.binary(max_size=1).map(lambda b: b * 160)), max_size=6),
)
def test_no_payload_raises(codec: tuple[str, int], payloads: list[bytes]) -> None:
    decode = made(*codec)
    for payload in payloads:
        before = decode.errors
        samples = decode.decode(payload)
        assert samples.typecode == "h" and decode.errors - before in (0, 1)
        assert len(samples) <= 80 * max(20, len(payload) // 10), "0.2 s or what the octets of G.729 last, whichever is more"
        assert bool(samples) == bool(payload)


def test_each_direction_has_its_own_state() -> None:
    one, two = made("G722"), made("G722")
    frames = shipped.frames("G722", "tone")
    for payload in frames:
        one.decode(payload)
    assert one.decode(frames[0]) != two.decode(frames[0])


def test_ilbc_does_not_begin_with_a_crack() -> None:
    for mode in (20, 30):
        assert max(map(abs, made("iLBC", mode).decode(shipped.frames("iLBC", "tone", mode)[3]))) < 9000


def test_g711_needs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    for law in ("PCMU", "PCMA"):
        decode = decoder(law)
        assert decode is not None and decode.decode(bytes(range(256))) == g711.decode(law, bytes(range(256)))
    assert [decoder(codec, mode) for codec, mode in FFMPEG] == [None] * len(FFMPEG)


def test_other_codecs_have_no_decoder() -> None:
    assert decoder("opus") is None and decoder("") is None and decoder("iLBC", 25) is None


def test_a_codec_that_ffmpeg_was_built_without_has_no_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    av = pytest.importorskip("av")

    class Without:
        @staticmethod
        def create(name: str, mode: str) -> None:
            raise av.codec.codec.UnknownCodecError(name)

    monkeypatch.setattr(av.codec, "CodecContext", Without)
    assert decoder("speex") is None


def test_the_half_band_filter_keeps_speech_and_stops_what_would_fold() -> None:
    def gain(hertz: float) -> float:
        """The response of a symmetrical filter at 16,000 samples a second, in dB."""
        value = 0.5 + sum(2 * tap * math.cos(math.tau * hertz / 16000 * (2 * k + 1)) for k, tap in enumerate(_TAPS))
        return 20 * math.log10(max(1e-9, abs(value)))

    assert all(abs(gain(hertz)) < 0.2 for hertz in range(0, 3000, 100))
    assert all(gain(hertz) < -38 for hertz in range(5000, 8001, 100))


def test_half_the_samples_are_the_same_wave_from_packet_to_packet() -> None:
    """Through G.722's own encoder: a sine in packets of 20 ms comes out as the sine at half the rate, whole across their edges."""
    av = pytest.importorskip("av")
    encoder = av.codec.CodecContext.create("g722", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 16000, "mono", "s16"
    decode, samples = made("G722"), array("h")
    for at in range(0, 16000, 320):
        frame = av.AudioFrame(format="s16", layout="mono", samples=320)
        frame.sample_rate = 16000
        frame.planes[0].update(array("h", (round(8000 * math.sin(math.tau * 1000 * k / 16000)) for k in range(at, at + 320))).tobytes())
        for packet in encoder.encode(frame):
            samples.extend(decode.decode(bytes(packet)))
    settled = samples[1600:]
    assert max(map(abs, settled)) == pytest.approx(8000, rel=0.1)
    # Eight samples are a period of 1,000 Hz: what is not the same a period later is no sine.
    assert max(abs(a - b) for a, b in zip(settled, settled[8:], strict=False)) < 800
