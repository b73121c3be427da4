"""Impairments that hold packets back, for a time or until others have passed, within the room that a call has for that."""

from typing import Annotated, Literal

from emulator.chance import Chance
from emulator.clock import Clock, Timer
from emulator.media.impair import Impairment, Packets, Probability, Range, Wait

MOST_HELD = 200
"""Packets of one call that wait at a time: four seconds of 20 ms packets."""
_LONGEST_WAIT = 1.0
"""Seconds after which a packet held for reordering goes out although too few came after it."""
_APART = 1e-6
"""Seconds between packets that jitter would have turned round; more than the rounding of a clock's sums."""


class Room:
    """How many packets may wait; shared by all that hold packets of one call."""

    def __init__(self, most: int = MOST_HELD) -> None:
        self.most = most
        self.taken = 0


class Holding(Impairment):
    """Packets that wait, each on its timer. Without room for one more the one that has waited longest goes out at once."""

    def __init__(self, inner: Packets, clock: Clock, chance: Chance) -> None:
        super().__init__(inner, clock, chance)
        self.room = Room()
        """A chain puts the one of the call here before the first packet."""
        self._held: dict[int, tuple[Timer, bytes]] = {}
        self.early = 0
        """Packets sent before their time for want of room."""
        self.refused = 0
        """Packets whose sending raised `OSError`: a timer has no caller to tell."""

    def _hold(self, packet: bytes | memoryview, seconds: float) -> float:
        """Keep a copy for `seconds`; returns when it is due."""
        self.hit += 1
        key = self.hit
        timer = self._clock.call_later(seconds, self._release, key)
        self._held[key] = (timer, bytes(packet))
        self.room.taken += 1
        if self.room.taken > self.room.most:
            self.early += 1
            self._release_oldest()
        return timer.due

    def _release_oldest(self) -> None:
        self._release(next(iter(self._held)))

    def _release(self, key: int) -> None:
        timer, packet = self._held.pop(key)
        timer.cancel()
        self.room.taken -= 1
        try:
            self._send(packet)
        except OSError:
            self.refused += 1

    def close(self) -> None:
        """Also drops what waits."""
        super().close()
        for timer, _ in self._held.values():
            timer.cancel()
        self.room.taken -= len(self._held)
        self._held.clear()

    def counters(self) -> dict[str, int]:
        return {**super().counters(), "early": self.early, "refused": self.refused}


class Delay(Holding):
    """Each packet comes `seconds` later."""

    def __init__(self, inner: Packets, clock: Clock, chance: Chance, seconds: Wait) -> None:
        super().__init__(inner, clock, chance)
        self._seconds = seconds

    def _impair(self, packet: bytes | memoryview) -> None:
        if self._seconds:
            self._hold(packet, self._seconds)
        else:
            self._send(packet)


class Jitter(Holding):
    """Each packet comes later by another time: `mean` seconds, with `deviation` seconds as the standard deviation of the bell curve
    (`normal`) or as the most to either side (`uniform`); never less than 0. Their order stays unless `reorder`."""

    def __init__(
        self,
        inner: Packets,
        clock: Clock,
        chance: Chance,
        mean: Wait,
        deviation: Wait,
        distribution: Literal["normal", "uniform"] = "normal",
        reorder: bool = False,
    ) -> None:
        super().__init__(inner, clock, chance)
        self._mean = mean
        self._deviation = deviation
        self._normal = distribution == "normal"
        self._reorder = reorder
        self._last = float("-inf")

    def _impair(self, packet: bytes | memoryview) -> None:
        delay = self._drawn()
        if self._held and not self._reorder:
            delay = max(delay, self._last + _APART - self._clock.seconds())
        elif delay <= 0.0:
            self._send(packet)
            return
        self._last = self._hold(packet, max(delay, 0.0))

    def _drawn(self) -> float:
        """Seconds; may be negative."""
        if self._normal:
            return self._chance.normal(self._mean, self._deviation)
        return self._chance.uniform(self._mean - self._deviation, self._mean + self._deviation)


class Reorder(Holding):
    """With `probability` a packet lets the next `by` packets pass, or waits a second if fewer come. One at a time, so that even with
    probability 1 the order is another: 2 1 4 3."""

    def __init__(
        self,
        inner: Packets,
        clock: Clock,
        chance: Chance,
        probability: Probability,
        by: Annotated[int, Range(1, 50, "packets")] = 1,
    ) -> None:
        super().__init__(inner, clock, chance)
        self._probability = probability
        self._by = by
        self._left = 0

    def _impair(self, packet: bytes | memoryview) -> None:
        if not self._held:
            if self._chance.happens(self._probability):
                self._left = self._by
                self._hold(packet, _LONGEST_WAIT)
            else:
                self._send(packet)
            return
        self._left -= 1
        try:
            self._send(packet)
        finally:
            if not self._left and self._held:  # whoever was sent to may have closed us
                self._release_oldest()
