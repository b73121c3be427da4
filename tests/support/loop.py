"""A reactor of a test's own, turned by hand: real sockets without a running loop, and each wait with a deadline."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure


class Loop:
    """`until` turns the reactor while a condition does not hold."""

    def __init__(self) -> None:
        self.reactor: Any = EPollReactor()

    def until(self, condition: Callable[[], object], what: str = "it", seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"{what} did not happen in {seconds:g} s"
            self.reactor.iterate(0.01)

    def read(self, sock: socket.socket, octets: int = 1 << 20, end: bytes | None = None) -> bytes:
        """So many octets that come to `sock`, or all up to `end`, while the reactor turns."""
        data = b""
        sock.setblocking(False)

        def whole() -> bool:
            nonlocal data
            try:
                data += sock.recv(octets - len(data))
            except BlockingIOError:
                pass
            return len(data) == octets or (end is not None and data.endswith(end))

        self.until(whole, "enough octets")
        return data

    def turn(self, times: int = 5) -> None:
        """A few turns, for what must not happen."""
        for _ in range(times):
            self.reactor.iterate(0.005)

    def close(self) -> None:
        for reader in self.reactor.removeAll():
            reader.connectionLost(Failure(ConnectionDone()))
        self.turn(2)


@contextmanager
def loop() -> Iterator[Loop]:
    turned = Loop()
    try:
        yield turned
    finally:
        turned.close()
