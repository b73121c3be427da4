"""Media ports for each call: RTP on an even one, RTCP on the next, opened once and handed out in turn."""

import errno
import socket
import sys
from collections import deque
from typing import Any

from emulator.clock import Clock
from emulator.media.port import Exhausted
from emulator.media.sockets import CROSSING_SECONDS, LATE_SECONDS, NOWHERE, Address, Selector, Source, datagram_socket
from emulator.media.stream import Stream

_ATTEMPTS = 64
_IDLE_PAIRS = 256
"""Pairs kept open for the next calls: opening and closing three sockets costs more than a call's whole offer and answer."""


def _ignore(buffer: bytearray, view: memoryview, length: int) -> None:
    """What a socket may still have held when its call ended."""


class PortPair:
    """The sockets of one call at a time: RTP, RTCP, and one that hears on the RTP port whatever the first one does not.

    Once the SDP has named the peer the first two are connected to it: the kernel then hands them nobody else's packets, and gives those
    to the third, where they are counted. Between calls they are connected to themselves, which shuts them.
    """

    __slots__ = (
        "_address", "_aimed", "_idle_since", "_ports", "_remote", "_reports", "_rtcp", "_rtp", "_source", "_stream", "_watch", "number",
    )  # fmt: skip

    def __init__(
        self, ports: "MediaPorts", rtp: socket.socket, rtcp: socket.socket, watch: socket.socket, address: str, number: int
    ) -> None:
        self._ports = ports
        self._rtp, self._rtcp, self._watch = rtp, rtcp, watch
        self._address = address
        self._remote: tuple[Any, Any] = (None, None)
        self._aimed: Address | None = None  # the peer of the first socket
        self._stream: Stream | None = None
        self._idle_since: float | None = None
        self._reports: socket.socket | None = None  # hears RTCP of a client whose RTP came from elsewhere than it said
        self._source = Source(watch)
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
        if agreement.remote[0] in NOWHERE or remote == self._remote:
            selector.add(self._rtp, stream.reader, straight=stream.straight)  # its keys may be others
            return
        self._remote = remote
        self._leave_reports()
        try:
            self._aim(stream, agreement.remote)
            if agreement.remote_rtcp is not None and agreement.remote_rtcp != agreement.remote:
                self._aim_rtcp(stream, agreement.remote_rtcp)
            else:
                stream.aimed_rtcp(None)
                stream.send_rtcp = self._rtp.send
        except OSError:
            # An address no packet can go to, such as a broadcast: the call stays up without media, as on a real network.
            selector.socket_errors += 1
        else:
            # Who answers our offer speaks at once: what came before the socket was connected comes before what it hears from now on.
            selector.read_now(self._watch)

    def _aim(self, stream: Stream, remote: Address) -> None:
        self._rtp.connect(remote)
        self._aimed = remote
        stream.aimed((self._address, self.number), remote)
        self._ports.selector.add(self._rtp, stream.reader, straight=stream.straight)
        if stream.plan.other_port:  # a socket that is connected may send elsewhere all the same
            rtcp = self._rtcp
            stream.send = lambda data: rtcp.sendto(data, remote)
        else:
            stream.send = self._rtp.send

    def _aim_rtcp(self, stream: Stream, remote: Address) -> None:
        self._rtcp.connect(remote)
        stream.aimed_rtcp(remote)
        self._ports.selector.add(self._rtcp, lambda buffer, view, length: stream.receive_rtcp(bytes(view[:length])))
        stream.send_rtcp = self._rtcp.send

    def _await_reports(self, stream: Stream, host: str) -> None:
        """RTP has shown at which address a client behind a NAT is; its first report from there shows the port for RTCP, once."""
        if self._remote[1] in (None, self._remote[0]):
            return  # it comes and goes with RTP
        sock = self._ports._another(self._rtcp, (self._address, self.number + 1))
        if sock is None:
            return
        self._reports, source = sock, Source(sock)

        def read(buffer: bytearray, view: memoryview, length: int) -> None:
            before = stream.reports
            if source.peer[0] == host:
                stream.receive_rtcp(bytes(view[:length]), source.peer)
            if stream.reports > before:
                self._leave_reports()
                self._aim_rtcp(stream, source.peer)

        self._ports.selector.add(sock, read, source)

    def _leave_reports(self) -> None:
        sock, self._reports = self._reports, None
        if sock is not None:
            self._ports.selector.remove(sock)
            sock.close()

    def _on_other(self, buffer: bytearray, view: memoryview, length: int) -> None:
        """A packet that did not come from where the description says, or came after the end."""
        stream = self._stream
        if stream is None:
            return
        if self._idle_since is not None:
            since = self._ports.clock.seconds() - self._idle_since
            if self._source.peer == self._remote[0] and CROSSING_SECONDS < since < LATE_SECONDS:
                stream.late += 1
                stream.stray(self._source.peer, view[:length], "media.after-bye")
            return
        if self._source.peer == self._aimed:  # it came before the socket was connected
            stream.reader(buffer, view, length)
            return
        stream.strangers += 1
        stream.stranger = self._source.peer
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
            self._await_reports(stream, peer[0])
        else:
            stream.stray(self._source.peer, view[:length], "media.stranger")

    def close(self) -> None:
        """See `emulator.media.port.Port`."""
        if self._stream is not None and self._idle_since is None:
            self._ports.selector.streams -= 1
        self._idle_since = self._ports.clock.seconds()
        self._leave_reports()
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
        self._stream, self._idle_since, self._remote, self._aimed = None, None, (None, None), None

    def _destroy(self) -> None:
        self._leave_reports()
        for sock in (self._rtp, self._rtcp, self._watch):
            self._ports.selector.remove(sock)
            sock.close()


