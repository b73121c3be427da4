"""Time as the machines see it: one queue of timers over a monotonic clock that is handed in.

Production drives the queue from the reactor (`emulator.service`); tests drive it by hand with `advance`, which stops
at every due timer, so a timer that re-arms itself fires as often as it would on a real clock. The queue is our own
because a call arms and cancels about ten timers: a heap entry costs a tenth of a reactor's delayed call.
"""

import heapq
import time
from collections.abc import Callable
from typing import Any

_COMPACT_ABOVE = 4096


class Timer:
    """One pending call; `cancel` is harmless when it has fired or was cancelled."""

    __slots__ = ("_args", "_call", "_queue", "due")

    def __init__(self, queue: "Clock", due: float, call: Callable[..., object], args: tuple[Any, ...]) -> None:
        self._queue = queue
        self.due = due
        self._call: Callable[..., object] | None = call
        self._args = args

    @property
    def pending(self) -> bool:
        return self._call is not None

    def cancel(self) -> None:
        if self._call is not None:
            self._call = None
            self._args = ()
            self._queue._cancelled += 1

    def _fire(self) -> None:
        call, args = self._call, self._args
        self._call, self._args = None, ()
        if call is not None:
            call(*args)


class Clock:
    """A queue of timers. `seconds` is monotonic time in seconds; `wall` is Unix time in seconds, for people."""

    def __init__(
        self,
        seconds: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        wake: Callable[[float], None] | None = None,
    ) -> None:
        """`wake(due)` is called whenever an earlier timer than all others is added, for the one who drives the queue."""
        self.seconds = seconds
        self.wall = wall
        self.wake = wake
        self._heap: list[tuple[float, int, Timer]] = []
        self._serial = 0
        self._cancelled = 0

    def call_later(self, delay: float, call: Callable[..., object], *args: Any) -> Timer:
        """Call `call(*args)` once, `delay` seconds from now."""
        due = self.seconds() + delay
        timer = Timer(self, due, call, args)
        self._serial = serial = self._serial + 1
        heap = self._heap
        if self.wake is not None and (not heap or due < heap[0][0]):
            heapq.heappush(heap, (due, serial, timer))
            self.wake(due)
        else:
            heapq.heappush(heap, (due, serial, timer))
        if self._cancelled > _COMPACT_ABOVE and self._cancelled * 2 > len(heap):
            self._compact()
        return timer

    @property
    def pending(self) -> int:
        """How many timers are armed."""
        return sum(1 for entry in self._heap if entry[2].pending)

    def next_due(self) -> float | None:
        """When the next timer is due, in `seconds`; None when none is armed."""
        heap = self._heap
        while heap and not heap[0][2].pending:
            heapq.heappop(heap)
            self._cancelled -= 1
        return heap[0][0] if heap else None

    def run_due(self, on_error: Callable[[Exception], None] | None = None) -> float | None:
        """Fire every timer that is due, earliest first, and return when the next one is.

        One timer's error does not keep the others from firing: it goes to `on_error`, or up when there is none.
        """
        while True:
            due = self.next_due()
            if due is None or due > self.seconds():
                return due
            timer = heapq.heappop(self._heap)[2]
            try:
                timer._fire()
            except Exception as error:
                if on_error is None:
                    raise
                on_error(error)

    def _compact(self) -> None:
        self._heap = [entry for entry in self._heap if entry[2].pending]
        heapq.heapify(self._heap)
        self._cancelled = 0


class SteppedClock(Clock):
    """A clock that moves only when told, and stops at every due timer on its way."""

    def __init__(self, start: float = 1000.0, wall: float = 1_700_000_000.0) -> None:
        self.now = start
        self._offset = wall - start
        super().__init__(lambda: self.now, lambda: self.now + self._offset)

    def advance(self, seconds: float) -> None:
        """Move `seconds` forward, firing each timer at its own time."""
        end = self.now + seconds
        while (due := self.next_due()) is not None and due <= end:
            self.now = max(self.now, due)
            self.run_due()
        self.now = end
