"""The clock of production, driven by the reactor."""

from collections.abc import Callable
from typing import Any

from emulator.clock import Clock


class ReactorClock(Clock):
    """One delayed call of the reactor wakes it for its next timer."""

    def __init__(self, reactor: Any, on_error: Callable[[Exception], None]) -> None:
        super().__init__(seconds=reactor.seconds, wake=self._wake_at)
        self._reactor = reactor
        self._report = on_error
        self._call: Any = None
        self._due = float("inf")

    def _wake_at(self, due: float) -> None:
        if due >= self._due and self._call is not None:
            return
        delay = max(0.0, due - self.seconds())
        if self._call is not None and self._call.active():
            self._call.reset(delay)
        else:
            self._call = self._reactor.callLater(delay, self._run)
        self._due = due

    def _run(self) -> None:
        self._call = None
        self._due = float("inf")
        due = self.run_due(self._report)
        if due is not None and self._call is None:
            self._wake_at(due)
