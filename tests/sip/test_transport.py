"""Connections, apart from any reactor."""

from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.testing import StringTransport

from emulator.clock import SteppedClock
from emulator.journal.findings import Finding
from emulator.sip.flow import Flow
from emulator.sip.transport import Connection, Limits, StreamListener


class Ended(StringTransport):
    """A transport that knows TCP's own calls."""

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Nothing to delay."""


class Peer:
    """One connection to a listener that keeps what arrives."""

    def __init__(self, clock: SteppedClock, limits: Limits | None = None) -> None:
        self.messages: list[bytes] = []
        self.ends: list[tuple[bytes, int, bool]] = []
        self.findings: list[tuple[str, bool]] = []
        self.listener = StreamListener("TCP", clock, limits or Limits(), self, self._found)
        self.connection = self.listener.buildProtocol(IPv4Address("TCP", "192.0.2.10", 5070))
        self.transport: Any = Ended()
        self.connection.makeConnection(self.transport)

    def _found(self, flow: Flow, finding: Finding) -> None:
        self.findings.append((finding.code, flow.open))

    def receive(self, data: bytes, flow: Flow) -> None:
        self.messages.append(data)

    def endless(self, head: bytes, what: str, status: int, flow: Flow) -> None:
        self.ends.append((head, status, flow.open))

    def flow_lost(self, flow: Flow) -> None:
        """Nothing waits for it."""

    def send(self, data: bytes) -> None:
        self.connection.dataReceived(data)


@pytest.fixture
def peer(clock: SteppedClock) -> Peer:
    return Peer(clock)


def test_keep_alives_are_answered_and_whoever_sends_none_is_told_once(peer: Peer, clock: SteppedClock) -> None:
    """RFC 5626 4.4.1."""
    for silent, told in ((119, 0), (120, 0), (121, 1), (500, 1)):
        peer.send(b"\r\n\r\n")
        clock.advance(silent)
        peer.send(b"\r\n\r\n")
        assert peer.findings == [("stream.keepalive-rare", True)] * told
    assert peer.transport.value() == b"\r\n" * 8


def test_half_a_message_ends_the_connection_before_anybody_is_told(peer: Peer, clock: SteppedClock) -> None:
    peer.send(b"OPTIONS sip:h SIP/2.0\r\nVia")
    clock.advance(31)
    assert peer.findings == [("stream.idle", False)] and isinstance(peer.connection, Connection)


@pytest.mark.parametrize(("length", "status"), [("x", 400), ("2000000000", 513)])
def test_a_stream_that_can_not_be_cut_ends_the_connection_when_all_before_has_been_served(peer: Peer, length: str, status: int) -> None:
    """However the octets come: whole messages before the broken one are served, and the broken one is answered (18.3)."""
    whole = b"OPTIONS sip:h SIP/2.0\r\nContent-Length: 0\r\n\r\n"
    broken = f"OPTIONS sip:h SIP/2.0\r\nContent-Length: {length}\r\n\r\n".encode()
    peer.send(whole + broken + whole)
    assert peer.messages == [whole]
    assert peer.ends == [(broken, status, True)] and peer.findings == [("stream.framing", False)]


def test_a_peer_that_reads_nothing_is_cut_off(peer: Peer) -> None:
    peer.connection.pauseProducing()
    for _ in range(18):
        peer.connection.write(b"x" * 65536)
    assert peer.findings == [("stream.unread", False)]


def test_pings_in_a_row_are_answered_at_once(peer: Peer) -> None:
    """A stream of nothing but CRLFs: an answer each would be the work of thousands of writes."""
    whole = b"OPTIONS sip:h SIP/2.0\r\nContent-Length: 0\r\n\r\n"
    written: list[int] = []
    write = peer.transport.write
    peer.transport.write = lambda data: (written.append(len(data)), write(data))
    peer.send(b"\r\n\r\n" * 500 + whole + b"\r\n\r\n" * 3 + b"\r\n")
    assert written == [1000, 6] and peer.messages == [whole]


def test_little_is_read_at_a_time_so_that_others_have_their_turn(peer: Peer) -> None:
    assert peer.transport.bufferSize == 4096


def test_a_peer_that_does_not_let_a_connection_end_is_cut_off(peer: Peer, clock: SteppedClock) -> None:
    """It reads nothing of what is on its way, or, under TLS, closes nothing."""
    peer.send(b"OPTIONS sip:h SIP/2.0\r\nContent-Length: 0\r\n\r\n")
    peer.connection.close()
    assert peer.transport.disconnecting and not peer.transport.disconnected
    clock.advance(31)
    assert peer.transport.disconnected and peer.findings == [("stream.idle", False)]


def test_connections_are_bounded_and_given_back(clock: SteppedClock) -> None:
    limits = Limits(total=1)
    first, second = Peer(clock, limits), Peer(clock, limits)
    assert (first.connection.open, second.connection.open, second.findings) == (True, False, [("limit.connections", False)])
    first.connection.connectionLost()
    assert Peer(clock, limits).connection.open
