"""Connections that a proxy opens from its own address, and the paths by which it reaches a customer (RFC 3261 18.1.1)."""

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import ClientFactory, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from emulator.clock import Timer
from emulator.counting import counted
from emulator.journal.findings import Finding
from emulator.problems import no_way
from emulator.sip.datagram import UdpListener
from emulator.sip.flow import Address, Flow, of_transaction
from emulator.sip.transport import Connection, StreamListener, words

_WAITING_OCTETS = 1 << 20
CONNECT_SECONDS = 5.0


class Handshake(Protocol):
    """TLS of one connection that we open; see `emulator.sip.tls_client`."""

    factory: Any
    """Makes the connection, with TLS in it."""

    @property
    def why(self) -> str:
        """Why it failed, where it knows better than OpenSSL; empty otherwise."""

    def completed(self, flow: Flow) -> None:
        """It is done."""


@implementer(IHandshakeListener)
class Dialled(Connection):
    """A connection that we open. What is sent while it comes about waits for it, within bounds, and is lost, with a finding, when it does
    not come about in time: TCP, and TLS where there is TLS."""

    ours = True

    def __init__(self, dialler: "Dialler", peer: Address, name: str) -> None:
        super().__init__(dialler.listener, peer, name)
        self._dialler = dialler
        self._waiting: list[bytes] = []
        self._octets = 0
        self._deadline: Timer | None = None
        self._connector: Any = None
        self._handshake: Handshake | None = None

    def start(self, connect: Callable[[Any], Any], seconds: float, secure: Callable[[ClientFactory, str], Handshake] | None) -> None:
        """`connect(factory)` begins the attempt and returns its connector; it has so many seconds to succeed, TLS included."""
        self.dialling = True
        factory: Any = _Factory(self)
        if secure is not None:
            self._handshake = secure(factory, self.name or self.peer[0])
            factory = self._handshake.factory
        self._deadline = self._listener.clock.call_later(seconds, self._too_slow, seconds)
        self._connector = connect(factory)

    def connectionMade(self) -> None:
        if not self.dialling:  # given up in the same instant
            transport: Any = self.transport
            transport.abortConnection()
        elif self._handshake is None:
            self._connected()

    def handshakeCompleted(self) -> None:
        """TLS is there; its protocol says so once."""
        if self.dialling:
            assert self._handshake is not None
            self._handshake.completed(self.flow)
            self._connected()

    def _connected(self) -> None:
        self._settle()
        super().connectionMade()
        if not self.open:  # more than the limits allow
            self._lose(self.failure)
            return
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            self.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.dialling:  # only TLS can be missing still
            why = self._handshake.why if self._handshake is not None else ""
            self.fail(f"TLS handshake failed: {why or words(reason, secure=True)}")
        super().connectionLost(reason)
        self._dialler.forget(self)

    @property
    def listener_address(self) -> str:
        """What it is bound to."""
        return self._listener.address

    @property
    def coming(self) -> str:  # type: ignore[override]  # the others have come
        """See `Flow.coming`."""
        if not self.dialling:
            return ""
        connected: Any = self.transport
        return "connection" if connected is None else "end of the TLS handshake"

    def fail(self, why: str) -> None:
        """It does not come about."""
        if self.dialling:
            self._settle()
            self._lose(why)

    def _lose(self, why: str) -> None:
        self.failure = why
        self._dialler.forget(self)
        waiting, self._waiting = self._waiting, []
        answers = any(data.startswith(b"SIP/2.0 ") for data in waiting)
        lost = f"; {counted(len(waiting), 'message')} lost" if waiting else ""
        self._listener.on_finding(self.flow, Finding("stream.gone" if answers else "stream.unreachable", why + lost))
        self._listener.flow_lost(self.flow)

    def _settle(self) -> None:
        self.dialling = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self, seconds: float) -> None:
        self.fail(f"no {self.coming} in {seconds:g} s")
        self._drop()

    def give_up(self) -> None:
        """The emulator stops."""
        self.fail("the emulator stops")
        self._drop()

    def _drop(self) -> None:
        connected: Any = self.transport
        if connected is not None:
            connected.abortConnection()
        else:
            self._connector.stopConnecting()

    def write(self, data: bytes) -> None:
        if not self.dialling:
            super().write(data)
        elif self._octets + len(data) > _WAITING_OCTETS:
            self._listener.on_finding(self.flow, Finding("stream.unreachable", f"{self._octets} octets wait already; a message is lost"))
        else:
            self._octets += len(data)
            self._waiting.append(data)

    def withdraw(self, branch: str) -> bool:
        left = [data for data in self._waiting if not of_transaction(data, branch)]
        found = len(left) < len(self._waiting)
        self._waiting, self._octets = left, sum(map(len, left))
        return found


