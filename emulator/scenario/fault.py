"""One fault that has been added: what it is, what has come of it, and what tells of its hits."""

from typing import Any

import msgspec

from emulator.chance import Chance
from emulator.clock import Clock
from emulator.journal.journal import Journal
from emulator.journal.record import CallRecord
from emulator.pace import Pace
from emulator.scenario.kind import Kind
from emulator.scenario.rules import Rule
from emulator.scenario.spec import FaultSpec

_BURST = 20.0
_PER_SECOND = 5.0
"""Hits of one fault that are told of."""


class Fault:
    """`id` is its number as text, `proxies` those that it concerns."""

    def __init__(self, id: str, spec: FaultSpec, clock: Clock, journal: Journal, chance: Chance) -> None:
        self.id = id
        self.spec = spec
        self.line = str(spec)
        self.rule = Rule(_sharpened(spec), clock, chance.fork())
        self.chance = chance.fork()
        """For what it does, apart from when it strikes."""
        self.proxies = spec.where.proxies()
        self.added = clock.wall()
        self.closed = False
        """It strikes no more: its time is over, or it was taken away."""
        self._clock = clock
        self._journal = journal
        self._pace = Pace(_BURST, _PER_SECOND, clock.seconds())
        self._unsaid = 0

    @property
    def what(self) -> Kind:
        return self.spec.what

    @property
    def kind(self) -> str:
        return self.spec.kind

    @property
    def state(self) -> str:
        """`on`; `waiting` for its time; `away` when it flaps; `over`."""
        schedule = self.rule.schedule
        if self.closed or schedule.spent:
            return "over"
        if self._clock.seconds() < schedule.opens:
            return "waiting"
        return "on" if schedule.open else "away"

    def hit(self, record: CallRecord | None, **fields: Any) -> None:
        """Tell of a hit, unless there were very many lately: then the next one says how many."""
        if not self._pace.allows(self._clock.seconds()):
            self._unsaid += 1
            return
        unsaid, self._unsaid = self._unsaid, 0
        self._journal.event("fault.hit", record, fault=self.id, what=self.kind, **fields, unsaid=unsaid or None)

    def close(self) -> None:
        """It strikes no more."""
        self.closed = True
        self.rule.close()


def _sharpened(spec: FaultSpec) -> FaultSpec:
    """With the conditions that a kind has by itself."""
    if spec.withhold is not None:
        where = msgspec.structs.replace(spec.where, direction="out", method=(spec.withhold.method,))
        return msgspec.structs.replace(spec, where=where)
    if spec.media is not None:  # its direction says whose packets, and is no condition
        return msgspec.structs.replace(spec, where=msgspec.structs.replace(spec.where, direction=None))
    if spec.answer is not None or spec.refresh is not None:  # what the called side does, and that is the trunk
        return msgspec.structs.replace(spec, where=msgspec.structs.replace(spec.where, call="outbound"))
    if spec.slow is not None:
        return msgspec.structs.replace(spec, where=msgspec.structs.replace(spec.where, direction=None))
    return spec
