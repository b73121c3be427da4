"""Whether anybody reads what is printed: a command that prints what comes must not wait for the next event to find out."""

import io
import os
import select
import socket
import stat
import sys
from collections.abc import Callable
from threading import Thread

_GONE = select.POLLERR | select.POLLHUP | select.POLLNVAL
_OTHER_SIDE_CLOSED = getattr(select, "POLLRDHUP", 0)
"""A pipe or a UNIX socket says POLLHUP when its reader has gone; TCP only once it was written to."""


def when_unread(call: Callable[[], None]) -> None:
    """Call this, in a thread of its own, as soon as nobody can read standard output any more. A file and a terminal are read for ever."""
    try:
        output = sys.stdout.fileno()
    except (AttributeError, io.UnsupportedOperation, ValueError):
        return  # there is none, or it is no file of the system's
    Thread(target=_watch, args=(output, call), daemon=True).start()


def _watch(output: int, call: Callable[[], None]) -> None:
    poll = select.poll()
    poll.register(output, _OTHER_SIDE_CLOSED if _is_tcp(output) else 0)
    while not any(event & (_GONE | _OTHER_SIDE_CLOSED) for _, event in poll.poll()):
        pass
    call()


def _is_tcp(output: int) -> bool:
    if not stat.S_ISSOCK(os.fstat(output).st_mode):
        return False
    with socket.socket(fileno=os.dup(output)) as same:
        return same.family in (socket.AF_INET, socket.AF_INET6)
