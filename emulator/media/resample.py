"""Samples at another rate: windowed sincs, in pure Python, for files that are read once."""

import math
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain
from operator import mul

if sys.version_info >= (3, 12):
    _dot = math.sumprod
else:

    def _dot(a: Iterable[float], b: Iterable[float]) -> float:
        total: float = sum(map(mul, a, b))
        return total


_KAISER = 5.65
"""Of Kaiser's window: what is stopped is 60 dB down."""
_LOBES = 16
_CUTOFF = 0.9
"""Half the length of the low-pass in samples of the lower rate, and the fraction of half that rate where it is 6 dB down: with this window
flat to 0.39 of the rate (3.1 kHz of 8) and closed from half of it."""
_FIRST_LOBES = 1.7
_FIRST_CUTOFF = 1.9
"""The same of a first pass to twice the rate or more: flat to 0.4 of the rate in the end, closed from 1.5 of it."""
_MAX_PHASES = 512
"""Two rates without a common divisor would want a filter for each sample of a second; the nearest of so many is 56 dB exact."""


def resampled(blocks: Iterable[Sequence[float]], source: int, target: int) -> "array[int]":
    """From `source` to `target` samples a second by windowed sincs, in two passes when the way is long: the first, which needs only keep
    clear of what the second will keep, is short, and the second has fewer samples to go over."""
    fewer = max(1, source // (2 * target))
    if fewer > 1:
        blocks = _filtered(blocks, fewer, 1, math.ceil(_FIRST_LOBES * source / target), _FIRST_CUTOFF * target / source)
    ratio = Fraction(source, fewer * target)
    scale = max(1.0, float(ratio))
    made = array("h")
    for block in _filtered(blocks, ratio.numerator, ratio.denominator, math.ceil(_LOBES * scale), _CUTOFF / scale):
        made.extend(max(-32768, min(32767, round(value))) for value in block)
    return made


def _filtered(blocks: Iterable[Sequence[float]], steps: int, parts: int, half: int, cutoff: float) -> Iterator[list[float]]:
    """A value at every `steps` / `parts` samples, each from `half` of them on either side; `cutoff` is a fraction of half their rate."""
    phases = min(parts, _MAX_PHASES)
    filters: dict[int, list[float]] = {}
    held = [0.0] * (half - 1)  # so that the first sample has neighbours
    begin = 1 - half  # the number of the sample held[0]
    number = 0
    for block in chain(blocks, ([0.0] * half,)):
        held.extend(map(float, block))
        made = []
        while True:
            at, part = divmod(number * steps, parts)
            first = at + 1 - half - begin
            if first + 2 * half > len(held):
                break
            phase = (part * phases + parts // 2) // parts
            taps = filters.get(phase)
            if taps is None:
                taps = filters[phase] = _taps(half, phase / phases, cutoff)
            made.append(_dot(taps, held[first : first + 2 * half]))
            number += 1
        used = min(first, len(held))
        del held[:used]
        begin += used
        yield made


def _taps(half: int, fraction: float, cutoff: float) -> list[float]:
    """The low-pass around a point `fraction` of a sample behind the one in its middle; a standing level passes unchanged."""
    taps = []
    for place in range(1 - half, half + 1):
        distance = place - fraction
        x = math.pi * cutoff * distance
        window = _bessel(_KAISER * math.sqrt(max(0.0, 1 - (distance / half) ** 2)))
        taps.append(window * (math.sin(x) / x if x else 1.0))
    total = sum(taps)
    return [tap / total for tap in taps]


def _bessel(x: float) -> float:
    """I0, the modified Bessel function of order zero, of which Kaiser's window is made; its series to 1e-9 for what is asked here."""
    total = term = 1.0
    for n in range(1, 20):
        term *= (x / (2 * n)) ** 2
        total += term
    return total
