"""The wires of SIP: UDP sockets, TCP and TLS connections of one proxy, each path a flow (RFC 3261 18, RFC 5626)."""

import socket
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.protocol import ClientFactory, Factory, connectionDone
from twisted.internet.protocol import Protocol as StreamProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from emulator.clock import Clock, Timer
from emulator.journal.findings import Finding
from emulator.sip.flow import Address, Flow, sent_by
from emulator.sip.framing import Framer, FramingError, Keepalive

_READS_PER_WAKE = 16
_MAX_DATAGRAM = 65535
_RECEIVE_BUFFER = 4 << 20
_FLOWS_KEPT = 4096
_WRITE_LIMIT = 1 << 20
_DIAL_SECONDS = 5
_DIAL_OCTETS = 65536
PONG = b"\r\n"
KEEPALIVE_SECONDS = 120.0
"""The longest a client may be silent on a connection where nothing else is agreed (RFC 5626 4.4.1)."""


class Receiver(Protocol):
    """Who takes what arrives: the endpoint of the proxy, or what stands before it."""

    def receive(self, data: bytes, flow: Flow) -> None:
        """One whole message."""

    def endless(self, head: bytes, what: str, status: int, flow: Flow) -> None:
        """The headers of a message whose end can't be found, and what it may be answered with; nothing follows on this connection."""

    def flow_lost(self, flow: Flow) -> None:
        """A connection has gone."""


class UdpFlow:
    """A datagram path: one listener and one peer address."""

    __slots__ = ("_listener", "local", "peer", "sent_by")

    transport = "UDP"
    reliable = False
    open = True
    failure = ""

    def __init__(self, listener: "UdpListener", peer: Address) -> None:
        self._listener = listener
        self.peer = peer
        self.local = listener.local
        self.sent_by = listener.sent_by

    def send(self, data: bytes) -> None:
        self._listener.send(data, self.peer)

    def answers_at(self, port: int) -> None:
        """Nothing to note: a datagram needs no connection."""

    def to(self, peer: Address) -> "UdpFlow":
        return self._listener.flow(peer)


