"""The sockets of one proxy in the hands of faults: closed, deaf, opened again at the same port, and what connections meet."""

import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

from twisted.internet import error
from twisted.internet.protocol import Factory

from emulator.clock import Clock, Timer
from emulator.problems import in_words
from emulator.scenario import kinds
from emulator.scenario.connections import Faulty
from emulator.scenario.wiring import Choose, How
from emulator.sip.datagram import UdpListener
from emulator.sip.endpoint import Endpoint
from emulator.sip.flow import Address, Flow
from emulator.sip.tls import TlsFactory
from emulator.sip.transport import Connection, StreamListener
from emulator.trunk.proxy import Proxy
from emulator.trunk.regions import Place

_BACKLOG = 511
_SO_MEMINFO = 55  # Linux: nine numbers, of which the last counts what the socket has dropped (sock_diag's SK_MEMINFO_DROPS)
_DROPS = 8
_RETRY_SECONDS = 0.5

Stuck = Callable[[str, str], None]
"""Told of a transport that can't be opened again yet, and why."""


class UdpWires:
    """The UDP socket of a proxy. While it is closed a socket that only hears itself keeps the port: to all others it is unreachable."""

    def __init__(self, listener: UdpListener, clock: Clock, stuck: Stuck) -> None:
        self._listener = listener
        self._clock = clock
        self._stuck = stuck
        self._keeper: socket.socket | None = None
        self._wanted: How | None = None
        self._closed = False
        self._retry: Timer | None = None

    def down(self, how: How | None) -> None:
        """See `emulator.scenario.wiring.Wires`."""
        self._wanted = how
        if how in ("refuse", "reset"):
            self._close()
        else:
            self._open()

    def _close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._listener.stop()
        bound = self._listener.bound
        keeper = _socket(bound, socket.SOCK_DGRAM)
        try:
            keeper.bind(bound)
            keeper.connect(bound)
        except OSError:  # somebody was quicker; opening again will tell
            keeper.close()
            return
        self._keeper = keeper

    def _open(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if not self._closed or self._wanted in ("refuse", "reset"):
            return
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None
        try:
            self._listener.reopen()
        except OSError as problem:
            self._stuck("UDP", in_words(problem))
            self._retry = self._clock.call_later(_RETRY_SECONDS, self._open)
            return
        self._closed = False

    def stop(self) -> None:
        """The emulator stops."""
        if self._retry is not None:
            self._retry.cancel()
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None


class StreamWires:
    """The TCP or TLS listener of a proxy."""

    def __init__(
        self, listener: StreamListener, factory: Factory, reactor: Any, clock: Clock, tls: Callable[[kinds.Tls], Factory],
        on_reset: Callable[[str], None], stuck: Stuck,
    ) -> None:  # fmt: skip
        """`factory` is what makes its protocols where nothing is wrong."""
        self._listener = listener
        self._factory = factory
        self._reactor = reactor
        self._clock = clock
        self._faulty = Faulty(factory, clock, tls)
        self._on_reset = on_reset
        self._stuck = stuck
        self._bound: Address = (listener.address, listener.port.getHost().port)
        self._wanted: How | None = None
        self._is: How | None = None
        self._busy = False
        self._keeper: socket.socket | None = None
        self._filler: socket.socket | None = None
        self._muted: list[Connection] = []
        self._before = 0
        self._retry: Timer | None = None
        self._stopped = False

    def down(self, how: How | None) -> None:
        """See `emulator.scenario.wiring.Wires`."""
        self._wanted = how
        self._faulty.on_reset = self._on_reset if how == "reset" else None
        self._place_factory()
        self._move()

    def connections(self, choose: Choose | None) -> None:
        """See `emulator.scenario.wiring.Wires`."""
        self._faulty.choose = choose
        if choose is None:
            self._faulty.release()
        self._place_factory()

    def _place_factory(self) -> None:
        port = self._listener.port
        if port is not None:
            wanted = self._faulty.on_reset is not None or self._faulty.choose is not None
            port.factory = self._faulty if wanted else self._factory

    def _move(self) -> None:
        """One step from how it is toward how it shall be."""
        if self._busy or self._stopped:
            return
        wanted = self._wanted if self._wanted != "reset" else None  # taken, so open
        if self._is == wanted:
            return
        if self._is == "drop":
            self._hear()
        elif self._is == "refuse":
            if not self._listen():
                return
        elif wanted == "refuse":
            self._close()
            return
        elif wanted == "drop":
            self._ignore()
        self._move()

    # -- closed ---------------------------------------------------------------------------------------------------

    def _close(self) -> None:
        """Twisted closes a port in a turn of its own; then another socket, which does not listen, keeps it."""
        self._is = "refuse"
        self._busy = True
        port, self._listener.port = self._listener.port, None
        port.stopListening().addBoth(self._on_closed)

    def _on_closed(self, _: object) -> None:
        self._busy = False
        if self._stopped:
            return
        keeper = _socket(self._bound, socket.SOCK_STREAM)
        try:
            keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            keeper.bind(self._bound)
            self._keeper = keeper
        except OSError:  # somebody was quicker; listening again will tell
            keeper.close()
        self._move()

    def _listen(self) -> bool:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None
        try:
            self._listener.port = self._reactor.listenTCP(self._bound[1], self._factory, backlog=_BACKLOG, interface=self._bound[0])
        except error.CannotListenError as problem:
            self._stuck(self._listener.name, str(problem.socketError.strerror or problem.socketError).lower())
            self._retry = self._clock.call_later(_RETRY_SECONDS, self._move)
            return False
        self._is = None
        self._place_factory()
        return True

    # -- deaf -----------------------------------------------------------------------------------------------------

    def _ignore(self) -> None:
        """Fill the queue of connections to be accepted, and accept none: the system then drops further attempts without a word, as a
        machine that is off would leave them unanswered."""
        self._is = "drop"
        port = self._listener.port
        port.stopReading()
        port.socket.listen(0)
        self._filler = filler = _socket(self._bound, socket.SOCK_STREAM)
        filler.setblocking(False)
        filler.connect_ex(self._bound)  # one is enough where the queue has room for none
        self._before = self._drops()

    def _hear(self) -> None:
        """Whoever got into the queue meanwhile is reset: it has waited for nothing."""
        self._is = None
        for connection in self._muted:
            vars(connection).pop("write", None)
        self._muted.clear()
        port = self._listener.port
        while True:
            try:
                connection, _ = port.socket.accept()
            except OSError:
                break
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        if self._filler is not None:
            self._filler.close()
            self._filler = None
        port.socket.listen(_BACKLOG)
        port.startReading()

    def attempts(self) -> int:
        """See `emulator.scenario.wiring.Wires`."""
        return max(0, self._drops() - self._before) if self._is == "drop" else 0

    def _drops(self) -> int:
        if sys.platform != "linux":
            return 0
        try:
            numbers = self._listener.port.socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 36)
        except OSError:
            return 0
        return int(struct.unpack("9I", numbers)[_DROPS]) if len(numbers) == 36 else 0

    # -- connections ----------------------------------------------------------------------------------------------

    def cut(self, spare: Callable[[Flow], bool]) -> None:
        """See `emulator.scenario.wiring.Wires`."""
        for connection in list(self._listener.connections):
            if spare(connection.flow):
                continue
            if self._wanted == "drop":
                self._muted.append(connection)
                connection.write = _unsent  # type: ignore[method-assign]  # not even the answer to a keep-alive
            else:
                connection.abort()

    def stop(self) -> None:
        """The emulator stops."""
        self._stopped = True
        self._faulty.release()
        if self._retry is not None:
            self._retry.cancel()
        for held in (self._filler, self._keeper):
            if held is not None:
                held.close()
        self._filler = self._keeper = None


