"""The reactor of the commands."""

import signal
import subprocess
import sys

import pytest

from emulator.cli.reactor import ending_signals

_WALL = """
import time
set_forward = 0.0
wall = time.time
time.time = lambda: wall() + set_forward
from emulator.cli.reactor import the_reactor
reactor = the_reactor()
from emulator.reactor_clock import ReactorClock
clock = ReactorClock(reactor, print)
clock.call_later(3600, print, "too early")
def set_back():
    global set_forward
    set_forward = -7200.0
    clock.call_later(0.01, print, "in time")
    clock.call_later(0.02, reactor.stop)
def run():
    global set_forward
    set_forward = 7200.0
    clock.call_later(0.01, set_back)
reactor.callWhenRunning(run)
reactor.run()
"""


def test_a_terminal_that_is_closed_ends_a_command_unless_nohup_says_otherwise() -> None:
    before = signal.getsignal(signal.SIGHUP)
    try:
        for handler, ends in ((signal.SIG_DFL, True), (signal.SIG_IGN, False)):
            signal.signal(signal.SIGHUP, handler)
            assert ending_signals() == [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if ends else [])]
    finally:
        signal.signal(signal.SIGHUP, before)


def test_timers_do_not_mind_when_somebody_sets_the_clock() -> None:
    """After a sleep, or when a time server says so: neither may every call end for its silence nor every timer wait."""
    done = subprocess.run([sys.executable, "-c", _WALL], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("in time\n", "")


_HANG_UP = """
import os, signal, sys
signal.signal(signal.SIGHUP, getattr(signal, sys.argv[1]))
from emulator.cli.reactor import run, the_reactor
reactor = the_reactor()
def hang_up():
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGHUP)
    reactor.callLater(60.0 if "DFL" in sys.argv[1] else 0.2, over)
def over():
    print("still there")
    reactor.stop()
def stop():
    print("stopped")
    reactor.callLater(0.1, reactor.stop)
run(reactor, hang_up, stop)
"""


@pytest.mark.parametrize(("before", "said"), [("SIG_DFL", "stopped\n"), ("SIG_IGN", "still there\n")])
def test_a_terminal_that_goes_away_stops_it_in_order_unless_nohup_says_otherwise(before: str, said: str) -> None:
    """However often that is told: kernel and shell both do."""
    done = subprocess.run([sys.executable, "-c", _HANG_UP, before], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr, done.returncode) == (said, "", 0)
