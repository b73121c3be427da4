"""Ports of calls, on real sockets of the loopback and a reactor that does nothing."""

import errno
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.clock import SteppedClock
from emulator.ids import Ids
from emulator.journal.datagrams import Datagram, Datagrams, Shelf
from emulator.media import rtcp, shared_port, sockets
from emulator.media.codecs import PCMU
from emulator.media.offer import Agreement, Keys
from emulator.media.plan import Plan
from emulator.media.port import Exhausted
from emulator.media.port_pair import MediaPorts
from emulator.media.shared_port import SharedPorts
from emulator.media.sockets import Selector
from emulator.media.srtp import Inbound, Outbound
from emulator.media.stream import Stream
from emulator.media.wire import Wire

HOST = "127.0.0.1"
INSIDE = ("127.0.0.9", 4000)
"""What a client behind a NAT believes to be its address."""
REPORT = rtcp.receiver_report(7, b"") + rtcp.description(7, "phone")
PACKET = struct.pack("!BBHII", 0x80, 0, 1, 160, 7) + b"\xff" * 160


class Reactor:
    """Reads when it is told to; its calls go by `clock`."""

    def __init__(self, clock: SteppedClock) -> None:
        self.readers: list[Any] = []
        self.callLater = clock.call_later

    def addReader(self, reader: Any) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        if reader in self.readers:
            self.readers.remove(reader)


class Ground:
    """Ports, a clock, and phones that send to them."""

    def __init__(self, ports: Any, clock: SteppedClock, selector: Selector) -> None:
        self.ports = ports
        self.clock = clock
        self.selector = selector
        self.phones: list[Phone] = []

    def phone(self, host: str = HOST) -> "Phone":
        phone = Phone(host)
        self.phones.append(phone)
        return phone

    def call(
        self, phone: "Phone", plan: Plan | None = None, announced: tuple[str, int] | None = None, keys: Keys | None = None,
        kept: Datagrams | None = None, rtcp: tuple[str, int] | None = None,
    ) -> tuple[Any, Stream]:  # fmt: skip
        """A call, with its packets `kept` where that is given."""
        port = self.ports.open(HOST)
        remote = announced or phone.address
        agreement = Agreement(PCMU, 0, 101, 8000, remote, rtcp or (HOST, phone.rtcp.getsockname()[1]), True, True, keys=keys)
        stream = Stream(agreement, self.clock, Ids(1), plan, wire=Wire(kept, self.clock, "192.0.2.9") if kept is not None else None)
        port.attach(stream)
        return port, stream

    def settle(self) -> None:
        """Read whatever has come; the loopback delivers at once."""
        for _ in range(3):
            self.selector.doRead()

    def close(self) -> None:
        self.ports.close()
        for phone in self.phones:
            phone.rtp.close()
            phone.rtcp.close()


class Phone:
    """Two sockets."""

    def __init__(self, host: str = HOST) -> None:
        self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.rtcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for sock in (self.rtp, self.rtcp):
            sock.bind((host, 0))
            sock.settimeout(0.2)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.rtp.getsockname()
        return host, port

    def say(self, number: int, packet: bytes = PACKET) -> None:
        try:
            self.rtp.sendto(packet, (HOST, number))
        except ConnectionRefusedError:
            self.rtp.sendto(packet, (HOST, number))  # the ICMP error was of an earlier packet

    def heard(self) -> tuple[bytes, int] | None:
        """The next packet and the port it came from."""
        try:
            data, peer = self.rtp.recvfrom(2000)
        except (TimeoutError, ConnectionRefusedError):
            return None
        return data, peer[1]


def ground(kind: str, latch: bool = False, tick: float = 0.0, tick_above: int = 100) -> Ground:
    clock = SteppedClock()

    def fail(error: Exception) -> None:
        raise error

    selector = Selector(Reactor(clock), clock, fail, tick, tick_above)
    ports = MediaPorts(selector, clock, ephemeral=True, latch=latch) if kind == "pairs" else SharedPorts(selector, 0, latch)
    return Ground(ports, clock, selector)


@pytest.fixture(params=["pairs", "shared"])
def place(request: pytest.FixtureRequest) -> Iterator[Ground]:
    made = ground(request.param)
    yield made
    made.close()


@pytest.fixture(params=["pairs", "shared"])
def latching(request: pytest.FixtureRequest) -> Iterator[Ground]:
    made = ground(request.param, latch=True)
    yield made
    made.close()


def test_what_is_sent_to_the_port_comes_back_from_it(place: Ground) -> None:
    phone = place.phone()
    port, stream = place.call(phone)
    phone.say(port.number)
    place.settle()
    heard = phone.heard()
    assert heard is not None and heard[0][12:] == PACKET[12:] and heard[1] == port.number
    assert (stream.heard.packets, stream.sent) == (1, 1)


