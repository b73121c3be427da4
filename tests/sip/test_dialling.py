"""Connections that a proxy opens: queued, used again, failed in every way and told of, on loopback sockets."""

import datetime
import ipaddress
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from emulator.clock import SteppedClock
from emulator.ids import Ids
from emulator.journal.findings import Finding
from emulator.sip.calling import Invitation
from emulator.sip.certificate import Identity
from emulator.sip.datagram import UdpListener
from emulator.sip.dialling import Dialler, ProxyPaths
from emulator.sip.endpoint import Endpoint
from emulator.sip.flow import Address, Flow
from emulator.sip.message import Response
from emulator.sip.tls_client import TlsClient
from emulator.sip.transaction import Outgoing
from emulator.sip.transport import Limits, StreamListener
from tests.support.callee import Callee
from tests.support.calling import CONTACT, OFFER, Caller, Core
from tests.support.loop import Loop, loop


@pytest.fixture
def turned() -> Iterator[Loop]:
    with loop() as turned:
        yield turned


class Site:
    """One proxy: its endpoint, its listeners and its paths."""

    def __init__(
        self, turned: Loop, limits: Limits | None = None, verify: bool = False, authorities: Path | None = None, host: str = "127.0.0.1",
        seconds: float = 5.0,
    ) -> None:  # fmt: skip
        self.turned = turned
        self.clock = SteppedClock()
        self.endpoint = Endpoint("caller", Core(), self.clock, Ids(1))
        self.received: list[tuple[bytes, Flow]] = []
        self.findings: list[str] = []
        self.lost: list[str] = []
        self.servers: list[tuple[Identity, bool]] = []
        self.user = Caller()
        limits = limits or Limits()
        udp = UdpListener(turned.reactor, self, (host, 0))
        udp.start()
        self.tcp = StreamListener("TCP", self.clock, limits, self, self._found)
        self.tls = StreamListener("TLS", self.clock, limits, self, self._found)
        for listener in (self.tcp, self.tls):
            listener.listen(turned.reactor, (host, 0))
        client = TlsClient(turned.reactor, self._on_server, self._found, verify, authorities)
        Dialler(self.tcp, turned.reactor, seconds)
        Dialler(self.tls, turned.reactor, seconds, client.secure)
        self.paths = ProxyPaths(udp, {"TCP": self.tcp, "TLS": self.tls}, verify)

    def _found(self, flow: Flow, finding: Finding) -> None:
        self.findings.append(f"{finding.code}: {finding.seen}")

    def _on_server(self, flow: Flow, identity: Identity, good: bool) -> None:
        self.servers.append((identity, good))

    def receive(self, data: bytes, flow: Flow) -> None:
        self.received.append((data, flow))
        self.endpoint.receive(data, flow)

    def endless(self, head: bytes, what: str, status: int, flow: Flow) -> None:
        """Nothing is answered here."""

    def flow_lost(self, flow: Flow) -> None:
        self.lost.append(flow.failure)
        self.endpoint.flow_lost(flow)

    def invite(self, flow: Flow) -> Invitation:
        invitation = Invitation(self.endpoint, flow, "sip:1@h", "<sip:2@h>", "<sip:1@h>", CONTACT, OFFER, self.user)
        invitation.send()
        return invitation

    @property
    def idle(self) -> bool:
        return not self.endpoint.transactions and not self.clock.pending and not self.tcp.dialler._dialled and not self.tls.dialler._dialled  # type: ignore[union-attr]


@pytest.fixture
def site(turned: Loop) -> Site:
    return Site(turned)


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.settimeout(60)
        yield sock


def accept(turned: Loop, listening: socket.socket) -> socket.socket:
    """The connection that is being opened."""
    listening.setblocking(False)
    taken: list[socket.socket] = []

    def ready() -> bool:
        try:
            taken.append(listening.accept()[0])
        except BlockingIOError:
            return False
        return True

    turned.until(ready, "a connection")
    return taken[0]


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def dead_port() -> Address:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return "127.0.0.1", sock.getsockname()[1]


class Unheard:
    """Who asked wants to know nothing of the answer."""

    def on_response(self, response: Response) -> None: ...

    def on_timeout(self) -> None: ...

    def on_transport_failure(self) -> None: ...


REQUEST = b"OPTIONS sip:x SIP/2.0\r\nContent-Length: 0\r\n\r\n"


