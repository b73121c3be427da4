"""Questions to name servers: real UDP sockets of the loopback under a reactor that reads when told to, TCP in memory."""

import os
import random
import socket
import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import error
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from emulator.clock import SteppedClock
from emulator.dns.nameserver import Nameserver
from emulator.dns.resolver import Question, Resolver
from emulator.dns.zone import Service, Zone
from emulator.ids import Ids
from tests.fuzz.mutate import mutations
from tests.support.names import NameServer, reply

ZONE = Zone(
    {"pbx.example.net": ["127.0.0.9"], "six.example.net": ["::1"]}, [Service("_sip._udp", "pbx.example.net", 1, 2, 5070, "pbx.example.net")]
)
HOST = "customer.example"
REFUSED = Failure(error.ConnectionRefusedError(osError=OSError(111, "Connection refused")))


class Abortable(StringTransport):
    """A transport in memory that knows what a connection's end is."""

    def abortConnection(self) -> None:
        self.aborted = True


class Ground:
    """A resolver, the name servers it asks, and what came of its questions."""

    def __init__(self, tmp_path: Path, clock: SteppedClock, servers: int = 1) -> None:
        self.clock = clock
        self.reactor = MemoryReactorClock()
        self.ids = Ids(5)
        self.servers = [NameServer() for _ in range(servers)]
        self.resolv = tmp_path / "resolv.conf"
        self.hosts = tmp_path / "hosts"
        self.hosts.write_text("192.0.2.77 printer.example\n2001:db8::77 printer.example\n192.0.2.78 four.example\n")
        self.nameserver = Nameserver(self.reactor, clock, self.ids, ZONE)
        self.resolver = self.make(self.servers[0].address)

    def make(self, upstream: tuple[str, int] | None) -> Resolver:
        made = Resolver(self.reactor, self.clock, self.ids, self.nameserver, upstream, 2.0, str(self.resolv), str(self.hosts))
        if upstream is None and self.servers:
            self.resolv.write_text("".join(f"nameserver 127.0.0.{k + 1}\n" for k in range(len(self.servers))))
            addresses = [server.address for server in self.servers]
            made.servers = lambda: addresses  # type: ignore[method-assign]  # a resolv.conf has no ports
        return made

    def ask(self, name: str = HOST, kind: str = "A") -> tuple[list[Any], Question]:
        got: list[Any] = []
        if kind == "SRV":
            return got, self.resolver.srv(name, got.append)
        return got, self.resolver.addresses(name, 6 if kind == "AAAA" else 4, got.append)

    def read(self) -> None:
        """Let whatever has come be read."""
        for reader in list(self.reactor.getReaders()):
            reader.doRead()
        self.clock.advance(0)

    @property
    def idle(self) -> bool:
        return not self.reactor.getReaders() and self.clock.pending == 0 and not len(self.resolver)

    def connect(self) -> tuple[Any, Abortable]:
        """The other end of the last TCP connection."""
        factory, timeout = self.reactor.tcpClients[-1][2:4]
        assert timeout is None
        protocol: Any = factory.buildProtocol(None)
        transport = Abortable()
        protocol.makeConnection(transport)
        return protocol, transport

    def close(self) -> None:
        self.resolver.close()
        self.nameserver.close()
        self.clock.advance(10)
        assert self.idle
        for server in self.servers:
            server.close()


@pytest.fixture
def ground(tmp_path: Path, clock: SteppedClock) -> Iterator[Ground]:
    made = Ground(tmp_path, clock)
    yield made
    made.close()


@pytest.fixture
def three(tmp_path: Path, clock: SteppedClock) -> Iterator[Ground]:
    made = Ground(tmp_path, clock, 3)
    made.resolver = made.make(None)
    yield made
    made.close()


# -- whom it asks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("pbx.example.net", "A", ("127.0.0.9",)), ("PBX.example.net.", "A", ("127.0.0.9",)), ("pbx.example.net", "AAAA", ()),
        ("six.example.net", "AAAA", ("::1",)), ("_sip._udp.pbx.example.net", "SRV", ((1, 2, 5070, "pbx.example.net"),)),
        ("_sip._tcp.pbx.example.net", "SRV", "NXDOMAIN"), ("x.six.example.net", "A", "NXDOMAIN"),
    ],
)  # fmt: skip
def test_the_own_zone_comes_first(ground: Ground, name: str, kind: str, said: Any) -> None:
    got, _ = ground.ask(name, kind)
    assert got == [], "never before the question is returned"
    ground.clock.advance(0)
    assert got == [said] and ground.servers[0].heard() == [] and ground.idle


