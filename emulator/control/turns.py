"""Work that takes long, a little at a time: calls and their media go on between two turns of it."""

from collections import deque
from collections.abc import Callable, Iterator

from emulator.clock import Clock, Timer

TURN = 0.002
"""Seconds that work has before all else has its turn."""
_REST = 0.002

Work = Callable[[float], bool]
"""Goes on until that time on the monotonic clock, and says whether more is left."""


def stepwise(steps: Iterator[object], clock: Clock, done: Callable[[bool], None]) -> Work:
    """Work of one step after the other; `done` is told once whether all were taken, which an error prevents."""

    def work(until: float) -> bool:
        try:
            for _ in steps:
                if clock.seconds() >= until:
                    return True
        except Exception:
            done(False)
            raise
        done(True)
        return False

    return work


class Turns:
    """One piece of work has its turn at a time, however much waits."""

    def __init__(self, clock: Clock, report: Callable[[Exception], None]) -> None:
        """`report` is told of errors; they end the work that raised them, and nothing else."""
        self._clock = clock
        self._report = report
        self._waiting: deque[Work] = deque()
        self._timer: Timer | None = None
        self._next = clock.seconds()

    def take(self, work: Work) -> None:
        """Work has its first turn at once where nothing else had one lately."""
        if self._timer is None and self._clock.seconds() >= self._next:
            self._turn(work)
        else:
            self._waiting.append(work)
            self._wait()

    def _wait(self) -> None:
        if self._timer is None and self._waiting:
            self._timer = self._clock.call_later(max(0.0, self._next - self._clock.seconds()), self._on_next)

    def _on_next(self) -> None:
        self._timer = None
        self._turn(self._waiting.popleft())

    def _turn(self, work: Work) -> None:
        more = False
        try:
            more = work(self._clock.seconds() + TURN)
        except Exception as error:
            self._report(error)
        self._next = self._clock.seconds() + _REST
        if more:
            self._waiting.append(work)
        self._wait()