def test_what_came_before_the_answer_was_read_is_the_calls_and_comes_first(place: Ground) -> None:
    """Whoever answers our offer speaks at once: its first packets may overtake its answer (RFC 3264 5.1)."""
    phone, stranger = place.phone(), place.phone()
    port = place.ports.open(HOST)

    def say(number: int) -> None:
        phone.say(port.number, PACKET[:2] + struct.pack("!H", number) + PACKET[4:])

    for number in range(3):
        say(number)
    stranger.say(port.number)
    agreement = Agreement(PCMU, 0, 101, 8000, phone.address, (HOST, phone.rtcp.getsockname()[1]), True, True)
    stream = Stream(agreement, place.clock, Ids(1))
    port.attach(stream)
    for number in range(3, 6):
        say(number)
    for _ in range(3):
        place.settle()
    assert (stream.heard.packets, stream.sent, stream.heard.reordered) == (6, 6, 0)
    assert stream.strangers + getattr(place.ports, "strangers", 0) == 1


def test_a_stranger_reaches_no_call_and_moves_none(place: Ground) -> None:
    """robustness 10: before, during and after the client speaks."""
    phone, stranger = place.phone(), place.phone()
    port, stream = place.call(phone)
    stranger.say(port.number)
    phone.say(port.number)
    stranger.say(port.number)
    place.settle()
    assert stranger.heard() is None and phone.heard() is not None
    assert stream.heard.packets == 1
    if isinstance(place.ports, MediaPorts):
        assert stream.strangers == 2
        (finding,) = (finding for finding in stream.findings() if finding.code == "media.stranger")
        (_, heard), (_, said) = stranger.address, phone.address
        assert finding.seen == f"2 packets from elsewhere, the last from {HOST}:{heard}; the description says {HOST}:{said}"
    else:
        assert place.ports.strangers == 2


def test_two_calls_on_one_port_are_told_apart(place: Ground) -> None:
    first, second = place.phone(), place.phone()
    (port_a, a), (port_b, b) = place.call(first), place.call(second)
    first.say(port_a.number)
    second.say(port_b.number)
    second.say(port_b.number, PACKET[:3] + b"\x02" + PACKET[4:])
    place.settle()
    assert (a.heard.packets, b.heard.packets) == (1, 2)


def test_an_address_that_another_call_has_is_not_taken_from_it() -> None:
    """A description can't fetch another call's media."""
    place = ground("shared")
    phone = place.phone()
    (port, first), (_, second) = place.call(phone), place.call(phone)
    phone.say(port.number)
    place.settle()
    assert (first.heard.packets, second.heard.packets) == (1, 0)
    assert [finding.code for finding in second.findings()] == ["media.address-taken"]
    place.close()


def test_an_address_goes_on_to_the_next_call_when_the_first_is_over() -> None:
    """Who calls again before its BYE has come, or without one, announces the port it had."""
    place = ground("shared")
    phone = place.phone()
    (port, first), (next_port, second), (last_port, third) = place.call(phone), place.call(phone), place.call(phone)
    report = rtcp.receiver_report(7, b"") + rtcp.description(7, "phone")
    for ended, stream, heir in ((port, first, second), (next_port, second, third)):
        stream.end()
        ended.close()
        phone.say(port.number)
        phone.rtcp.sendto(report, (HOST, port.number + 1))
        place.settle()
        assert phone.heard() is not None and (heir.heard.packets, heir.reports) == (1, 1)
        assert "media.address-taken" not in {finding.code for finding in heir.findings()}
    last_port.close()
    assert place.ports.strangers == 0 and not last_port._group.heirs and not last_port._group.by_rtcp_peer
    place.close()


def test_strangers_on_a_shared_port_are_told_of_now_and_then() -> None:
    """Their packets belong to no call whose finding they could be."""
    place = ground("shared")
    told: list[tuple[int, tuple[str, int]]] = []
    place.ports._told = lambda packets, peer: told.append((packets, peer))
    port, _ = place.call(place.phone())
    stranger = place.phone()
    for _ in range(3):
        stranger.say(port.number)
    place.settle()
    assert told == [(1, stranger.address)]
    place.clock.advance(11)
    stranger.say(port.number)
    place.settle()
    assert told == [(1, stranger.address), (3, stranger.address)] and place.ports.strangers == 4
    place.close()


def test_the_first_packet_says_once_where_a_client_behind_a_nat_is(latching: Ground) -> None:
    phone, stranger = latching.phone(), latching.phone()
    port, stream = latching.call(phone, announced=(HOST, 9))
    phone.say(port.number)
    latching.settle()
    assert phone.heard() is not None
    stranger.say(port.number)
    phone.say(port.number, PACKET[:3] + b"\x02" + PACKET[4:])
    latching.settle()
    assert stranger.heard() is None and phone.heard() is not None
    assert stream.heard.packets == 2


