"""Media on the wire: ports for calls, and one reader of the reactor with an inner epoll over all of their sockets.

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

Address = tuple[str, int]

_DATAGRAM = 1500
_HEADROOM = 148
"""libsrtp writes its tag and trailer behind the packet: SRTP_MAX_TRAILER_LEN, 144, rounded up."""
_EVENTS_PER_ROUND = 512
_ATTEMPTS = 64
_IDLE_PAIRS = 256
"""Pairs kept open for the next calls: opening and closing three sockets costs more than a call's whole offer and answer."""
_LATE_SECONDS = 5.0
"""How long after a call its client's packets are counted as its own."""
_CROSSING_SECONDS = 0.1
"""What comes so soon after the end was on its way when it came."""
_TELLING_SECONDS = 10.0
"""How often strangers on a shared port are told of."""
_GONE = 1000
"""Calls whose late packets are told from a stranger's on a shared port."""
_SHARED_BUFFER = 4 << 20
_NOWHERE = frozenset({"0.0.0.0", "::"})


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
        self._last = 0.0
        self._epoll = select.epoll()
        self._readers: dict[int, tuple[Callable[..., int], Callable[[bytearray, memoryview, int], None]]] = {}
        self._buffer = bytearray(_DATAGRAM + _HEADROOM)
        self._view = memoryview(self._buffer)
        self._reading = False
        self.streams = 0
        """Those that are read; the fixed rate depends on it."""
        self.socket_errors = 0
        """Reads and sends the system refused, most of them ICMP port unreachable."""

    def add(
        self,
        sock: socket.socket,
        receive: Callable[[bytearray, memoryview, int], None],
        read: Callable[[bytearray, int], int] | None = None,
    ) -> None:
        """Call `receive(buffer, view, length)` for each datagram on `sock`; replaces an earlier one. `read` is its `recv_into`."""
        number = sock.fileno()
        if number not in self._readers:
            self._epoll.register(number, select.EPOLLIN)
        self._readers[number] = (read or sock.recv_into, receive)
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
        if self._tick and self.streams > self._tick_above:
            self._rest()

    def _rest(self) -> None:
        """Sleep to the next tick; not at all when behind."""
        self._last += self._tick
        now = self.clock.seconds()
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


def _ignore(buffer: bytearray, view: memoryview, length: int) -> None:
    """What a socket may still have held when its call ended."""


class _From:
    """Reads a datagram and remembers where it came from."""

    __slots__ = ("_recvfrom_into", "peer")

    def __init__(self, sock: socket.socket) -> None:
        self._recvfrom_into = sock.recvfrom_into
        self.peer: Address = ("", 0)

    def __call__(self, buffer: bytearray, size: int) -> int:
        length, address = self._recvfrom_into(buffer, size)
        self.peer = address[:2]
        return length


