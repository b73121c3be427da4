"""The zone: a query in, an answer out."""

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.dns.zone import UDP_SAFE, Service, Zone
from emulator.trunk import regions
from emulator.trunk.names import Preference, trunk_zone

ZONE = trunk_zone(regions.loopback_layout(), {"pbx.example.net": "127.0.0.9", "six.example.net": "::1"})


def ask(name: str, kind: str, stream: bool = False, **how: object) -> dns.message.Message:
    query = dns.message.make_query(name, kind, **how)  # type: ignore[arg-type]
    octets = ZONE.answer(query.to_wire(), stream)
    assert octets is not None
    answer = dns.message.from_wire(octets)
    assert query.is_response(answer)
    return answer


def records(message: dns.message.Message) -> list[str]:
    return [rdata.to_text() for rrset in message.answer for rdata in rrset]


@pytest.mark.parametrize(
    ("name", "addresses"),
    [
        ("sip-us-3-1.vonage.com", ["127.0.13.1"]),
        ("sip-us-3.vonage.com", ["127.0.13.1", "127.0.13.2"]),
        ("sip-eu.vonage.com", ["127.0.23.1", "127.0.23.2", "127.0.24.1", "127.0.24.2"]),
        ("sip-ap-4-2.nexmo.com", ["127.0.34.2"]),
        ("pbx.example.net", ["127.0.0.9"]),
    ],
)
def test_addresses(name: str, addresses: list[str]) -> None:
    answer = ask(name, "A")
    assert records(answer) == addresses and answer.flags & dns.flags.AA


def test_the_oldest_name_has_every_proxy() -> None:
    assert len(records(ask("sip.nexmo.com", "A"))) == 12


@pytest.mark.parametrize("service", ["_sip._udp", "_sip._tcp", "_sips._tcp", "_sip._tls"])
def test_services_put_the_first_site_before_the_second(service: str) -> None:
    """vonage-facts, default 46; interop-quirks 30: targets' addresses in the additional section as well."""
    port = 5060 if service in ("_sip._udp", "_sip._tcp") else 5061
    answer = ask(f"{service}.sip-us.vonage.com", "SRV")
    assert records(answer) == [
        f"10 50 {port} sip-us-3-1.vonage.com.", f"10 50 {port} sip-us-3-2.vonage.com.",
        f"20 50 {port} sip-us-4-1.vonage.com.", f"20 50 {port} sip-us-4-2.vonage.com.",
    ]  # fmt: skip
    assert [rrset[0].to_text() for rrset in answer.additional] == ["127.0.13.1", "127.0.13.2", "127.0.14.1", "127.0.14.2"]
    assert len(records(ask(f"{service}.sip-us-4.vonage.com", "SRV"))) == 2


def test_services_have_the_ports_of_the_layout() -> None:
    zone = trunk_zone(regions.ports_layout("127.0.0.1"))
    octets = zone.answer(dns.message.make_query("_sips._tcp.sip-ap-4.vonage.com", "SRV").to_wire(), False)
    assert octets is not None
    assert [rdata.port for rdata in dns.message.from_wire(octets).answer[0]] == [5081, 5083]


@pytest.mark.parametrize(
    ("name", "kind", "rcode"),
    [
        ("sip-us.vonage.com", "NAPTR", dns.rcode.NOERROR),
        ("sip-us.vonage.com", "AAAA", dns.rcode.NOERROR),
        ("_udp.sip-us.vonage.com", "A", dns.rcode.NOERROR),
        ("_sip._sctp.sip-us.vonage.com", "SRV", dns.rcode.NXDOMAIN),
        ("x.sip-us.vonage.com", "A", dns.rcode.NXDOMAIN),
        ("_sip._udp.sip-us-3-1.vonage.com", "SRV", dns.rcode.NXDOMAIN),
    ],
)
def test_no_such_data_and_no_such_name_carry_the_soa(name: str, kind: str, rcode: int) -> None:
    """RFC 2308 2, RFC 8020."""
    answer = ask(name, kind)
    assert answer.rcode() == rcode and not answer.answer
    assert answer.authority[0].rdtype == dns.rdatatype.SOA and answer.flags & dns.flags.AA


@pytest.mark.parametrize("name", ["www.vonage.com", "vonage.com", "com", ".", "example.org", "sip-us.example"])
def test_other_names_are_refused_not_denied(name: str) -> None:
    answer = ask(name, "A")
    assert answer.rcode() == dns.rcode.REFUSED and not answer.flags & dns.flags.AA


def test_the_case_of_the_question_comes_back() -> None:
    answer = ask("sIp-Us-3-1.VoNaGe.CoM", "A")
    assert answer.answer[0].name.to_text() == "sIp-Us-3-1.VoNaGe.CoM."


def test_soa_and_ns_stand_at_every_name() -> None:
    assert records(ask("sip-us.vonage.com", "NS")) == ["vsim.invalid."]
    assert records(ask("sip-us.vonage.com", "SOA"))[0].startswith("vsim.invalid. hostmaster.vsim.invalid. ")