# -- TCP -------------------------------------------------------------------------------------------------------------


def test_what_is_sent_while_it_is_dialled_goes_when_it_is_there(turned: Loop, site: Site, listening: socket.socket) -> None:
    """From the proxy's own address."""
    flow = site.paths.to("TCP", listening.getsockname())
    assert flow.open and flow.transport == "TCP" and flow.local == site.tcp.local
    flow.send(REQUEST)
    flow.send(REQUEST)
    with accept(turned, listening) as peer:
        assert peer.getpeername()[0] == "127.0.0.1"
        turned.until(lambda: site.tcp.connections)
        assert turned.read(peer, 2 * len(REQUEST)) == REQUEST * 2
        assert site.paths.to("TCP", listening.getsockname(), "pbx.example") is flow  # used again, whatever its name
        peer.sendall(b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n")
        turned.until(lambda: site.received)
        assert site.received[0][1] is flow
    turned.until(lambda: site.lost)
    assert site.lost == ["the peer closed the connection"] and not flow.open and site.findings == []
    assert site.idle


def test_a_path_has_the_addresses_of_the_wire_once_it_is_there(turned: Loop, site: Site, listening: socket.socket) -> None:
    """A capture shows where a connection came from, not where the proxy listens."""
    path = site.paths.to("TCP", listening.getsockname()).path
    assert (path.transport, path.local, path.peer, path.connected) == ("TCP", site.tcp.local, listening.getsockname(), False)
    with accept(turned, listening) as peer:
        turned.until(lambda: site.tcp.connections)
        assert path.connected and path.local == peer.getpeername() and path.peer == peer.getsockname()
    with socket.create_connection(("127.0.0.1", site.tls.local[1])) as phone:
        phone.sendall(REQUEST)  # TLS is a layer on top that this listener was not given
        turned.until(lambda: len(site.received) == 1)
        path = site.received[0][1].path
        assert (path.transport, path.local, path.peer, path.connected) == ("TLS", phone.getpeername(), phone.getsockname(), True)
    refused = site.paths.to("TCP", dead_port()).path
    turned.until(lambda: "connection refused" in site.lost)
    assert not refused.connected


def test_a_connection_that_the_customer_opened_is_used(turned: Loop, site: Site) -> None:
    with socket.create_connection(("127.0.0.1", site.tcp.local[1])) as phone:
        phone.settimeout(60)
        turned.until(lambda: site.tcp.connections)
        flow = site.paths.to("TCP", phone.getsockname())
        flow.send(REQUEST)
        assert turned.read(phone, len(REQUEST)) == REQUEST
        assert len(site.tcp.connections) == 1
    turned.until(lambda: site.lost)
    assert not flow.open and flow.to(flow.peer) is flow  # where it came from nobody listens


def test_whoever_says_no_more_hears_the_answers_that_are_due(turned: Loop, site: Site) -> None:
    """A client that closes its half, as ncat does at the end of its input."""
    whole = (
        b"OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:h>\r\n"
        b"Call-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", site.tcp.local[1])) as phone:
        phone.sendall(whole + whole.replace(b"bK1", b"bK2"))
        phone.shutdown(socket.SHUT_WR)
        turned.until(lambda: site.lost)
        phone.settimeout(60)
        heard = b"".join(iter(lambda: phone.recv(4096), b""))
    assert heard.count(b"SIP/2.0 501 ") == 2 and site.lost == ["the peer closed the connection"]
    assert site.idle and not site.tcp.connections


def test_whoever_says_no_more_and_reads_nothing_is_cut_off(turned: Loop, site: Site) -> None:
    with socket.socket() as phone:
        phone.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        phone.connect(("127.0.0.1", site.tcp.local[1]))
        turned.until(lambda: site.tcp.connections)
        stream: Any = next(iter(site.tcp.connections))
        stream.transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        phone.shutdown(socket.SHUT_WR)
        stream.write(b"x" * 500_000)  # more than the system takes now
        turned.until(lambda: not stream.open)
        turned.turn()
        assert not site.lost
        site.clock.advance(31)
        turned.until(lambda: site.lost)
    assert site.findings == ["stream.idle: no end of a connection that was closed in the time allowed"] and site.idle


def test_a_refused_connection(turned: Loop, site: Site) -> None:
    site.invite(site.paths.to("TCP", dead_port()))
    turned.until(lambda: site.user.heard)
    assert site.user.heard == ["transport: connection refused"] and site.lost == ["connection refused"]
    assert site.findings == ["stream.unreachable: connection refused; 1 message lost"]
    assert site.idle


