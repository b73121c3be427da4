"""Faults of the name server: queries as octets, answers as octets, on the trunk's own zone."""

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from emulator.dns.zone import Zone
from emulator.scenario.faults import Faults
from emulator.trunk.names import trunk_zone
from emulator.trunk.regions import loopback_layout
from tests.support.faulty import Faulty

SRV = "_sip._udp.sip-us.vonage.com"
HOST = "sip-us-3-1.vonage.com"


class Names:
    """The name server as the gate knows it."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone

    def handle(self, query: bytes, stream: bool, reply: object) -> None:
        answer = self.zone.answer(query, stream)
        if answer is not None:
            reply(answer)  # type: ignore[operator]


class Dns:
    """A network whose name server has faults."""

    def __init__(self, *lines: str) -> None:
        self.network = network = Faulty()
        self.names = Names(trunk_zone(loopback_layout(), {"pbx.example.net": "127.0.0.9"}))
        network.faults = Faults(network.clock, network.journal, network.trunk, 5, names=self.names)
        for line in lines:
            self.network.add(line)

    def octets(self, name: str, kind: str, stream: bool = False, edns: bool = True) -> list[bytes]:
        query = dns.message.make_query(name, kind, use_edns=0 if edns else None, payload=1232 if edns else None)
        replies: list[bytes] = []
        self.names.handle(query.to_wire(), stream, replies.append)
        self.last = query
        return replies

    def ask(self, name: str, kind: str, stream: bool = False, edns: bool = True) -> dns.message.Message:
        (reply,) = self.octets(name, kind, stream, edns)
        answer = dns.message.from_wire(reply)
        assert self.last.is_response(answer)
        return answer

    def targets(self, name: str = SRV) -> list[tuple[int, str]]:
        """Priorities and targets in the order of the answer."""
        return [(rdata.priority, str(rdata.target)) for rdata in self.ask(name, "SRV").answer[0]]


NORMAL = [(10, "sip-us-3-1."), (10, "sip-us-3-2."), (20, "sip-us-4-1."), (20, "sip-us-4-2.")]
NORMAL = [(priority, target + "vonage.com.") for priority, target in NORMAL]


def test_without_a_fault_the_name_server_is_its_own() -> None:
    names = Dns()
    own = names.names.handle
    id = names.network.add("dns servfail where name=sip-us.vonage.com")
    assert names.names.handle != own
    names.network.faults.remove(id)
    assert names.names.handle == own and "handle" not in vars(names.names)
    names.network.add("dns servfail times=1")
    names.ask(HOST, "A")
    names.network.clock.advance(0)
    assert "handle" not in vars(names.names)  # a fault that is over costs nothing


@pytest.mark.parametrize(
    ("answer", "rcode"), [("nxdomain", dns.rcode.NXDOMAIN), ("servfail", dns.rcode.SERVFAIL), ("refused", dns.rcode.REFUSED)]
)
def test_rcodes_by_name_and_type(answer: str, rcode: dns.rcode.Rcode) -> None:
    names = Dns(f"dns {answer} where name=sip-us.vonage.com type=SRV")
    said = names.ask(SRV, "SRV")
    assert said.rcode() == rcode and not said.answer
    assert names.ask("sip-us.vonage.com", "A").rcode() == dns.rcode.NOERROR
    assert names.ask("_sip._udp.sip-eu.vonage.com", "SRV").answer
    (listed,) = names.network.faults.list()
    assert (listed.hits, listed.near_misses) == (1, ["1 SRV query came, not of sip-us.vonage.com; the last: _sip._udp.sip-eu.vonage.com"])
    (hit,) = names.network.events("fault.hit")
    assert hit.fields["name"] == SRV and hit.fields["type"] == "SRV"


def test_no_answer() -> None:
    names = Dns("dns timeout first=2")
    assert names.octets(HOST, "A") == names.octets(HOST, "A") == []
    assert names.ask(HOST, "A").answer


def test_a_late_answer() -> None:
    names = Dns("dns slow by=3s")
    replies = names.octets(HOST, "A")
    names.network.clock.advance(2.9)
    assert replies == []
    names.network.clock.advance(0.1)
    assert dns.message.from_wire(replies[0]).answer


def test_late_answers_are_bounded() -> None:
    names = Dns("dns slow by=3s")
    for _ in range(1200):
        names.octets(HOST, "A")
    assert names.network.clock.pending == 1000


def test_truncated_over_udp_whole_over_tcp() -> None:
    names = Dns("dns truncated")
    said = names.ask(SRV, "SRV")
    assert said.flags & dns.flags.TC and not said.answer
    whole = names.ask(SRV, "SRV", stream=True)
    assert not whole.flags & dns.flags.TC and len(whole.answer[0]) == 4


def test_a_dead_target_first() -> None:
    names = Dns("dns dead-first where type=SRV")
    said = names.ask(SRV, "SRV")
    first = min(said.answer[0], key=lambda rdata: rdata.priority)
    assert (first.priority, first.port, str(first.target)) == (0, 9, f"dead.{SRV}.")
    assert len(said.answer[0]) == 5
    additional = {str(rrset.name): [str(rdata) for rdata in rrset] for rrset in said.additional}
    assert additional[f"dead.{SRV}."] == ["127.0.99.99"]
    assert [str(rdata) for rdata in names.ask(str(first.target), "A").answer[0]] == ["127.0.99.99"]
    assert not names.ask(str(first.target), "AAAA").answer


def test_a_dead_address_first() -> None:
    names = Dns("dns dead-first address=127.0.98.1 where type=A")
    assert [str(rdata) for rdata in names.ask("sip-us.vonage.com", "A").answer[0]] == [
        "127.0.98.1", "127.0.13.1", "127.0.13.2", "127.0.14.1", "127.0.14.2",
    ]  # fmt: skip


def test_order() -> None:
    assert Dns().targets() == NORMAL
    backwards = Dns("dns reversed")
    assert backwards.targets() == [(30 - priority, target) for priority, target in reversed(NORMAL)]
    assert next(str(rdata) for rdata in backwards.ask("sip-us.vonage.com", "A").answer[0]) == "127.0.14.2"
    shuffled = [Dns("dns shuffled") for _ in range(2)]
    orders = [[names.targets() for _ in range(10)] for names in shuffled]
    assert orders[0] == orders[1]  # one seed
    assert len({tuple(order) for order in orders[0]}) > 3 and all(sorted(order) == sorted(NORMAL) for order in orders[0])


def test_time_to_live() -> None:
    names = Dns("dns ttl ttl=1")
    said = names.ask(SRV, "SRV")
    assert {rrset.ttl for rrset in (*said.answer, *said.additional)} == {1}
    assert {rrset.ttl for rrset in Dns().ask(SRV, "SRV").answer} == {60}


def test_a_wrong_address() -> None:
    names = Dns("dns wrong-address where name=sip-us-3-1.vonage.com")
    assert [str(rdata) for rdata in names.ask(HOST, "A").answer[0]] == ["127.0.99.99"]
    assert [str(rdata) for rdata in names.ask("sip-us-3-2.vonage.com", "A").answer[0]] == ["127.0.13.2"]
    six = Dns("dns wrong-address address=::1")
    assert [str(rdata) for rdata in six.ask(HOST, "A").answer[0]] == ["127.0.13.1"]  # another family
    wide = Dns("dns wrong-address where type=SRV")
    assert {str(rdata) for rrset in wide.ask(SRV, "SRV").additional for rdata in rrset} == {"127.0.99.99"}


def test_answers_fit_a_datagram() -> None:
    names = Dns("dns dead-first where type=SRV")
    (small,) = names.octets("_sip._udp.sip.nexmo.com", "SRV", edns=False)
    assert len(small) <= 512
    (whole,) = names.octets("_sip._udp.sip.nexmo.com", "SRV", stream=True)
    assert len(dns.message.from_wire(whole).answer[0]) == 13


def test_names_of_the_customers_own_can_fail_too() -> None:
    names = Dns("dns nxdomain where name=pbx.example.net")
    assert names.ask("pbx.example.net", "A").rcode() == dns.rcode.NXDOMAIN


@pytest.mark.parametrize("octets", [b"", b"\x00" * 11, b"\xff" * 40, b"\x00" * 12, bytes(12) + b"\xc0\x0c" * 20])
def test_what_is_no_query_passes(octets: bytes) -> None:
    names = Dns("dns servfail", "dns reversed")
    replies: list[bytes] = []
    names.names.handle(octets, False, replies.append)
    own: list[bytes] = []
    Dns().names.handle(octets, False, own.append)
    assert replies == own
