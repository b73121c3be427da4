"""The service names as DNS data: addresses, and SRV records that put the first site of a region before the second.

Priorities, weights and the time to live are invented (vonage-facts, default 46): nobody outside knows the real ones.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from emulator.dns.zone import Pointer, Service, Zone
from emulator.trunk import regions

_TLS_LABELS = ("_sips._tcp", "_sip._tls")  # RFC 3263 4.1's, and the one that sipsak asks for


@dataclass(frozen=True, slots=True)
class Preference:
    """What resolvers are told to prefer: `priorities` of a region's first and second site, the `weight` of each proxy, and whether
    NAPTR records name the transports."""

    priorities: tuple[int, int] = (10, 20)
    weight: int = 50
    naptr: bool = False


_NAPTR = ((10, "SIPS+D2T", "_sips._tcp"), (20, "SIP+D2T", "_sip._tcp"), (30, "SIP+D2U", "_sip._udp"))
"""Order, service and where it leads (RFC 3263 4.1): the secure transport first, as the page recommends it."""


def trunk_zone(
    places: Sequence[regions.Place],
    customer_hosts: Mapping[str, str] | None = None,
    ttl: int = 60,
    preference: Preference = Preference(),
) -> Zone:
    """The zone of all service names in a layout, and of the customer's own names that the trunk should know."""
    by_name = {place.name: place for place in places}
    addresses: dict[str, list[str]] = {}
    services: list[Service] = []
    pointers: list[Pointer] = []

    def serve(owner: str, under: list[regions.Place], domain: str) -> None:
        addresses[owner] = list(dict.fromkeys(place.address for place in under))
        if any(owner == regions.host(name, domain) for name in by_name):
            return  # a proxy's own name is an address and nothing else
        services.extend(_services(owner, under, domain, preference))
        if preference.naptr:
            pointers.extend(Pointer(owner, order, service, f"{label}.{owner}") for order, service, label in _NAPTR)

    for name in (*regions.REGIONS, *regions.SITES, *regions.PROXIES):
        under = [by_name[proxy] for proxy in regions.proxies_of(name) if proxy in by_name]
        for domain in (regions.DOMAIN, regions.LEGACY_DOMAIN):
            serve(regions.host(name, domain), under, domain)
    serve(regions.LEGACY_HOST, list(places), regions.LEGACY_DOMAIN)
    for host, address in (customer_hosts or {}).items():
        addresses.setdefault(host.lower(), []).append(address)
    return Zone(addresses, services, ttl, pointers=pointers)


def _services(owner: str, places: list[regions.Place], domain: str, preference: Preference) -> Iterator[Service]:
    sites = list(dict.fromkeys(regions.site_of(place.name) for place in places))
    first, second = preference.priorities
    for place in places:
        # the oldest name has six sites: the third is as far behind the second as that behind the first
        priority = min(65535, max(0, first + sites.index(regions.site_of(place.name)) * (second - first)))
        host, weight = regions.host(place.name, domain), preference.weight
        yield Service("_sip._udp", owner, priority, weight, place.udp, host)
        yield Service("_sip._tcp", owner, priority, weight, place.tcp, host)
        for label in _TLS_LABELS:
            yield Service(label, owner, priority, weight, place.tls, host)