def test_other_names_are_asked_for_upstream(ground: Ground) -> None:
    got, _ = ground.ask()
    assert ground.servers[0].questions() == [f"{HOST} A"]
    ground.servers[0].say(f"{HOST} A 192.0.2.1", f"{HOST} A 192.0.2.2")
    ground.read()
    assert got == [("192.0.2.1", "192.0.2.2")] and ground.idle
    for kind, record, said in (("AAAA", "AAAA 2001:db8::1", ("2001:db8::1",)), ("SRV", "SRV 1 2 3 a.example.", ((1, 2, 3, "a.example"),))):
        got, _ = ground.ask(HOST, kind)
        ground.servers[0].say(f"{HOST} {record}")
        ground.read()
        assert got == [said]


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("printer.example", "A", ("192.0.2.77",)), ("Printer.Example.", "AAAA", ("2001:db8::77",)), ("four.example", "AAAA", ()),
        ("_sips._tcp.printer.example", "SRV", ()), ("localhost", "A", ("127.0.0.1",)), ("a.localhost", "AAAA", ("::1",)),
        ("_sip._udp.localhost", "SRV", ()),
    ],
)  # fmt: skip
def test_the_hosts_file_comes_before_the_systems_servers(three: Ground, name: str, kind: str, said: Any) -> None:
    got, _ = three.ask(name, kind)
    three.clock.advance(0)
    assert got == [said] and not any(server.heard() for server in three.servers) and three.idle


def test_an_upstream_stands_for_the_whole_system(ground: Ground) -> None:
    ground.ask("printer.example")
    ground.ask("localhost")
    assert ground.servers[0].questions() == ["printer.example A"]


def test_a_hosts_file_that_changes_counts_at_once(three: Ground) -> None:
    got, question = three.ask("new.example")
    assert three.servers[0].questions() == ["new.example A"]
    question.cancel()
    three.hosts.write_text("192.0.2.79 new.example")
    got, _ = three.ask("new.example")
    three.clock.advance(0)
    assert got == [("192.0.2.79",)]
    three.hosts.unlink()
    three.ask("new.example")
    assert three.servers[0].questions() == ["new.example A"]


def test_the_systems_servers_are_those_of_resolv_conf(ground: Ground) -> None:
    resolver = Resolver(ground.reactor, ground.clock, ground.ids, ground.nameserver, None, 2.0, str(ground.resolv), str(ground.hosts))
    nobody = f"{ground.resolv} names no name server; set dns.upstream, or give the name an address in dns.hosts"
    assert resolver.servers() == nobody
    ground.resolv.write_text(
        "nameserver 192.0.2.53\nsearch example\noptions ndots:5\nnameserver ::1\nnameserver 192.0.2.54\nnameserver 192.0.2.55\n"
    )
    assert resolver.servers() == [("192.0.2.53", 53), ("::1", 53), ("192.0.2.54", 53)]
    for text in (b"", b"nameserver\n", b"\xff\xfe", b"nameserver nonsense\n", b"search " + b"a" * 300 + b"\n"):
        ground.resolv.write_bytes(text)
        os.utime(ground.resolv, ns=(0, len(text)))
        assert resolver.servers() == nobody, text
    got: list[Any] = []
    resolver.addresses(HOST, 4, got.append)
    ground.clock.advance(0)
    assert got == [nobody]


@pytest.mark.parametrize("name", ["a..b", "a" * 64, "x." * 200, "\ud800"])
def test_what_is_no_name_is_asked_of_nobody(ground: Ground, name: str) -> None:
    got, _ = ground.ask(name)
    ground.clock.advance(0)
    assert got[0].startswith("no domain name") and ground.servers[0].heard() == [] and ground.idle


# -- what goes wrong ----------------------------------------------------------------------------------------------


def test_a_question_is_repeated_from_another_port_with_another_id(ground: Ground) -> None:
    """RFC 5452 9.2; an answer to the first one is still taken."""
    got, _ = ground.ask()
    ground.clock.advance(1.5)
    (first, one), (second, other) = ground.servers[0].heard()
    assert first[:2] != second[:2] and first[2:] == second[2:] and one != other
    ground.servers[0].say(f"{HOST} A 192.0.2.1", which=0)
    ground.read()
    assert got == [("192.0.2.1",)] and ground.idle