def test_a_description_said_again_leaves_a_client_behind_a_nat_where_it_is(latching: Ground) -> None:
    """Its session refresh and its way off hold name the address that it believes in."""
    phone = latching.phone()
    port, stream = latching.call(phone, announced=(HOST, 9))
    for number in range(3):
        phone.say(port.number, PACKET[:3] + bytes((number,)) + PACKET[4:])
        latching.settle()
        assert phone.heard() is not None
        stream.change(stream.agreement)
        port.attach(stream)
    assert stream.heard.packets == 3


def report_of(phone: "Phone", number: int, data: bytes = REPORT, sock: socket.socket | None = None) -> None:
    """A report from the phone to the RTCP port beside `number`."""
    (sock or phone.rtcp).sendto(data, (HOST, number + 1))


def got_report(sock: socket.socket) -> bool:
    try:
        return sock.recv(2000) == REPORT
    except (TimeoutError, ConnectionRefusedError):
        return False


def test_reports_of_a_client_behind_a_nat_come_from_another_port_of_its_address(latching: Ground) -> None:
    """What RTP has shown holds for RTCP: its address, not its port, which a NAT chooses anew."""
    phone, stranger = latching.phone(), latching.phone("127.0.0.3")
    port, stream = latching.call(phone, announced=INSIDE, rtcp=(INSIDE[0], INSIDE[1] + 1))
    report_of(phone, port.number)  # nothing has shown yet whose this is
    latching.settle()
    assert stream.reports == 0
    phone.say(port.number)
    latching.settle()
    report_of(stranger, port.number)
    latching.settle()
    assert stream.reports == 0
    report_of(phone, port.number, b"\x80\xc8 none")
    latching.settle()
    assert stream.reports == 0
    report_of(phone, port.number)
    latching.settle()
    assert stream.reports == 1
    stream.send_report(REPORT)
    assert got_report(phone.rtcp) and not got_report(stranger.rtcp)


def test_reports_move_once_in_a_call(latching: Ground) -> None:
    phone, other = latching.phone(), latching.phone()
    port, stream = latching.call(phone, announced=INSIDE, rtcp=(INSIDE[0], INSIDE[1] + 1))
    phone.say(port.number)
    latching.settle()
    for count in range(1, 4):
        report_of(phone, port.number)
        report_of(other, port.number)  # of the same address
        latching.settle()
        assert stream.reports == count
        stream.change(stream.agreement)
        port.attach(stream)  # the description is said again
        stream.send_report(REPORT)
        assert got_report(phone.rtcp) and not got_report(other.rtcp)
    stream.end()
    port.close()
    next_port, following = latching.call(other)
    report_of(phone, next_port.number)
    report_of(other, next_port.number)
    latching.settle()
    assert following.reports == 1 and stream.reports == 3


def test_a_capture_has_reports_where_they_came_from(latching: Ground) -> None:
    phone, kept = latching.phone(), Shelf(100, 1 << 20).begin()
    port, stream = latching.call(phone, announced=INSIDE, rtcp=(INSIDE[0], INSIDE[1] + 1), kept=kept)
    phone.say(port.number)
    latching.settle()
    report_of(phone, port.number)
    latching.settle()
    stream.send_report(REPORT)
    ours, theirs = (HOST, port.number + 1), (HOST, phone.rtcp.getsockname()[1])
    reports = [datagram for datagram in kept if datagram.data == REPORT]
    assert [(one.incoming, one.local, one.peer) for one in reports] == [(True, ours, theirs), (False, ours, theirs)]


def test_a_socket_that_its_packet_has_closed_is_not_read_again() -> None:
    place = ground("pairs", latch=True)
    place.selector._late = True  # several are read from a socket
    phone = place.phone()
    port, stream = place.call(phone, announced=INSIDE, rtcp=(INSIDE[0], INSIDE[1] + 1))
    phone.say(port.number)
    place.settle()
    report_of(phone, port.number)
    place.settle()
    assert stream.reports == 1 and place.selector.socket_errors == 0
    place.close()


def test_a_client_that_says_where_it_is_after_all_has_its_reports_there(latching: Ground) -> None:
    phone = latching.phone()
    port, stream = latching.call(phone, announced=INSIDE, rtcp=(INSIDE[0], INSIDE[1] + 1))
    phone.say(port.number)
    latching.settle()
    named = (HOST, phone.rtcp.getsockname()[1])
    stream.change(Agreement(PCMU, 0, 101, 8000, phone.address, named, True, True))
    port.attach(stream)
    report_of(phone, port.number, sock=latching.phone().rtcp)
    report_of(phone, port.number)
    latching.settle()
    stream.send_report(REPORT)
    assert stream.reports == 1 and got_report(phone.rtcp)


@pytest.mark.parametrize("kind", ["pairs", "shared"])
def test_reports_of_a_client_that_is_where_it_says_move_nowhere(kind: str) -> None:
    for latch in (False, True):
        place = ground(kind, latch)
        phone, other = place.phone(), place.phone()
        port, stream = place.call(phone)
        phone.say(port.number)
        place.settle()
        report_of(other, port.number)
        place.settle()
        assert stream.reports == 0
        report_of(phone, port.number)
        place.settle()
        stream.send_report(REPORT)
        assert stream.reports == 1 and got_report(phone.rtcp) and not got_report(other.rtcp)
        place.close()