def test_a_connection_attempt_that_nobody_answers(turned: Loop, site: Site) -> None:
    """A listener whose backlog is full drops what comes: 5 s, by setting."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
            fillers.append(filler)
        try:
            site.invite(site.paths.to("TCP", full.getsockname()))
            turned.turn()
            site.clock.advance(4.9)
            assert site.user.heard == []
            site.clock.advance(0.1)
            assert site.user.heard == ["transport: no connection in 5 s"]
            turned.turn()
            assert len(site.lost) == 1 and site.idle
        finally:
            for filler in fillers:
                filler.close()


def test_a_connection_that_is_reset(turned: Loop, site: Site, listening: socket.socket) -> None:
    site.invite(site.paths.to("TCP", listening.getsockname()))
    reset(accept(turned, listening))
    turned.until(lambda: site.user.heard)
    assert site.user.heard == ["transport: connection reset"]
    assert site.idle


def test_a_connection_that_has_gone_is_opened_anew(turned: Loop, site: Site, listening: socket.socket) -> None:
    address = listening.getsockname()
    flow = site.paths.to("TCP", address)
    accept(turned, listening).close()
    turned.until(lambda: site.lost)
    again = site.paths.to("TCP", address)
    assert again is not flow and again.open
    assert flow.to(address) is again
    with accept(turned, listening):
        turned.until(lambda: site.tcp.connections)


def test_the_other_family_can_not_be_reached(turned: Loop, site: Site) -> None:
    site.invite(site.paths.to("TCP", ("::1", 5060)))
    assert site.user.heard == ["transport: ::1 can't be reached from 127.0.0.1"] and site.idle


def test_ipv6(turned: Loop) -> None:
    site = Site(turned, host="::1")
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listening:
        flow = site.paths.to("TCP", listening.getsockname()[:2])
        flow.send(REQUEST)
        with accept(turned, listening) as peer:
            turned.until(lambda: site.tcp.connections)
            assert turned.read(peer, len(REQUEST)) == REQUEST


def test_connections_are_bounded(turned: Loop, listening: socket.socket) -> None:
    """Those that come about, and those that are there."""
    limits = Limits(total=1)
    site = Site(turned, limits)
    with socket.create_connection(("127.0.0.1", site.tcp.local[1])):
        turned.until(lambda: site.tcp.connections)
        site.invite(site.paths.to("TCP", listening.getsockname()))
        turned.until(lambda: site.user.heard)
        assert site.user.heard == ["transport: too many connections at once"]
        assert [finding.partition(":")[0] for finding in site.findings] == ["limit.connections", "stream.unreachable"]
    turned.until(lambda: not limits.count)
    coming = [site.paths.to("TCP", ("127.0.0.1", port)) for port in (1, 2, 3)]
    assert [(flow.open, flow.failure) for flow in coming[1:]] == [(False, "too many connections at once")] * 2
    turned.until(lambda: not coming[0].open)
    assert site.idle


def test_an_invite_that_is_given_up_while_it_waits_does_not_leave(turned: Loop, site: Site, listening: socket.socket) -> None:
    """RFC 3261 9.1: there is nothing to cancel yet; other requests to the peer wait on."""
    flow = site.paths.to("TCP", listening.getsockname())
    invitation, again = site.invite(flow), site.invite(flow)
    flow.send(REQUEST)
    invitation.cancel()
    again.cancel()
    assert site.user.heard == ["timeout: given up before there was a connection"] * 2 and not site.endpoint.transactions
    with accept(turned, listening) as peer:
        turned.until(lambda: site.tcp.connections)
        assert turned.read(peer, len(REQUEST)) == REQUEST
        kept = site.invite(flow)
        invited = turned.read(peer, end=OFFER)
        kept.cancel()  # that one has left: CANCEL waits for a provisional
        assert invited.startswith(b"INVITE ") and site.endpoint.transactions == 1
    turned.until(lambda: site.lost)
    assert site.idle


def test_requests_whose_time_is_up_while_they_wait_do_not_leave(turned: Loop, listening: socket.socket) -> None:
    """Timers B and F end the transaction, and with it what it would have sent."""
    site = Site(turned, seconds=60.0)
    flow = site.paths.to("TCP", listening.getsockname())
    site.invite(flow)
    branch, via = site.endpoint.via(flow)
    site.endpoint.send(Outgoing("OPTIONS", "sip:h", via, "<sip:2@h>;tag=a", "<sip:1@h>", "c", 1), branch, flow, Unheard())
    site.clock.advance(32)
    assert site.user.heard == ["timeout: no connection in 32 s"] and not site.endpoint.transactions
    flow.send(REQUEST)
    with accept(turned, listening) as peer:
        assert turned.read(peer, len(REQUEST)) == REQUEST
    turned.until(lambda: site.lost)
    assert site.idle


def test_what_was_withdrawn_makes_room_for_others(turned: Loop, site: Site, listening: socket.socket) -> None:
    flow = site.paths.to("TCP", listening.getsockname())
    invitation = site.invite(flow)
    invitation.cancel()
    flow.send(b"x" * (1 << 20))
    assert site.findings == []


@pytest.mark.parametrize("more", [b"", b";rport", b", SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKother"])
def test_only_messages_of_the_branch_are_withdrawn(turned: Loop, site: Site, listening: socket.socket, more: bytes) -> None:
    """One branch may begin as another does; and a body, or the value of another parameter, may read like one."""
    flow = site.paths.to("TCP", listening.getsockname())
    messages = [
        b"INVITE sip:x SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;%s%s\r\nContent-Length: 20\r\n\r\n;branch=z9hG4bKinside" % (branch, more)
        for branch in (b"branch=z9hG4bKab", b"branch=z9hG4bKabc", b"rport;branch=z9hG4bKab-c", b"x=branch=z9hG4bKab")
    ]
    for message in messages:
        flow.send(message)
    assert not flow.withdraw("z9hG4bKa") and not flow.withdraw("z9hG4bKinside")
    assert flow.withdraw("z9hG4bKab") and not flow.withdraw("z9hG4bKab")
    with accept(turned, listening) as peer:
        wanted = b"".join(messages[1:])
        assert turned.read(peer, len(wanted)) == wanted


def test_what_waits_is_bounded(turned: Loop, site: Site, listening: socket.socket) -> None:
    flow = site.paths.to("TCP", listening.getsockname())
    for _ in range(20):
        flow.send(b"x" * 65536)
    assert len(site.findings) == 4 and site.findings[0] == "stream.unreachable: 1048576 octets wait already; a message is lost"


def test_stopping_gives_up_what_is_coming_about(turned: Loop, site: Site, listening: socket.socket) -> None:
    site.invite(site.paths.to("TCP", listening.getsockname()))
    site.tcp.stop()
    assert site.user.heard == ["transport: the emulator stops"] and site.idle
    turned.turn()
    assert site.lost == ["the emulator stops"]


def test_a_bye_whose_connection_has_gone_goes_over_a_new_one(turned: Loop, site: Site, listening: socket.socket) -> None:
    """18.1.1: to the address in the Contact, or where the INVITE went when that is a name."""
    for contact in ("127.0.0.1:{port}", "pbx.example"):
        site.invite(site.paths.to("TCP", listening.getsockname()))
        with accept(turned, listening) as peer:
            callee = Callee(peer.sendall, transport="TCP")
            callee.receive(turned.read(peer, end=OFFER))
            callee.expect("INVITE")
            callee.answer(200, f"Contact: <sip:{contact.format(port=listening.getsockname()[1])}>\r\n")
            turned.until(lambda: site.user.session)
        turned.until(lambda: site.lost)
        assert site.user.session is not None
        site.user.session.hang_up()
        with accept(turned, listening) as again:
            assert turned.read(again, 3) == b"BYE"
            turned.until(lambda: site.tcp.connections)
            reset(again)
        turned.until(lambda: not site.tcp.connections)
        site.clock.advance(32)
        assert site.idle
        site.user.session = None
        site.lost.clear()


# -- TLS -------------------------------------------------------------------------------------------------------------


@dataclass
class Made:
    """A certificate and its key in files."""

    certificate: Path
    key: Path


class Mint:
    """A CA that makes certificates."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test CA")])
        self.ca = directory / "ca.pem"
        self.ca.write_bytes(self._sign(self._name, self._key, [], 1).public_bytes(serialization.Encoding.PEM))

    def _sign(self, subject: x509.Name, key: Any, names: list[str], days: int, own: bool = False) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject if own else self._name)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=10)).not_valid_after(now + datetime.timedelta(days=days))
        builder = builder.add_extension(x509.BasicConstraints(subject == self._name, None), critical=True)
        if names:
            san: list[x509.GeneralName] = [
                x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names
            ]
            builder = builder.add_extension(x509.SubjectAlternativeName(san), critical=False)
        return builder.sign(key if own else self._key, hashes.SHA256())

    def make(self, *names: str, days: int = 1, own: bool = False) -> Made:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "customer")])
        made = Made(self._directory / f"{'-'.join(names)}.pem", self._directory / f"{'-'.join(names)}.key")
        made.certificate.write_bytes(self._sign(subject, key, list(names), days, own).public_bytes(serialization.Encoding.PEM))
        made.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return made