class PortPair:
    """The sockets of one call at a time: RTP, RTCP, and one that hears on the RTP port whatever the first one does not.

    Once the SDP has named the peer the first two are connected to it: the kernel then hands them nobody else's packets, and gives those
    to the third, where they are counted. Between calls they are connected to themselves, which shuts them.
    """

    __slots__ = ("_address", "_idle_since", "_ports", "_remote", "_rtcp", "_rtp", "_source", "_stream", "_watch", "number")

    def __init__(
        self, ports: "MediaPorts", rtp: socket.socket, rtcp: socket.socket, watch: socket.socket, address: str, number: int
    ) -> None:
        self._ports = ports
        self._rtp, self._rtcp, self._watch = rtp, rtcp, watch
        self._address = address
        self._remote: tuple[Any, Any] = (None, None)
        self._stream: Stream | None = None
        self._idle_since: float | None = None
        self._source = _From(watch)
        self.number = number
        ports.selector.add(watch, self._on_other, self._source)

    @property
    def address(self) -> str:
        return self._address

    def attach(self, stream: Stream) -> None:
        """See `emulator.media.port.Port`."""
        selector, agreement = self._ports.selector, stream.agreement
        if self._stream is None:
            selector.streams += 1
        self._stream, self._idle_since = stream, None
        remote = (agreement.remote, agreement.remote_rtcp)
        if agreement.remote[0] in _NOWHERE or remote == self._remote:
            selector.add(self._rtp, stream.reader)  # its keys may be others
            return
        self._remote = remote
        try:
            self._aim(stream, agreement.remote)
            if agreement.remote_rtcp is not None and agreement.remote_rtcp != agreement.remote:
                self._rtcp.connect(agreement.remote_rtcp)
                selector.add(self._rtcp, lambda buffer, view, length: stream.receive_rtcp(bytes(view[:length])))
                stream.send_rtcp = self._rtcp.send
            else:
                stream.send_rtcp = self._rtp.send
        except OSError:
            # An address no packet can go to, such as a broadcast: the call stays up without media, as on a real network.
            selector.socket_errors += 1

    def _aim(self, stream: Stream, remote: Address) -> None:
        self._rtp.connect(remote)
        self._ports.selector.add(self._rtp, stream.reader)
        if stream.plan.other_port:  # a socket that is connected may send elsewhere all the same
            rtcp = self._rtcp
            stream.send = lambda data: rtcp.sendto(data, remote)
        else:
            stream.send = self._rtp.send

    def _on_other(self, buffer: bytearray, view: memoryview, length: int) -> None:
        """A packet that did not come from where the description says, or came after the end."""
        stream = self._stream
        if stream is None:
            return
        if self._idle_since is not None:
            since = self._ports.clock.seconds() - self._idle_since
            if self._source.peer == self._remote[0] and _CROSSING_SECONDS < since < _LATE_SECONDS:
                stream.late += 1
            return
        stream.strangers += 1
        announced = stream.agreement.remote
        # A client that names an IPv6 address and sends over IPv4 (linphone does) is known by its port.
        other_family = (":" in announced[0]) != (":" in self._address) and announced[1] == self._source.peer[1]
        if (self._ports.latch or other_family) and not stream.heard.packets:
            # The first one of all is taken for the client behind its NAT, once; nothing that comes later can move the call (RTPbleed).
            stream.strangers = 0
            peer = self._source.peer
            self._remote = (stream.agreement.remote, stream.agreement.remote_rtcp)
            self._aim(stream, peer)
            stream.reader(buffer, view, length)

    def close(self) -> None:
        """See `emulator.media.port.Port`."""
        if self._stream is not None and self._idle_since is None:
            self._ports.selector.streams -= 1
        self._idle_since = self._ports.clock.seconds()
        self._ports._returned(self)

    def _shut(self) -> None:
        """No call has these ports: nobody but the third socket is to hear anything."""
        selector = self._ports.selector
        for sock, number in ((self._rtp, self.number), (self._rtcp, self.number + 1)):
            selector.add(sock, _ignore)
            try:
                sock.connect((self._address, number))
            except OSError:
                selector.socket_errors += 1
        try:
            while self._rtp.recv(1):
                pass  # what came and was not read belongs to the call that is over
        except OSError:
            pass

    def _begin(self) -> None:
        """A new call gets these ports."""
        self._stream, self._idle_since, self._remote = None, None, (None, None)

    def _destroy(self) -> None:
        for sock in (self._rtp, self._rtcp, self._watch):
            self._ports.selector.remove(sock)
            sock.close()