def test_reports_on_the_media_port_go_where_media_goes(latching: Ground) -> None:
    phone = latching.phone()
    port, stream = latching.call(phone, announced=INSIDE, rtcp=INSIDE)
    for number in range(2):
        phone.say(port.number, PACKET[:3] + bytes((number,)) + PACKET[4:])
        latching.settle()
        assert phone.heard() is not None
        stream.send_report(REPORT)
        assert got_report(phone.rtp)
        stream.change(stream.agreement)
        port.attach(stream)


def test_reports_of_two_clients_behind_one_nat_are_told_apart_by_their_source() -> None:
    place = ground("shared", latch=True)
    phones = [place.phone(), place.phone()]
    calls = []
    for source, phone in enumerate(phones):
        port, stream = place.call(phone, announced=("127.0.0.9", 4000 + 2 * source), rtcp=("127.0.0.9", 4001 + 2 * source))
        phone.say(port.number, PACKET[:8] + struct.pack("!I", source) + PACKET[12:])
        place.settle()
        assert phone.heard() is not None
        calls.append((port, stream))
    number = calls[0][0].number
    for source in (1, 0):
        report_of(phones[source], number, rtcp.receiver_report(9, b"") + rtcp.description(9, "neither"))
        report_of(phones[source], number, rtcp.receiver_report(source, b"") + rtcp.description(source, "phone"))
        place.settle()
        calls[source][1].send_report(REPORT)
        assert got_report(phones[source].rtcp)
    assert [stream.reports for _, stream in calls] == [1, 1]
    for port, stream in calls:
        stream.end()
        port.close()
    assert not calls[0][0]._group.moved and not calls[0][0]._group.by_rtcp_peer
    place.close()


def test_without_a_socket_for_moved_reports_the_call_goes_on_and_none_is_left() -> None:
    place = ground("pairs", latch=True)
    phone = place.phone()
    port, stream = place.call(phone, announced=INSIDE, rtcp=(INSIDE[0], INSIDE[1] + 1))
    before = len(os.listdir("/proc/self/fd"))
    place.ports._descriptors = 0
    phone.say(port.number)
    place.settle()
    assert phone.heard() is not None and len(os.listdir("/proc/self/fd")) == before
    stream.end()
    port.close()
    place.ports._descriptors = 1 << 20
    port, stream = place.call(phone, announced=INSIDE, rtcp=(INSIDE[0], INSIDE[1] + 1))
    before = len(os.listdir("/proc/self/fd"))
    phone.say(port.number)
    place.settle()
    assert len(os.listdir("/proc/self/fd")) == before + 1
    stream.end()
    port.close()
    assert len(os.listdir("/proc/self/fd")) == before
    place.close()


def test_a_late_packet_of_one_call_does_not_say_where_the_client_of_the_next_is() -> None:
    place = ground("shared", latch=True)
    phone, other = place.phone(), place.phone()
    port, first = place.call(phone)
    phone.say(port.number)
    place.settle()
    first.end()
    port.close()
    _, second = place.call(other, announced=("127.0.0.9", 9))
    phone.say(port.number)
    place.settle()
    assert second.heard.packets == 0 and place.ports.strangers == 0
    other.say(port.number)
    place.settle()
    assert second.heard.packets == 1
    place.close()


def test_a_client_behind_a_nat_may_call_again_from_the_port_it_had() -> None:
    place = ground("shared", latch=True)
    phone = place.phone()
    announced = ("127.0.0.9", phone.address[1])
    for _ in range(2):
        port, stream = place.call(phone, announced=announced)
        phone.say(port.number)
        place.settle()
        assert stream.heard.packets == 1
        stream.end()
        port.close()
    place.close()


def test_which_of_two_waiting_calls_a_packet_is_for_must_be_certain() -> None:
    place = ground("shared", latch=True)
    phone = place.phone()
    number = phone.address[1]
    port, first = place.call(phone, announced=("127.0.0.9", number))
    _, second = place.call(phone, announced=("127.0.0.8", 9))
    phone.say(port.number)
    place.settle()
    assert (first.heard.packets, second.heard.packets) == (1, 0)  # the port it announced
    other = place.phone()
    place.call(other, announced=("127.0.0.7", 11))
    other.say(port.number)
    place.settle()
    assert place.ports.strangers == 1 and second.heard.packets == 0
    place.close()


