"""UDP of one proxy: ICMP errors read from the error queue (RFC 3261 18.4), on loopback sockets."""

import select
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from emulator.clock import SteppedClock
from emulator.ids import Ids
from emulator.sip import icmp
from emulator.sip.calling import Invitation
from emulator.sip.datagram import UdpListener
from emulator.sip.endpoint import Endpoint
from emulator.sip.flow import Address, Flow
from tests.support.calling import CONTACT, OFFER, Caller, Core
from tests.support.loop import Loop, loop


def entry(origin: int, type_: int, code: int, level: int = 0, kind: int = icmp.IP_RECVERR) -> list[tuple[int, int, bytes]]:
    return [(0, 8, b""), (level, kind, struct.pack("=IBBBBII", 111, origin, type_, code, 0, 0, 0) + bytes(16))]


@pytest.mark.parametrize(
    ("ancillary", "what"),
    [
        (entry(2, 3, 3), "port unreachable (ICMP)"),
        (entry(2, 3, 1), "host unreachable (ICMP)"),
        (entry(2, 12, 0), "parameter problem (ICMP)"),
        (entry(3, 1, 4, 41, icmp.IPV6_RECVERR), "port unreachable (ICMP)"),
        (entry(2, 3, 4), None),  # fragmentation needed
        (entry(2, 11, 0), None),  # "TTL exceeded ICMP errors SHOULD be ignored"
        (entry(2, 4, 0), None),  # source quench
        (entry(1, 3, 3), None),  # of our own system
        (entry(2, 3, 3, 17), None),
        ([(0, icmp.IP_RECVERR, b"short")], None),
        ([], None),
    ],
)
def test_what_an_entry_of_the_error_queue_says(ancillary: list[tuple[int, int, bytes]], what: str | None) -> None:
    assert icmp.failure(ancillary) == what


@pytest.fixture
def turned() -> Iterator[Loop]:
    with loop() as turned:
        yield turned