class MediaPorts:
    """The range of media ports: even ones for RTP, the next for RTCP (RFC 3550 11), handed out in turn so that a late packet of
    one call does not meet the next."""

    def __init__(
        self, selector: Selector, clock: Clock, first: int = 10000, last: int = 20000, ephemeral: bool = False, latch: bool = False
    ) -> None:
        """`first` to `last` inclusive; `ephemeral` takes whatever pair the system gives instead. `latch` lets the first packet of a call
        say where its client really is."""
        self.selector = selector
        self.clock = clock
        self.latch = latch
        self._ephemeral = ephemeral
        self._free: deque[int] = deque(range(first + first % 2, last, 2))
        self._open: set[PortPair] = set()
        self._idle: dict[str, deque[PortPair]] = {}
        self._idle_count = 0

    @property
    def in_use(self) -> int:
        return len(self._open)

    def open(self, address: str) -> PortPair:
        """A pair on `address`. Raises `Exhausted`."""
        pair = self._take_idle(address) or self._make(address)
        self._open.add(pair)
        return pair

    def _take_idle(self, address: str) -> PortPair | None:
        """The pair that has been idle longest, once there are so many that a late packet of its last call is not to be feared."""
        idle = self._idle.get(address)
        if not idle or (len(idle) < _IDLE_PAIRS // 2 and idle[0]._idle_since is not None and not self._rested(idle[0]._idle_since)):
            return None
        pair = idle.popleft()
        self._idle_count -= 1
        pair._begin()
        return pair

    def _rested(self, since: float) -> bool:
        return self.clock.seconds() - since >= _LATE_SECONDS

    def _make(self, address: str) -> PortPair:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        for _ in range(_ATTEMPTS if self._ephemeral else min(_ATTEMPTS, len(self._free))):
            number = 0 if self._ephemeral else self._free.popleft()
            pair = self._bind(family, address, number)
            if pair is not None:
                return pair
            if number:
                self._free.append(number)  # somebody else has it; its turn comes again
        idle = self._idle.get(address)
        if idle:
            pair = idle.popleft()
            self._idle_count -= 1
            pair._begin()
            return pair
        raise Exhausted(f"no pair of media ports is free on {address}")

    def _bind(self, family: int, address: str, number: int) -> PortPair | None:
        made: list[socket.socket] = []

        def bind(port: int, shared: bool = False) -> socket.socket:
            sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            made.append(sock)
            if shared:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((address, port))
            return sock

        try:
            rtp = bind(number)
            if not number:
                number = rtp.getsockname()[1]
                if number % 2 or number == 65534:
                    raise OSError(errno.EADDRINUSE, "an odd port")
            rtcp = bind(number + 1)
            # The port is ours alone by now; sharing is allowed for a moment, so that the third socket gets in and nobody else.
            rtp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            watch = bind(number, shared=True)
            for sock in (rtp, watch):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        except OSError as error:
            for sock in made:
                sock.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise Exhausted(f"media ports on {address}: {error.strerror}") from None
            return None
        return PortPair(self, rtp, rtcp, watch, address, number)

    def _returned(self, pair: PortPair) -> None:
        if pair not in self._open:
            return
        self._open.discard(pair)
        if self._idle_count < _IDLE_PAIRS:
            pair._shut()
            self._idle.setdefault(pair.address, deque()).append(pair)
            self._idle_count += 1
            return
        pair._destroy()
        if not self._ephemeral:
            self._free.append(pair.number)

    def close(self) -> None:
        """Close every port, then the selector."""
        for pair in [*self._open, *(pair for idle in self._idle.values() for pair in idle)]:
            pair._destroy()
        self._open.clear()
        self._idle.clear()
        self._idle_count = 0
        self.selector.close()


class SharedPort:
    """What one call has of a port that all calls of an address share: its place in the table of those that may send there."""

    __slots__ = ("_group", "_remote", "_rtcp_remote", "number", "stream")

    def __init__(self, group: "_Shared") -> None:
        self._group = group
        self._remote: Address | None = None
        self._rtcp_remote: Address | None = None
        self.stream: Stream | None = None
        self.number = group.number

    def attach(self, stream: Stream) -> None:
        """See `emulator.media.port.Port`."""
        agreement, group = stream.agreement, self._group
        if self.stream is None:
            group.ports.selector.streams += 1
        self.stream = stream
        if agreement.remote[0] in _NOWHERE:
            return
        self._move(agreement.remote)
        rtcp = agreement.remote_rtcp or agreement.remote
        if self._rtcp_remote is not None:
            group.by_rtcp_peer.pop(self._rtcp_remote, None)
        self._rtcp_remote = rtcp
        group.by_rtcp_peer[rtcp] = stream
        sendto = (group.rtp if rtcp == agreement.remote else group.rtcp).sendto
        stream.send_rtcp = lambda data: sendto(data, rtcp)

    def _move(self, remote: Address) -> None:
        group, stream = self._group, self.stream
        assert stream is not None
        if group.by_peer.get(remote, self) is not self:
            stream.address_taken = True  # whoever came first keeps it: a description must not fetch another call's media
            return
        stream.address_taken = False
        if self._remote is not None and group.by_peer.get(self._remote) is self:
            del group.by_peer[self._remote]
        self._remote = remote
        group.by_peer[remote] = self
        sendto = (group.rtcp if stream.plan.other_port else group.rtp).sendto
        stream.send = lambda data: sendto(data, remote)

    @property
    def latches(self) -> bool:
        """Whether the first packet may still say where the client really is."""
        return self.stream is not None and not self.stream.heard.packets

    def close(self) -> None:
        """See `emulator.media.port.Port`."""
        if self in self._group.calls:
            self._group.calls.discard(self)
            if self.stream is not None:
                self._group.ports.selector.streams -= 1
            if self._remote is not None and self._group.by_peer.get(self._remote) is self:
                del self._group.by_peer[self._remote]
                if self.stream is not None:
                    self._group.ended(self._remote, self.stream)
            if self._rtcp_remote is not None:
                self._group.by_rtcp_peer.pop(self._rtcp_remote, None)


class _Shared:
    """The two sockets that the calls of one address share."""

    def __init__(self, ports: "SharedPorts", rtp: socket.socket, rtcp: socket.socket) -> None:
        self.ports = ports
        self.rtp, self.rtcp = rtp, rtcp
        self.number: int = rtp.getsockname()[1]
        self.calls: set[SharedPort] = set()
        self.by_peer: dict[Address, SharedPort] = {}
        self.by_rtcp_peer: dict[Address, Stream] = {}
        self._gone: dict[Address, tuple[Stream, float]] = {}
        """Calls that ended lately, the first one first: what their clients still send is theirs."""
        self._from = _From(rtp)
        self._rtcp_from = _From(rtcp)
        ports.selector.add(rtp, self._on_rtp, self._from)
        ports.selector.add(rtcp, self._on_rtcp, self._rtcp_from)

    def _on_rtp(self, buffer: bytearray, view: memoryview, length: int) -> None:
        port = self.by_peer.get(self._from.peer) or self._latched(self._from.peer)
        if port is not None and port.stream is not None:
            port.stream.reader(buffer, view, length)

    def _on_rtcp(self, buffer: bytearray, view: memoryview, length: int) -> None:
        stream = self.by_rtcp_peer.get(self._rtcp_from.peer)
        if stream is not None:
            stream.receive_rtcp(bytes(view[:length]))

    def ended(self, peer: Address, stream: Stream) -> None:
        """The call of this client is over."""
        now = self.ports.selector.clock.seconds()
        gone = self._gone
        gone.pop(peer, None)
        gone[peer] = (stream, now)
        while len(gone) > _GONE or now - next(iter(gone.values()))[1] >= _LATE_SECONDS:
            del gone[next(iter(gone))]

    def _is_late(self, peer: Address) -> bool:
        """Whether this is of a client whose call has just ended; then it is counted there."""
        gone = self._gone.get(peer)
        if gone is None:
            return False
        stream, ended = gone
        since = self.ports.selector.clock.seconds() - ended
        stream.late += _CROSSING_SECONDS < since < _LATE_SECONDS
        return since < _LATE_SECONDS

    def _latched(self, peer: Address) -> SharedPort | None:
        """Whose packet this is if a NAT has changed its address: the call that waits for its first one, where only one can be meant."""
        waiting = [call for call in self.calls if call.latches] if self.ports.latch else []
        if len(waiting) > 1:
            waiting = [call for call in waiting if call._remote is not None and call._remote[1] == peer[1]]
        if len(waiting) == 1:
            waiting[0]._move(peer)
            return waiting[0]
        if not self._is_late(peer):
            self.ports.stranger(peer)
        return None


class SharedPorts:
    """One port, and the next for RTCP, for all calls of an address: the mode for containers, where publishing a range is slow."""

    def __init__(self, selector: Selector, number: int, latch: bool = False, told: Callable[[int, Address], None] | None = None) -> None:
        """`told` hears of packets that belong to no call, at most every ten seconds: how many came since, and who sent the last."""
        self.selector = selector
        self.latch = latch
        self.strangers = 0
        """Packets that belonged to no call."""
        self._told = told
        self._untold = 0
        self._tell_at = 0.0
        self._number = number
        self._groups: dict[str, _Shared] = {}

    def stranger(self, peer: Address) -> None:
        """A packet that belongs to no call."""
        self.strangers += 1
        self._untold += 1
        now = self.selector.clock.seconds()
        if self._told is not None and now >= self._tell_at:
            untold, self._untold, self._tell_at = self._untold, 0, now + _TELLING_SECONDS
            self._told(untold, peer)

    @property
    def in_use(self) -> int:
        return sum(len(group.calls) for group in self._groups.values())

    def open(self, address: str) -> SharedPort:
        """A place for one more call. Raises `Exhausted` when the port itself can't be opened."""
        group = self._groups.get(address)
        if group is None:
            group = self._groups[address] = self._bind(address)
        port = SharedPort(group)
        group.calls.add(port)
        return port

    def _bind(self, address: str) -> _Shared:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        for left in reversed(range(1 if self._number else _ATTEMPTS)):
            made: list[socket.socket] = []
            number = self._number
            try:
                for offset in (0, 1):
                    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
                    made.append(sock)
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SHARED_BUFFER)  # the bursts of all calls meet here
                    sock.bind((address, number + offset if number else 0))
                    number = number or sock.getsockname()[1]
                return _Shared(self, *made)
            except (OSError, OverflowError) as error:
                for sock in made:
                    sock.close()
                if not left:
                    raise Exhausted(f"media port {self._number} on {address}: {error}") from None
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        """Close both ports of every address, then the selector."""
        for group in self._groups.values():
            for sock in (group.rtp, group.rtcp):
                self.selector.remove(sock)
                sock.close()
        self._groups.clear()
        self.selector.close()
