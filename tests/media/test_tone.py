"""Tones as Q.23 and G.711 define them, and a detector that hears every digit and nothing else."""

import math
import random
from array import array
from collections.abc import Sequence
from itertools import pairwise

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.media import g711
from emulator.media.tone import DTMF_TONES, PEAK_AT_0_DBM0, digit_in, digit_tone, tone

FRAME = 160
"""Samples in 20 ms."""


def level(samples: Sequence[int]) -> float:
    """dBm0, from the mean power."""
    return 10 * math.log10(sum(x * x for x in samples) / len(samples) / (PEAK_AT_0_DBM0**2 / 2))


def through(law: str, samples: "array[int]") -> "array[int]":
    return g711.decode(law, g711.encode(law, samples))


def heard(samples: "array[int]", hop: int = FRAME) -> set[str | None]:
    """What is found in every frame that lies wholly in `samples`."""
    return {digit_in(samples[at : at + FRAME]) for at in range(0, len(samples) - FRAME + 1, hop)}


def mixed(*tones: tuple[float, float, float]) -> "array[int]":
    """A frame of sines, each of a frequency in Hz, a level in dBm0 and a phase in radians."""
    return array(
        "h",
        (
            round(sum(PEAK_AT_0_DBM0 * 10 ** (db / 20) * math.sin(math.tau * hz * n / 8000 + phase) for hz, db, phase in tones))
            for n in range(FRAME)
        ),
    )


def test_the_sixteen_digits() -> None:
    """Q.23's matrix, row by row."""
    assert "".join(DTMF_TONES) == "123A456B789C*0#D"
    assert [DTMF_TONES[digit] for digit in "1A5#D"] == [(697, 1209), (697, 1633), (770, 1336), (941, 1477), (941, 1633)]


@pytest.mark.parametrize("db", [-40, -25, -10, -3.5, 3])
def test_a_tone_has_the_level_it_was_asked_for(db: float) -> None:
    assert level(tone([1000], 1, level_dbm0=db)) == pytest.approx(db, abs=0.02)


def test_the_level_is_that_of_the_digital_milliwatt() -> None:
    """G.711 table 5: these eight A-law octets are a sine at 0 dBm0."""
    assert level(g711.decode("PCMA", bytes.fromhex("34212134B4A1A1B4"))) == pytest.approx(level(tone([1000], 0.1, level_dbm0=0)), abs=0.05)


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_each_tone_stands_at_its_frequency_and_nothing_between(rate: int) -> None:
    samples = numpy.array(tone([350, 440], 1, rate, -13), dtype=float)
    spectrum = numpy.abs(numpy.fft.rfft(samples)) * 2 / rate
    peak = PEAK_AT_0_DBM0 * 10 ** (-13 / 20)
    assert spectrum[[350, 440]] == pytest.approx([peak, peak], rel=1e-3)
    spectrum[[350, 440]] = 0
    assert spectrum.max() < 1


def test_a_tone_made_in_pieces_has_no_seam() -> None:
    whole = tone([425.5, 1004], 0.1)
    pieces = array("h")
    while len(pieces) < 800:
        pieces += tone([425.5, 1004], 0.02, start=len(pieces))
    assert pieces == whole and len(whole) == 800


def test_what_is_too_loud_is_clipped_and_not_wrapped() -> None:
    samples = tone([697, 1209], 0.1, level_dbm0=3)
    assert (min(samples), max(samples)) == (-32767, 32767)
    steps = [abs(a - b) for a, b in pairwise(samples)]
    assert max(steps) < 2 * 32768 * math.tau * (697 + 1209) / 2 / 8000


def test_no_frequency_and_no_time() -> None:
    assert tone([], 0.02) == array("h", bytes(320)) and tone([440], 0) == array("h")


@pytest.mark.parametrize("frequency", [0, -1, 4000, 9000])
def test_a_frequency_beyond_the_rate_is_refused(frequency: float) -> None:
    with pytest.raises(ValueError, match="half the rate"):
        tone([440, frequency], 1)


def test_a_time_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="-1 s"):
        tone([440], -1)


@pytest.mark.parametrize("digit", ["", "12", "E", " "])
def test_what_is_no_digit_is_refused(digit: str) -> None:
    with pytest.raises(ValueError, match="no DTMF digit"):
        digit_tone(digit, 0.1)


