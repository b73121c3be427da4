"""Lines to a descriptor whose reader may be slow, stopped or gone: whoever writes them never waits."""

import os
import select
import signal
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

_BUNCH_SECONDS = 0.05
_MOST_OCTETS = 1 << 20
_END_SECONDS = 1.0


class Output:
    """Written in bunches, for a line must not cost the hot path a system call, and by a thread of its own: a pipe that nobody reads, or a
    terminal that somebody has stopped, holds up whoever writes to it, and that must not be the reactor."""

    def __init__(
        self, later: Callable[[float, Callable[[], None]], Any], descriptor: int, gap: Callable[[int], str], most: int = _MOST_OCTETS
    ) -> None:  # fmt: skip
        """`later(seconds, call)` calls back. At most about `most` octets wait for a reader; `gap(lines)` is the line that stands for those
        that were too many."""
        self._later = later
        self._descriptor = descriptor
        self._gap = gap
        self._most = most
        self._lines: list[str] = []
        self._pending = False
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        # What both threads know stands below, and is theirs while they hold `_changed`.
        self._bunches: deque[bytes] = deque()
        self._octets = 0  # of the bunches, and of the one that is being written
        self._left_out = 0
        self._gone = False

    def write(self, text: str) -> None:
        """A line."""
        self._lines.append(text)
        if not self._pending:
            self._pending = True
            self._later(_BUNCH_SECONDS, self.flush)

    def flush(self) -> None:
        """Have what was written so far go as soon as its reader takes it."""
        self._pending = False
        lines, self._lines = self._lines, []
        if not lines:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="output", daemon=True)
            self._thread.start()
        with self._changed:
            if self._gone:
                return
            if self._octets > self._most:
                self._left_out += len(lines)
                return
            if self._left_out:
                lines.insert(0, self._gap(self._left_out))
                self._left_out = 0
            bunch = ("\n".join(lines) + "\n").encode("utf-8", "replace")
            self._bunches.append(bunch)
            self._octets += len(bunch)
            self._changed.notify_all()

    def close(self, seconds: float = _END_SECONDS) -> None:
        """The end: wait until all has gone, but no longer than `seconds`."""
        self.flush()
        with self._changed:
            gone = self._changed.wait_for(lambda: not self._octets, seconds)
            lines = self._left_out if gone else 0
            self._left_out -= lines
        if lines:
            self._lines.append(self._gap(lines))
            self.flush()
            with self._changed:
                self._changed.wait_for(lambda: not self._octets, seconds)

    def _run(self) -> None:
        if hasattr(signal, "pthread_sigmask"):  # a Unix
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are to wake the reactor
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._bunches)
                bunch = self._bunches.popleft()
            lost = 0
            try:
                self._put(bunch)
            except BrokenPipeError:  # whoever read it has gone; the emulator goes on
                with self._changed:
                    self._gone, self._octets = True, 0
                    self._bunches.clear()
                    self._changed.notify_all()
                return
            except OSError:  # a disk may be full now, and have room later
                lost = bunch.count(b"\n")
            with self._changed:
                self._octets -= len(bunch)
                self._left_out += lost
                self._changed.notify_all()

    def _put(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:  # whoever shares the descriptor has made it so
                poll = select.poll()
                poll.register(self._descriptor, select.POLLOUT)
                poll.poll()
