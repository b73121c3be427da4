"""Tones as samples: made, and DTMF found again (ITU-T Q.23, Q.24).

Levels are dBm0 of each tone, at G.711's scale: a sine whose peak is 32768 has +3.14 dBm0.
"""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from operator import mul

ROWS = (697, 770, 852, 941)
COLUMNS = (1209, 1336, 1477, 1633)
"""Hz (Q.23)."""

_KEYS = "123A456B789C*0#D"

DTMF_TONES: dict[str, tuple[int, int]] = dict(zip(_KEYS, product(ROWS, COLUMNS), strict=True))
"""The row and the column frequency of each of the sixteen digits, in Hz (Q.23)."""

PEAK_AT_0_DBM0 = 32768 * 10 ** (-3.14 / 20)
"""Of one sine; the digital milliwatt of G.711 table 5 is one."""
_FULL_SCALE = 32767

_FRAMES_PER_SECOND = 50
"""20 ms is what is looked at, of a longer frame its middle: a digit lasts 40 ms or more (Q.24 1), so one such frame is always full of it;
and over a longer one a tone that is 1.5 % off, as Q.24 allows, would fall between the bins."""

_LOWEST_DBM0 = -36.0
"""Of the weaker tone. Q.24's receivers work down to -25 dBm0 for the stronger one, and the weaker may be 8 dB below it."""
_TWIST = 10 ** (8 / 10)
"""How far the row may be above the column."""
_REVERSE_TWIST = 10 ** (4 / 10)
"""How far the column may be above the row; both are of Q.24 table A-1 (AT&T)."""
_DOMINANCE = 10 ** (8 / 10)
"""A tone above the others of its group; the neighbour of a clean one is 13 dB below it, the first lobe of a 20 ms window."""
_HARMONIC = 10 ** (-8 / 10)
"""How much of a tone may stand at twice its frequency. Speech has more; in a clean digit the lobe of the other tone comes near -9 dB."""
_SHARE = 0.85
"""Of the frame's energy in the two tones; also, how much of the frame a digit must fill. Frames of a voice come to 0.8."""
_OFF_SHARE = 0.5
"""What the filters show of that at least when both tones are 1.5 % off, which Q.24 allows: a column 24 Hz off loses more than half."""
_TUNING = 0.01
"""How far the filters are moved to find the rest; what is still off then costs less than a tenth."""


@dataclass(frozen=True, slots=True)
class _Filters:
    """For one sampling rate: how many samples a decision takes, Goertzel's coefficients, and the energies that decide."""

    length: int
    rows: tuple[float, float, float, float]
    columns: tuple[float, float, float, float]
    weakest: float
    """Energy of the filter of a tone at `_LOWEST_DBM0`."""


def tone(frequencies: Sequence[float], seconds: float, rate: int = 8000, level_dbm0: float = -10.0, start: int = 0) -> "array[int]":
    """The sum of sines, each at `level_dbm0`; `rate` in samples a second, clipped where it goes beyond 16 bits.

    `start` is the number of the first sample: a tone made in pieces, each with the start where the last one ended, has no seam.
    Raises `ValueError` for a frequency that the rate can't carry or a time below zero.
    """
    if seconds < 0:
        raise ValueError(f"a tone of {seconds} s")
    for frequency in frequencies:
        if not 0 < frequency < rate / 2:
            raise ValueError(f"{frequency} Hz is not between 0 and {rate / 2:g} Hz, half the rate")
    peak = PEAK_AT_0_DBM0 * 10 ** (level_dbm0 / 20)
    made = array("h")
    for number in range(start, start + round(seconds * rate)):
        value = sum(math.sin(math.tau * (frequency * number / rate % 1.0)) for frequency in frequencies)
        made.append(max(-_FULL_SCALE, min(_FULL_SCALE, round(peak * value))))
    return made


def digit_tone(digit: str, seconds: float, rate: int = 8000, level_dbm0: float = -10.0) -> "array[int]":
    """The two tones of one of the sixteen digits, each at `level_dbm0`. Raises `ValueError` for anything else."""
    frequencies = DTMF_TONES.get(digit.upper())
    if frequencies is None:
        raise ValueError(f"{digit!r} is no DTMF digit; those are {_KEYS}")
    return tone(frequencies, seconds, rate, level_dbm0)


