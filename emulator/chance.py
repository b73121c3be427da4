"""What goes wrong by chance: repeatable decisions, apart from `Ids` so that a fault hits the same packets whatever else draws there."""

import math

from emulator.ids import Ids

_STEP = 2.0**-53
"""Between one fraction and the next: as many bits as a float's mantissa holds."""


class Chance:
    """A source of random decisions. Those made in the same order from `Ids` of the same seed decide the same."""

    def __init__(self, ids: Ids) -> None:
        """Takes eight octets from `ids` now and nothing later, so what others draw in between changes nothing here."""
        self._ids = Ids(int.from_bytes(ids.take(8), "big"))

    def fork(self) -> "Chance":
        """Another source, for a second fault: what it decides does not depend on how often this one is asked afterwards."""
        return Chance(self._ids)

    def fraction(self) -> float:
        """Evenly from 0 up to, but not including, 1."""
        return (int.from_bytes(self._ids.take(8), "big") >> 11) * _STEP

    def happens(self, probability: float) -> bool:
        """Never with 0, always with 1. Draws once in either case, so that another probability does not shift later decisions."""
        return self.fraction() < probability

    def uniform(self, low: float, high: float) -> float:
        """Evenly between `low` and `high`."""
        return low + (high - low) * self.fraction()

    def normal(self, mean: float, deviation: float) -> float:
        """From the bell curve (Box and Muller's method); 1 - fraction is never 0, so the logarithm exists."""
        radius = math.sqrt(-2.0 * math.log(1.0 - self.fraction()))
        return mean + deviation * radius * math.cos(2.0 * math.pi * self.fraction())

    def number(self, below: int) -> int:
        """A whole number from 0 to `below` - 1; `below` at most 2**32."""
        return self._ids.number(below)