def closed_port(host: str = "127.0.0.1") -> Address:
    """An address where nobody listens."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        return host, sock.getsockname()[1]


class Site:
    """An endpoint with a UDP listener of its own."""

    def __init__(self, turned: Loop, host: str = "127.0.0.1") -> None:
        self.turned = turned
        self.clock = SteppedClock()
        self.endpoint = Endpoint("caller", Core(), self.clock, Ids(1))
        self.received: list[bytes] = []
        self.lost: list[tuple[Address, str]] = []
        self.udp = UdpListener(turned.reactor, self, (host, 0))
        self.udp.start()
        self.user = Caller()

    def receive(self, data: bytes, flow: Flow) -> None:
        self.received.append(data)
        self.endpoint.receive(data, flow)

    def endless(self, head: bytes, what: str, status: int, flow: Flow) -> None:
        raise AssertionError("a datagram has an end")

    def flow_lost(self, flow: Flow) -> None:
        self.lost.append((flow.peer, flow.failure))
        self.endpoint.flow_lost(flow)

    def invite(self, peer: Address) -> Invitation:
        invitation = Invitation(self.endpoint, self.udp.path(peer), "sip:1@h", "<sip:2@h>", "<sip:1@h>", CONTACT, OFFER, self.user)
        invitation.send()
        return invitation


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_invite_to_a_closed_port_fails_at_once(turned: Loop, host: str) -> None:
    site = Site(turned, host)
    site.invite(closed_port(host))
    turned.until(lambda: site.user.heard)
    assert site.user.heard == ["transport: port unreachable (ICMP)"]
    assert not site.endpoint.transactions and not site.clock.pending


def test_the_socket_lives_on_and_serves_others(turned: Loop) -> None:
    """An error without a datagram looks to the reactor like the end of what can be read."""
    site = Site(turned)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.bind(("127.0.0.1", 0))
        phone.settimeout(60)
        for count in range(1, 4):
            dead = closed_port()
            site.udp.flow(dead).send(b"to nobody")
            turned.until(lambda: len(site.lost) == count)  # noqa: B023
            assert site.lost[-1] == (dead, "port unreachable (ICMP)")
            phone.sendto(b"OPTIONS sip:x SIP/2.0\r\n\r\n", site.udp.bound)
            turned.until(lambda: len(site.received) == count)  # noqa: B023
            site.udp.flow(phone.getsockname()).send(b"hello")
            assert phone.recv(100) == b"hello"


def test_what_is_said_while_datagrams_are_read_leaves_after_them_in_its_order(turned: Loop) -> None:
    site = Site(turned)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.bind(("127.0.0.1", 0))
        phone.setblocking(False)
        came_early: list[bool] = []

        def answer(data: bytes, flow: Flow) -> None:
            flow.send(b"100 " + data)
            flow.send(b"200 " + data)
            came_early.append(waits(phone))

        site.udp.receive = answer  # type: ignore[method-assign]
        for data in (b"one", b"two"):
            phone.sendto(data, site.udp.bound)
        turned.until(lambda: len(came_early) == 2)
        assert came_early == [False, False]
        assert [phone.recv(100) for _ in range(4)] == [b"100 one", b"200 one", b"100 two", b"200 two"]
        site.udp.flow(phone.getsockname()).send(b"at once")
        assert phone.recv(100) == b"at once"


def test_what_was_said_before_the_socket_is_closed_leaves(turned: Loop) -> None:
    site = Site(turned)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.bind(("127.0.0.1", 0))
        phone.settimeout(60)

        def answer(data: bytes, flow: Flow) -> None:
            flow.send(b"last words")
            site.udp.stop()

        site.udp.receive = answer  # type: ignore[method-assign]
        phone.sendto(b"one", site.udp.bound)
        turned.until(lambda: waits(phone))
        assert phone.recv(100) == b"last words"
        assert site.udp.unsent == 0


def waits(sock: socket.socket) -> bool:
    """Whether something can be read from a socket."""
    return bool(select.select([sock], [], [], 0)[0])


def test_the_error_of_one_peer_does_not_swallow_the_datagram_to_another(turned: Loop) -> None:
    """Linux reports an ICMP error once, at the next call on the socket, which then does nothing else."""
    site = Site(turned)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.bind(("127.0.0.1", 0))
        phone.settimeout(60)
        for _ in range(20):
            site.udp.flow(closed_port()).send(b"to nobody")
            site.udp.flow(phone.getsockname()).send(b"hello")
            assert phone.recv(100) == b"hello"
        assert site.udp.unsent == 0
        turned.until(lambda: len(site.lost) == 20)


def test_an_invite_that_has_had_a_response_lives_on(turned: Loop) -> None:
    site = Site(turned)
    phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    phone.bind(("127.0.0.1", 0))
    phone.settimeout(60)
    invitation = site.invite(phone.getsockname())
    invite = phone.recv(2000)
    head = invite.split(b"\r\n")[1:7]
    phone.sendto(b"\r\n".join([b"SIP/2.0 180 Ringing", *head]) + b"\r\nContent-Length: 0\r\n\r\n", site.udp.bound)
    turned.until(lambda: site.user.heard)
    phone.close()
    invitation.cancel()  # to a port that is closed by now
    turned.until(lambda: site.lost)
    assert site.user.heard == ["180"]
    site.clock.advance(32)
    assert site.user.heard == ["180", "timeout: no final response in 32 s after the CANCEL"]


def test_an_error_for_a_response_of_ours_is_nothing(turned: Loop) -> None:
    site = Site(turned)
    dead = closed_port()
    text = f"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP {dead[0]}:{dead[1]};branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n"
    text += "Call-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    site.endpoint.receive(text.encode(), site.udp.flow(dead))
    turned.until(lambda: site.lost)
    assert site.user.heard == [] and not site.endpoint.transactions


def test_a_new_path_is_tried_anew(turned: Loop) -> None:
    site = Site(turned)
    dead = closed_port()
    flow = site.udp.path(dead)
    flow.send(b"to nobody")
    turned.until(lambda: site.lost)
    assert flow.failure == "port unreachable (ICMP)" and flow.open
    assert site.udp.path(dead).failure == ""


def test_what_the_system_will_not_send_is_a_failure_too(turned: Loop) -> None:
    """No route, another family: told in a turn of its own, for whoever sends is in the middle of something."""
    site = Site(turned)
    site.invite(("::1", 5060))
    assert site.user.heard == []
    turned.until(lambda: site.user.heard)
    assert site.user.heard[0].startswith("transport: ") and site.udp.unsent == 1


def test_failures_are_bounded(turned: Loop) -> None:
    site = Site(turned)
    for port in range(1, 3000):
        site.udp._lose(("192.0.2.1", port), "port unreachable (ICMP)")
    assert len(site.udp.failures) == 1024 and len(site.lost) == 2999


def test_stopping_twice_and_errors_after_it(turned: Loop) -> None:
    site = Site(turned)
    site.udp.flow(closed_port()).send(b"to nobody")
    site.udp.stop()
    site.udp.stop()
    failure: Any = None
    site.udp.readConnectionLost(failure)
    turned.turn()
    assert not site.lost


@pytest.mark.parametrize(("bind", "shown"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "192.0.2.1")])
def test_a_path_has_the_address_of_the_wire_where_that_is_known(turned: Loop, bind: str, shown: str) -> None:
    """What is advertised may be a machine's in front; only of a socket that is bound to every address nothing better is known."""
    listener = UdpListener(turned.reactor, Site(turned), (bind, 0), "192.0.2.1")
    path = listener.flow(("127.0.0.1", 5070)).path
    listener.stop()
    assert listener.local == ("192.0.2.1", listener.bound[1])
    assert (path.transport, path.local, path.peer) == ("UDP", (shown, listener.bound[1]), ("127.0.0.1", 5070)) and path.connected