def test_any_gets_one_set_and_transfers_are_refused() -> None:
    """RFC 8482; robustness 16."""
    assert len(ask("sip-us.vonage.com", "ANY").answer) == 1
    assert ask("sip-us.vonage.com", "AXFR", stream=True).rcode() == dns.rcode.REFUSED


def test_other_classes_opcodes_and_edns_versions() -> None:
    assert ask("version.bind", "TXT", rdclass=dns.rdataclass.CH).rcode() == dns.rcode.REFUSED
    assert ask("sip-us.vonage.com", "A", use_edns=1).rcode() == dns.rcode.BADVERS
    query = dns.message.make_query("sip-us.vonage.com", "A")
    query.set_opcode(dns.opcode.STATUS)
    octets = ZONE.answer(query.to_wire(), False)
    assert octets is not None and octets[3] & 0xF == dns.rcode.NOTIMP and octets[:2] == query.to_wire()[:2]


def test_edns_is_answered_with_edns() -> None:
    answer = ask("sip-us.vonage.com", "A", use_edns=0, payload=4096)
    assert answer.edns == 0 and answer.payload == UDP_SAFE


def test_an_answer_too_large_for_udp_is_truncated_and_whole_over_tcp() -> None:
    """RFC 2181 9."""
    plain = ask("_sip._udp.sip.nexmo.com", "SRV", use_edns=False)
    assert plain.flags & dns.flags.TC and not plain.answer
    assert len(records(ask("_sip._udp.sip.nexmo.com", "SRV", stream=True))) == 12


def test_no_udp_answer_is_larger_than_the_bound() -> None:
    zone = Zone({"many.example": [f"127.1.{k // 200}.{k % 200 + 1}" for k in range(300)]}, [])
    octets = zone.answer(dns.message.make_query("many.example", "A", use_edns=0, payload=65535).to_wire(), False)
    assert octets is not None and len(octets) <= UDP_SAFE


@pytest.mark.parametrize("query", [b"", b"\0" * 11, b"\0\0\x80\0\0\1" + b"\0" * 20])
def test_silence(query: bytes) -> None:
    """Responses are never answered, or two servers would talk for ever."""
    assert ZONE.answer(query, False) is None


def test_two_questions_are_a_format_error() -> None:
    query = bytearray(dns.message.make_query("sip-us.vonage.com", "A").to_wire())
    query[5] = 2
    octets = ZONE.answer(bytes(query), False)
    assert octets is not None and octets[3] & 0xF == dns.rcode.FORMERR


def test_a_compression_loop_is_a_format_error() -> None:
    octets = ZONE.answer(b"\0\1\1\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1", False)
    assert octets is not None and octets[3] & 0xF == dns.rcode.FORMERR


@given(st.binary(max_size=120))
def test_no_octets_raise_and_answers_to_rubbish_are_small(data: bytes) -> None:
    for query in (data, b"\0\1\1\0\0\1\0\0\0\0\0\0" + data):
        answer = ZONE.answer(query, False)
        ZONE.covers(query)
        assert answer is None or len(answer) <= max(12, 2 * len(query) + 80)


def test_covers_only_its_own_names() -> None:
    assert ZONE.covers(dns.message.make_query("x.SIP-us.vonage.com", "A").to_wire())
    assert not ZONE.covers(dns.message.make_query("www.vonage.com", "A").to_wire())


def test_services_name_what_they_serve() -> None:
    zone = Zone({"a.example": ["127.0.0.1"]}, [Service("_sip._udp", "b.example", 1, 2, 3, "a.example")])
    text = zone.master_file()
    assert "_sip._udp.b.example. 60 IN SRV 1 2 3 a.example." in text and "a.example. 60 IN A 127.0.0.1" in text


def test_the_hosts_file_has_every_name_once() -> None:
    names = [name for line in ZONE.hosts_file().splitlines() for name in line.split("\t")[1].split(" ")]
    assert len(names) == len(set(names)) and set(regions.service_hosts()) < set(names)


def test_naptr_names_the_transports_where_it_is_asked_for() -> None:
    """RFC 3263 4.1; vonage-facts, default 46."""
    zone = trunk_zone(regions.loopback_layout(), preference=Preference(naptr=True))
    answer = zone.answer(dns.message.make_query("sip-eu.vonage.com", "NAPTR").to_wire(), True)
    assert answer is not None
    texts = sorted(rdata.to_text() for rdata in dns.message.from_wire(answer).answer[0])
    assert texts == [
        '10 50 "s" "SIPS+D2T" "" _sips._tcp.sip-eu.vonage.com.',
        '20 50 "s" "SIP+D2T" "" _sip._tcp.sip-eu.vonage.com.',
        '30 50 "s" "SIP+D2U" "" _sip._udp.sip-eu.vonage.com.',
    ]
    assert not ask("sip-eu.vonage.com", "NAPTR").answer


def test_priorities_and_weights_are_settings() -> None:
    zone = trunk_zone(regions.loopback_layout(), preference=Preference((1, 5), 7))
    answer = zone.answer(dns.message.make_query("_sip._udp.sip-us.vonage.com", "SRV").to_wire(), True)
    assert answer is not None
    assert sorted((r.priority, r.weight) for r in dns.message.from_wire(answer).answer[0]) == [(1, 7), (1, 7), (5, 7), (5, 7)]