def test_a_strangers_packet_costs_no_walk_over_the_calls_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where many clients are behind a NAT that changes their ports, each packet is a stranger's."""
    place = ground("shared", latch=True)
    phone, stranger = place.phone(), place.phone()
    ports = [place.call(phone, announced=("127.0.0.9", 1000 + k))[0] for k in range(100)]
    asked = 0

    def latches(port: shared_port.SharedPort) -> bool:
        nonlocal asked
        asked += 1
        return port.stream is not None and not port.stream.heard.packets

    monkeypatch.setattr(shared_port.SharedPort, "latches", property(latches))
    stranger.say(ports[0].number)
    place.settle()
    assert place.ports.strangers == 1 and asked == 2
    for port in ports:
        port.close()
    assert not ports[0]._group.waiting._by_port
    place.close()


def test_rtcp_goes_to_the_next_port_and_comes_from_it(place: Ground) -> None:
    phone = place.phone()
    port, stream = place.call(phone)
    phone.rtcp.sendto(rtcp.receiver_report(7, b"") + rtcp.description(7, "phone"), (HOST, port.number + 1))
    place.settle()
    stream.start_reports()
    place.clock.advance(6)
    data, peer = phone.rtcp.recvfrom(2000)
    assert stream.reports == 1 and peer[1] == port.number + 1 and rtcp.parse(data).types == {rtcp.RR, rtcp.SDES}


def test_rtcp_of_an_address_that_two_calls_announce_stays_with_the_first() -> None:
    place = ground("shared")
    phone = place.phone()
    (port, first), (other_port, second) = place.call(phone), place.call(phone)
    report = rtcp.receiver_report(7, b"") + rtcp.description(7, "phone")
    phone.rtcp.sendto(report, (HOST, port.number + 1))
    place.settle()
    second.end()
    other_port.close()
    phone.rtcp.sendto(report, (HOST, port.number + 1))
    place.settle()
    assert (first.reports, second.reports) == (2, 0)
    place.close()


def test_rtcp_on_the_port_of_rtp_goes_there_and_comes_from_there(place: Ground) -> None:
    """RFC 5761."""
    phone = place.phone()
    port = place.ports.open(HOST)
    stream = Stream(Agreement(PCMU, 0, 101, 8000, phone.address, phone.address, True, True, muxed=True), place.clock, Ids(1))
    port.attach(stream)
    phone.say(port.number, rtcp.receiver_report(7, b"") + rtcp.description(7, "phone"))
    phone.say(port.number)
    place.settle()
    heard = [phone.heard()]
    stream.start_reports()
    place.clock.advance(6)
    heard.append(phone.heard())
    assert (stream.reports, stream.heard.packets, stream.bad) == (1, 1, 0)
    assert [one is not None and one[1] == port.number for one in heard] == [True, True]
    assert heard[1] is not None and rtcp.SR in rtcp.parse(heard[1][0]).types


def test_media_from_another_port_than_announced(place: Ground) -> None:
    phone = place.phone()
    port, _ = place.call(phone, Plan(other_port=True))
    phone.say(port.number)
    place.settle()
    heard = phone.heard()
    assert heard is not None and heard[1] == port.number + 1


def test_packets_after_the_end_belong_to_the_call_that_was(place: Ground) -> None:
    phone = place.phone()
    port, stream = place.call(phone)
    phone.say(port.number)
    place.settle()
    stream.end()
    port.close()
    phone.say(port.number)  # crosses the BYE
    place.settle()
    place.clock.advance(0.2)
    phone.say(port.number)
    phone.say(port.number)
    place.settle()
    assert (stream.heard.packets, stream.late) == (1, 2)
    assert "media.after-bye" in {finding.code for finding in stream.findings()}
    place.clock.advance(6)
    phone.say(port.number)
    place.settle()
    assert stream.late == 2
    again, other = place.call(phone)
    phone.say(again.number)
    place.settle()
    assert (stream.late, other.heard.packets) == (2, 1)


def test_a_client_that_names_an_ipv6_address_and_sends_over_ipv4_is_known_by_its_port() -> None:
    """interop-quirks 7."""
    place = ground("pairs")
    phone, stranger = place.phone(), place.phone()
    port, stream = place.call(phone, announced=("2001:db8::1", phone.address[1]))
    stranger.say(port.number)
    place.settle()
    assert stream.heard.packets == 0
    phone.say(port.number)
    place.settle()
    assert stream.heard.packets == 1 and phone.heard() is not None
    place.close()


def test_ports_rest_before_they_are_used_again_and_are_given_back() -> None:
    place = ground("pairs")
    phone = place.phone()
    port, stream = place.call(phone)
    number = port.number
    stream.end()
    port.close()
    port.close()
    assert place.ports.in_use == 0
    assert place.ports.open(HOST).number != number
    place.clock.advance(6)
    again, stream = place.call(phone)
    assert again.number == number
    phone.say(number)
    place.settle()
    assert stream.heard.packets == 1 and phone.heard() is not None
    place.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, number))


def test_nobody_else_can_bind_a_port_of_a_call() -> None:
    """The third socket shares the port with the first one, for a moment, and with nobody else."""
    place = ground("pairs")
    port, _ = place.call(place.phone())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError) as refused:
            sock.bind((HOST, port.number))
        assert refused.value.errno == errno.EADDRINUSE
    place.close()


