"""The sockets of one proxy: its listeners, and the connections that it makes itself. What is odd about them is told to the journal."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.internet import error

from emulator.clock import Clock
from emulator.config import Config
from emulator.journal.findings import Finding, printable
from emulator.journal.journal import Journal
from emulator.problems import in_words
from emulator.sip import tls
from emulator.sip.certificate import Identity
from emulator.sip.datagram import UdpListener
from emulator.sip.dialling import Dialler, ProxyPaths
from emulator.sip.flow import Flow, sent_by
from emulator.sip.tls_client import TlsClient
from emulator.sip.transport import Limits, StreamListener
from emulator.trunk.proxy import Proxy
from emulator.trunk.regions import Place
from emulator.yaml import Unusable

_BINDS = 16
"""How often a port that the system chose for UDP is tried for TCP as well."""


class ProxyListeners:
    """UDP, TCP and TLS of one proxy."""

    def __init__(
        self, proxy: Proxy, reactor: Any, clock: Clock, journal: Journal, config: Config, limits: Limits, tls_context: Callable[[], Any],
        customer_ca: Path | None,
    ) -> None:  # fmt: skip
        """`tls_context` makes what a handshake needs when the first comes; `customer_ca` is the file that verifies customers."""
        self.proxy = proxy
        self.udp: UdpListener | None = None
        self.streams: list[StreamListener] = []
        self.tls: tls.TlsFactory | None = None
        self._reactor = reactor
        self._clock = clock
        self._journal = journal
        self._config = config
        self._limits = limits
        self._tls_context = tls_context
        self._customer_ca = customer_ca

    def open(self) -> Place:
        """Open UDP, TCP and TLS; returns where they are. With ephemeral ports UDP and TCP share a number. Raises `Unusable`."""
        proxy, config = self.proxy, self._config
        place = proxy.place
        tcp = StreamListener("TCP", self._clock, self._limits, proxy.endpoint, self._on_connection_finding)
        for left in reversed(range(_BINDS if config.ephemeral else 1)):
            try:
                self.udp = UdpListener(self._reactor, proxy.endpoint, (place.address, place.udp), config.advertise)
            except OSError as problem:
                raise _taken(place, "UDP", place.udp, problem) from None
            try:
                tcp_port = tcp.listen(
                    self._reactor,
                    (place.address, self.udp.bound[1] if config.ephemeral else place.tcp),
                    config.advertise,
                )
                break
            except error.CannotListenError as problem:
                self.udp.stop()
                if not left:
                    raise _taken(place, "TCP", place.tcp, problem.socketError) from None
        self.streams.append(tcp)
        secure = StreamListener("TLS", self._clock, self._limits, proxy.endpoint, self._on_connection_finding)
        factory = tls.TlsFactory(
            secure, self._tls_context, self._clock, self._on_handshake_failure, self._on_client_certificate, self._reactor,
            config.tls.handshake_timeout, config.tls.allow_1_3,
        )  # fmt: skip
        try:
            tls_port = secure.listen(self._reactor, (place.address, place.tls), config.advertise, factory)
        except error.CannotListenError as problem:
            raise _taken(place, "TLS", place.tls, problem.socketError) from None
        self.streams.append(secure)
        self.tls = factory
        assert self.udp is not None
        client = TlsClient(
            self._reactor, self._on_server_certificate, self._on_connection_finding, config.tls.verify_customer,
            self._customer_ca,
        )  # fmt: skip
        Dialler(tcp, self._reactor, config.limits.connect_timeout)
        Dialler(secure, self._reactor, config.limits.connect_timeout, client.secure)
        proxy.paths = ProxyPaths(self.udp, {"TCP": tcp, "TLS": secure}, config.tls.verify_customer)
        self.udp.start()
        return replace(place, udp=self.udp.bound[1], tcp=tcp_port, tls=tls_port)

    def stop(self) -> list[Any]:
        """Close them; returns what there is to wait for."""
        if self.udp is not None:
            self.udp.stop()
        return [waiting for listener in self.streams if (waiting := listener.stop()) is not None]

    def wires(self, flawed_context: Callable[[str], Any]) -> Any:
        """What faults of connections and certificates hold of it."""
        from emulator.scenario.wires import proxy_wires

        proxy, udp, secure = self.proxy, self.udp, self.tls
        assert udp is not None and secure is not None
        tcp, tls_listener = self.streams

        def told(kind: str, **fields: Any) -> None:
            self._journal.event_of_stranger(kind, None, proxy=proxy.name, **fields)

        return proxy_wires(self._reactor, self._clock, proxy, udp, tcp, tls_listener, secure, flawed_context, told)

    # -- what is odd ----------------------------------------------------------------------------------------------

    def _on_connection_finding(self, flow: Flow, finding: Finding) -> None:
        """`connection.refused` is somebody's that we end, `connection.failed` one of our own that has not come about, or ends."""
        self._journal.event_of_stranger(
            "finding" if flow.open else "connection.failed" if flow.ours else "connection.refused",
            None,
            proxy=self.proxy.name,
            transport=flow.transport,
            peer=sent_by(flow.peer),
            finding=str(finding),
        )

    def _on_handshake_failure(self, peer: tuple[str, int], finding: Finding) -> None:
        self._journal.event_of_stranger("tls.refused", None, proxy=self.proxy.name, peer=sent_by(peer), finding=str(finding))

    def _on_client_certificate(self, peer: tuple[str, int], subject: str) -> None:
        self._journal.event("tls.client", None, proxy=self.proxy.name, peer=sent_by(peer), certificate=subject)

    def _on_server_certificate(self, flow: Flow, identity: Identity, good: bool) -> None:
        self._journal.event(
            "tls.server", None, proxy=self.proxy.name, peer=sent_by(flow.peer), certificate=printable(identity.subject),
            issuer=printable(identity.issuer), not_after=identity.not_after, verified=good,
            domains=[printable(name) for name in identity.domains[:16]],
        )  # fmt: skip


def _taken(place: Place, transport: str, port: int, problem: OSError) -> Unusable:
    fix = "stop what listens there, or use --ephemeral or another layout"
    return Unusable(sent_by((place.address, port)), f"{transport} of {place.name}: {in_words(problem)}; {fix}")
