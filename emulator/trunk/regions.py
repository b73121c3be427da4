"""The table everything derives from: regions, sites, proxies, their names and addresses (product names and addresses: the page, and
the layouts this project chose)."""

import re
from dataclasses import dataclass
from functools import lru_cache

REGIONS = ("us", "eu", "ap")
CITIES = {
    "us-3": "Virginia", "us-4": "Oregon",
    "eu-3": "Dublin", "eu-4": "Frankfurt",
    "ap-3": "Singapore", "ap-4": "Sydney",
}  # fmt: skip
SITES = tuple(CITIES)
PROXIES = tuple(f"{site}-{number}" for site in SITES for number in (1, 2))
DOMAIN = "vonage.com"
LEGACY_DOMAIN = "nexmo.com"  # the older names are aliases
LEGACY_HOST = "sip.nexmo.com"  # the oldest, global name
_LOOPBACK_NET = {"us-3": 13, "us-4": 14, "eu-3": 23, "eu-4": 24, "ap-3": 33, "ap-4": 34}


@dataclass(frozen=True, slots=True)
class Place:
    """Where one proxy listens: its address and its ports."""

    name: str
    address: str
    udp: int
    tcp: int
    tls: int

    @property
    def host(self) -> str:
        return host(self.name)


def host(name: str, domain: str = DOMAIN) -> str:
    """The host name of a region, site or proxy: `us-3-1` is `sip-us-3-1.vonage.com`."""
    return f"sip-{name}.{domain}"


def site_of(proxy: str) -> str:
    return proxy.rpartition("-")[0]


def region_of(name: str) -> str:
    """The region of a region, site or proxy name."""
    return name.partition("-")[0]


def proxies_of(name: str) -> tuple[str, ...]:
    """The proxies under a region, site, proxy or `all`, the region's first site first; empty for an unknown name."""
    if name == "all":
        return PROXIES
    return tuple(proxy for proxy in PROXIES if proxy == name or proxy.startswith(name + "-"))


_NAMES = frozenset({"all", *REGIONS, *SITES, *PROXIES})
_HOST = re.compile(r"sip-([a-z*?]{1,2}(?:-[a-z0-9*?-]{1,20})?)\.(?:vonage|nexmo)\.com")


def short_name(text: str) -> str:
    """What the table calls a place that a person names: `sip-us-3-1.vonage.com` is `us-3-1`, `sip.nexmo.com` is `all`.

    Anything else stays as it is; a host of the service that there is not is cut short too, so that what was meant is near, and so is one
    with * or ? in it.
    """
    name = text.strip().lower().removesuffix(".")
    if name == LEGACY_HOST:
        return "all"
    match = _HOST.fullmatch(name)
    return match[1] if match else name if name in _NAMES else text


_ZONES = {"1": "us", "5": "us", "2": "eu", "3": "eu", "4": "eu", "7": "eu", "90": "eu", "96": "eu", "97": "eu", "98": "eu", "99": "eu"}


def region_of_number(number: str) -> str:
    """The region of an E.164 number by its country code; `ap` for what is neither American nor of Europe, Africa or the Middle East.

    Invented: which region handles a number's calls is a choice of its owner's, and the default is not known.
    """
    return _ZONES.get(number[:2]) or _ZONES.get(number[:1]) or "ap"


def hosts_of(name: str) -> tuple[str, ...]:
    """The host names of a region, site, proxy or `all`, the older ones last."""
    return (LEGACY_HOST,) if name == "all" else (host(name), host(name, LEGACY_DOMAIN))


def service_hosts() -> tuple[str, ...]:
    """Every name the trunk answers to: regions, sites and proxies under both domains, and the oldest global name."""
    names = (*REGIONS, *SITES, *PROXIES)
    return (*(host(name) for name in names), *(host(name, LEGACY_DOMAIN) for name in names), LEGACY_HOST)


_TRUNK_HOST = re.compile(r"(?P<domain>[a-z0-9-]{1,63})\.sip(?:-(?P<region>us|eu|ap))?\.(?:vonage|nexmo)\.com")


@lru_cache(maxsize=256)
def trunk_domain(host: str) -> tuple[str, str | None] | None:
    """A trunk's own host, `<domain>.sip-<region>.vonage.com`, as domain and region; the region is None where the host names none.

    None for any other host (vonage-facts 1 and 8).
    """
    match = _TRUNK_HOST.fullmatch(host.lower())
    return (match["domain"], match["region"]) if match else None


@lru_cache(maxsize=256)
def addressed_region(host: str) -> str | None:
    """The region that a host of the service, or of a trunk, names; None for any other."""
    match = re.fullmatch(r"(?:[a-z0-9-]{1,63}\.)?sip-(us|eu|ap)(?:-[34](?:-[12])?)?\.(?:vonage|nexmo)\.com", host.lower())
    return match[1] if match else None


def loopback_layout() -> tuple[Place, ...]:
    """Every proxy on an address of its own with the standard ports."""
    return tuple(Place(proxy, f"127.0.{_LOOPBACK_NET[site_of(proxy)]}.{proxy[-1]}", 5060, 5060, 5061) for proxy in PROXIES)


def ports_layout(address: str) -> tuple[Place, ...]:
    """Every proxy on one address: proxy k at UDP and TCP 5060+2k, TLS 5061+2k."""
    return tuple(Place(proxy, address, 5060 + 2 * k, 5060 + 2 * k, 5061 + 2 * k) for k, proxy in enumerate(PROXIES))