def test_a_range_that_is_used_up() -> None:
    clock = SteppedClock()
    selector = Selector(Reactor(clock), clock, lambda error: None, 0, 100)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        number = sock.getsockname()[1] & ~1
        ports = MediaPorts(selector, clock, number, number + 1)
        with pytest.raises(Exhausted):
            ports.open(HOST)
    port = ports.open(HOST)
    with pytest.raises(Exhausted):
        ports.open(HOST)
    port.close()
    assert ports.open(HOST).number == number  # rested or not, there is no other
    ports.close()


def test_a_range_that_rests_at_one_address_is_there_for_another() -> None:
    """The numbers are those of all addresses: calls move on to the next site when one is down."""
    clock = SteppedClock()
    selector = Selector(Reactor(clock), clock, lambda error: None, 0, 100)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        number = sock.getsockname()[1] & ~1
    ports = MediaPorts(selector, clock, number, number + 1)
    for address in (HOST, "127.0.0.2", HOST):
        port = ports.open(address)
        assert port.number == number
        with pytest.raises(Exhausted):
            ports.open("127.0.0.3")
        port.close()
    ports.close()


@pytest.mark.parametrize("ephemeral", [False, True])
def test_without_descriptors_no_port_is_lost_and_those_that_rest_are_taken(monkeypatch: pytest.MonkeyPatch, ephemeral: bool) -> None:
    clock = SteppedClock()
    selector = Selector(Reactor(clock), clock, lambda error: None, 0, 100)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        number = sock.getsockname()[1] & ~1
    ports = MediaPorts(selector, clock, number, number + 3, ephemeral)
    left = 3

    class Socket(socket.socket):
        def __init__(self, *args: Any) -> None:
            nonlocal left
            if not left:
                raise OSError(errno.EMFILE, "Too many open files")
            super().__init__(*args)
            left -= 1

        def close(self) -> None:
            nonlocal left
            left += self.fileno() >= 0
            super().close()

    monkeypatch.setattr(socket, "socket", Socket)
    port = ports.open(HOST)
    for _ in range(5):
        with pytest.raises(Exhausted, match="Too many open files"):
            ports.open(HOST)
    port.close()
    assert ports.open(HOST) is port
    port.close()
    ports.open("127.0.0.2")
    left = 3
    ports.open(HOST)
    ports.close()


def test_descriptors_that_are_left_to_others() -> None:
    """Media must not take the last ones: nobody could connect any more, not even to ask what is wrong."""
    clock = SteppedClock()
    selector = Selector(Reactor(clock), clock, lambda error: None, 0, 100)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        number = sock.fileno()
    ports = MediaPorts(selector, clock, ephemeral=True, descriptors=number + 2)
    for _ in range(2):
        with pytest.raises(Exhausted, match="ulimit"):
            ports.open(HOST)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert sock.fileno() == number
    ports.close()


def test_many_sockets_are_read_at_a_fixed_rate() -> None:
    """Above `tick_above` streams the reactor does not watch them: each tick reads what has come, and once they are few it watches again."""
    place = ground("pairs", tick=0.004, tick_above=1)
    selector, clock = place.selector, place.clock
    readers = selector._reactor.readers
    phones = [place.phone(), place.phone()]
    ports = [place.call(phone)[0] for phone in phones]
    assert readers == [selector]
    phones[0].say(ports[0].number)
    selector.doRead()
    assert phones[0].heard() is not None and readers == []
    phones[1].say(ports[1].number)
    clock.advance(0.003)
    phones[1].rtp.setblocking(False)
    with pytest.raises(BlockingIOError):
        phones[1].rtp.recv(1)
    clock.advance(0.001)
    assert phones[1].rtp.recv(2000)[12:] == PACKET[12:] and readers == []
    ports[1].close()
    clock.advance(0.004)
    assert readers == [selector] and clock.pending == 0
    place.close()


def test_all_that_has_come_to_a_shared_port_is_read_at_each_tick() -> None:
    """It has the packets of all calls: one a tick would be 250 a second for all of them."""
    place = ground("shared", tick=0.004, tick_above=0)
    phones = [place.phone(), place.phone()]
    ports = [place.call(phone)[0] for phone in phones]
    place.selector.doRead()
    for _ in range(20):
        for phone, port in zip(phones, ports, strict=True):
            phone.say(port.number)
    place.clock.advance(0.004)
    assert [port.stream.sent for port in ports] == [20, 20]
    for _ in range(10):
        phones[0].rtcp.sendto(rtcp.receiver_report(7, b"") + rtcp.description(7, "phone"), (HOST, ports[0].number + 1))
    place.clock.advance(0.004)
    assert ports[0].stream.reports == 10
    place.close()


