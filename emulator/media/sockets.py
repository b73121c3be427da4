"""Media on the wire: port pairs, and one reader of the reactor with an inner epoll over all of their sockets.

One read per event is deliberate: a call that sends in bursts must not starve the others. Above `tick_above` calls the sockets are
drained at a fixed rate instead of at each wake-up, because wake-ups are what costs.
"""

import errno
import select
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from emulator.clock import Clock
from emulator.media.port import Exhausted
from emulator.media.stream import Stream

_DATAGRAM = 1500
_HEADROOM = 148
"""libsrtp writes its tag and trailer behind the packet: SRTP_MAX_TRAILER_LEN, 144, rounded up."""
_EVENTS_PER_ROUND = 512
_ATTEMPTS = 64
_NOWHERE = frozenset({"0.0.0.0", "::"})


@implementer(IReadDescriptor)
class Selector:
    """The one reader. A stream that raises is reported once and goes on being served; the reactor must never see its error."""

    def __init__(self, reactor: Any, clock: Clock, on_error: Callable[[Exception], None], tick: float, tick_above: int) -> None:
        """`tick` in seconds; 0 turns the fixed rate off."""
        self._reactor = reactor
        self._clock = clock
        self._on_error = on_error
        self._tick = tick
        self._tick_above = tick_above
        self._last = 0.0
        self._epoll = select.epoll()
        self._readers: dict[int, tuple[Callable[..., int], Callable[[bytearray, memoryview, int], None]]] = {}
        self._buffer = bytearray(_DATAGRAM + _HEADROOM)
        self._view = memoryview(self._buffer)
        self._reading = False
        self.socket_errors = 0
        """Reads and sends the system refused, most of them ICMP port unreachable."""

    def add(self, sock: socket.socket, receive: Callable[[bytearray, memoryview, int], None]) -> None:
        """Call `receive(buffer, view, length)` for each datagram on `sock`; replaces an earlier one."""
        number = sock.fileno()
        if number not in self._readers:
            self._epoll.register(number, select.EPOLLIN)
        self._readers[number] = (sock.recv_into, receive)
        if not self._reading:
            self._reading = True
            self._reactor.addReader(self)

    def remove(self, sock: socket.socket) -> None:
        if self._readers.pop(sock.fileno(), None) is not None:
            self._epoll.unregister(sock.fileno())

    def fileno(self) -> int:
        return self._epoll.fileno()

    def logPrefix(self) -> str:
        return "media"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor stops; `close` does the work."""

    def doRead(self) -> None:
        buffer, view, readers = self._buffer, self._view, self._readers
        for number, _ in self._epoll.poll(0, _EVENTS_PER_ROUND):
            reader = readers.get(number)
            if reader is None:
                continue  # a packet before it ended this call
            try:
                reader[1](buffer, view, reader[0](buffer, _DATAGRAM))
            except OSError:
                self.socket_errors += 1
            except Exception as error:
                self._on_error(error)
        if self._tick and len(readers) > self._tick_above:
            self._rest()

    def _rest(self) -> None:
        """Sleep to the next tick; not at all when behind."""
        self._last += self._tick
        now = self._clock.seconds()
        wait = self._last - now
        if wait > 1e-4:
            self._reactor.removeReader(self)
            self._reactor.callLater(min(wait, self._tick), self._wake)
        elif wait < -self._tick:
            self._last = now

    def _wake(self) -> None:
        if self._reading:
            self._reactor.addReader(self)

    def close(self) -> None:
        if self._reading:
            self._reading = False
            self._reactor.removeReader(self)
        self._readers.clear()
        self._epoll.close()


class PortPair:
    """Two sockets of one call. Once the SDP has named the peer they are connected to it, and the kernel drops everybody else."""

    __slots__ = ("_ports", "_remote", "_rtcp", "_rtp", "number")

    def __init__(self, ports: "MediaPorts", rtp: socket.socket, rtcp: socket.socket, number: int) -> None:
        self._ports = ports
        self._rtp: socket.socket | None = rtp
        self._rtcp: socket.socket | None = rtcp
        self._remote: tuple[Any, Any] = (None, None)
        self.number = number

    def attach(self, stream: Stream) -> None:
        """See `emulator.media.port.Port`."""
        rtp, rtcp = self._rtp, self._rtcp
        if rtp is None or rtcp is None:
            return
        agreement = stream.agreement
        remote = (agreement.remote, agreement.remote_rtcp)
        if agreement.remote[0] in _NOWHERE or remote == self._remote:
            return
        self._remote = remote
        selector = self._ports.selector
        try:
            rtp.connect(agreement.remote)
            selector.add(rtp, stream.receive)
            stream.send = rtp.send
            if agreement.remote_rtcp is not None and agreement.remote_rtcp != agreement.remote:
                rtcp.connect(agreement.remote_rtcp)
                selector.add(rtcp, lambda buffer, view, length: stream.receive_rtcp(bytes(view[:length])))
                stream.send_rtcp = rtcp.send
            else:
                stream.send_rtcp = rtp.send
        except OSError:
            # An address no packet can go to, such as a broadcast: the call stays up without media, as on a real network.
            self._ports.selector.socket_errors += 1

    def close(self) -> None:
        """See `emulator.media.port.Port`."""
        rtp, rtcp = self._rtp, self._rtcp
        if rtp is None or rtcp is None:
            return
        self._rtp = self._rtcp = None
        for sock in (rtp, rtcp):
            self._ports.selector.remove(sock)
            sock.close()
        self._ports._returned(self)


class MediaPorts:
    """The range of media ports: even ones for RTP, the next for RTCP (RFC 3550 11), handed out in turn so that a late packet of
    one call does not meet the next."""

    def __init__(self, selector: Selector, first: int = 10000, last: int = 20000, ephemeral: bool = False) -> None:
        """`first` to `last` inclusive; `ephemeral` takes whatever pair the system gives instead."""
        self.selector = selector
        self._ephemeral = ephemeral
        self._free: deque[int] = deque(range(first + first % 2, last, 2))
        self._open: set[PortPair] = set()

    @property
    def in_use(self) -> int:
        return len(self._open)

    def open(self, address: str) -> PortPair:
        """A pair on `address`. Raises `Exhausted`."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        for _ in range(_ATTEMPTS if self._ephemeral else min(_ATTEMPTS, len(self._free))):
            number = 0 if self._ephemeral else self._free.popleft()
            pair = self._bind(family, address, number)
            if pair is not None:
                self._open.add(pair)
                return pair
            if number:
                self._free.append(number)  # somebody else has it; its turn comes again
        raise Exhausted(f"no pair of media ports is free on {address}")

    def _bind(self, family: int, address: str, number: int) -> PortPair | None:
        rtp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        rtcp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            rtp.bind((address, number))
            if not number:
                number = rtp.getsockname()[1]
                if number % 2 or number == 65534:
                    raise OSError(errno.EADDRINUSE, "an odd port")
            rtcp.bind((address, number + 1))
        except OSError as error:
            rtp.close()
            rtcp.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise Exhausted(f"media ports on {address}: {error.strerror}") from None
            return None
        return PortPair(self, rtp, rtcp, number)

    def _returned(self, pair: PortPair) -> None:
        self._open.discard(pair)
        if not self._ephemeral:
            self._free.append(pair.number)

    def close(self) -> None:
        """Close every port that is still open, then the selector."""
        for pair in list(self._open):
            pair.close()
        self.selector.close()
