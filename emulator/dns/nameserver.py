"""The zone's server: UDP and TCP on one port, and forwarding of other names to one upstream when there is one."""

import struct
from collections.abc import Callable
from typing import Any

from twisted.internet import defer, error
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from emulator.clock import Clock, Timer
from emulator.dns.answer import is_query
from emulator.dns.exchange import Address, Exchange
from emulator.dns.zone import Zone
from emulator.ids import Ids

_CONNECTIONS = 100
_READ_OCTETS = 512
"""At a time, from a connection and of datagrams: Twisted's 65,536 and 262,144 can be thousands of questions, in whose turn nothing else
goes on."""
_IDLE_SECONDS = 10.0
_FORWARD_SECONDS = 4.0
_FORWARDS = 200
_BINDS = 8


class Nameserver:
    """Answers from `zone`; what the zone does not cover goes to `upstream`, or is refused."""

    def __init__(self, reactor: Any, clock: Clock, ids: Ids, zone: Zone, upstream: Address | None = None) -> None:
        self.reactor = reactor
        self.clock = clock
        self.ids = ids
        self.zone = zone
        self.upstream = upstream
        self.forwards: set[Exchange] = set()
        self.connections: set[_Stream] = set()
        self.heard: Callable[[bytes, bytes], None] | None = None
        """Told of each query that has been answered, and of the answer, while somebody wants to know."""
        self._udp: Any = None
        self._tcp: Any = None
        self.port = 0

    def listen(self, address: str, port: int) -> None:
        """Open UDP and TCP on one port; 0 lets the system choose one that both have free. Raises `CannotListenError`."""
        for left in reversed(range(_BINDS if port == 0 else 1)):
            self._udp = self.reactor.listenUDP(port, _Datagrams(self), interface=address, maxPacketSize=4096)
            self._udp.maxThroughput = _READ_OCTETS
            self.port = self._udp.getHost().port
            factory = _Streams(self)
            try:
                self._tcp = self.reactor.listenTCP(self.port, factory, interface=address)
                return
            except error.CannotListenError:
                self._udp.stopListening()
                if not left:
                    raise

    def close(self) -> defer.Deferred[Any]:
        """Stop listening and drop what is under way."""
        for stream in list(self.connections):
            stream.drop()
        for forward in list(self.forwards):
            forward.cancel()
        self.forwards.clear()
        ports = [port for port in (self._udp, self._tcp) if port is not None]
        return defer.DeferredList([defer.maybeDeferred(port.stopListening) for port in ports])

    def ask(self, query: bytes, stream: bool, reply: Callable[[bytes], None]) -> None:
        """Have one query answered."""
        heard = self.heard
        if heard is None:
            self.handle(query, stream, reply)
            return

        def told(answer: bytes) -> None:
            heard(query, answer)
            reply(answer)

        self.handle(query, stream, told)

    def handle(self, query: bytes, stream: bool, reply: Any) -> None:
        """Answer one query by calling `reply(octets)`, at once or when the upstream has answered, or never."""
        if self.upstream is not None and len(self.forwards) < _FORWARDS and is_query(query) and not self.zone.covers(query):
            self._forward(self.upstream, query, stream, reply)
            return
        answer = self.zone.answer(query, stream)
        if answer is not None:
            reply(answer)

    def _forward(self, upstream: Address, query: bytes, stream: bool, reply: Any) -> None:
        """Pass a query on as it is. An answer that was cut short goes back as it is too, unless the client came over TCP for it."""

        def done(result: bytes | str) -> None:
            self.forwards.discard(exchange)
            reply(_servfail(query) if isinstance(result, str) else result)

        exchange = Exchange(self.reactor, self.clock, self.ids, query, [upstream], done, _FORWARD_SECONDS, stream)
        self.forwards.add(exchange)
        exchange.start()


def _servfail(query: bytes) -> bytes:
    return query[:2] + bytes([query[2] | 0x80, 0x02]) + b"\0" * 8


class _Datagrams(DatagramProtocol):
    noisy = False

    def __init__(self, server: Nameserver) -> None:
        self._server = server

    def datagramReceived(self, data: bytes, address: Any) -> None:
        def reply(answer: bytes) -> None:
            transport: Any = self.transport
            if transport is not None:
                try:
                    transport.write(answer, address)
                except OSError:
                    pass  # the client has gone; it asks again if it must

        self._server.ask(data, False, reply)


class _Streams(Factory):
    noisy = False

    def __init__(self, server: Nameserver) -> None:
        self._server = server

    def buildProtocol(self, addr: Any) -> "_Stream | None":
        if len(self._server.connections) >= _CONNECTIONS:
            return None
        return _Stream(self._server)


class _Stream(Protocol):
    """Messages with two octets of length before each (RFC 1035 4.2.2)."""

    def __init__(self, server: Nameserver) -> None:
        self._server = server
        self._buffer = b""
        self._timer: Timer | None = None

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.bufferSize = _READ_OCTETS
        transport.registerProducer(self, True)
        self._server.connections.add(self)
        self._rearm()

    def pauseProducing(self) -> None:
        """The client does not read its answers: no more questions are read, or the answers would pile up."""
        transport: Any = self.transport
        transport.pauseProducing()

    def resumeProducing(self) -> None:
        transport: Any = self.transport
        transport.resumeProducing()

    def stopProducing(self) -> None:
        """The connection is closing."""

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 2:
            end = 2 + int.from_bytes(self._buffer[:2], "big")
            if len(self._buffer) < end:
                break
            query, self._buffer = self._buffer[2:end], self._buffer[end:]
            self._rearm()
            self._server.ask(query, True, self._reply)

    def _reply(self, answer: bytes) -> None:
        transport: Any = self.transport
        if self in self._server.connections:
            transport.write(struct.pack("!H", len(answer)) + answer)

    def _rearm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._server.clock.call_later(_IDLE_SECONDS, self.drop)

    def drop(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._server.connections.discard(self)