@pytest.fixture(scope="module")
def mint(tmp_path_factory: pytest.TempPathFactory) -> Mint:
    return Mint(Path(tmp_path_factory.mktemp("certificates")))


class Server:
    """A TLS server in a thread: it notes the name it was asked for and echoes what it reads, or does what `instead` says."""

    def __init__(self, made: Made, instead: Callable[[socket.socket], None] | None = None, versions: tuple[Any, Any] | None = None) -> None:
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.sock.settimeout(60)
        self.address: Address = self.sock.getsockname()
        self.names: list[str | None] = []
        self.version = ""
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if versions is not None:
            self._context.minimum_version, self._context.maximum_version = versions
        self._context.load_cert_chain(made.certificate, made.key)
        self._context.sni_callback = lambda sock, name, context: self.names.append(name)
        self._instead = instead
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        try:
            taken, _ = self.sock.accept()
        except OSError:
            return
        taken.settimeout(60)
        with taken:
            if self._instead is not None:
                self._instead(taken)
                return
            try:
                with self._context.wrap_socket(taken, server_side=True) as secure:
                    self.version = secure.version() or ""
                    while data := secure.recv(1000):
                        secure.sendall(data)
            except OSError:
                return

    def close(self) -> None:
        self.sock.close()
        self._thread.join(60)
        assert not self._thread.is_alive()


