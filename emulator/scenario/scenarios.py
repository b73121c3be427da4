"""The scenarios of one emulator: one runs at a time, the last few are kept."""

from collections.abc import Callable, Iterator
from typing import Any

from emulator.clock import Clock
from emulator.journal.journal import Journal
from emulator.scenario.runner import Runner
from emulator.scenario.script import from_json
from emulator.scenario.stage import Stage

_KEPT = 20


class Busy(Exception):
    """Another scenario runs; two would see each other's faults and calls."""


class Scenarios:
    """`stage` makes a stage for each."""

    def __init__(self, clock: Clock, journal: Journal, stage: Callable[[], Stage]) -> None:
        self._clock = clock
        self._journal = journal
        self._stage = stage
        self._runners: dict[str, Runner] = {}
        self._number = 0

    def start(self, value: Any, keep_going: bool = False) -> Runner:
        """Begin a scenario given as decoded JSON. Raises `Unusable`, or `Busy`."""
        run = from_json(value)
        running = next((runner for runner in self if runner.state == "running"), None)
        if running is not None:
            raise Busy(f"scenario {running.id} still runs; DELETE /v1/scenarios/{running.id} stops it")
        self._number += 1
        runner = Runner(str(self._number), run.scenario, self._stage(), self._clock, self._journal, keep_going)
        self._runners[runner.id] = runner
        if len(self._runners) > _KEPT:
            del self._runners[next(iter(self._runners))]
        runner.start()
        return runner

    def get(self, id: str) -> Runner | None:
        """One of those kept, by its number; `last` is the newest."""
        return next(iter(self), None) if id == "last" else self._runners.get(id)

    def __iter__(self) -> Iterator[Runner]:
        """Newest first."""
        return reversed(self._runners.values())

    def stop(self, why: str) -> None:
        """Stop the one that runs."""
        for runner in self:
            runner.stop(why)
