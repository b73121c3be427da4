"""Impairments that lose packets: by chance, in bursts, by a pattern, or all of them."""

from typing import Annotated

from emulator.chance import Chance
from emulator.clock import Clock
from emulator.media.impair import Impairment, Moment, Packets, Pattern, Probability, Range


class _Losing(Impairment):
    @property
    def lost(self) -> int:
        return self.hit

    def _impair(self, packet: bytes | memoryview) -> None:
        if self._loses():
            self.hit += 1
        else:
            self._send(packet)

    def _loses(self) -> bool:
        raise NotImplementedError


class Loss(_Losing):
    """Each packet is lost with `probability`, whatever happened to those before it."""

    def __init__(self, inner: Packets, clock: Clock, chance: Chance, probability: Probability) -> None:
        super().__init__(inner, clock, chance)
        self._probability = probability

    def _loses(self) -> bool:
        return self._chance.happens(self._probability)


class Burst(_Losing):
    """Losses in a row (Gilbert's model): one begins with `probability` at each packet and is `length` packets long on average."""

    def __init__(
        self,
        inner: Packets,
        clock: Clock,
        chance: Chance,
        probability: Probability,
        length: Annotated[float, Range(1, 10_000, "packets")],
    ) -> None:
        super().__init__(inner, clock, chance)
        self._begins = probability
        self._goes_on = 1.0 - 1.0 / length
        self._losing = False

    def _loses(self) -> bool:
        self._losing = self._chance.happens(self._goes_on if self._losing else self._begins)
        return self._losing


class LosePattern(_Losing):
    """`pattern` over and over: `x` is lost, `.` is not."""

    def __init__(
        self, inner: Packets, clock: Clock, chance: Chance, pattern: Annotated[str, Pattern("[.x]{1,1000}", "dots and x's such as '..x.x'")]
    ) -> None:
        super().__init__(inner, clock, chance)
        self._pattern = pattern

    def _loses(self) -> bool:
        return self._pattern[(self.seen - 1) % len(self._pattern)] == "x"


class OneWay(_Losing):
    """Everything is lost."""

    def _loses(self) -> bool:
        return True


class LateStart(_Losing):
    """Everything is lost in the first `seconds` after this was made."""

    def __init__(self, inner: Packets, clock: Clock, chance: Chance, seconds: Moment) -> None:
        super().__init__(inner, clock, chance)
        self._until = clock.seconds() + seconds

    def _loses(self) -> bool:
        return self._clock.seconds() < self._until


class EarlyStop(_Losing):
    """Everything is lost from `seconds` after this was made."""

    def __init__(self, inner: Packets, clock: Clock, chance: Chance, seconds: Moment) -> None:
        super().__init__(inner, clock, chance)
        self._from = clock.seconds() + seconds

    def _loses(self) -> bool:
        return self._clock.seconds() >= self._from