def test_ids_and_ports_are_spread(ground: Ground) -> None:
    for _ in range(50):
        ground.ask()[1].cancel()
    heard = ground.servers[0].heard()
    assert len({query[:2] for query, _ in heard}) > 45 and len({address for _, address in heard}) > 25


def test_nobody_answers(ground: Ground) -> None:
    got, _ = ground.ask()
    ground.clock.advance(1.99)
    assert got == [] and len(ground.servers[0].heard()) == 2
    ground.clock.advance(0.02)
    assert got == [f"no answer from {ground.servers[0]} within 2 s"] and ground.idle


def test_nobody_listens(ground: Ground) -> None:
    """What ICMP says ends the question at once."""
    ground.servers[0].socket.close()
    got, _ = ground.ask()
    ground.read()
    assert got == [f"{ground.servers[0]}: connection refused"] and ground.idle


def test_an_error_with_nothing_to_read_is_an_error_too(ground: Ground) -> None:
    """An epoll reactor drops such a reader and tells it that its connection was lost."""
    for listening in (False, True):
        if listening:
            ground.servers.append(NameServer())
            ground.resolver = ground.make(ground.servers[-1].address)
        else:
            ground.servers[0].socket.close()
        got, _ = ground.ask()
        for reader in ground.reactor.removeAll():
            reader.connectionLost(Failure(error.ConnectionLost()))
        ground.clock.advance(0)
        assert got == [f"{ground.servers[-1]}: {'the socket was closed' if listening else 'connection refused'}"] and ground.idle


def test_a_server_that_can_not_be_reached_is_passed_over(three: Ground) -> None:
    three.servers[0].close()
    three.resolver.servers = lambda: [("2001:db8::53%nonsense", 53), *(server.address for server in three.servers)]  # type: ignore[method-assign]
    got, _ = three.ask()
    three.read()
    assert three.servers[1].questions() == [f"{HOST} A"]
    three.servers[1].say(f"{HOST} A 192.0.2.1")
    three.read()
    assert got == [("192.0.2.1",)] and three.idle


@pytest.mark.parametrize(("rcode", "word"), [(1, "FORMERR"), (2, "SERVFAIL"), (4, "NOTIMP"), (5, "REFUSED"), (9, "NOTAUTH")])
def test_a_server_that_fails_is_passed_over(three: Ground, rcode: int, word: str) -> None:
    got, _ = three.ask()
    for server in three.servers:
        assert server.questions() == [f"{HOST} A"] and got == []
        server.say(rcode=rcode)
        three.read()
    assert got == [f"{word} from {three.servers[2]}"] and three.idle
    got, _ = three.ask()
    three.servers[0].say(rcode=rcode)
    three.read()
    three.servers[1].say(f"{HOST} A 192.0.2.1")
    three.read()
    assert got == [("192.0.2.1",)] and three.servers[2].heard() == [] and three.idle


def test_a_failure_says_more_than_silence(three: Ground) -> None:
    got, _ = three.ask()
    three.servers[0].say(rcode=2)
    three.read()
    three.clock.advance(2)
    assert got == [f"SERVFAIL from {three.servers[0]}"] and len(three.servers[0].heard()) == 0
    assert len(three.servers[1].heard()) == len(three.servers[2].heard()) == 2


@pytest.mark.parametrize(("rcode", "said"), [(0, ()), (3, "NXDOMAIN")])
def test_that_there_is_nothing_is_an_answer(three: Ground, rcode: int, said: Any) -> None:
    got, _ = three.ask()
    three.servers[0].say(rcode=rcode)
    three.read()
    assert got == [said] and three.servers[1].heard() == [] and three.idle


def test_servers_are_asked_in_turn_while_they_are_silent(three: Ground) -> None:
    got, _ = three.ask()
    turns = []
    for _ in range(6):
        turns.append([len(server.heard()) for server in three.servers])
        three.clock.advance(1 / 3)
    assert turns == [[1, 0, 0], [0, 1, 0], [0, 0, 1]] * 2
    three.clock.advance(0.01)
    assert got == [f"no answer from {', '.join(sorted(map(str, three.servers)))} within 2 s"] and three.idle