def test_a_shared_port_leaves_nothing_for_the_next_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more has come than is read at once the next tick is due at once."""
    monkeypatch.setattr(shared_port, "_READS", 4)
    place = ground("shared", tick=0.004, tick_above=0)
    phone = place.phone()
    port, stream = place.call(phone)
    place.selector.doRead()
    for _ in range(10):
        phone.say(port.number)
    place.clock.advance(0.004)
    assert stream.sent == 10
    place.close()


def test_more_is_read_from_each_socket_when_there_is_no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few packets of a call in a row cost less than one of each call in turn; where each has but one, one is read."""
    monkeypatch.setattr(sockets, "_EVENTS_PER_ROUND", 1)
    place = ground("pairs", tick=0.004, tick_above=0)
    due: list[Any] = []
    place.selector._reactor.callLater = lambda seconds, call: due.append(call)
    phone = place.phone()
    port, stream = place.call(phone)
    for _ in range(10):
        phone.say(port.number)
    place.selector.doRead()
    sent = [stream.sent]
    while sent[-1] < 10:
        due.pop()()
        sent.append(stream.sent)
    assert sent == [1, 2, 6, 10]
    for _ in range(2):
        due.pop()()  # nothing has come: a rest
    for _ in range(4):
        phone.say(port.number)
        due.pop()()
        sent.append(stream.sent)
    assert sent[-4:] == [11, 12, 13, 14]
    place.close()


KEYS = [Keys(bytes([2 * k] * 30), bytes([2 * k + 1] * 30)) for k in range(4)]


@pytest.mark.parametrize("kind", ["pairs", "shared"])
@pytest.mark.parametrize("secure", [False, True])
@given(story=st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["voice", "voice", "voice", "marker", "long", "stray"])), max_size=60))
def test_each_call_gets_its_own_packets_back_in_order(kind: str, secure: bool, story: list[tuple[int, str]]) -> None:
    """Packets that go straight wait for others to be sent with them, and odd ones between them do not."""
    with pytest.MonkeyPatch.context() as patch, closing(ground(kind)) as place:
        patch.setattr(sockets, "_SLOTS", 4)
        place.selector._late = True  # several are read from a socket
        keys = KEYS if secure else [None] * 4
        phones = [place.phone() for _ in keys]
        calls = [place.call(phone, keys=own) for phone, own in zip(phones, keys, strict=True)]
        protected = [Outbound(own.theirs) if own is not None else None for own in keys]
        said: list[list[bytes]] = [[] for _ in phones]
        for sequence, (k, kind) in enumerate([(k, "voice") for k in range(4)] + story):
            payload = struct.pack("!BH", k, sequence) * (54 if kind == "long" else 53)
            packet = struct.pack("!BBHII", 0x80, {"marker": 0x80, "stray": 99}.get(kind, 0), sequence, sequence * 160, 7 + k) + payload
            own = protected[k]
            phones[k].say(calls[k][0].number, packet if own is None else protect(own, packet))
            if kind != "stray":
                said[k].append(payload)
        for _ in range(30):
            place.selector.doRead()
        for k, ((port, stream), phone) in enumerate(zip(calls, phones, strict=True)):
            heard = [phone.heard() for _ in said[k]]
            opener = Inbound(keys[k].ours) if secure else None
            got = [unprotect(opener, one[0]) if opener is not None else one[0] for one in heard if one is not None]
            assert [one[12:] for one in got] == said[k]
            first = struct.unpack_from("!H", got[0], 2)[0]
            assert [struct.unpack_from("!H", one, 2)[0] for one in got] == [(first + n) & 0xFFFF for n in range(len(got))]
            assert (stream.heard.packets, stream.sent, {one[1] for one in heard}) == (len(said[k]), len(said[k]), {port.number})
        assert place.selector.socket_errors == 0


@pytest.mark.parametrize("keys", [None, KEYS[0]])
def test_what_could_not_be_sent_in_a_row_is_counted(keys: Keys | None) -> None:
    place = ground("pairs", tick=0.0)
    phones = [place.phone() for _ in range(3)]
    calls = [place.call(phone, keys=keys) for phone in phones]
    own = [Outbound(keys.theirs) if keys is not None else None for _ in phones]
    for sequence in range(4):
        if sequence == 3:
            calls[1][1].send = refuses
        for (port, _), phone, outbound in zip(calls, phones, own, strict=True):
            packet = struct.pack("!BBHII", 0x80, 0, sequence, sequence * 160, 7) + bytes(160)
            phone.say(port.number, packet if outbound is None else protect(outbound, packet))
        place.settle()
    assert [(stream.heard.packets, stream.sent, stream.sent_octets) for _, stream in calls] == [(4, 4, 688), (4, 3, 516), (4, 4, 688)]
    assert place.selector.socket_errors == 1
    place.close()


