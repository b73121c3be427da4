"""When a fault strikes what meets its conditions: counts, chance and windows of time."""

from emulator.chance import Chance
from emulator.clock import Clock
from emulator.counting import counted
from emulator.scenario.spec import FaultSpec

_CALLS_COUNTED = 10000


class Schedule:
    """Which of those that match are struck: by count, by chance, and at which times.

    The window opens `from` seconds after this was made; what matches before or after it is not counted.
    """

    def __init__(self, spec: FaultSpec, clock: Clock, chance: Chance) -> None:
        self._clock = clock
        self._chance = chance
        self._nth = frozenset(spec.nth)
        self._first = spec.first
        self._after = spec.after
        self._every = spec.every
        self._times = spec.times
        self._probability = spec.probability
        self._per_call = spec.per is not None
        self._flapping = spec.flapping
        self.opens = clock.seconds() + spec.from_
        self.closes = self.opens + spec.for_ if spec.for_ is not None else float("inf")
        self._counts: dict[str, list[int]] = {}  # matched and struck, by call; the empty Call-ID has all of them

    @property
    def open(self) -> bool:
        """Whether now is a time at which it strikes."""
        return self.why_not() is None

    def why_not(self) -> str | None:
        """Why it does not strike now whatever comes; None when it does."""
        now = self._clock.seconds()
        if now < self.opens:
            return f"it begins in {self.opens - now:.1f} s"
        if now >= self.closes:
            return "its time is over"
        if self._flapping is not None:
            at = (now - self.opens) % (self._flapping.down + self._flapping.up)
            if at >= self._flapping.down:
                return "it is away for a moment"
        return None

    def next_change(self) -> float | None:
        """When `open` will be another, in `clock.seconds`; None for never."""
        now = self._clock.seconds()
        if now < self.opens:
            return self.opens
        if now >= self.closes:
            return None
        if self._flapping is None:
            return self.closes if self.closes != float("inf") else None
        period = self._flapping.down + self._flapping.up
        begun = self.opens + (now - self.opens) // period * period
        change = begun + self._flapping.down if now < begun + self._flapping.down else begun + period
        return min(change, self.closes)

    def strikes(self, call_id: str) -> str | None:
        """Count one that matches within the window: None when it is struck, else why it is spared."""
        closed = self.why_not()
        if closed is not None:
            return closed
        counts = self._counts_of(call_id if self._per_call else "")
        counts[0] += 1
        matched = counts[0]
        if self._times is not None and counts[1] >= self._times:
            return f"it has struck {counted(self._times, 'time')}"
        if self._nth and matched not in self._nth:
            return f"it was number {matched}"
        if self._first is not None and matched > self._first:
            return f"it was number {matched}"
        if matched <= self._after or (matched - self._after) % self._every:
            return f"it was number {matched}"
        if self._probability < 1 and not self._chance.happens(self._probability):
            return "chance spared it"
        counts[1] += 1
        return None

    def _counts_of(self, call_id: str) -> list[int]:
        counts = self._counts.get(call_id)
        if counts is None:
            if len(self._counts) >= _CALLS_COUNTED:
                del self._counts[next(iter(self._counts))]
            counts = self._counts[call_id] = [0, 0]
        return counts

    @property
    def spent(self) -> bool:
        """Whether it can never strike again."""
        if self._clock.seconds() >= self.closes:
            return True
        counts = self._counts.get("")
        if self._per_call or counts is None:
            return False
        matched, struck = counts
        return (
            (self._times is not None and struck >= self._times)
            or (self._first is not None and matched >= self._first)
            or (bool(self._nth) and matched >= max(self._nth))
        )