@pytest.mark.parametrize("law", ["PCMU", "PCMA"])
@pytest.mark.parametrize("digit", DTMF_TONES)
def test_every_digit_is_heard_in_every_frame_at_every_level(digit: str, law: str) -> None:
    for db in (-25, -21, -17, -13, -10, -7, -4):
        assert heard(through(law, digit_tone(digit.lower(), 0.1, level_dbm0=db)), 71) == {digit}


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 48000])
@pytest.mark.parametrize("seconds", [0.02, 0.03, 0.04])
def test_frames_of_other_lengths_and_rates(seconds: float, rate: int) -> None:
    for digit in DTMF_TONES:
        assert digit_in(digit_tone(digit, seconds, rate), rate) == digit
        assert digit_in(list(digit_tone(digit, seconds, rate)), rate) == digit


@pytest.mark.parametrize("db", [-3.5, -10, -25])
@pytest.mark.parametrize("twist", [-3.0, 0.0, 7.0])
@given(digit=st.sampled_from(sorted(DTMF_TONES)), phases=st.tuples(st.floats(0, 6.28), st.floats(0, 6.28)), off=st.floats(-0.015, 0.015))
def test_twist_and_frequencies_that_q24_allows(db: float, twist: float, digit: str, phases: tuple[float, float], off: float) -> None:
    """`twist` is how many dB the row is above the column; frequencies are off by up to 1.5 %."""
    row, column = DTMF_TONES[digit]
    weaker = db - abs(twist)
    levels = (db, weaker) if twist > 0 else (weaker, db)
    frame = mixed((row * (1 + off), levels[0], phases[0]), (column * (1 - off), levels[1], phases[1]))
    assert digit_in(through("PCMU", frame)) == digit


@pytest.mark.parametrize("twist", [-5.5, 10.0])
@given(digit=st.sampled_from(sorted(DTMF_TONES)), phases=st.tuples(st.floats(0, 6.28), st.floats(0, 6.28)))
def test_more_twist_is_refused(twist: float, digit: str, phases: tuple[float, float]) -> None:
    row, column = DTMF_TONES[digit]
    assert digit_in(mixed((row, -14 + twist, phases[0]), (column, -14, phases[1]))) is None


@pytest.mark.parametrize("off", [-0.035, 0.035])
@given(digit=st.sampled_from(sorted(DTMF_TONES)), phases=st.tuples(st.floats(0, 6.28), st.floats(0, 6.28)))
def test_tones_off_by_more_than_q24_allows_are_refused(off: float, digit: str, phases: tuple[float, float]) -> None:
    row, column = DTMF_TONES[digit]
    assert digit_in(mixed((row * (1 + off), -10, phases[0]), (column * (1 + off), -10, phases[1]))) is None


@pytest.mark.parametrize("snr", [15, 10])
def test_digits_in_noise(snr: float) -> None:
    """Q.24's receivers work at 15 dB."""
    chance = random.Random(24)
    for digit in DTMF_TONES:
        clean = digit_tone(digit, 0.1)
        deviation = math.sqrt(sum(x * x for x in clean) / len(clean)) * 10 ** (-snr / 20)
        assert heard(array("h", (round(x + chance.gauss(0, deviation)) for x in clean)), 53) == {digit}


@pytest.mark.parametrize(
    "frequencies",
    [
        (425,), (440,), (1004,), (440, 480), (350, 440), (480, 620), (400, 450), (950,), (1400,), (1800,), (1100,), (2100,), (697,), (941,),
        (1209,), (1633,), (697, 770), (1209, 1336), (852, 1004), (1004, 1209), (697, 1209, 1477), (697, 852, 1336), (440, 697, 1209),
    ],
)  # fmt: skip
def test_other_tones_are_no_digits(frequencies: tuple[float, ...]) -> None:
    """Ring-back, dial and busy tones, the three of a special information tone, fax, test tones, and halves and mixtures of digits."""
    for db in (-25, -16, -10, -4):
        for law in ("PCMU", "PCMA"):
            assert heard(through(law, tone(frequencies, 0.2, level_dbm0=db)), 31) == {None}


@pytest.mark.parametrize("code", [b"\xff", b"\xd5", b"\x80", b"\x00"])
def test_silence_and_standing_levels_are_no_digits(code: bytes) -> None:
    assert digit_in(g711.decode("PCMU", code * FRAME)) is None
    assert digit_in(g711.decode("PCMA", code * FRAME)) is None


