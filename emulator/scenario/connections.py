"""Faults of connections: what is put between a client's connection and the proxy's own protocol, or in its place."""

from collections.abc import Callable
from typing import Any

from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure

from emulator.clock import Clock, Timer
from emulator.scenario import kinds
from emulator.scenario.fault import Fault
from emulator.scenario.wiring import Choose
from emulator.sip.flow import sent_by

_LONGEST = 600.0
"""Seconds that a connection is held for nothing."""
_MOST = 1000
"""Connections of one listener that are held for nothing."""
_TICK = 0.05
"""Seconds between two portions of a connection that trickles."""
_TRICKLE_OCTETS = 1 << 20


class Faulty(Factory):
    """Stands in the place of a listener's factory while a fault concerns its connections."""

    noisy = False

    def __init__(self, inner: Factory, clock: Clock, tls: Callable[[kinds.Tls], Factory]) -> None:
        """`inner` is the listener's own; `tls` makes the factory of a listener whose TLS has that fault."""
        self.inner = inner
        self.choose: Choose | None = None
        self.on_reset: Callable[[str], None] | None = None
        """Set while each connection is taken and reset; hears of each."""
        self._clock = clock
        self._tls = tls
        self._held: dict[_Held, None] = {}  # oldest first

    def buildProtocol(self, addr: Any) -> Any:
        peer = sent_by((addr.host, addr.port))
        if self.on_reset is not None:
            self.on_reset(peer)
            return _Reset()
        fault = self.choose(peer) if self.choose is not None else None
        if fault is None:
            return self.inner.buildProtocol(addr)
        return self._struck(fault, addr)

    def _struck(self, fault: Fault, addr: Any) -> Any:
        what = fault.what
        if isinstance(what, kinds.HalfOpen):
            return self._hold(True)
        if isinstance(what, kinds.Tls) and what.fault in ("cut", "stalled"):
            return _Cut() if what.fault == "cut" else self._hold(False)
        if isinstance(what, kinds.Tls):
            return self._tls(what).buildProtocol(addr)
        inner = self.inner.buildProtocol(addr)
        if isinstance(what, kinds.Reset):
            return _ResetAfter(WrappingFactory(self.inner), inner, what.octets or 0)
        assert isinstance(what, kinds.Slow)
        if fault.spec.where.direction == "in":
            return _SlowToArrive(WrappingFactory(self.inner), inner, self._clock, what.octets)
        return _SlowToLeave(WrappingFactory(self.inner), inner, self._clock, what.octets)

    def _hold(self, deaf: bool) -> Protocol:
        if len(self._held) >= _MOST:
            next(iter(self._held)).drop()
        return _Held(self._held, self._clock, deaf)

    def release(self) -> None:
        """End what is held for nothing: its fault has ended."""
        for held in list(self._held):
            held.drop()


class _Reset(Protocol):
    """Taken, and reset."""

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()


class _Cut(Protocol):
    """Reset when the client has said something."""

    def dataReceived(self, data: bytes) -> None:
        transport: Any = self.transport
        transport.abortConnection()


class _Held(Protocol):
    """Taken and never answered; when it is deaf, not even read."""

    def __init__(self, among: "dict[_Held, None]", clock: Clock, deaf: bool) -> None:
        self._among = among
        self._clock = clock
        self._deaf = deaf
        self._timer: Timer | None = None

    def connectionMade(self) -> None:
        self._among[self] = None
        self._timer = self._clock.call_later(_LONGEST, self.drop)
        transport: Any = self.transport
        if self._deaf:
            transport.pauseProducing()

    def dataReceived(self, data: bytes) -> None:
        """Nobody looks at it."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._among.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()

    def drop(self) -> None:
        self.connectionLost()
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()


class _ResetAfter(ProtocolWrapper):
    """Reset once the client has sent so many octets; those before are heard."""

    def __init__(self, factory: Any, inner: Any, octets: int) -> None:
        super().__init__(factory, inner)
        self._left = octets

    def makeConnection(self, transport: Any) -> None:
        super().makeConnection(transport)
        if not self._left:
            transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        heard, self._left = data[: self._left], max(0, self._left - len(data))
        if heard:
            super().dataReceived(heard)
        if not self._left:
            transport: Any = self.transport
            transport.abortConnection()


class _Trickling(ProtocolWrapper):
    """Octets that wait, and go on a few at a time."""

    def __init__(self, factory: Any, inner: Any, clock: Clock, per_second: int) -> None:
        super().__init__(factory, inner)
        self._clock = clock
        self._per_second = per_second
        self._waiting = bytearray()
        self._credit = 0.0
        self._timer: Timer | None = None

    def _add(self, data: bytes) -> None:
        if len(self._waiting) + len(data) > _TRICKLE_OCTETS:
            transport: Any = self.transport
            transport.abortConnection()
            return
        self._waiting += data
        if self._timer is None:
            self._timer = self._clock.call_later(_TICK, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._credit += self._per_second * _TICK
        count = int(self._credit)
        self._credit -= count
        portion = bytes(self._waiting[:count])
        del self._waiting[:count]
        if self._waiting:
            self._timer = self._clock.call_later(_TICK, self._tick)
        else:
            self._credit = 0.0
        if portion:
            self._go_on(portion)
        if not self._waiting:
            self._emptied()

    def _go_on(self, portion: bytes) -> None:
        raise NotImplementedError

    def _emptied(self) -> None:
        """Everything that waited has gone on."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._waiting.clear()
        super().connectionLost(reason)


class _SlowToLeave(_Trickling):
    """What the proxy sends trickles."""

    _closing = False

    def write(self, data: bytes) -> None:
        if not self._closing:
            self._add(data)

    def writeSequence(self, data: Any) -> None:
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Once what waits has gone."""
        self._closing = True
        if not self._waiting:
            super().loseConnection()

    def _go_on(self, portion: bytes) -> None:
        super().write(portion)

    def _emptied(self) -> None:
        if self._closing:
            super().loseConnection()


class _SlowToArrive(_Trickling):
    """What the client sends is read a few octets at a time."""

    def dataReceived(self, data: bytes) -> None:
        self._add(data)
        transport: Any = self.transport
        transport.pauseProducing()  # the rest waits at the client

    def _go_on(self, portion: bytes) -> None:
        super().dataReceived(portion)

    def _emptied(self) -> None:
        transport: Any = self.transport
        if transport is not None and not self.disconnecting:
            transport.resumeProducing()
