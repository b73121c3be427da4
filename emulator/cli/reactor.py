"""The reactor, and a command that runs on it until it is done or a signal comes."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

INTERRUPTED = 130


def the_reactor() -> Any:
    """The reactor, imported without OpenSSL: Twisted would pull it in for a port that may never see a client, at a third of the start.

    It goes by time that no one sets. Twisted's own is the wall's: set forward, as after a sleep, it would end every call for its
    silence, and set back it would stop every timer until it is there again.
    """
    hidden = [name for name in ("OpenSSL",) if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # an import of it fails, which Twisted takes for "not installed"
    try:
        from twisted.internet import reactor
    finally:
        for name in hidden:
            del sys.modules[name]
    found: Any = reactor
    found.seconds = time.monotonic
    return found


def report(error: Exception) -> None:
    """A bug of ours goes to stderr with its traceback, and nowhere else."""
    traceback.print_exception(error, file=sys.stderr)


def ending_signals() -> list[signal.Signals]:
    """Those that ask a command to end: Ctrl-C, SIGTERM, and that its terminal was closed, where nohup does not have that ignored."""
    found = [signal.SIGINT, signal.SIGTERM]
    closed: signal.Signals | None = getattr(signal, "SIGHUP", None)  # not on Windows
    if closed is not None and signal.getsignal(closed) is not signal.SIG_IGN:
        found.append(closed)
    return found


def run(reactor: Any, start: Callable[[], None], stop: Callable[[], None], last: Callable[[], None] = lambda: None) -> None:
    """Run the reactor from `start()` until somebody stops it. `stop()` is called on the first of `ending_signals` and has to see to that;
    the second ends the process, after `last()`; that the terminal was closed is none, for kernel and shell may both tell of it. What
    `start` raises is raised here."""
    problem: list[BaseException] = []
    signals = 0

    def begin() -> None:
        try:
            start()
        except BaseException as error:
            problem.append(error)
            reactor.stop()

    def on_signal(number: int, _: object) -> None:
        nonlocal signals
        if signals and number not in (signal.SIGINT, signal.SIGTERM):
            return
        signals += 1
        if signals > 1:
            last()
            os._exit(INTERRUPTED)
        reactor.callFromThread(stop)

    reactor.callWhenRunning(begin)
    for number in ending_signals():
        signal.signal(number, on_signal)
    reactor.run(installSignalHandlers=False)
    if problem:
        raise problem[0]