def names(site: Site) -> list[str]:
    return [finding.partition(":")[0] for finding in site.findings]


def exchange(turned: Loop, site: Site, server: Server, name: str = "pbx.example") -> Flow:
    """A request that comes back."""
    flow = site.paths.to("TLS", server.address, name)
    flow.send(REQUEST)
    turned.until(lambda: site.received or site.lost, "an echo")
    return flow


def test_tls_1_2_with_the_name_and_the_certificate_told_of(turned: Loop, site: Site, mint: Mint) -> None:
    server = Server(mint.make("pbx.example"))
    try:
        flow = exchange(turned, site, server)
        assert site.received[0][0] == REQUEST and flow.open
        assert (server.version, server.names) == ("TLSv1.2", ["pbx.example"])
        assert site.paths.to("TLS", server.address, "pbx.example") is flow
        ((identity, good),) = site.servers
        assert (identity.subject, identity.issuer, identity.domains, good) == ("O=customer", "CN=test CA", ("pbx.example",), False)
        assert names(site) == ["tls.server-untrusted"]  # the system knows no such CA; the call goes on
    finally:
        site.tls.stop()
        turned.until(lambda: site.lost)
        server.close()
    assert site.idle


@pytest.mark.parametrize(
    ("san", "days", "own", "name", "codes"),
    [
        (("pbx.example",), 1, False, "pbx.example", []),
        (("pbx.example",), -1, False, "pbx.example", ["tls.server-expired"]),
        (("pbx.example",), 1, True, "pbx.example", ["tls.server-self-signed"]),
        (("other.example",), 1, False, "pbx.example", ["tls.server-name"]),
        (("*.example",), 1, False, "pbx.example", ["tls.server-name"]),
        (("127.0.0.1",), 1, False, "", []),
        (("pbx.example",), 1, False, "", ["tls.server-name"]),
    ],
)
@pytest.mark.parametrize("verify", [False, True])
def test_what_is_wrong_with_a_certificate(
    turned: Loop, mint: Mint, san: tuple[str, ...], days: int, own: bool, name: str, codes: list[str], verify: bool
) -> None:
    """Told of when it is not verified; the end of the connection when it is."""
    site = Site(turned, verify=verify, authorities=mint.ca)
    server = Server(mint.make(*san, days=days, own=own))
    try:
        flow = exchange(turned, site, server, name)
        if verify and codes:
            assert not flow.open and flow.failure.startswith("TLS handshake failed: the certificate is refused: it ")
            assert names(site) == ["stream.unreachable"] and site.servers == []
        else:
            assert flow.open and names(site) == codes
            assert site.servers[0][1] == (not codes)
    finally:
        site.tls.stop()
        turned.until(lambda: site.lost)
        server.close()
    assert site.idle


