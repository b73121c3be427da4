"""The table of regions, sites and proxies, and where they listen: as the page and the product have it, written out."""

from emulator.trunk import regions

CITIES = {"us-3": "Virginia", "us-4": "Oregon", "ap-3": "Singapore", "ap-4": "Sydney", "eu-3": "Dublin", "eu-4": "Frankfurt"}
IN_ORDER = (
    "us-3-1", "us-3-2", "us-4-1", "us-4-2", "eu-3-1", "eu-3-2", "eu-4-1", "eu-4-2", "ap-3-1", "ap-3-2", "ap-4-1", "ap-4-2",
)  # fmt: skip


def test_six_sites_in_three_regions_with_two_proxies_each() -> None:
    assert set(regions.REGIONS) == {"us", "eu", "ap"} and regions.CITIES == CITIES and regions.PROXIES == IN_ORDER


def test_each_has_a_host_under_the_domain_and_under_the_older_one() -> None:
    names = ("us", "eu", "ap", *CITIES, *IN_ORDER)
    assert set(regions.service_hosts()) == {f"sip-{name}.{domain}.com" for name in names for domain in ("vonage", "nexmo")} | {
        "sip.nexmo.com"
    }


def test_the_loopback_layout_gives_each_proxy_an_address_and_the_standard_ports() -> None:
    nets = {"us-3": 13, "us-4": 14, "eu-3": 23, "eu-4": 24, "ap-3": 33, "ap-4": 34}
    assert [(place.name, place.address, place.udp, place.tcp, place.tls) for place in regions.loopback_layout()] == [
        (proxy, f"127.0.{nets[proxy[:4]]}.{proxy[-1]}", 5060, 5060, 5061) for proxy in IN_ORDER
    ]


def test_the_ports_layout_counts_up_by_two() -> None:
    assert [(place.name, place.address, place.udp, place.tcp, place.tls) for place in regions.ports_layout("192.0.2.1")] == [
        (proxy, "192.0.2.1", 5060 + 2 * k, 5060 + 2 * k, 5061 + 2 * k) for k, proxy in enumerate(IN_ORDER)
    ]
