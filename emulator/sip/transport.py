"""The streams of one proxy: its TCP and TLS listeners and their connections, each a flow (RFC 3261 18, RFC 5626)."""

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet import error
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.protocol import Protocol as StreamProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from emulator.clock import Clock, Timer
from emulator.journal.findings import Finding
from emulator.sip.flow import ANY_ADDRESS, Address, Flow, Path, sent_by
from emulator.sip.framing import Framer, FramingError, Keepalive
from emulator.sip.tls import openssl_words

_WRITE_LIMIT = 1 << 20
_READ_OCTETS = 4096
"""At a time from one connection: Twisted's 65,536 can be 6,000 messages, in whose turn nothing else goes on."""
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


@implementer(IHalfCloseableProtocol)
class Connection(StreamProtocol):
    """A TCP or TLS connection: framing, keep-alives (RFC 5626 4.4.1) and bounds. `flow` is its face to the machines."""

    dialling = False
    """True from our own attempt to connect until it has succeeded or failed; see `emulator.sip.dialling`."""
    ours = False
    """Whether we opened it."""
    coming = ""
    """See `Flow.coming`."""

    def __init__(self, listener: "StreamListener", peer: Address, name: str = "") -> None:
        """`name` is the host that `peer` is an address of, where we opened the connection."""
        self._listener = listener
        self.name = name
        self.flow = ConnectionFlow(self, listener, peer)
        self.peer = peer
        self._framer = Framer(listener.limits.message_octets, listener.limits.message_octets)
        self._timer: Timer | None = None
        self._admitted = False
        self._choked = False
        self._owed = 0
        self._heard = 0.0
        self._told = False
        self.open = False
        self.failure = ""
        """Why it has gone, for a person."""

    def connectionMade(self) -> None:
        listener = self._listener
        transport: Any = self.transport
        if not listener.limits.admit(self.peer[0]):
            self.failure = "too many connections at once"
            listener.on_finding(self.flow, Finding("limit.connections", f"another connection with {self.peer[0]}"))
            transport.abortConnection()
            return
        self._admitted = self.open = True
        listener.connections.add(self)
        if not self.ours:
            listener.by_peer[self.peer] = self
        transport.setTcpNoDelay(True)
        getattr(transport, "transport", transport).bufferSize = _READ_OCTETS  # under TLS the one below it reads
        here = transport.getHost()
        self.flow.path.local, self.flow.path.connected = (here.host, here.port), True
        transport.registerProducer(self, True)
        self._await_message(listener.limits.message_seconds)

    def dataReceived(self, data: bytes) -> None:
        if not self.open:
            return
        self._check_pace()
        lost: FramingError | None = None
        try:
            items = self._framer.feed(data)
        except FramingError as broken:
            lost, items = broken, broken.items
        pings = 0
        for item in items:
            if not self.open:
                return
            if isinstance(item, Keepalive):
                pings += item is Keepalive.PING
                continue
            if pings:
                pings = self._answer(pings)
            self._listener.receive(item, self.flow)
        if pings and self.open:
            self._answer(pings)
        if lost is not None:
            if lost.head and self.open:
                self._listener.endless(lost.head, str(lost), lost.status, self.flow)
            self.failure = f"closed for {lost}"
            self.close()
            self._listener.on_finding(self.flow, Finding("stream.framing", str(lost)))
            return
        limits = self._listener.limits
        self._await_message(limits.message_seconds if self._framer.pending else limits.idle_seconds)

    def _answer(self, pings: int) -> int:
        """Those that came in a row, at once: under TLS each write is a record of its own. None is left."""
        self.write(PONG * pings)
        return 0

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
            self.failure = self.failure or words(reason, self._listener.name == "TLS")
            listener = self._listener
            listener.limits.release(self.peer[0])
            listener.connections.discard(self)
            if listener.by_peer.get(self.peer) is self:
                del listener.by_peer[self.peer]
            listener.flow_lost(self.flow)

    def readConnectionLost(self) -> None:
        """The peer says no more, and may listen still: what it is owed goes before the connection ends."""
        self.close()

    def writeConnectionLost(self) -> None:
        """We end nothing by halves."""

    def write(self, data: bytes) -> None:
        """Send octets; a peer that reads nothing is cut off when more than a megabyte waits for it."""
        if not self.open:
            return
        if self._choked:
            self._owed += len(data)
            if self._owed > _WRITE_LIMIT:
                self.failure = "the peer reads nothing"
                self.abort()
                finding = Finding("stream.unread", f"{self._owed} octets wait for a peer that reads none")
                self._listener.on_finding(self.flow, finding)
                return
        transport: Any = self.transport
        transport.write(data)

    def withdraw(self, branch: str) -> bool:
        """See `Flow.withdraw`."""
        return False  # what was written is on its way

    def close(self) -> None:
        """Close when what was written has gone; a peer that does not read it, or under TLS does not close too, is not waited for long."""
        transport: Any = self.transport
        if self.open:
            self.open = False
            self._await_message(self._listener.limits.message_seconds)
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
        if not self.open:
            what = "no end of a connection that was closed"
        self.failure = self.failure or f"closed for {what} in the time allowed"
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

    __slots__ = ("_answer_port", "_listener", "_stream", "local", "path", "peer", "sent_by", "transport")

    reliable = True

    def __init__(self, stream: Connection, listener: "StreamListener", peer: Address) -> None:
        self._stream = stream
        self._listener = listener
        self._answer_port = 0
        self.transport = listener.name
        self.local = listener.local
        host = listener.local[0] if listener.address in ANY_ADDRESS else listener.address
        self.path = Path(listener.name, (host, listener.local[1]), peer, connected=False)
        self.sent_by = listener.sent_by
        self.peer = peer

    @property
    def open(self) -> bool:
        return self._stream.open or self._stream.dialling

    @property
    def ours(self) -> bool:
        return self._stream.ours

    @property
    def coming(self) -> str:
        return self._stream.coming

    @property
    def failure(self) -> str:
        return self._stream.failure

    def send(self, data: bytes) -> None:
        if self.open or not self._answer_port or not data.startswith(b"SIP/2.0 "):
            self._stream.write(data)
        elif self._listener.dialler is not None:
            # "If that connection is no longer open, the server SHOULD open a connection to the IP address in the "received"
            # parameter, if present, using the port in the "sent-by" value" (18.2.2)
            self._listener.dialler.dial((self.peer[0], self._answer_port)).write(data)

    def withdraw(self, branch: str) -> bool:
        return self._stream.withdraw(branch)

    def reset(self) -> None:
        if self._stream.open:
            self._stream.abort()

    def answers_at(self, port: int) -> None:
        self._answer_port = port

    def to(self, peer: Address) -> Flow:
        if self.open or self._listener.dialler is None or (peer == self.peer and not self._stream.ours):
            return self
        return self._listener.dialler.dial(peer, self._stream.name if peer[0] == self.peer[0] else "").flow