def test_a_digit_too_faint_is_none() -> None:
    assert digit_in(digit_tone("5", 0.02, level_dbm0=-35)) == "5"
    assert digit_in(digit_tone("5", 0.02, level_dbm0=-38)) is None


def test_a_digit_with_harmonics_is_a_voice() -> None:
    row, column = DTMF_TONES["1"]
    clean = ((row, -10.0, 0.0), (column, -10.0, 0.0))
    assert digit_in(mixed(*clean, (2 * row, -22, 1))) == "1"
    assert digit_in(mixed(*clean, (2 * row, -16, 1))) is None
    assert digit_in(mixed(*clean, (2 * column, -16, 1))) is None


@pytest.mark.parametrize("intruder", [852, 941, 1477, 1633])
def test_a_third_tone_of_the_eight_is_not_overheard(intruder: int) -> None:
    digit = ((697, -10.0, 0.0), (1209, -10.0, 0.0))
    assert digit_in(mixed(*digit, (intruder, -22, 1))) == "1"
    assert digit_in(mixed(*digit, (intruder, -16, 1))) is None


def test_of_a_longer_frame_the_middle_counts() -> None:
    silence, digit = array("h", bytes(FRAME)), digit_tone("8", 0.02)
    assert digit_in(silence + digit + silence) == "8"
    assert digit_in(digit + silence + silence) is None


def test_a_digit_must_fill_the_frame() -> None:
    digit = digit_tone("8", 0.04)
    for part, expected in ((80, None), (120, None), (140, "8"), (160, "8")):
        assert digit_in(array("h", bytes(2 * (FRAME - part))) + digit[:part]) == expected


def test_too_few_samples_are_none() -> None:
    assert digit_in(digit_tone("8", 0.02)[:159]) is None and digit_in([]) is None


def test_a_rate_that_cannot_carry_the_harmonics_is_refused() -> None:
    with pytest.raises(ValueError, match="8000"):
        digit_in([0] * 160, 4000)


def test_noise_is_no_digit() -> None:
    chance = random.Random(1)
    frames = ([round(chance.gauss(0, 4000)) for _ in range(FRAME)] for _ in range(3000))
    assert {digit_in(frame) for frame in frames} == {None}


def voice(seed: int, seconds: float) -> "array[int]":
    """Something with the traits of speech that fool a detector: a gliding pitch, or noise, through four sharp and shifting resonances."""
    chance = random.Random(seed)
    made: list[float] = []
    states = [[0.0, 0.0] for _ in range(4)]
    phase = 0.0
    while len(made) < seconds * 8000:
        length = chance.randrange(400, 1600)
        voiced = chance.random() < 0.75
        pitch, end = chance.uniform(80, 350), chance.uniform(80, 350)
        glide = (end - pitch) / length
        gain = 10 ** chance.uniform(-1.5, 0)
        formants = [chance.uniform(*span) for span in ((250, 900), (800, 2300), (1800, 3000), (2800, 3800))]
        radii = [math.exp(-math.pi * chance.uniform(30, 150) / 8000) for _ in formants]
        filters = [
            (2 * r * math.cos(math.tau * f / 8000), r * r, share, state)
            for r, f, share, state in zip(radii, formants, (1, 0.6, 0.3, 0.2), states, strict=True)
        ]
        for _ in range(length):
            pitch += glide
            phase += pitch / 8000
            pulse = phase >= 1
            phase -= pulse
            x = gain * pulse if voiced else gain * 0.2 * chance.gauss(0, 1)
            y = 0.0
            for a, b, share, state in filters:
                state[0], state[1] = x + a * state[0] - b * state[1], state[0]
                y += share * state[0]
            made.append(y)
    scale = 4000 / math.sqrt(sum(y * y for y in made) / len(made))
    return array("h", (max(-32767, min(32767, round(scale * y))) for y in made))


@pytest.mark.parametrize("seed", [4, 13, 21])
def test_a_voice_is_no_digit(seed: int) -> None:
    """Each of these seeds makes frames that pass for a digit when only 60 % of their energy must be in the tones, 13 even with 80 %."""
    assert heard(voice(seed, 20), 80) == {None}