def test_what_waits_to_be_sent_goes_before_a_call_ends() -> None:
    place = ground("pairs")
    phones = [place.phone() for _ in range(2)]
    calls = [place.call(phone) for phone in phones]
    for sequence in (1, 2):
        for (port, _), phone in zip(calls, phones, strict=True):
            phone.say(port.number, struct.pack("!BBHII", 0x80, 0, sequence, sequence * 160, 7) + bytes(160))
        place.settle()

    def ends(buffer: bytearray, view: memoryview, length: int) -> None:
        calls[0][1].end()
        calls[0][0].close()

    calls[1][1].otherwise = ends  # as a digit that ends a script does
    phones[0].say(calls[0][0].number, struct.pack("!BBHII", 0x80, 0, 3, 480, 7) + bytes(160))
    phones[1].say(calls[1][0].number, b"odd")
    place.settle()
    assert [phones[0].heard() is not None for _ in range(4)] == [True, True, True, False]
    assert calls[0][1].sent == 3
    place.close()


def refuses(data: object) -> None:
    raise ConnectionRefusedError


def protect(outbound: Outbound, packet: bytes) -> bytes:
    buffer = bytearray(packet) + bytearray(148)
    return bytes(buffer[: outbound.protect(buffer, len(packet))])


def unprotect(inbound: Inbound, packet: bytes) -> bytes:
    buffer = bytearray(packet)
    return bytes(buffer[: inbound.unprotect(buffer, len(packet))])


def test_ticks_end_with_the_selector() -> None:
    place = ground("pairs", tick=0.004, tick_above=0)
    place.call(place.phone())
    place.selector.doRead()
    assert place.selector._reactor.readers == []
    place.close()
    place.clock.advance(1.0)
    assert place.selector._reactor.readers == [] and place.clock.pending == 0


# -- kept for captures --------------------------------------------------------------------------------------------


def keeper() -> Datagrams:
    return Shelf(1000, 1 << 20).begin()


def ends(kept: Datagrams) -> list[tuple[bool, int, tuple[str, int], str]]:
    """Direction, our port, their address, and what was found; our host must be that of the socket."""
    found: list[Datagram] = list(kept)
    assert {one.local[0] for one in found} <= {HOST}
    return [(one.incoming, one.local[1], one.peer, one.note) for one in found]


@pytest.mark.parametrize("other_port", [False, True])
def test_what_passes_the_ports_is_kept_with_its_addresses(place: Ground, other_port: bool) -> None:
    phone, kept = place.phone(), keeper()
    port, stream = place.call(phone, Plan(other_port=other_port), kept=kept)
    phone.say(port.number)
    phone.rtcp.sendto(rtcp.receiver_report(7, b""), (HOST, port.number + 1))
    place.settle()
    heard = phone.heard()
    assert heard is not None
    stream.end()
    rtp, reports = phone.address, (HOST, phone.rtcp.getsockname()[1])
    want = {
        (True, port.number, rtp, ""), (False, port.number + other_port, rtp, ""),
        (True, port.number + 1, reports, ""), (False, port.number + 1, reports, ""),
    }  # fmt: skip
    assert set(ends(kept)) == want and len(ends(kept)) == 4
    by_way = {(one.incoming, one.peer): one.data for one in kept}
    assert by_way[True, rtp] == PACKET and (by_way[False, rtp], port.number + other_port) == heard
    assert by_way[False, reports] == phone.rtcp.recv(2000)


def test_strangers_and_late_packets_are_kept_where_they_are_known(place: Ground) -> None:
    """On a shared port a stranger's belongs to no call."""
    phone, stranger, kept = place.phone(), place.phone(), keeper()
    port, stream = place.call(phone, kept=kept)
    stranger.say(port.number)
    phone.say(port.number)
    place.settle()
    stream.end()
    port.close()
    for wait in (0.01, 1.0):  # the first one crosses the BYE
        place.clock.advance(wait)
        phone.say(port.number)
        place.settle()
    notes = [(peer, note) for incoming, _, peer, note in ends(kept) if note]
    strange = [(stranger.address, "media.stranger")] if isinstance(place.ports, MediaPorts) else []
    assert notes == [*strange, (phone.address, "media.after-bye")] and stream.late == 1


def test_a_client_behind_a_nat_is_kept_where_it_is(latching: Ground) -> None:
    """Its first packet is no stranger's."""
    phone, kept = latching.phone(), keeper()
    port, _ = latching.call(phone, announced=(HOST, 9), kept=kept)
    phone.say(port.number)
    latching.settle()
    assert ends(kept) == [(incoming, port.number, phone.address, "") for incoming in (True, False)]


def test_what_came_before_the_port_knew_its_client_is_kept_once(place: Ground) -> None:
    phone, kept = place.phone(), keeper()
    port = place.ports.open(HOST)
    phone.say(port.number)
    agreement = Agreement(PCMU, 0, 101, 8000, phone.address, None, True, True)
    port.attach(Stream(agreement, place.clock, Ids(1), wire=Wire(kept, place.clock, HOST)))
    place.settle()
    assert [incoming for incoming, *_ in ends(kept)] == [True, False]