class _Factory(ClientFactory):
    """Makes the one connection that is dialled."""

    noisy = False

    def __init__(self, stream: Dialled) -> None:
        self._stream = stream

    def buildProtocol(self, addr: Any) -> Connection:
        return self._stream

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        stream = self._stream
        why = no_way(getattr(reason.value, "osError", None), stream.listener_address, stream.peer[0])
        stream.fail(why or words(reason))


class Dialler:
    """Opens connections for one listener, one at a time to a peer, and keeps them as long as they live."""

    def __init__(
        self,
        listener: StreamListener,
        reactor: Any,
        seconds: float = CONNECT_SECONDS,
        secure: Callable[[ClientFactory, str], Handshake] | None = None,
    ) -> None:
        """`seconds` is how long a connection may take to come about. `secure` puts TLS round the factory of a connection to the host of
        that name."""
        self.listener = listener
        self._secure = secure
        self._reactor = reactor
        self._seconds = seconds
        self._dialled: dict[tuple[Address, str], Dialled] = {}
        listener.dialler = self

    def dial(self, peer: Address, name: str = "") -> Connection:
        """A connection to `peer` that is open or comes about; what is written to it goes as soon as it can.

        When there are too many already, or the peer has an address of the other family, it is one that has failed.
        """
        if self._secure is None:
            name = ""  # to TCP it makes no difference
        known = self._dialled.get((peer, name))
        if known is not None and (known.open or known.dialling):
            return known
        stream = Dialled(self, peer, name)
        listener = self.listener
        if (":" in peer[0]) != (":" in listener.address):
            stream.failure = f"{peer[0]} can't be reached from {listener.address}"
        elif len(self._dialled) >= listener.limits.total:
            stream.failure = "too many connections at once"
        else:
            self._dialled[peer, name] = stream
            stream.start(lambda factory: self._connect(peer, factory), self._seconds, self._secure)
        return stream

    def _connect(self, peer: Address, factory: Any) -> Any:
        return self._reactor.connectTCP(*peer, factory, timeout=None, bindAddress=(self.listener.address, 0))

    def forget(self, stream: Dialled) -> None:
        """It has gone."""
        key = (stream.peer, stream.name)
        if self._dialled.get(key) is stream:
            del self._dialled[key]

    def stop(self) -> None:
        for stream in list(self._dialled.values()):
            if stream.dialling:
                stream.give_up()


class ProxyPaths:
    """See `emulator.sip.flow.Paths`."""

    def __init__(self, udp: UdpListener, streams: dict[str, StreamListener], only_own: bool = False) -> None:
        """`streams` are the listeners by transport, each with its dialler. `only_own` has no TLS connection used that the customer opened:
        its other end was not verified."""
        self._udp = udp
        self._streams = streams
        self._only_own = only_own

    def to(self, transport: str, peer: Address, name: str = "") -> Flow:
        """See `emulator.sip.flow.Paths`."""
        if transport == "UDP":
            return self._udp.path(peer)
        listener = self._streams[transport]
        theirs = listener.by_peer.get(peer)
        if theirs is not None and theirs.open and not (self._only_own and transport == "TLS"):
            return theirs.flow
        assert listener.dialler is not None
        return listener.dialler.dial(peer, name).flow
