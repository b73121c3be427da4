"""The service names as DNS data: addresses, and SRV records that put the first site of a region before the second.

Priorities, weights and the time to live are invented (vonage-facts, default 46): nobody outside knows the real ones.
"""

from collections.abc import Iterator, Mapping, Sequence

from emulator.dns.zone import Service, Zone
from emulator.trunk import regions

_WEIGHT = 50
_TLS_LABELS = ("_sips._tcp", "_sip._tls")  # RFC 3263 4.1's, and the one that sipsak asks for


def trunk_zone(places: Sequence[regions.Place], customer_hosts: Mapping[str, str] | None = None, ttl: int = 60) -> Zone:
    """The zone of all service names in a layout, and of the customer's own names that the trunk should know."""
    by_name = {place.name: place for place in places}
    addresses: dict[str, list[str]] = {}
    services: list[Service] = []
    for name in (*regions.REGIONS, *regions.SITES, *regions.PROXIES):
        under = [by_name[proxy] for proxy in regions.proxies_of(name) if proxy in by_name]
        for domain in (regions.DOMAIN, regions.LEGACY_DOMAIN):
            addresses[regions.host(name, domain)] = _unique(under)
            if name not in by_name:
                services.extend(_services(regions.host(name, domain), under, domain))
    addresses[regions.LEGACY_HOST] = _unique(list(places))
    services.extend(_services(regions.LEGACY_HOST, list(places), regions.LEGACY_DOMAIN))
    for host, address in (customer_hosts or {}).items():
        addresses.setdefault(host.lower(), []).append(address)
    return Zone(addresses, services, ttl)


def _unique(places: list[regions.Place]) -> list[str]:
    return list(dict.fromkeys(place.address for place in places))


def _services(owner: str, places: list[regions.Place], domain: str) -> Iterator[Service]:
    sites = list(dict.fromkeys(regions.site_of(place.name) for place in places))
    for place in places:
        priority = 10 * (sites.index(regions.site_of(place.name)) + 1)
        host = regions.host(place.name, domain)
        yield Service("_sip._udp", owner, priority, _WEIGHT, place.udp, host)
        yield Service("_sip._tcp", owner, priority, _WEIGHT, place.tcp, host)
        for label in _TLS_LABELS:
            yield Service(label, owner, priority, _WEIGHT, place.tls, host)
