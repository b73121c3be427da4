"""What the name server passes on to its upstream, over a real UDP socket of the loopback, and TCP in memory."""

from collections.abc import Iterator
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import pytest
from twisted.internet.testing import MemoryReactorClock

from emulator.clock import SteppedClock
from emulator.dns.nameserver import Nameserver
from emulator.dns.zone import Zone
from emulator.ids import Ids
from tests.dns.test_resolver import Abortable, framed
from tests.support.loop import loop
from tests.support.names import NameServer, reply

QUERY = dns.message.make_query("www.example", "A", use_edns=0, payload=1232, id=0x1234).to_wire()


class Passing:
    """A name server with an upstream, and what it replied."""

    def __init__(self, clock: SteppedClock) -> None:
        self.clock = clock
        self.reactor = MemoryReactorClock()
        self.upstream = NameServer()
        self.server = Nameserver(self.reactor, clock, Ids(1), Zone({"own.example": ["127.0.0.9"]}, []), self.upstream.address)
        self.replies: list[bytes] = []

    def ask(self, stream: bool = False) -> None:
        self.server.handle(QUERY, stream, self.replies.append)

    def read(self) -> None:
        for reader in list(self.reactor.getReaders()):
            reader.doRead()

    @property
    def idle(self) -> bool:
        return not self.server.forwards and not self.reactor.getReaders() and self.clock.pending == 0


@pytest.fixture
def passing(clock: SteppedClock) -> Iterator[Passing]:
    made = Passing(clock)
    yield made
    made.upstream.close()


def test_a_query_goes_on_whole_under_another_id(passing: Passing) -> None:
    passing.ask()
    ((query, _),) = passing.upstream.heard()
    assert query[2:] == QUERY[2:]
    passing.upstream.say("www.example A 192.0.2.1")
    passing.read()
    (answer,) = passing.replies
    assert answer[:2] == QUERY[:2] and dns.message.from_wire(answer).answer[0][0].address == "192.0.2.1"  # type: ignore[attr-defined]
    assert passing.idle


def test_an_answer_that_was_cut_short_goes_back_as_it_is_over_udp_and_whole_over_tcp(passing: Passing) -> None:
    passing.ask()
    passing.upstream.say(cut=True)
    passing.read()
    assert dns.message.from_wire(passing.replies[0], raise_on_truncation=False).flags & dns.flags.TC and passing.idle
    passing.ask(stream=True)
    passing.upstream.say(cut=True)
    passing.read()
    factory: Any = passing.reactor.tcpClients[0][2]
    protocol = factory.buildProtocol(None)
    transport = Abortable()
    protocol.makeConnection(transport)
    protocol.dataReceived(framed(reply(transport.value()[2:], *(f"www.example A 192.0.2.{k}" for k in range(100)))))
    assert len(dns.message.from_wire(passing.replies[1]).answer[0]) == 100 and passing.idle


@pytest.mark.parametrize("rcode", [2, 3, 5])
def test_what_the_upstream_says_goes_back(passing: Passing, rcode: int) -> None:
    passing.ask()
    passing.upstream.say(rcode=rcode)
    passing.read()
    assert dns.message.from_wire(passing.replies[0]).rcode() == rcode and passing.idle


def test_a_silent_or_absent_upstream_is_a_failure(passing: Passing) -> None:
    passing.ask()
    passing.clock.advance(3.9)
    assert not passing.replies and len(passing.upstream.heard()) == 2
    passing.clock.advance(0.2)
    passing.upstream.close()
    passing.ask()
    passing.read()
    assert [reply[:4] for reply in passing.replies] == [QUERY[:2] + b"\x81\x02"] * 2 and passing.idle


def test_what_is_passed_on_is_bounded_and_ends_with_the_server(passing: Passing) -> None:
    for _ in range(201):
        passing.ask()
    assert [dns.message.from_wire(reply).rcode() for reply in passing.replies] == [dns.rcode.REFUSED]
    passing.server.close()
    assert passing.idle and len(passing.replies) == 1


def test_of_a_client_that_reads_no_answers_no_more_questions_are_read(passing: Passing) -> None:
    """Its answers, each longer than its question, would pile up. And nobody is read for long while others wait."""
    with loop() as turned:
        server = Nameserver(turned.reactor, passing.clock, Ids(1), Zone({}, []))
        server.listen("127.0.0.1", 0)
        assert server._udp.maxThroughput == 512
        protocol = server._tcp.factory.buildProtocol(None)
        server.close()
    transport = Abortable()
    protocol.makeConnection(transport)
    assert transport.producer is protocol and transport.streaming and transport.bufferSize == 512
    transport.producer.pauseProducing()
    assert transport.producerState == "paused"
    transport.producer.resumeProducing()
    assert transport.producerState == "producing"
    protocol.connectionLost()
