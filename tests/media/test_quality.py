"""The E-model against points that are known, and its sense of direction."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.media.quality import INVENTED, R_DEFAULT, mos, mos_of, r_factor

CODECS = ("PCMU", "PCMA", "G729", "ILBC", "SPEEX", "G722")
some_codec = st.sampled_from(CODECS)
fraction = st.floats(0, 1)
delay = st.floats(0, 10)
burst = st.floats(1, 8)


@pytest.mark.parametrize(
    ("r", "score"),
    [(93.2, 4.41), (90, 4.34), (80, 4.024), (70, 3.60), (60, 3.10), (50, 2.58), (100, 4.5), (120, 4.5), (0, 1.0), (-5, 1.0), (6.5, 1.0)],
)
def test_mos_of_r(r: float, score: float) -> None:
    """G.107 annex B: its table B.1 and the ends of its curve."""
    assert mos_of(r) == pytest.approx(score, abs=0.005)


@given(st.floats(-50, 150), st.floats(-50, 150))
def test_a_better_rating_is_never_a_lower_score(one: float, other: float) -> None:
    assert 1 <= mos_of(min(one, other)) <= mos_of(max(one, other)) <= 4.5


@pytest.mark.parametrize(("codec", "r"), [("PCMU", 93.2), ("PCMA", 93.2), ("G729", 82.2)])
def test_without_loss_and_delay_only_the_codec_counts(codec: str, r: float) -> None:
    """G.113 appendix I: Ie."""
    assert r_factor(codec, 0) == pytest.approx(r)
    assert r_factor(codec.lower(), 0) == r_factor(codec, 0)


@pytest.mark.parametrize(
    ("codec", "loss", "burst", "concealed", "impairment"),
    [
        ("PCMU", 0.01, 1, True, 95 * 1 / 26.1), ("PCMU", 0.01, 1, False, 95 * 1 / 5.3), ("PCMA", 0.043, 1, False, 95 / 2),
        ("PCMA", 0.251, 1, True, 95 / 2), ("G729", 0.19, 1, True, 11 + 84 / 2), ("G729", 0.02, 1, False, 11 + 84 * 2 / 21),
        ("PCMU", 0.05, 2, True, 95 * 5 / (2.5 + 25.1)), ("PCMU", 0.05, 0.5, True, 95 * 5 / 30.1),
    ],
)  # fmt: skip
def test_loss(codec: str, loss: float, burst: float, concealed: bool, impairment: float) -> None:
    """Ie,eff = Ie + (95 - Ie) Ppl / (Ppl / BurstR + Bpl), by hand; where loss equals Bpl half is gone."""
    assert r_factor(codec, loss, burst=burst, concealed=concealed) == pytest.approx(R_DEFAULT - impairment)


@pytest.mark.parametrize("milliseconds", [0, 20, 50, 100, 150, 200, 250, 300])
def test_delay(milliseconds: float) -> None:
    """Against the two lines that Cole and Rosenbluth (2001) drew through G.107's curve: 0.024 a ms, and 0.11 more from 177.3 ms on."""
    lines = 0.024 * milliseconds + 0.11 * max(0, milliseconds - 177.3)
    assert r_factor("PCMU", 0, milliseconds / 1000) == pytest.approx(R_DEFAULT - lines, abs=0.3)


def test_delay_without_echo_by_hand() -> None:
    """G.107 7.4 at 400 ms, where X is 2: each of the three terms worked out beside the program."""
    absolute = 25 * ((1 + 2**6) ** (1 / 6) - 3 * (1 + (2 / 3) ** 6) ** (1 / 6) + 2)
    terv = 65 - 40 * math.log10(41 / (1 + 400 / 150))
    apart = 94.77 - (80 + 2.5 * (terv - 14))
    talker = apart / 2 + math.sqrt(apart**2 / 4 + 100) - 1
    apart = 94.77 - 10.5 * 117 * 801**-0.25
    listener = apart / 2 + math.sqrt(apart**2 / 4 + 169)
    assert r_factor("PCMU", 0, 0.4) == pytest.approx(R_DEFAULT + 0.149 - absolute - talker - listener, abs=0.001)


@given(codec=some_codec, losses=st.tuples(fraction, fraction), delay=delay, burst=burst, concealed=st.booleans())
def test_more_loss_is_never_better(codec: str, losses: tuple[float, float], delay: float, burst: float, concealed: bool) -> None:
    less, more = sorted(losses)
    assert mos(codec, less, delay, burst, concealed=concealed) >= mos(codec, more, delay, burst, concealed=concealed)
    if more - less > 1e-3:
        better = r_factor(codec, less, 0, burst, concealed=concealed)
        assert better > r_factor(codec, more, 0, burst, concealed=concealed) or better == 0


@given(codec=some_codec, loss=fraction, delays=st.tuples(delay, delay), burst=burst)
def test_more_delay_is_never_better(codec: str, loss: float, delays: tuple[float, float], burst: float) -> None:
    """To a billionth: the roots of the delay term are no more exact than that."""
    soon, late = sorted(delays)
    assert r_factor(codec, loss, soon, burst) >= r_factor(codec, loss, late, burst) - 1e-9


@given(st.floats(0, 0.02), st.floats(0, 0.02))
def test_no_call_is_rated_better_for_being_a_little_late(one: float, other: float) -> None:
    soon, late = sorted((one, other))
    assert R_DEFAULT >= r_factor("PCMU", 0, soon) >= r_factor("PCMU", 0, late)


@given(codec=some_codec, loss=fraction, bursts=st.tuples(burst, burst))
def test_burstier_loss_is_never_better(codec: str, loss: float, bursts: tuple[float, float]) -> None:
    assert r_factor(codec, loss, burst=min(bursts)) >= r_factor(codec, loss, burst=max(bursts))


@given(codec=some_codec, loss=fraction)
def test_concealment_never_harms(codec: str, loss: float) -> None:
    assert r_factor(codec, loss) >= r_factor(codec, loss, concealed=False)


@given(codec=some_codec, loss=fraction, delay=delay, burst=st.floats(0, 100))
def test_every_call_has_a_rating(codec: str, loss: float, delay: float, burst: float) -> None:
    assert 0 <= r_factor(codec, loss, delay, burst) <= R_DEFAULT
    assert 1 <= mos(codec, loss, delay, burst) <= 4.41


def test_a_good_a_fair_and_a_bad_call() -> None:
    assert mos("PCMU", 0.0) == pytest.approx(4.41, abs=0.005)
    assert 3.5 < mos("PCMU", 0.05, 0.15) < 4.0
    assert mos("PCMU", 0.3, 0.5) < 1.5


def test_which_figures_are_ours() -> None:
    assert {codec for codec in CODECS if codec in INVENTED} == {"ILBC", "SPEEX", "G722"}


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("OPUS", 0), "no figures for OPUS; it has for PCMU, PCMA, G729"),
        (("PCMU", -0.01), "a loss of -0.01; it is a fraction from 0 to 1"),
        (("PCMU", 1.01), "a loss of 1.01"),
        (("PCMU", math.nan), "a loss of nan"),
        (("PCMU", 0, -1), "a delay of -1 s"),
        (("PCMU", 0, math.inf), "a delay of inf s"),
        (("PCMU", 0, math.nan), "a delay of nan s"),
    ],
)
def test_what_no_call_has_is_refused(arguments: tuple[str, float], what: str) -> None:
    with pytest.raises(ValueError) as caught:
        mos(*arguments)
    assert what in str(caught.value)
