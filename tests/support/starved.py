"""Whether the machine had too little time for its programs: then, and only then, what a test says of real time may be tried again, once.

A phone that plays in real time and waits too long for its turn says too little or too late, and what it then records is no fault of
anybody's. Nothing that a test asserts can tell this from a bug; the machine can. A `Watch` measures two things of it, from its making on:

- by how much a thread that sleeps for 20 ms is late: all stood still, as a virtual machine does that another one displaces;
- for what share of the time a program that could have run had to wait (Linux's pressure stall information; where there is none, whether
  more programs than processors wanted to run in the last minute).

A bug fails a test on a quiet machine at once, and on any machine the second time. So this is for real time alone: for what a test can wait
for there is `until`, and the marker `real_time` is for tests whose subject is sound, or a story that passes in its own time.
"""

import os
import threading
import time
from pathlib import Path

TICK, LATE, WAITED = 0.02, 0.25, 0.5
"""Seconds of a sleep, and those by which it is too late; the share of the time for which somebody waited that is too much."""
AGAIN = "tried again"
"""The property of a test that was, with how the machine was meanwhile."""
_PRESSURE = Path("/proc/pressure/cpu")


class Watch:
    """Watches until it is asked."""

    def __init__(self) -> None:
        self._began, self._waited = time.monotonic(), _waited()
        self._latest = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.is_set():
            before = time.monotonic()
            time.sleep(TICK)
            self._latest = max(self._latest, time.monotonic() - before - TICK)

    def close(self) -> None:
        self._over.set()
        self._thread.join()

    def starved(self) -> str:
        """How it was, in words; nothing where there was time enough. Watches no longer."""
        self.close()
        return verdict(self._latest, self._share(), os.getloadavg()[0] / (os.cpu_count() or 1))

    def _share(self) -> float | None:
        now = _waited()
        return None if now is None or self._waited is None else (now - self._waited) / (time.monotonic() - self._began)


def verdict(late: float, share: float | None, load: float) -> str:
    """Seconds, the share of the time, programs for each processor."""
    told = []
    if late >= LATE:
        told.append(f"a sleep of {TICK * 1000:.0f} ms took {late:.2f} s longer")
    if share is not None and share >= WAITED:
        told.append(f"for {share:.0%} of the time programs waited for a processor")
    if share is None and load > 1:
        told.append(f"{load:.1f} programs wanted each processor")
    return ", ".join(told)


def last_word(failure: str) -> str:
    """The first line of an error in a traceback that pytest has written."""
    return next((line[1:].strip()[:200] for line in failure.splitlines() if line.startswith("E ")), "")


def _waited() -> float | None:
    """Seconds for which some program has waited for a processor since the system began; None where it does not say."""
    try:
        some = _PRESSURE.read_text().partition("\n")[0]
        return int(some.rpartition("total=")[2]) / 1e6
    except (OSError, ValueError):
        return None