class Opener(Protocol):
    """Who opens connections from the listener's own address: `emulator.sip.dialling`."""

    def dial(self, peer: Address, name: str = "") -> Connection:
        """A connection to `peer` that is open or comes about; what is written to it goes as soon as it can."""

    def stop(self) -> None:
        """Give up what is coming about."""


class StreamListener(Factory):
    """The TCP or TLS side of one proxy."""

    noisy = False

    def __init__(self, name: str, clock: Clock, limits: Limits, receiver: Receiver, on_finding: Callable[[Flow, Finding], None]) -> None:
        """`name` is `TCP` or `TLS`."""
        self.name = name
        self.clock = clock
        self.limits = limits
        self.receive = receiver.receive
        self.endless = receiver.endless
        self.flow_lost = receiver.flow_lost
        self.on_finding = on_finding
        self.connections: set[Connection] = set()
        """Those that are open, whoever opened them."""
        self.by_peer: dict[Address, Connection] = {}
        """Those that others opened, by their address."""
        self.dialler: Opener | None = None
        self.local: Address = ("", 0)
        self.sent_by = ""
        self.address = ""
        """Where it is bound."""
        self.port: Any = None
        """Twisted's; None when it is closed."""

    def listen(self, reactor: Any, bind: Address, advertise: str | None = None, factory: Factory | None = None) -> int:
        """Open the port and return its number; `factory` wraps this one (TLS). Raises `CannotListenError`."""
        self.address = bind[0]
        self.port = reactor.listenTCP(bind[1], factory or self, backlog=511, interface=bind[0])
        port: int = self.port.getHost().port
        self.local = (advertise or bind[0], port)
        self.sent_by = sent_by(self.local)
        return port

    def buildProtocol(self, addr: Any) -> Connection:
        stream = Connection(self, (addr.host, addr.port))
        stream.factory = self
        return stream

    def stop(self) -> Any:
        """Close the port and every connection; returns a Deferred, or None when nothing was open."""
        if self.dialler is not None:
            self.dialler.stop()
        for stream in list(self.connections):
            stream.close()
        port, self.port = self.port, None
        return port.stopListening() if port is not None else None


def words(reason: Failure, secure: bool = False) -> str:
    """Why a connection did not come about or has gone, for a person. Under TLS a reset can't be told from an end without TLS's own."""
    problem = reason.value
    if isinstance(problem, error.ConnectionRefusedError):
        return "connection refused"
    if isinstance(problem, error.NoRouteError):
        return "no route to the host"
    if isinstance(problem, error.ConnectionDone) or (secure and type(problem) is error.ConnectionLost):
        return "the peer closed the connection"
    if isinstance(problem, error.ConnectionAborted):
        return "closed here"
    if isinstance(problem, error.ConnectionLost):
        return "connection reset"
    if isinstance(problem, error.ConnectError) and problem.args and problem.args[0]:
        return str(problem.args[0]).lower()[:80]  # the system's words
    return openssl_words(reason) or reason.getErrorMessage()[:80]
