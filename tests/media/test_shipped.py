"""The frames that the far end plays, and their decoding."""

import math
from array import array
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.media import shipped
from emulator.media.decoder import Decoder, decoder

CODECS = [("PCMU", 30), ("PCMA", 30), ("G722", 30), ("G729", 30), ("iLBC", 20), ("iLBC", 30), ("speex", 30)]


def decoded(codec: str, mode: int, what: str, rounds: int = 1) -> "array[int]":
    made: Decoder | None = decoder(codec, mode)
    if made is None:
        pytest.skip("PyAV is needed")
    samples = array("h")
    for _ in range(rounds):
        for payload in shipped.frames(codec, what, mode):
            samples.extend(made.decode(payload))
    return samples


def at_tone(samples: "array[int]") -> float:
    """How much of the energy is at the tone, within 2 %."""
    energy = sum(x * x for x in samples)
    best = 0.0
    for hertz in range(shipped.HERTZ - 9, shipped.HERTZ + 10, 3):
        real = sum(x * math.cos(2 * math.pi * hertz * k / 8000) for k, x in enumerate(samples))
        imaginary = sum(x * math.sin(2 * math.pi * hertz * k / 8000) for k, x in enumerate(samples))
        best = max(best, 2 * (real * real + imaginary * imaginary) / len(samples) / energy)
    return best


@pytest.mark.parametrize(("codec", "mode"), CODECS)
def test_a_packet_lasts_what_it_says(codec: str, mode: int) -> None:
    samples = decoded(codec, mode, "tone")
    packets = len(shipped.frames(codec, "tone", mode))
    assert len(samples) == pytest.approx(packets * shipped.packet_seconds(codec, mode) * 8000, abs=80)
    assert shipped.timestamp_step(codec, mode) == {("iLBC", 30): 240, ("speex", 30): 320}.get((codec, mode), 160)


@pytest.mark.parametrize(("codec", "mode"), CODECS)
def test_the_tone_is_a_tone_at_its_level_and_silence_is_silent(codec: str, mode: int) -> None:
    rounds = 20 if codec == "iLBC" else 2
    samples = decoded(codec, mode, "tone", rounds)[-2400:]
    assert at_tone(samples) > (0.8 if codec == "iLBC" else 0.95)
    level = 20 * math.log10(math.sqrt(2 * sum(x * x for x in samples) / len(samples)) / 32768) + 3.14
    assert level == pytest.approx(shipped.LEVEL_DBM0, abs=6 if codec == "iLBC" else 1.5)  # iLBC's has been found, not made
    assert max(map(abs, decoded(codec, mode, "silence", rounds)[-800:])) < 100


@pytest.mark.parametrize(("codec", "mode"), CODECS)
def test_the_loop_has_no_seam(codec: str, mode: int) -> None:
    """Where the second round begins no sample jumps further than elsewhere."""
    rounds = 20 if codec == "iLBC" else 2
    samples = decoded(codec, mode, "tone", rounds)
    steps = [abs(b - a) for a, b in pairwise(samples)]
    middle = len(samples) // 2
    assert max(steps[middle - 200 : middle + 200]) <= 1.3 * max(steps[middle + 200 : middle + 1200])


def test_what_there_is_not() -> None:
    for codec, what in (("opus", "tone"), ("PCMU", "music")):
        with pytest.raises(KeyError):
            shipped.frames(codec, what)


@settings(max_examples=40)
@given(st.binary(max_size=200), st.sampled_from([codec for codec, _ in CODECS]))
def test_no_payload_breaks_a_decoder(payload: bytes, codec: str) -> None:
    made = decoder(codec)
    if made is not None:
        made.decode(payload)
        made.decode(payload)
