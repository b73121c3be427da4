"""Every torture message over memory, on a stepped clock: the RFC's outcome, and nothing left of it afterwards."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.testing import StringTransport

from emulator.journal.findings import Finding
from emulator.sip.flow import Flow
from emulator.sip.transport import Limits, StreamListener
from tests.support.network import MemoryFlow, Network
from tests.support.phone import Received
from tests.torture import messages
from tests.torture.conversation import Form, cases, converse, cut, name_of
from tests.torture.facts import read
from tests.torture.outcomes import OUTCOMES, RFC4475, RFC5118, Outcome, Stream

_pings = itertools.count(1)
_KEEPS_NOTHING = 64.0
"""Twice 64*T1: every transaction and every dialog that nobody acknowledged is over."""


class Datagrams:
    """A datagram path to a proxy."""

    stream = closed = False

    def __init__(self, network: Network, port: int = 5060) -> None:
        self._endpoint = network.endpoint()
        self._inbox: list[Received] = []
        self.flow = MemoryFlow(lambda data: self._inbox.append(Received(data)), peer=("192.0.2.10", port))

    def exchange(self, data: bytes) -> list[Received]:
        answers = self.put(data)
        (answered,) = self.put(messages.ping(next(_pings)))
        assert answered.status == 200
        return answers

    def put(self, data: bytes) -> list[Received]:
        self._endpoint.receive(data, self.flow)
        return self.more()

    def more(self) -> list[Received]:
        taken, self._inbox = self._inbox, []
        return taken

    def hang_up(self) -> None:
        """There is no connection to end."""


class _Transport(StringTransport):
    """A transport whose end its protocol hears of, as of a socket's."""

    wire: Any

    def setTcpNoDelay(self, enabled: bool) -> None:
        """A string has no delay."""

    def loseConnection(self) -> None:
        super().loseConnection()
        self.wire.connectionLost()


class Connected:
    """A connection to a proxy: its framing, its bounds and its closing are the emulator's own."""

    stream = True

    def __init__(self, network: Network) -> None:
        self.findings: list[Finding] = []
        listener = StreamListener("TCP", network.clock, Limits(), network.endpoint(), self._found)
        listener.local, listener.sent_by = ("127.0.13.1", 5060), "127.0.13.1:5060"
        self._wire: Any = listener.buildProtocol(IPv4Address("TCP", "192.0.2.10", 40000))
        self._transport = _Transport()
        self._transport.wire = self._wire
        self._wire.makeConnection(self._transport)

    def _found(self, flow: Flow, finding: Finding) -> None:
        self.findings.append(finding)

    @property
    def closed(self) -> bool:
        return bool(self._transport.disconnecting)

    def exchange(self, data: bytes) -> list[Received]:
        number = next(_pings)
        answers = self.put(data + messages.ping(number))
        if self.closed:
            return answers
        assert answers and answers[-1].get("call-id") == f"torture-ping-{number}" and answers[-1].status == 200, "no health check"
        return answers[:-1]

    def put(self, data: bytes) -> list[Received]:
        self._wire.dataReceived(data)
        return self.more()

    def more(self) -> list[Received]:
        found, rest = cut(self._transport.value())
        assert rest == b"", rest
        self._transport.clear()
        return found

    def hang_up(self) -> None:
        """End the connection from this side."""
        self._wire.connectionLost()


def left_of(network: Network, line: Datagrams | Connected) -> None:
    """The emulator answers, and after its timers holds neither transaction, dialog, call, port nor timer."""
    line.hang_up()
    network.clock.advance(_KEEPS_NOTHING)
    line.more()  # what was sent until its ACK came, or for want of one
    other = Datagrams(network)
    assert other.exchange(b"") == []
    assert network.idle
    assert network.clock.pending == 0
    assert network.errors == []


@pytest.mark.parametrize(("outcome", "form"), cases(stream=False), ids=name_of)
def test_a_datagram(outcome: Outcome, form: Form) -> None:
    network = Network()
    line = Datagrams(network, outcome.port)
    converse(outcome, form, line)
    left_of(network, line)


@pytest.mark.parametrize(("outcome", "form"), cases(stream=True), ids=name_of)
def test_a_stream(outcome: Outcome, form: Form) -> None:
    network = Network()
    line = Connected(network)
    converse(outcome, form, line)
    left_of(network, line)


@pytest.mark.parametrize("outcome", [outcome for outcome in OUTCOMES if outcome.facts], ids=name_of)
def test_what_the_parser_has_read(outcome: Outcome) -> None:
    data = outcome.data
    assert {name: read(data, name, wanted) for name, wanted in outcome.facts.items()} == outcome.facts


@pytest.mark.parametrize("outcome", [outcome for outcome in OUTCOMES if outcome.stream is not Stream.SAME], ids=name_of)
def test_a_stream_that_ends_or_waits_is_explained_and_not_kept_for_ever(outcome: Outcome) -> None:
    """RFC 4475 3.1.2.2: "close the connection if none is forthcoming within a reasonable period of time"."""
    network = Network()
    line = Connected(network)
    line.put(outcome.data)
    assert line.closed is (outcome.stream is Stream.CLOSED)
    network.clock.advance(60)
    assert line.closed
    assert [finding.code for finding in line.findings] == ["stream.framing" if outcome.stream is Stream.CLOSED else "stream.idle"]
    left_of(network, line)


@pytest.mark.parametrize("outcome", [outcome for outcome in OUTCOMES if outcome.whole], ids=name_of)
def test_octet_by_octet(outcome: Outcome) -> None:
    """However a stream is cut into segments, the same comes out."""
    whole, single = (Connected(Network()) for _ in range(2))
    at_once = whole.put(outcome.data)
    one_by_one = [answer for octet in outcome.data if not single.closed for answer in single.put(bytes([octet]))]
    assert [answer.start for answer in one_by_one] == [answer.start for answer in at_once]
    assert single.closed is whole.closed


@pytest.mark.parametrize("outcome", OUTCOMES, ids=name_of)
def test_no_beginning_of_a_datagram_breaks_anything(outcome: Outcome) -> None:
    """Cut off anywhere, a request is answered with an error or not at all, a response never; and the health check is answered."""
    network = Network()
    line = Datagrams(network, outcome.port)
    data = outcome.data
    for end in range(1, len(messages.head_of(data)) + 4, 7):
        for answer in line.put(data[:end]):
            assert answer.status >= 400 and not data.startswith(b"SIP/2.0 ")
    left_of(network, line)


def test_the_table_has_every_message_once() -> None:
    """49 in RFC 4475 section 3, 12 in RFC 5118 section 4; only those that say so carry a wrong length."""
    here = Path(__file__).resolve().parent
    for rfc, table, count in ((4475, RFC4475, 49), (5118, RFC5118, 12)):
        names = {outcome.name for outcome in table}
        assert names == {path.stem for path in (here / f"rfc{rfc}").iterdir()} and len(names) == count
    wrong = set()
    for outcome in OUTCOMES:
        data = outcome.data
        lengths = messages.values(data, "content-length")
        if lengths != [f"{len(messages.body_of(data))}"]:
            wrong.add(str(outcome))
    assert wrong == {"clerr", "dblreq", "inv2543", "ipv4-mapped-ipv6", "ipv6-in-sdp", "mcl01", "mult-ip-in-sdp", "ncl"}