@implementer(IReadDescriptor)
class UdpListener:
    """One UDP socket, read by the reactor directly: a datagram costs no protocol object and no second call."""

    def __init__(self, reactor: Any, receiver: Receiver, bind: Address, advertise: str | None = None) -> None:
        """Binds at once; raises `OSError` when it can't. `advertise` replaces the bound host in Via and Contact."""
        self._reactor = reactor
        self._receive = receiver.receive
        family = socket.AF_INET6 if ":" in bind[0] else socket.AF_INET
        self._socket = sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)  # the default loses bursts
            sock.bind(bind)
        except OSError:
            sock.close()
            raise
        self.bound: Address = (bind[0], sock.getsockname()[1])
        self.local: Address = (advertise or bind[0], self.bound[1])
        self.sent_by = sent_by(self.local)
        self._recvfrom = sock.recvfrom
        self._sendto = sock.sendto
        self._flows: dict[Any, UdpFlow] = {}
        self.unsent = 0
        """Datagrams the system would not take."""

    def start(self) -> None:
        self._reactor.addReader(self)

    def stop(self) -> None:
        """Stop reading and close the socket; harmless when done before."""
        if self._socket.fileno() >= 0:
            self._reactor.removeReader(self)
            self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def logPrefix(self) -> str:
        return f"sip udp {self.sent_by}"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor closes its readers when it stops."""
        self._socket.close()

    def doRead(self) -> None:
        recvfrom, receive, flows = self._recvfrom, self._receive, self._flows
        for _ in range(_READS_PER_WAKE):
            try:
                data, address = recvfrom(_MAX_DATAGRAM)
            except BlockingIOError:
                return
            except OSError:  # an ICMP error of an earlier send; it says nothing of this socket
                continue
            if data in (b"", b"\r\n", b"\r\n\r\n", b"\x00"):
                continue  # keep-alives that some clients send over UDP; nothing is owed for them
            receive(data, flows.get(address) or self.flow(address[:2]))

    def flow(self, peer: Address) -> UdpFlow:
        flow = self._flows.get(peer)
        if flow is None:
            if len(self._flows) >= _FLOWS_KEPT:
                self._flows.clear()  # a flow holds no state: making it anew costs a microsecond
            self._flows[peer] = flow = UdpFlow(self, peer)
        return flow

    def send(self, data: bytes, peer: Address) -> None:
        try:
            self._sendto(data, peer)
        except (OSError, OverflowError):
            self.unsent += 1  # UDP promises nothing, and retransmission is the transaction's


class Limits:
    """What the connections of all proxies share: how many there may be, and how long they may be silent. Seconds."""

    def __init__(
        self, total: int = 2000, per_address: int = 500, message_seconds: float = 30.0, idle_seconds: float = 3600.0,
        message_octets: int = 65535,
    ) -> None:  # fmt: skip
        self.total = total
        self.per_address = per_address
        self.message_seconds = message_seconds
        """How long a message, the first one included, may take to arrive."""
        self.idle_seconds = idle_seconds
        self.message_octets = message_octets
        self._open: dict[str, int] = {}
        self.count = 0

    def admit(self, host: str) -> bool:
        """Count a connection in; False, and nothing counted, when a bound is reached."""
        if self.count >= self.total or self._open.get(host, 0) >= self.per_address:
            return False
        self.count += 1
        self._open[host] = self._open.get(host, 0) + 1
        return True

    def release(self, host: str) -> None:
        self.count -= 1
        self._open[host] -= 1
        if not self._open[host]:
            del self._open[host]


class Connection(StreamProtocol):
    """A TCP or TLS connection: framing, keep-alives (RFC 5626 4.4.1) and bounds. `flow` is its face to the machines."""

    def __init__(self, listener: "StreamListener", peer: Address) -> None:
        self._listener = listener
        self.flow = ConnectionFlow(self, listener, peer)
        self.peer = peer
        self._framer = Framer(listener.limits.message_octets, listener.limits.message_octets)
        self._timer: Timer | None = None
        self._admitted = False
        self._choked = False
        self._owed = 0
        self._waiting: list[bytes] = []
        self._heard = 0.0
        self._told = False
        self.open = False
        self.dialling = False
        """True from our own attempt to connect until it has succeeded or failed."""

    def connectionMade(self) -> None:
        self.dialling = False
        listener = self._listener
        transport: Any = self.transport
        if not listener.limits.admit(self.peer[0]):
            listener.on_finding(self.flow, Finding("limit.connections", f"another connection from {self.peer[0]}"))
            transport.abortConnection()
            return
        self._admitted = self.open = True
        listener.connections.add(self)
        transport.setTcpNoDelay(True)
        transport.registerProducer(self, True)
        self._await_message(listener.limits.message_seconds)
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            self.write(data)

    def unreachable(self, reason: Failure) -> None:
        """The connection that we tried to open does not come about."""
        self.dialling = False
        finding = Finding("stream.gone", f"{reason.getErrorMessage()[:80]}; {len(self._waiting)} responses are lost")
        self._waiting.clear()
        self._listener.on_finding(self.flow, finding)

    def dataReceived(self, data: bytes) -> None:
        if not self.open:
            return
        self._check_pace()
        lost: FramingError | None = None
        try:
            items = self._framer.feed(data)
        except FramingError as error:
            lost, items = error, error.items
        for item in items:
            if not self.open:
                return
            if isinstance(item, Keepalive):
                if item is Keepalive.PING:
                    self.write(PONG)
            else:
                self._listener.receive(item, self.flow)
        if lost is not None:
            if lost.head and self.open:
                self._listener.endless(lost.head, str(lost), lost.status, self.flow)
            self.close()
            self._listener.on_finding(self.flow, Finding("stream.framing", str(lost)))
            return
        limits = self._listener.limits
        self._await_message(limits.message_seconds if self._framer.pending else limits.idle_seconds)

    def _check_pace(self) -> None:
        """A connection that was silent for so long would have lost its place in many a NAT (RFC 5626 4.4.1)."""
        now = self._listener.clock.seconds()
        silent = now - self._heard if self._heard else 0.0
        self._heard = now
        if silent > KEEPALIVE_SECONDS and not self._told:
            self._told = True
            self._listener.on_finding(self.flow, Finding("stream.keepalive-rare", f"silent for {silent:.0f} s"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._admitted:
            self._admitted = self.open = False
            self._listener.limits.release(self.peer[0])
            self._listener.connections.discard(self)
            self._listener.flow_lost(self.flow)

    def write(self, data: bytes) -> None:
        """Send octets; a peer that reads nothing is cut off when more than a megabyte waits for it."""
        if not self.open:
            if self.dialling and sum(map(len, self._waiting)) + len(data) <= _DIAL_OCTETS:
                self._waiting.append(data)
            return
        if self._choked:
            self._owed += len(data)
            if self._owed > _WRITE_LIMIT:
                self.abort()
                finding = Finding("stream.unread", f"{self._owed} octets wait for a peer that reads none")
                self._listener.on_finding(self.flow, finding)
                return
        transport: Any = self.transport
        transport.write(data)

    def close(self) -> None:
        """Close when what was written has gone."""
        transport: Any = self.transport
        if self.open:
            self.open = False
            transport.unregisterProducer()
            transport.loseConnection()

    def abort(self) -> None:
        """Close at once."""
        transport: Any = self.transport
        self.open = False
        transport.abortConnection()

    def _await_message(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._listener.clock.call_later(seconds, self._too_late)

    def _too_late(self) -> None:
        what = "half a message" if self._framer.pending else "no message"
        self.abort()
        self._listener.on_finding(self.flow, Finding("stream.idle", f"{what} in the time allowed"))

    def pauseProducing(self) -> None:
        self._choked = True

    def resumeProducing(self) -> None:
        self._choked = False
        self._owed = 0

    def stopProducing(self) -> None:
        """The transport is closing; there is nothing to produce."""


class ConnectionFlow:
    """What the machines see of a connection."""

    __slots__ = ("_answer_port", "_listener", "_stream", "local", "peer", "sent_by", "transport")

    reliable = True

    def __init__(self, stream: Connection, listener: "StreamListener", peer: Address) -> None:
        self._stream = stream
        self._listener = listener
        self._answer_port = 0
        self.transport = listener.name
        self.local = listener.local
        self.sent_by = listener.sent_by
        self.peer = peer

    @property
    def open(self) -> bool:
        return self._stream.open

    @property
    def failure(self) -> str:
        return "" if self._stream.open else "the connection has gone"

    def send(self, data: bytes) -> None:
        if self._stream.open or not self._answer_port or not data.startswith(b"SIP/2.0 "):
            self._stream.write(data)
        else:
            # "If that connection is no longer open, the server SHOULD open a connection to the IP address in the "received"
            # parameter, if present, using the port in the "sent-by" value" (18.2.2)
            self._listener.dial((self.peer[0], self._answer_port)).write(data)

    def answers_at(self, port: int) -> None:
        self._answer_port = port

    def to(self, peer: Address) -> "ConnectionFlow":
        return self


class _Dialled(ClientFactory):
    """Makes the one connection that we open ourselves."""

    noisy = False

    def __init__(self, stream: Connection) -> None:
        self._stream = stream

    def buildProtocol(self, addr: Any) -> Connection:
        return self._stream

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        self._stream.unreachable(reason)


class StreamListener(Factory):
    """The TCP or TLS side of one proxy."""

    noisy = False

    def __init__(
        self,
        name: str,
        clock: Clock,
        limits: Limits,
        receiver: Receiver,
        on_finding: Callable[[Flow, Finding], None],
        outgoing: Callable[[ClientFactory], Any] = lambda factory: factory,
    ) -> None:
        """`name` is `TCP` or `TLS`; `outgoing` wraps the factory of a connection that we open (TLS)."""
        self.name = name
        self.clock = clock
        self.limits = limits
        self.receive = receiver.receive
        self.endless = receiver.endless
        self.flow_lost = receiver.flow_lost
        self.on_finding = on_finding
        self.connections: set[Connection] = set()
        self.local: Address = ("", 0)
        self.sent_by = ""
        self._port: Any = None
        self._reactor: Any = None
        self._bind = ""
        self._outgoing = outgoing
        self._dialled: dict[Address, tuple[Connection, Any]] = {}

    def listen(self, reactor: Any, bind: Address, advertise: str | None = None, factory: Factory | None = None) -> int:
        """Open the port and return its number; `factory` wraps this one (TLS). Raises `CannotListenError`."""
        self._reactor, self._bind = reactor, bind[0]
        self._port = reactor.listenTCP(bind[1], factory or self, backlog=511, interface=bind[0])
        port: int = self._port.getHost().port
        self.local = (advertise or bind[0], port)
        self.sent_by = sent_by(self.local)
        return port

    def buildProtocol(self, addr: Any) -> Connection:
        stream = Connection(self, (addr.host, addr.port))
        stream.factory = self
        return stream

    def dial(self, peer: Address) -> Connection:
        """A connection that we have opened to `peer`, or open now; it takes what is to be sent at once."""
        known = self._dialled.get(peer)
        if known is not None and (known[0].open or known[0].dialling):
            return known[0]
        self._dialled = {at: entry for at, entry in self._dialled.items() if entry[0].open or entry[0].dialling}
        stream = Connection(self, peer)
        if self._port is None or len(self._dialled) >= self.limits.total:
            return stream  # it is not open and never will be: what is written to it is lost
        stream.dialling = True
        connector = self._reactor.connectTCP(*peer, self._outgoing(_Dialled(stream)), timeout=_DIAL_SECONDS, bindAddress=(self._bind, 0))
        self._dialled[peer] = stream, connector
        return stream

    def stop(self) -> Any:
        """Close the port and every connection; returns a Deferred, or None when nothing was open."""
        for stream, connector in self._dialled.values():
            if stream.dialling:
                connector.stopConnecting()
        for stream in list(self.connections):
            stream.close()
        port, self._port = self._port, None
        return port.stopListening() if port is not None else None