def test_verification_takes_no_connection_that_the_customer_opened(turned: Loop, mint: Mint) -> None:
    site = Site(turned, verify=True, authorities=mint.ca)
    with socket.create_connection(("127.0.0.1", site.tls.local[1])) as phone:
        turned.until(lambda: site.tls.connections)
        flow = site.paths.to("TLS", phone.getsockname())
        assert flow is not next(iter(site.tls.connections)).flow
        turned.until(lambda: not flow.open)


def failing(turned: Loop, site: Site, server: Server) -> str:
    try:
        site.invite(site.paths.to("TLS", server.address, "pbx.example"))
        turned.until(lambda: site.user.heard)
    finally:
        server.close()
    assert len(site.user.heard) == 1 and len(site.lost) == 1 and site.idle
    return site.user.heard[0]


def test_a_server_that_knows_no_tls_1_2(turned: Loop, site: Site, mint: Mint) -> None:
    only = (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3)
    told = failing(turned, site, Server(mint.make("pbx.example"), versions=only))
    assert told.startswith("transport: TLS handshake failed: ") and "protocol version" in told


def test_a_server_that_closes_in_the_handshake(turned: Loop, site: Site, mint: Mint) -> None:
    def instead(sock: socket.socket) -> None:
        sock.recv(10000)

    told = failing(turned, site, Server(mint.make("pbx.example"), instead))
    assert told == "transport: TLS handshake failed: the peer closed the connection"


def test_a_server_that_resets_in_the_handshake(turned: Loop, site: Site, mint: Mint) -> None:
    told = failing(turned, site, Server(mint.make("pbx.example"), reset))
    # Whether the reset comes before the connection is looked at for the first time is the system's to say.
    assert told in ("transport: TLS handshake failed: the peer closed the connection", "transport: connection reset by peer")


def test_a_server_that_speaks_no_tls(turned: Loop, site: Site, mint: Mint) -> None:
    def instead(sock: socket.socket) -> None:
        sock.recv(10000)
        sock.sendall(b"SIP/2.0 400 Bad Request\r\n\r\n")
        sock.recv(10000)

    told = failing(turned, site, Server(mint.make("pbx.example"), instead))
    assert told.startswith("transport: TLS handshake failed: ") and "wrong version number" in told


def test_a_handshake_that_stalls(turned: Loop, site: Site, listening: socket.socket) -> None:
    flow = site.paths.to("TLS", listening.getsockname())
    site.invite(flow)
    assert flow.coming == "connection"
    with accept(turned, listening) as peer:
        assert turned.read(peer, 1) == b"\x16" and flow.coming == "end of the TLS handshake"
        site.clock.advance(5)
        assert site.user.heard == ["transport: no end of the TLS handshake in 5 s"]
        turned.turn()
    assert site.idle and flow.coming == ""


def test_an_invite_that_is_given_up_in_the_handshake_does_not_leave(turned: Loop, site: Site, mint: Mint) -> None:
    begin = threading.Event()

    def instead(sock: socket.socket) -> None:
        begin.wait(5)
        with server._context.wrap_socket(sock, server_side=True) as secure:
            got.append(secure.recv(10000))

    got: list[bytes] = []
    server = Server(mint.make("pbx.example"), instead)
    flow = site.paths.to("TLS", server.address, "pbx.example")
    try:
        invitation = site.invite(flow)
        turned.turn()
        invitation.cancel()
        flow.send(REQUEST)
        begin.set()
        turned.until(lambda: got)
    finally:
        server.close()
    assert got == [REQUEST] and site.user.heard == ["timeout: given up before there was a connection"]
    turned.until(lambda: site.lost)
    assert site.idle


def test_a_tls_connection_that_is_refused(turned: Loop, site: Site) -> None:
    site.invite(site.paths.to("TLS", dead_port()))
    turned.until(lambda: site.user.heard)
    assert site.user.heard == ["transport: connection refused"] and site.idle
