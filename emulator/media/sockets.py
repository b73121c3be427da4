"""Media sockets on the wire: one reader of the reactor with an inner epoll over all of them.

One read per event is deliberate: a call that sends in bursts must not starve the others. Only when packets come faster than they go, and
wait on most sockets by the twos, a few are read: while all that a packet touches is at hand the next one of its call costs half. Above
`tick_above` calls the sockets are drained at a fixed rate instead of at each wake-up, because wake-ups are what costs; for the same
reason, the receiver's this time, what echoes send straight is sent many in a row.
"""

import select
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from emulator.clock import Clock
from emulator.media.echo import Reader, Slot, Straight

Address = tuple[str, int]

CROSSING_SECONDS, LATE_SECONDS = 0.1, 5.0
"""What comes so soon after the end of a call was on its way when it came; and how long after it its client's packets are its own."""
NOWHERE = frozenset({"0.0.0.0", "::"})
"""Addresses in a description that no packet goes to (RFC 3264 8.4)."""
DATAGRAM = 1500
"""Octets of a packet that are read at most."""
_HEADROOM = 148
"""libsrtp writes its tag and trailer behind the packet: SRTP_MAX_TRAILER_LEN, 144, rounded up."""
_SLOTS = 32
"""Packets that are sent in a row."""
_EVENTS_PER_ROUND = 512
_MORE = 3
"""Packets that are read beside the first of an event when there is no rest."""


def _slot() -> Slot:
    buffer = bytearray(DATAGRAM + _HEADROOM)
    return Slot(buffer, memoryview(buffer))


def datagram_socket(address: str) -> socket.socket:
    """A socket for `address`, not bound yet, of its family alone: IPv4 peers of one of both would have addresses of neither."""
    six = ":" in address
    sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    if six:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return sock


