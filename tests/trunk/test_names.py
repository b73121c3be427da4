"""The customer's own records in the zone."""

import dns.message
import pytest

from emulator.dns.zone import Service
from emulator.trunk import regions
from emulator.trunk.names import customer_service, is_name, trunk_zone


def test_a_record_is_read_as_it_is_written_in_a_zone() -> None:
    assert customer_service("_SIP._udp.PBX.example", "10 50  5060 a.example.") == Service(
        "_sip._udp", "pbx.example", 10, 50, 5060, "a.example."
    )
    assert customer_service("_sips._tcp.pbx.example", "0 0 0 .") == Service("_sips._tcp", "pbx.example", 0, 0, 0, ".")


@pytest.mark.parametrize(
    "name", ["pbx.example", "_sip.pbx.example", "_sip._udp", "_sip._udp.", "_sip._udp.a..b", "_sip._udp." + "a." * 122]
)
def test_names_that_are_no_service(name: str) -> None:
    with pytest.raises(ValueError, match=r"name it as _sip\._udp\.pbx\.example\.net"):
        customer_service(name, "10 50 5060 a.example")


@pytest.mark.parametrize(
    "record",
    ["", "a.example", "10 50 a.example", "-1 50 5060 a.example", "1 2 65536 a", "1 2 3 a..b", "1 2 3 a b", "1 2 ٣ a"],
)
def test_records_that_are_none(record: str) -> None:
    with pytest.raises(ValueError, match="write PRIORITY WEIGHT PORT TARGET"):
        customer_service("_sip._udp.pbx.example", record)


@pytest.mark.parametrize("name", ["all", *regions.REGIONS, *regions.SITES, *regions.PROXIES])
def test_a_place_is_known_by_each_of_its_hosts(name: str) -> None:
    assert {regions.short_name(text) for text in (name, f" {name.upper()}", *regions.hosts_of(name))} == {name}
    assert set(regions.hosts_of(name)) <= set(regions.service_hosts())


@pytest.mark.parametrize("text", ["", "mars", "sip-us-3.example.com", "sip-all.vonage.com", "a.sip-us.vonage.com", "us-?-1"])
def test_what_is_no_host_of_the_table_stays_as_it_is(text: str) -> None:
    assert regions.short_name(text) == text


@pytest.mark.parametrize(
    ("text", "right"), [("a", True), ("a_b.example.", True), ("", False), ("-a", False), ("a b", False), ("a" * 64, False)]
)
def test_names_of_hosts(text: str, right: bool) -> None:
    assert is_name(text) is right


def test_they_are_served_beside_those_of_the_trunk() -> None:
    services = {"_sip._udp.pbx.example": ["10 0 5070 a.pbx.example", "20 0 5070 b.pbx.example"]}
    zone = trunk_zone(regions.loopback_layout(), {"a.pbx.example": "127.0.0.7"}, customer_services=services)
    octets = zone.answer(dns.message.make_query("_sip._udp.pbx.example", "SRV").to_wire(), False)
    assert octets is not None
    answer = dns.message.from_wire(octets)
    assert [rdata.to_text() for rdata in answer.answer[0]] == ["10 0 5070 a.pbx.example.", "20 0 5070 b.pbx.example."]
    assert [rrset.to_text() for rrset in answer.additional] == ["a.pbx.example. 60 IN A 127.0.0.7"]
    assert zone.covers(dns.message.make_query("pbx.example", "A").to_wire())