def test_wrong_answers_are_ignored(ground: Ground) -> None:
    """RFC 5452: another id, another question, no response, another source."""
    got, _ = ground.ask()
    server = ground.servers[0]
    ((query, address),) = server.heard()
    right = reply(query, f"{HOST} A 192.0.2.1")
    forged = reply(query, f"{HOST} A 192.0.2.66")
    other = reply(query.replace(b"customer", b"kustomer"), "kustomer.example A 192.0.2.66")
    for data in (bytes([forged[0] ^ 1]) + forged[1:], forged[:2] + b"\0" + forged[3:], other, query, b"", b"\0" * 12, forged[:20]):
        server.send(data)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.sendto(forged, address)
    ground.read()
    assert got == []
    server.send(right)
    server.send(forged)
    ground.read()
    assert got == [("192.0.2.1",)] and ground.idle


def test_a_flood_of_wrong_answers_is_read_in_portions_and_ends_with_the_time(ground: Ground) -> None:
    got, _ = ground.ask()
    for _ in range(100):
        ground.servers[0].send(b"\0" * 40)
    ground.read()
    assert got == []
    ground.servers[0].say(f"{HOST} A 192.0.2.1")
    for _ in range(10):
        ground.read()
    assert got == [("192.0.2.1",)]


def test_records_of_other_names_are_not_believed(ground: Ground) -> None:
    got, _ = ground.ask()
    ground.servers[0].say("bank.example A 192.0.2.66", "sip-us.vonage.com A 192.0.2.66")
    ground.read()
    assert got == [()]


def test_an_answer_that_can_not_be_read_ends_the_question(ground: Ground) -> None:
    got, _ = ground.ask()
    (query, _), *_ = ground.servers[0].heard()
    ground.servers[0].send(query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:] + b"\xc0\xff")
    ground.read()
    assert got[0].startswith("an answer that can not be read (") and got[0].endswith(f" from {ground.servers[0]}") and ground.idle


def test_aliases_are_followed_from_answer_to_answer(ground: Ground) -> None:
    got, _ = ground.ask()
    ground.servers[0].say(f"{HOST} CNAME one.example.", "one.example CNAME two.example.")
    ground.read()
    assert ground.servers[0].questions() == ["two.example A"]
    ground.servers[0].say("two.example A 192.0.2.1")
    ground.read()
    assert got == [("192.0.2.1",)] and ground.idle


@pytest.mark.parametrize(("target", "said"), [("pbx.example.net.", ("127.0.0.9",)), ("localhost.", ("127.0.0.1",))])
def test_an_alias_may_lead_to_what_is_known_here(ground: Ground, target: str, said: Any) -> None:
    got, _ = ground.ask()
    ground.servers[0].say(f"{HOST} CNAME {target}")
    ground.read()
    assert got == [said] and ground.idle


def test_aliases_without_end_are_given_up(ground: Ground) -> None:
    got, _ = ground.ask()
    for k in range(20):
        if got:
            break
        name = ground.servers[0].questions()[0].split()[0]
        ground.servers[0].say(f"{name} CNAME a{k}.example.")
        ground.read()
    assert got == ["more than 8 CNAMEs, one after the other"] and k == 9 and ground.idle


def test_the_time_is_for_all_aliases_together(ground: Ground) -> None:
    got, _ = ground.ask()
    ground.clock.advance(1.2)
    ground.servers[0].say(f"{HOST} CNAME one.example.")
    ground.read()
    ground.clock.advance(0.81)
    assert len(got) == 1 and got[0].startswith("no answer from") and ground.idle


# -- TCP ----------------------------------------------------------------------------------------------------------


def framed(data: bytes) -> bytes:
    return struct.pack("!H", len(data)) + data


def cut(ground: Ground) -> list[Any]:
    """Ask, and get an answer that was cut short."""
    got, _ = ground.ask()
    ground.servers[0].say(f"{HOST} A 192.0.2.66", cut=True)
    ground.read()
    return got


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_an_answer_that_was_cut_short_is_asked_for_over_tcp(ground: Ground, step: int) -> None:
    """RFC 2181 9, RFC 7766 5: what was cut short is not used. However the stream comes."""
    got = cut(ground)
    assert ground.reactor.tcpClients[0][:2] == ground.servers[0].address and got == []
    protocol, transport = ground.connect()
    query = transport.value()[2:]
    assert transport.value() == framed(query) and query == ground.servers[0].asked[0][0]
    many = [f"{HOST} A 192.0.2.{k}" for k in range(1, 100)]
    octets = framed(reply(query, *many)) + b"more"
    for at in range(0, len(octets), step):
        protocol.dataReceived(octets[at : at + step])
    ground.clock.advance(0)
    assert [len(one) for one in got] == [99] and transport.aborted and ground.idle
    protocol.connectionLost(Failure(error.ConnectionDone()))
    assert len(got) == 1


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (framed(b""), "not an answer to the question, over TCP"),
        (framed(b"\0" * 20), "not an answer to the question, over TCP"),
        (b"", "the TCP connection was closed before the answer"),
        (b"\xff\xff123", "the TCP connection was closed before the answer"),
    ],
)
def test_tcp_that_brings_no_answer(ground: Ground, data: bytes, why: str) -> None:
    got = cut(ground)
    protocol, _ = ground.connect()
    protocol.dataReceived(data)
    protocol.connectionLost(Failure(error.ConnectionDone()))
    ground.clock.advance(0)
    assert got == [f"{ground.servers[0]}: {why}"] and ground.idle