class MediaPorts:
    """The range of media ports: even ones for RTP, the next for RTCP (RFC 3550 11), handed out in turn so that a late packet of
    one call does not meet the next."""

    def __init__(
        self, selector: Selector, clock: Clock, first: int = 10000, last: int = 20000, ephemeral: bool = False, latch: bool = False,
        descriptors: int = sys.maxsize,
    ) -> None:  # fmt: skip
        """`first` to `last` inclusive; `ephemeral` takes whatever pair the system gives instead. `latch` lets the first packet of a call
        say where its client really is. File descriptors of a number from `descriptors` on are left to others."""
        self.selector = selector
        self.clock = clock
        self.latch = latch
        self._descriptors = descriptors
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
        return self.clock.seconds() - since >= LATE_SECONDS

    def _make(self, address: str) -> PortPair:
        """A new pair. Where there is none those that rest are taken, rested or not; at another address one is closed for its number."""
        try:
            return self._new(address)
        except Exhausted:
            if not self._idle_count:
                raise
        here = self._idle.get(address)
        pair = (here or max(self._idle.values(), key=len)).popleft()
        self._idle_count -= 1
        if pair.address == address:
            pair._begin()
            return pair
        pair._destroy()
        if not self._ephemeral:
            self._free.append(pair.number)
        return self._new(address)

    def _new(self, address: str) -> PortPair:
        for _ in range(_ATTEMPTS if self._ephemeral else min(_ATTEMPTS, len(self._free))):
            number = 0 if self._ephemeral else self._free.popleft()
            pair = None
            try:
                pair = self._bind(address, number)
            finally:
                if pair is None and number:
                    self._free.append(number)  # somebody else has it, or there are no descriptors left; its turn comes again
            if pair is not None:
                return pair
        raise Exhausted(f"no pair of media ports is free on {address}")

    def _bind(self, address: str, number: int) -> PortPair | None:
        made: list[socket.socket] = []

        def bind(port: int, shared: bool = False) -> socket.socket:
            sock = datagram_socket(address)
            made.append(sock)
            if sock.fileno() >= self._descriptors:  # the lowest that is free
                raise OSError(errno.EMFILE, "open files near their limit; raise it (ulimit -n)")
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

    def _another(self, beside: socket.socket, address: Address) -> socket.socket | None:
        """One more socket on a port that is ours; None when there is none to spare."""
        sock = None
        try:
            sock = datagram_socket(address[0])
            if sock.fileno() >= self._descriptors:
                raise OSError(errno.EMFILE, "open files near their limit")
            for one in (beside, sock):  # as in `_bind`
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            for one in (beside, sock):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        except OSError:
            if sock is not None:
                sock.close()
            return None
        return sock

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
