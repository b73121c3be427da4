"""Which of all that happens a fault strikes, and what it narrowly missed."""

from collections.abc import Callable

from emulator.chance import Chance
from emulator.clock import Clock, Timer
from emulator.counting import counted, were
from emulator.scenario.conditions import Match, Sight, meant, phrase
from emulator.scenario.schedule import Schedule
from emulator.scenario.spec import FaultSpec

_NATURE = ("direction", "status", "method", "type")
"""Conditions that say what kind of thing is meant: whatever fails these is no near miss."""
_REASONS = 100
"""Why things were spared, as many different ones as are kept."""


class Rule:
    """One fault's conditions and schedule, with what came of them."""

    def __init__(self, spec: FaultSpec, clock: Clock, chance: Chance) -> None:
        self.spec = spec
        self.schedule = Schedule(spec, clock, chance)
        self._match = Match(spec.where)
        self._clock = clock
        self.others = 0
        """What was looked at and was of another nature than what is meant."""
        self.last_other = ""
        self.matched = 0
        """What met every condition."""
        self.hits = 0
        self.spared: dict[str, int] = {}
        """How many met every condition and were not struck, by the reason."""
        self.missed: dict[str, tuple[int, str]] = {}
        """How many failed at which condition, and what the last one had instead."""
        self.on_spent: Callable[[], None] | None = None
        """Called once, when it can't strike any more, and never while it is asked."""
        self._end_due: Timer | None = None
        self._end: Timer | None = None
        if self.schedule.closes != float("inf"):
            self._end = clock.call_later(self.schedule.closes - clock.seconds(), self._check)

    def strikes(self, sight: Sight) -> bool:
        """Whether this one is struck; it is counted in any case."""
        missed = self._match.missed(sight)
        if missed is not None:
            name, instead = missed
            if name in _NATURE:
                self.others += 1
                self.last_other = instead
            else:
                self.missed[name] = (self.missed.get(name, (0, ""))[0] + 1, instead[:80])
            return False
        self.matched += 1
        why = self.schedule.strikes(sight.call_id)
        if why is None:
            self.hits += 1
        elif why in self.spared or len(self.spared) < _REASONS:
            self.spared[why] = self.spared.get(why, 0) + 1
        if self.on_spent is not None and self._end_due is None and self.schedule.spent:
            self._end_due = self._clock.call_later(0.0, self._check)  # not now: whoever asks is busy with this one
        return why is None

    def _check(self) -> None:
        if self.schedule.spent and self.on_spent is not None:
            told, self.on_spent = self.on_spent, None
            told()

    def close(self) -> None:
        """The fault is taken away."""
        self.on_spent = None
        for timer in (self._end, self._end_due):
            if timer is not None:
                timer.cancel()

    def near_misses(self) -> list[str]:
        """What came close, a sentence each; the closest first."""
        noun = meant(self.spec)
        said: list[str] = []
        if self.spared:
            why, count = next(reversed(self.spared.items()))
            said.append(f"{sum(self.spared.values())} matched and {were(sum(self.spared.values()))} spared; the last: {why}")
        for name, (count, instead) in self.missed.items():
            said.append(
                f"{_count(count, noun)} came, {'not' if count == 1 else 'none'} {phrase(name, self.spec.where)}; the last: {instead}"
            )
        if not self.matched and not self.missed:
            if self.others:
                said.append(f"no {noun} came; {_count(self.others, 'other')} did, the last: {self.last_other}")
            elif self.schedule.why_not() is not None:
                said.append(str(self.schedule.why_not()))
        return said


def _count(count: int, noun: str) -> str:
    """`1 INVITE`, `3 INVITEs`."""
    if noun.endswith(" query"):
        return counted(count, noun, noun.removesuffix("y") + "ies")
    return f"{count} {noun}" if " " in noun else counted(count, noun)