def digit_in(samples: Sequence[int], rate: int = 8000) -> str | None:
    """The DTMF digit that fills a frame of 20 to 40 ms, or None. Of a longer frame the middle 20 ms count; a shorter one is None.

    It looks at one frame alone; whether the next one agrees, as 40 ms (Q.24) want, is the caller's. Raises `ValueError` for a `rate` below
    8000 samples a second, which can't carry the harmonics.
    """
    filters = _filters(rate)
    length = filters.length
    if len(samples) < length:
        return None
    first = (len(samples) - length) // 2
    frame = list(samples[first : first + length])
    # What the filter of a tone would show if all the energy of the frame were in that tone.
    whole = sum(map(mul, frame, frame)) * length / 2
    if whole < filters.weakest:
        return None
    row, at_row = _strongest(_energies(frame, filters.rows))
    if at_row < 0 or row < filters.weakest or row * (1 + _REVERSE_TWIST) < _OFF_SHARE * whole:
        return None  # most frames of speech end here, before the other half of the work
    column, at_column = _strongest(_energies(frame, filters.columns))
    if at_column < 0 or column < filters.weakest or row + column < _OFF_SHARE * whole:
        return None
    digit = _KEYS[4 * at_row + at_column]
    if not _fit(row, column, whole):
        row, column = (_tuned(frame, frequency, rate, energy) for frequency, energy in zip(DTMF_TONES[digit], (row, column), strict=True))
        if not _fit(row, column, whole):
            return None
    harmonics = (_energy(frame, 2 * frequency, rate) for frequency in DTMF_TONES[digit])
    if any(harmonic > energy * _HARMONIC for harmonic, energy in zip(harmonics, (row, column), strict=True)):
        return None
    return digit


@cache
def _filters(rate: int) -> _Filters:
    if rate < 8000:
        raise ValueError(f"DTMF is looked for at 8000 samples a second and above, not at {rate}")
    length = rate // _FRAMES_PER_SECOND
    peak = PEAK_AT_0_DBM0 * 10 ** (_LOWEST_DBM0 / 20)
    return _Filters(
        length,
        _coefficients(ROWS, rate),
        _coefficients(COLUMNS, rate),
        (peak * length / 2) ** 2,
    )


def _coefficients(group: tuple[int, int, int, int], rate: int) -> tuple[float, float, float, float]:
    a, b, c, d = (2 * math.cos(math.tau * frequency / rate) for frequency in group)
    return a, b, c, d


def _energies(frame: list[int], coefficients: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """Goertzel's filter at four frequencies: the squared magnitude of each. One loop for all four, because the loop is what costs."""
    a, b, c, d = coefficients
    a1 = a2 = b1 = b2 = c1 = c2 = d1 = d2 = 0.0
    for x in frame:
        a1, a2 = x + a * a1 - a2, a1
        b1, b2 = x + b * b1 - b2, b1
        c1, c2 = x + c * c1 - c2, c1
        d1, d2 = x + d * d1 - d2, d1
    return (
        a1 * a1 + a2 * a2 - a * a1 * a2,
        b1 * b1 + b2 * b2 - b * b1 * b2,
        c1 * c1 + c2 * c2 - c * c1 * c2,
        d1 * d1 + d2 * d2 - d * d1 * d2,
    )


def _energy(frame: list[int], frequency: float, rate: int) -> float:
    """The same at one frequency."""
    coefficient = 2 * math.cos(math.tau * frequency / rate)
    s1 = s2 = 0.0
    for x in frame:
        s1, s2 = x + coefficient * s1 - s2, s1
    return s1 * s1 + s2 * s2 - coefficient * s1 * s2


def _fit(row: float, column: float, whole: float) -> bool:
    """Whether two tones can be a digit: by their share of the frame and by how they stand to each other."""
    return row + column >= _SHARE * whole and row <= column * _TWIST and column <= row * _REVERSE_TWIST


def _tuned(frame: list[int], frequency: int, rate: int, energy: float) -> float:
    """`energy`, or what a tone that is somewhat off `frequency` has where it really is."""
    return max(energy, *(_energy(frame, frequency * factor, rate) for factor in (1 - _TUNING, 1 + _TUNING)))


def _strongest(energies: tuple[float, float, float, float]) -> tuple[float, int]:
    """The strongest of a group and its place; -1 for the place when it does not dominate the others."""
    best = max(energies)
    at = energies.index(best)
    return best, at if all(other * _DOMINANCE <= best for other in energies[:at] + energies[at + 1 :]) else -1
