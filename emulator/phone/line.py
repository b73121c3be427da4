"""The wires of the phone: its sockets on one address, TLS as a client and as a server, media ports, and the name server that it asks."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from twisted.internet import defer, error

from emulator.clock import Clock
from emulator.config import Unusable
from emulator.dns.resolver import Resolver
from emulator.journal.findings import Finding
from emulator.media.port_pair import MediaPorts
from emulator.media.sockets import Selector
from emulator.phone.phone import Phone
from emulator.problems import in_words
from emulator.sip import tls
from emulator.sip.certificate import Identity
from emulator.sip.datagram import UdpListener
from emulator.sip.dialling import CONNECT_SECONDS, Dialler, ProxyPaths
from emulator.sip.flow import Address, Flow, sent_by
from emulator.sip.locate import Locator
from emulator.sip.tls_client import TlsClient
from emulator.sip.transport import Limits, StreamListener

_BINDS = 16
_LOCATE_SECONDS = 5.0
_QUERY_SECONDS = 2.0


class Ports:
    """The media ports of a phone: whatever pairs the system gives."""

    def __init__(self, reactor: Any, clock: Clock, report: Callable[[Exception], None]) -> None:
        self._selector = Selector(reactor, clock, report, 0.0, 0)
        self._ports = MediaPorts(self._selector, clock, ephemeral=True)
        self.open = self._ports.open
        self.close = self._ports.close


class Line:
    """`open` opens everything or nothing; `close` may be called at any time."""

    def __init__(
        self,
        phone: Phone,
        reactor: Any,
        certificate: Callable[[], tuple[Path, Path]],
        authorities: Path | None = None,
        verify: bool = True,
        connect_seconds: float = CONNECT_SECONDS,
    ) -> None:
        """`certificate()` names the PEM files of certificate and key; it is asked when the first TLS connection comes. `authorities` is
        the file of CA certificates that servers are verified by; None takes the system's."""
        self._phone = phone
        self._reactor = reactor
        self._certificate = certificate
        self._client = TlsClient(reactor, self._on_server, self._on_finding, verify, authorities)
        self._connect_seconds = connect_seconds
        self._limits = Limits()
        self._udp: UdpListener | None = None
        self._streams: list[StreamListener] = []
        self._resolver: Resolver | None = None
        self.bound: dict[str, Address] = {}
        """Address and port by transport."""
        self.verified: set[str] = set()
        """The servers, as `address:port`, whose certificate was good for the host that was called."""

    def open(self, address: str, port: int = 0, transports: Iterable[str] = ("UDP", "TCP", "TLS")) -> None:
        """Listen on `address` for each of `transports`, UDP and TCP on `port`, TLS there too when it comes alone; 0 lets the system choose.

        Raises `Unusable` when a port is taken.
        """
        wanted = list(transports)
        try:
            for left in reversed(range(_BINDS)):
                try:
                    self._open_plain(address, port, wanted)
                    break
                except (OSError, error.CannotListenError) as problem:
                    self._close_plain()
                    if port or not left:
                        raise _taken((address, port), problem) from None
            if "TLS" in wanted:
                self._open_secure(address, port if wanted == ["TLS"] else 0)
        except BaseException:
            self.close()
            raise
        udp = self._udp
        if udp is not None:
            udp.start()
            self.bound["UDP"] = udp.bound
        streams = {stream.name: stream for stream in self._streams}
        self.bound.update({name: stream.local for name, stream in streams.items()})
        self._phone.paths = self._phone.endpoint.paths = _Paths(ProxyPaths(udp, streams) if udp is not None else None, streams)

    def _open_plain(self, address: str, port: int, wanted: list[str]) -> None:
        endpoint = self._phone.endpoint
        if "UDP" in wanted:
            self._udp = UdpListener(self._reactor, endpoint, (address, port))
            port = self._udp.bound[1]
        if "TCP" in wanted:
            tcp = StreamListener("TCP", self._phone.clock, self._limits, endpoint, self._on_finding)
            tcp.listen(self._reactor, (address, port))
            Dialler(tcp, self._reactor, self._connect_seconds)
            self._streams.append(tcp)

    def _close_plain(self) -> None:
        if self._udp is not None:
            self._udp.stop()
            self._udp = None

    def _open_secure(self, address: str, port: int) -> None:
        clock = self._phone.clock
        secure = StreamListener("TLS", clock, self._limits, self._phone.endpoint, self._on_finding)
        factory = tls.TlsFactory(secure, self._context, clock, self._on_handshake_failure, lambda peer, subject: None, self._reactor)
        try:
            secure.listen(self._reactor, (address, port), None, factory)
        except error.CannotListenError as problem:
            raise _taken((address, port), problem) from None
        Dialler(secure, self._reactor, self._connect_seconds, self._client.secure)
        self._streams.append(secure)

    def ask(self, server: Address | None) -> None:
        """Find names by the name server at `server`; None asks whom the system asks."""
        phone = self._phone
        self._resolver = Resolver(self._reactor, phone.clock, phone.ids, None, server, _QUERY_SECONDS)
        phone.locator = Locator(self._resolver, phone.ids, phone.clock, _LOCATE_SECONDS)

    def _context(self) -> Any:
        return tls.server_context(*self._certificate())

    def _on_handshake_failure(self, peer: Address, finding: Finding) -> None:
        self._phone.findings.append(finding)

    def _on_server(self, flow: Flow, identity: Identity, good: bool) -> None:
        if good:
            self.verified.add(sent_by(flow.peer))

    def _on_finding(self, flow: Flow, finding: Finding) -> None:
        self._phone.findings.append(finding)

    def close(self) -> defer.Deferred[Any]:
        """Close every socket."""
        self._close_plain()
        if self._resolver is not None:
            self._resolver.close()
        streams, self._streams = self._streams, []
        waiting = [deferred for stream in streams if (deferred := stream.stop()) is not None]
        return defer.DeferredList(waiting)


class _Paths:
    """The phone's ways out; it may lack a transport."""

    def __init__(self, all_: ProxyPaths | None, streams: dict[str, StreamListener]) -> None:
        self._all = all_
        self._streams = streams

    def to(self, transport: str, peer: Address, name: str = "") -> Flow:
        """See `emulator.sip.flow.Paths`."""
        if self._all is not None:
            return self._all.to(transport, peer, name)
        dialler = self._streams[transport].dialler
        assert dialler is not None
        return dialler.dial(peer, name).flow


def _taken(address: Address, problem: OSError | error.CannotListenError) -> Unusable:
    cause = problem.socketError if isinstance(problem, error.CannotListenError) else problem
    return Unusable(sent_by(address), f"{in_words(cause)}; listen on another port, or on 0 for any")