def test_tcp_that_is_refused_goes_on_to_the_next_server(three: Ground) -> None:
    got = cut(three)
    factory: Any = three.reactor.tcpClients[0][2]
    factory.clientConnectionFailed(
        three.reactor.connectors[0], Failure(error.ConnectionRefusedError(osError=OSError(111, "Connection refused")))
    )
    assert three.servers[1].questions() == [f"{HOST} A"]
    three.servers[1].say(rcode=3)
    three.read()
    assert got == ["NXDOMAIN"] and three.idle


def test_tcp_that_is_refused_says_why(ground: Ground) -> None:
    got = cut(ground)
    factory: Any = ground.reactor.tcpClients[0][2]
    factory.clientConnectionFailed(
        ground.reactor.connectors[0], Failure(error.ConnectionRefusedError(osError=OSError(111, "Connection refused")))
    )
    ground.clock.advance(0)
    assert got == [f"{ground.servers[0]}: no TCP connection: connection refused"] and ground.idle


def test_tcp_takes_no_longer_than_the_question(ground: Ground) -> None:
    for connected in (False, True):
        got = cut(ground)
        transport = ground.connect()[1] if connected else None
        ground.clock.advance(2)
        assert got == [f"no answer from {ground.servers[0]} within 2 s"] and ground.idle
        assert transport.aborted if transport is not None else ground.reactor.connectors[-1]._disconnected


def test_an_answer_that_is_cut_short_over_tcp_too_is_none(ground: Ground) -> None:
    got = cut(ground)
    protocol, transport = ground.connect()
    protocol.dataReceived(framed(reply(transport.value()[2:], f"{HOST} A 192.0.2.66", cut=True)))
    ground.clock.advance(0)
    assert got == [f"an answer that was cut short from {ground.servers[0]}"] and len(ground.reactor.tcpClients) == 1


def test_an_answer_that_is_too_long_is_not_read(ground: Ground) -> None:
    got = cut(ground)
    protocol, transport = ground.connect()
    protocol.dataReceived(framed(reply(transport.value()[2:], *(f"{HOST} A 192.0.{k // 250}.{k % 250}" for k in range(2000)))))
    ground.clock.advance(0)
    assert got[0].startswith("an answer of 32") and "at most 16384 are read" in got[0]


# -- many at once -------------------------------------------------------------------------------------------------


def test_questions_that_are_alike_are_asked_once(ground: Ground) -> None:
    results = [ground.ask(name)[0] for name in (HOST, HOST.upper(), HOST + ".")]
    other, _ = ground.ask(HOST, "AAAA")
    assert sorted(ground.servers[0].questions()) == [f"{HOST} A", f"{HOST} AAAA"]
    ground.servers[0].say(f"{HOST} A 192.0.2.1", which=0)
    ground.read()
    assert results == [[("192.0.2.1",)]] * 3 and other == []


def test_who_cancels_hears_nothing_and_the_last_one_ends_the_question(ground: Ground) -> None:
    one, first = ground.ask()
    two, second = ground.ask()
    first.cancel()
    assert len(ground.resolver) == 1
    second.cancel()
    second.cancel()
    assert ground.idle
    got, third = ground.ask()
    ground.servers[0].say(f"{HOST} A 192.0.2.1")
    for reader in ground.reactor.getReaders():
        reader.doRead()
    third.cancel()  # answered, not yet told
    ground.clock.advance(5)
    assert one == two == got == [] and ground.idle


def test_questions_at_once_are_bounded(ground: Ground) -> None:
    results = [ground.ask(f"a{k}.example")[0] for k in range(101)]
    ground.clock.advance(0)
    assert results[-1] == ["more than 100 questions at once"] and len(ground.resolver) == 100
    ground.clock.advance(2)
    assert all(result[0].startswith("no answer from") for result in results[:100]) and ground.idle
    waiting = [ground.ask()[0] for _ in range(4001)]
    ground.clock.advance(0)
    assert waiting[-1] == ["more than 4000 times at once"]


