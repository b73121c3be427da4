"""G.711 against the Recommendation's own tables and sequences, written out here a second time."""

import math
import sys
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.media import g711
from emulator.media.codecs import PCMA, PCMU

LAWS = ("PCMU", "PCMA")
EVERY_CODE = bytes(range(256))
EVERY_SAMPLE = array("h", range(-32768, 32768))


def expanded(law: str, code: int) -> int:
    """What a code stands for: segment and step read from its bits, as G.711 2 explains them, scaled to 16 bits."""
    if law == "PCMA":
        code ^= 0x55
        sign, segment, step = code >> 7, code >> 4 & 7, code & 15
        thirteen_bits = 2 * step + 1 if segment == 0 else (2 * step + 33) * 2 ** (segment - 1)
        value = thirteen_bits * 8
    else:
        code ^= 0xFF
        sign, segment, step = 1 - (code >> 7), code >> 4 & 7, code & 15
        fourteen_bits = (2 * step + 33) * 2**segment - 33
        value = fourteen_bits * 4
    return value if sign else -value


def compressed(law: str, sample: int) -> int:
    """The bits of a sample by the steps of the ITU's reference software (G.191): shift the magnitude until the segment is found."""
    magnitude = ~sample if sample < 0 else sample
    if law == "PCMA":
        left, exponent = magnitude >> 4, 0
        if left > 15:
            exponent = 1
            while left > 31:
                left >>= 1
                exponent += 1
            left -= 16
        code = left + 16 * exponent
        return (code | 0x80 if sample >= 0 else code) ^ 0x55
    biased = min((magnitude >> 2) + 33, 0x1FFF)
    segment = biased.bit_length() - 6
    code = (7 - segment) << 4 | 15 - (biased >> segment + 1 & 15)
    return code | 0x80 if sample >= 0 else code


@pytest.mark.parametrize("law", LAWS)
def test_every_code_is_what_the_definition_says(law: str) -> None:
    assert list(g711.decode(law, EVERY_CODE)) == [expanded(law, code) for code in range(256)]


@pytest.mark.parametrize("law", LAWS)
def test_every_sample_is_what_the_reference_makes_of_it(law: str) -> None:
    assert g711.encode(law, EVERY_SAMPLE) == bytes(compressed(law, sample) for sample in EVERY_SAMPLE)


@pytest.mark.parametrize(
    ("law", "code", "sample"),
    [
        ("PCMU", 0x00, -32124), ("PCMU", 0x80, 32124), ("PCMU", 0xFE, 8), ("PCMU", 0x7E, -8), ("PCMU", 0xEF, 132),
        ("PCMA", 0xAA, 32256), ("PCMA", 0x2A, -32256), ("PCMA", 0xD5, 8), ("PCMA", 0x55, -8), ("PCMA", 0xC5, 264),
    ],
)  # fmt: skip
def test_ends_and_first_steps(law: str, code: int, sample: int) -> None:
    """The virtual decision value and the first steps of G.711's tables 1a to 2b."""
    assert g711.decode(law, bytes((code,)))[0] == sample


@pytest.mark.parametrize("law", LAWS)
def test_codes_round_trip_but_for_the_negative_zero(law: str) -> None:
    again = g711.encode(law, g711.decode(law, EVERY_CODE))
    changed = {code: again[code] for code in range(256) if again[code] != code}
    assert changed == ({0x7F: 0xFF} if law == "PCMU" else {})


def test_silence_is_the_octet_of_the_codecs() -> None:
    zeros = array("h", bytes(320))
    assert g711.encode("PCMU", zeros) == 160 * PCMU.silence == 160 * b"\xff"
    assert g711.encode("PCMA", zeros) == 160 * PCMA.silence == 160 * b"\xd5"
    assert set(g711.decode("PCMU", 160 * PCMU.silence)) == {0} and set(g711.decode("PCMA", 160 * PCMA.silence)) == {8}


@pytest.mark.parametrize(
    ("law", "sequence"),
    [("PCMA", "34 21 21 34 B4 A1 A1 B4"), ("PCMU", "1E 0B 0B 1E 9E 8B 8B 9E")],
)
def test_the_digital_milliwatt_is_a_sine_at_0_dbm0(law: str, sequence: str) -> None:
    """G.711 tables 5 and 6: 1 kHz at a nominal level of 0 dBm0; a sine that fills the scale has 3.14 (A) or 3.17 dBm0 (µ)."""
    samples = g711.decode(law, bytes.fromhex(sequence))
    power = sum(sample * sample for sample in samples) / 8
    assert 10 * math.log10(power / (32768**2 / 2)) + 3.14 == pytest.approx(0, abs=0.1)
    assert list(samples[:4]) == [-sample for sample in samples[4:]]
    assert samples[0] < 0 and samples[0] == samples[3] > samples[1] == samples[2]


@pytest.mark.parametrize("law", LAWS)
def test_what_comes_back_is_near_and_in_order(law: str) -> None:
    """Half a step off at most, a step being 1/16 of the magnitude or the smallest one; µ-law has nothing beyond 32124."""
    again = g711.decode(law, g711.encode(law, EVERY_SAMPLE))
    assert list(again) == sorted(again)
    for sample, value in zip(EVERY_SAMPLE, again, strict=True):
        clipped = max(-32636, min(32636, sample)) if law == "PCMU" else sample
        assert abs(clipped - value) <= max(8, (abs(clipped) + 132) / 32) + 1


@pytest.mark.parametrize("law", LAWS)
@given(data=st.binary(max_size=400))
def test_any_octets_of_any_length(law: str, data: bytes) -> None:
    samples = g711.decode(law, memoryview(data))
    assert len(samples) == len(data) and samples.typecode == "h"
    assert g711.decode(law, g711.encode(law, samples)) == samples


@pytest.mark.parametrize("name", ["pcmu", "G729", ""])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"no codec of G\.711"):
        g711.decode(name, b"\0")
    with pytest.raises(ValueError, match=r"no codec of G\.711"):
        g711.encode(name, array("h"))


def test_the_octets_are_swapped_on_a_big_endian_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretending to be one must swap an even number of times in all: building the tables, then decoding by them."""
    expected = g711.decode("PCMA", EVERY_CODE)
    g711._tables.cache_clear()
    monkeypatch.setattr(sys, "byteorder", "big")
    try:
        assert g711.decode("PCMA", EVERY_CODE) == expected
    finally:
        g711._tables.cache_clear()
