"""How often something may be told that anybody can bring about: a flood of it must fill neither the log nor the list of events."""


class Pace:
    """`burst` at once, and `per_second` from then on."""

    __slots__ = ("_at", "_burst", "_left", "_per_second")

    def __init__(self, burst: float, per_second: float, now: float) -> None:
        """`now` is in seconds on the monotonic clock, here and below."""
        self._burst = self._left = burst
        self._per_second = per_second
        self._at = now

    def allows(self, now: float) -> bool:
        """Whether one more may be told; if so it counts."""
        self._left = min(self._left + (now - self._at) * self._per_second, self._burst)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