class ProxyWires:
    """See `emulator.scenario.wiring.Wires`."""

    def __init__(
        self, place: Place, endpoint: Endpoint, udp: UdpListener, streams: dict[str, tuple[StreamListener, StreamWires]], own: UdpWires
    ) -> None:
        self.place = place
        self._endpoint = endpoint
        self._udp = udp
        self._streams = streams
        self._own = own

    def aim(self) -> None:
        self._udp.receive = self._endpoint.receive
        for listener, _ in self._streams.values():
            listener.receive = self._endpoint.receive

    def down(self, transport: str, how: How | None) -> None:
        if transport == "UDP":
            self._own.down(how)
        else:
            self._streams[transport][1].down(how)

    def attempts(self, transport: str) -> int:
        return self._streams[transport][1].attempts()

    def connections(self, transport: str, choose: Choose | None) -> None:
        self._streams[transport][1].connections(choose)

    def cut(self, transport: str, spare: Callable[[Flow], bool]) -> None:
        self._streams[transport][1].cut(spare)

    def stop(self) -> None:
        """Close what only faults have opened."""
        self._own.stop()
        for _, wires in self._streams.values():
            wires.stop()


def proxy_wires(
    reactor: Any, clock: Clock, proxy: Proxy, udp: UdpListener, tcp: StreamListener, secure: StreamListener, tls: TlsFactory,
    flawed: Callable[[str], Any], told: Callable[..., None],
) -> ProxyWires:  # fmt: skip
    """The wires of a proxy that listens. `flawed` makes the context of TLS with a flaw, `told` notes an event of the proxy."""
    contexts: dict[str, Factory] = {}

    def flawed_tls(what: kinds.Tls) -> Factory:
        made = contexts.get(what.fault)
        if made is None:
            made = contexts[what.fault] = tls.like(lambda: flawed(what.fault), tls.allow_1_3 or what.fault == "only-1.3")
        return made

    def stuck(transport: str, why: str) -> None:
        told("up.failed", transport=transport, why=f"{why}; it is tried again")

    def streams(listener: StreamListener, factory: Factory) -> tuple[StreamListener, StreamWires]:
        def on_reset(peer: str) -> None:
            told("down.connection", transport=listener.name, peer=peer)

        return listener, StreamWires(listener, factory, reactor, clock, flawed_tls, on_reset, stuck)

    port = {listener.name: listener.port.getHost().port for listener in (tcp, secure)}
    place = Place(proxy.name, udp.local[0], udp.bound[1], port["TCP"], port["TLS"])
    by_name = {"TCP": streams(tcp, tcp), "TLS": streams(secure, tls)}
    return ProxyWires(place, proxy.endpoint, udp, by_name, UdpWires(udp, clock, stuck))


def _unsent(data: bytes) -> None:
    """Octets for a client that hears nothing."""


def _socket(address: Address, kind: int) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, kind)
