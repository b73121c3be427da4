"""The service names as DNS data: addresses, and SRV records that put the first site of a region before the second.

Priorities, weights and the time to live are invented (vonage-facts, default 46): nobody outside knows the real ones.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from emulator.dns.zone import Pointer, Service, Zone
from emulator.trunk import regions

_HOST = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_-]{0,62}\.)*[A-Za-z0-9_][A-Za-z0-9_-]{0,62}\.?")
_LABEL = re.compile(r"_[A-Za-z0-9-]{1,62}")
_RECORD = re.compile(r"([0-9]{1,5}) +([0-9]{1,5}) +([0-9]{1,5}) +(\S+)")
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
    customer_services: Mapping[str, Sequence[str]] | None = None,
) -> Zone:
    """The zone of all service names in a layout, and of the customer's own names that the trunk should know: addresses by host, and
    what `customer_service` takes by name."""
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
    for name, records in (customer_services or {}).items():
        services.extend(customer_service(name, record) for record in records)
    return Zone(addresses, services, ttl, pointers=pointers)


def customer_service(name: str, record: str) -> Service:
    """An SRV record of the customer's: `_sip._udp.pbx.example.net` and `PRIORITY WEIGHT PORT TARGET`. Raises `ValueError`, saying what
    to write instead. The target `.` says that there is no such service (RFC 2782)."""
    service, transport, domain = [*name.split(".", 2), "", ""][:3]
    if not (_LABEL.fullmatch(service) and _LABEL.fullmatch(transport) and is_name(domain) and len(name) < 254):
        raise ValueError("name it as _sip._udp.pbx.example.net, by service, transport and domain")
    match = _RECORD.fullmatch(record)
    priority, weight, port = (int(text) for text in match.group(1, 2, 3)) if match is not None else (-1, -1, -1)
    if match is None or max(priority, weight, port) > 65535 or not (match[4] == "." or is_name(match[4])):
        raise ValueError("write PRIORITY WEIGHT PORT TARGET, such as 10 50 5060 a.pbx.example.net")
    return Service(f"{service}.{transport}".lower(), domain.lower(), priority, weight, port, match[4])


def is_name(text: str) -> bool:
    """Whether `text` is a host's name; underscores are in use too."""
    return len(text) < 254 and _HOST.fullmatch(text) is not None


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