@implementer(IReadDescriptor)
class Selector:
    """The one reader. A stream that raises is reported once and goes on being served; the reactor must never see its error."""

    def __init__(self, reactor: Any, clock: Clock, on_error: Callable[[Exception], None], tick: float, tick_above: int) -> None:
        """`tick` in seconds; 0 turns the fixed rate off."""
        self._reactor = reactor
        self.clock = clock
        self._on_error = on_error
        self._tick = tick
        self._tick_above = tick_above
        self._next = 0.0
        self._unrested = 0  # packets since the last rest
        self._late = False  # whether more than one is read from a socket
        self._more = 0  # what that found
        self._epoll = select.epoll()
        self._readers: list[tuple[Callable[..., int], Reader, Straight | None, int] | None] = []  # by descriptor
        self._slots = [_slot() for _ in range(_SLOTS)]
        self._slot = _slot()
        self._behind = False  # whether a socket of many calls has more than was read from it
        self._reading = False
        self.streams = 0
        """Those that are read; the fixed rate depends on it."""
        self.socket_errors = 0
        """Reads and sends the system refused, most of them ICMP port unreachable."""

    def add(
        self,
        sock: socket.socket,
        receive: Reader,
        read: Callable[[bytearray, int], int] | None = None,
        straight: Straight | None = None,
        reads: int = 0,
    ) -> None:
        """Call `receive(buffer, view, length)` for each datagram on `sock` that does not go `straight`; replaces an earlier one.

        `read` is its `recv_into`. `reads` is for a socket that has the packets of many calls: so many are read before others have their
        turn.
        """
        number = sock.fileno()
        if number >= len(self._readers):
            self._readers.extend([None] * (number + 1 - len(self._readers)))
        if self._readers[number] is None:
            self._epoll.register(number, select.EPOLLIN)
        self._readers[number] = (read or sock.recv_into, receive, straight, reads)
        if not self._reading:
            self._reading = True
            self._reactor.addReader(self)

    def remove(self, sock: socket.socket) -> None:
        number = sock.fileno()
        if number < len(self._readers) and self._readers[number] is not None:
            self._readers[number] = None
            self._epoll.unregister(number)

    def fileno(self) -> int:
        return self._epoll.fileno()

    def logPrefix(self) -> str:
        return "media"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor stops; `close` does the work."""

    def doRead(self) -> None:
        self._drain()
        if self._tick and self.streams > self._tick_above:
            self._reactor.removeReader(self)
            self._next = self.clock.seconds()
            self._rest(0)

    def _drain(self) -> int:
        """Read from each socket that has something, and say how many these were."""
        readers, slots, usual = self._readers, self._slots, 1 + _MORE if self._late else 1
        events = self._epoll.poll(0, _EVENTS_PER_ROUND)
        packets = ready = 0  # that were read, and that are to be sent
        slot = slots[0]  # the one behind these
        for number, _ in events:
            reader = readers[number]
            if reader is None:
                continue  # a packet before it ended this call
            read, receive, straight, reads = reader
            left = most = reads or usual
            try:
                while left:
                    try:
                        length = read(slot.buffer, DATAGRAM)
                    except BlockingIOError:
                        reads = 0
                        break
                    left -= 1
                    if straight is not None and (leaves := straight(slot, length)) is not None:
                        if leaves:
                            ready += 1
                            if ready == _SLOTS:
                                ready = self._send(ready)
                            slot = slots[ready]
                    else:
                        if ready:
                            ready = self._send(ready)  # what was before it leaves before whatever comes of it
                        receive(slot.buffer, slot.view, length)
                        slot = slots[0]
                        if readers[number] is not reader:
                            break  # the packet has closed this socket, or somebody else has it now
            except OSError:
                self.socket_errors += 1
            except Exception as error:
                self._on_error(error)
            packets += most - left
            if reads:
                self._behind = True
        if ready:
            self._send(ready)
        self._more = packets - len(events)
        return len(events)

    def _send(self, ready: int) -> int:
        """Send the first so many slots; none is left."""
        for slot in self._slots[:ready]:
            try:
                slot.send()
            except OSError:
                self.socket_errors += 1
            except Exception as error:
                self._on_error(error)
        return 0

    def read_now(self, sock: socket.socket) -> None:
        """Read what waits on a socket, before whatever comes next on others."""
        buffer, view, number = self._slot.buffer, self._slot.view, sock.fileno()
        for _ in range(_EVENTS_PER_ROUND):
            reader = self._readers[number]
            if reader is None:
                return
            read, receive, _, _ = reader
            try:
                receive(buffer, view, read(buffer, DATAGRAM))
            except BlockingIOError:
                return
            except OSError:
                self.socket_errors += 1
            except Exception as error:
                self._on_error(error)

    def _rest(self, read: int) -> None:
        """Sleep to the next tick; not at all when that is past, or when there was more than a round takes.

        The reactor does not watch the sockets meanwhile: to add them anew for each tick costs a walk over all of them in the kernel.
        """
        now = self.clock.seconds()
        self._next += self._tick
        if read == _EVENTS_PER_ROUND or self._behind or self._next < now - self._tick:
            self._next, self._behind = now, False
        wasted = self._late and self._more * 4 < read  # to find nothing on a socket costs as well
        self._unrested = self._unrested + read if self._next <= now and not wasted else 0
        self._late = self._unrested * 4 > self.streams * 3
        self._reactor.callLater(max(0.0, self._next - now), self._on_tick)

    def _on_tick(self) -> None:
        if not self._reading:
            return
        if self.streams > self._tick_above:
            self._rest(self._drain())
        else:
            self._reactor.addReader(self)

    def close(self) -> None:
        if self._reading:
            self._reading = False
            self._reactor.removeReader(self)
        self._readers.clear()
        self._epoll.close()


class Source:
    """Reads a datagram and remembers where it came from."""

    __slots__ = ("_recvfrom_into", "peer")

    def __init__(self, sock: socket.socket) -> None:
        self._recvfrom_into = sock.recvfrom_into
        self.peer: Address = ("", 0)

    def __call__(self, buffer: bytearray, size: int) -> int:
        length, address = self._recvfrom_into(buffer, size)
        self.peer = address[:2]
        return length
