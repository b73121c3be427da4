"""How a call would be rated, from its codec, loss and delay: the E-model of ITU-T G.107, reduced to what is known here.

    R = 93.2 - Id - Ie,eff        and MOS from R by G.107 annex B

93.2 is R with every parameter at its default (G.107 table 3), and holds Ro, the noise of circuit, room and set; Is, what goes with the
voice: loudness, sidetone, quantizing; and A, what a caller forgives for the sake of the access, 0. In Id the echo is at its defaults too
(TELR 65 dB, WEPL 110 dB: both ends cancel it well) and only the delay is given, as T, Ta and half of Tr. Jitter has no term: where the
receiver's buffer is too short for it, it is loss, elsewhere delay.
"""

import math
from dataclasses import dataclass

R_DEFAULT = 93.2

_RO = 94.77
"""Ro of G.107 7.2 with all defaults, and Roe of 7.4, which comes to the same."""
_TELR = 65.0
_WEPL = 110.0
"""dB."""


@dataclass(frozen=True, slots=True)
class _Impairment:
    """G.113's figures of a codec: `ie` is the R that it costs without loss, `bpl` the percentage of loss that costs half of what is left.

    `unconcealed` is the same where the receiver does nothing about a lost packet; the decoders of most codecs always do.
    """

    ie: float
    bpl: float
    unconcealed: float


_G711 = _Impairment(0.0, 25.1, 4.3)

_IMPAIRMENTS = {
    "PCMU": _G711,  # G.113 appendix I, with the concealment of G.711 appendix I
    "PCMA": _G711,
    "G729": _Impairment(11.0, 19.0, 19.0),  # G.113 appendix I, of G.729 annex A with VAD
    # Invented; no public table of the E-model was found that has them. iLBC and speex are taken for coders like G.729, iLBC for one that
    # bears more loss, because its frames don't depend on each other (RFC 3951 1); G.722 for G.711, because the narrowband model has no
    # scale for what it does better.
    "ILBC": _Impairment(11.0, 32.0, 32.0),
    "SPEEX": _Impairment(11.0, 19.0, 19.0),
    "G722": _G711,
}

INVENTED = frozenset({"ILBC", "SPEEX", "G722"})
"""Codecs whose figures are ours and not of G.113."""


def mos(codec: str, loss: float, delay_seconds: float = 0.0, burst: float = 1.0, *, concealed: bool = True) -> float:
    """The mean opinion score that G.107 expects, from 1 (bad) to 4.5; arguments and errors as of `r_factor`."""
    return mos_of(r_factor(codec, loss, delay_seconds, burst, concealed=concealed))


def r_factor(codec: str, loss: float, delay_seconds: float = 0.0, burst: float = 1.0, *, concealed: bool = True) -> float:
    """The rating R, from 0 to 93.2.

    `codec` is an encoding name of SDP in any case, `loss` the fraction of packets that were not played, `delay_seconds` that from mouth to
    ear. `burst` is G.107's BurstR: the mean length of a run of lost packets over what it would be if each were lost by chance; less than 1
    counts as 1. `concealed` says whether the receiver covers up for lost packets of G.711, as most do. G.107 vouches for losses up to 20 %
    and delays up to half a second; beyond them it is a formula and no more.
    Raises `ValueError` for a codec without figures, a loss that is not from 0 to 1, or a delay below 0 or without end.
    """
    impairment = _IMPAIRMENTS.get(codec.upper())
    if impairment is None:
        raise ValueError(f"the E-model has no figures for {codec}; it has for {', '.join(_IMPAIRMENTS)}")
    if not 0 <= loss <= 1:
        raise ValueError(f"a loss of {loss}; it is a fraction from 0 to 1")
    if not 0 <= delay_seconds < math.inf:
        raise ValueError(f"a delay of {delay_seconds} s")
    percent = 100 * loss
    bpl = impairment.bpl if concealed else impairment.unconcealed
    equipment = impairment.ie + (95 - impairment.ie) * percent / (percent / max(1.0, burst) + bpl)  # Ie,eff, G.107 7.5
    return max(0.0, R_DEFAULT - (_delay(1000 * delay_seconds) - _DELAY_AT_ZERO) - equipment)


def mos_of(r: float) -> float:
    """The mean opinion score of a rating (G.107 annex B)."""
    if r <= 0:
        return 1.0
    if r >= 100:
        return 4.5
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)  # the polynomial dips below 1 where R is less than 6.5


def _delay(t: float) -> float:
    """Id of G.107 7.4, for a delay in ms that is at once T, Ta and half of Tr: talker echo, listener echo, and the delay as such."""
    terv = _TELR - 40 * math.log10((1 + t / 10) / (1 + t / 150)) + 6 * math.exp(-0.3 * t * t)
    half = (_RO - 80 - 2.5 * (terv - 14)) / 2
    # Below 6 ms this is slightly negative, echo taken for welcome sidetone; no call is rated better for being late.
    talker = max(0.0, half + math.hypot(half, 10) - 1) * (1 - math.exp(-t))
    half = (_RO - 10.5 * (_WEPL + 7) * math.pow(2 * t + 1, -0.25)) / 2
    listener = half + math.hypot(half, 13)
    absolute = 0.0
    if t > 100:
        x = math.log2(t / 100)
        absolute = 25 * (math.pow(1 + x**6, 1 / 6) - 3 * math.pow(1 + (x / 3) ** 6, 1 / 6) + 2)
    return talker + listener + absolute


_DELAY_AT_ZERO = _delay(0.0)
"""What 93.2 holds already."""