def test_a_done_that_raises_keeps_nobody_else_from_hearing(ground: Ground) -> None:
    def broken(result: Any) -> None:
        raise RuntimeError("a bug")

    ground.resolver.addresses(HOST, 4, broken)
    got, _ = ground.ask()
    ground.servers[0].say(f"{HOST} A 192.0.2.1")
    errors: list[Exception] = []
    for reader in ground.reactor.getReaders():
        reader.doRead()
    ground.clock.run_due(errors.append)
    assert got == [("192.0.2.1",)] and [str(one) for one in errors] == ["a bug"]


def test_without_descriptors_there_is_an_answer_all_the_same(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("emulator.dns.exchange.socket.socket", none)
    got, _ = ground.ask()
    ground.clock.advance(0)
    assert got == [f"{ground.servers[0]}: too many open files"] and ground.idle


def test_closing_forgets_everything(ground: Ground) -> None:
    got = cut(ground)
    more, _ = ground.ask("other.example")
    ground.resolver.close()
    ground.clock.advance(5)
    assert got == more == [] and ground.idle


def test_an_own_zone_that_is_silent_or_lies_is_waited_for_and_no_longer(ground: Ground) -> None:
    """Its answers can be made to fail like those of any other."""
    replies: list[Any] = []
    ground.nameserver.handle = lambda query, stream, answer: replies.append((query, answer))  # type: ignore[method-assign]
    got, _ = ground.ask("pbx.example.net")
    query, answer = replies[0]
    answer(reply(b"\0\0" + query[2:], "pbx.example.net A 192.0.2.66"))
    ground.clock.advance(1.9)
    assert got == []
    ground.clock.advance(0.2)
    answer(reply(query, "pbx.example.net A 192.0.2.66"))
    ground.clock.advance(1)
    assert got == ["no answer from vsim's own zone within 2 s"] and ground.idle
    for octets, said in (
        (lambda q: reply(q, rcode=2), "SERVFAIL from vsim's own zone"),
        (lambda q: reply(q, cut=True), "an answer that was cut short from vsim's own zone"),
        (lambda q: reply(q, "pbx.example.net A 127.0.0.7"), ("127.0.0.7",)),
    ):
        got, _ = ground.ask("pbx.example.net")
        query, answer = replies[-1]
        answer(octets(query))
        answer(reply(query, "pbx.example.net A 192.0.2.66"))  # twice
        ground.clock.advance(0)
        assert got == [said] and ground.idle


def test_a_server_may_have_an_ipv6_address(ground: Ground) -> None:
    try:
        ground.servers.append(NameServer("::1"))
    except OSError:
        pytest.skip("no IPv6 here")
    ground.resolver = ground.make(ground.servers[1].address)
    got, _ = ground.ask()
    ground.servers[1].say(f"{HOST} A 192.0.2.1")
    ground.read()
    ground.ask()
    ground.clock.advance(2)
    assert got == [("192.0.2.1",)] and ground.idle


# -- the fuzz -----------------------------------------------------------------------------------------------------


def test_mutated_answers_harm_nothing(ground: Ground) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    server = ground.servers[0]
    chance = random.Random(seed)
    results: list[Any] = []
    stream = mutations(seed, (b"\0\0" + reply(b"\0\0\1\0\0\1\0\0\0\0\0\0\1x\0\0\1\0\1", "x CNAME y.", "y A 192.0.2.1")[2:],))
    for data in islice(stream, 1500):
        got, _ = ground.ask()
        ((query, _),) = server.heard()
        good = reply(query, f"{HOST} CNAME a.example.", "a.example A 192.0.2.1")
        mutated = next(mutations(chance.randrange(1 << 32), (good,)))
        for octets in (data, query[:2] + data[2:], mutated, good[:12] + query[12:] + data[30:], good[: len(query)] + mutated[len(query) :]):
            server.send(octets)
        over_tcp = len(ground.reactor.tcpClients)
        ground.read()
        if len(ground.reactor.tcpClients) > over_tcp:
            protocol, _ = ground.connect()
            protocol.dataReceived(framed(mutated) + data)
        ground.clock.advance(5)
        assert len(got) == 1 and ground.idle, f"seed {seed}"
        server.heard()
        results.extend(got)
        assert all(isinstance(result, str | tuple) for result in got)
    assert len({str(result) for result in results}) > 3
