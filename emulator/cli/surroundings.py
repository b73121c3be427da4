"""Where the phone is: what it knows of a running emulator, and whom an address on the command line means."""

import os
import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator.addresses import is_address, parse_host_port
from emulator.config import Unusable
from emulator.control.client import NotReachable, find, read_endpoints
from emulator.did_you_mean import meant
from emulator.phone.placed import Destination
from emulator.problems import in_words
from emulator.sip.flow import Address
from emulator.sip.locate import Hop, Transport
from emulator.trunk import regions

DEFAULT_NUMBER = "447700900000"
_PLACES = (*regions.REGIONS, *regions.SITES, *regions.PROXIES)
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\.?")


@dataclass(slots=True)
class Surroundings:
    """`proxies` is what the endpoints file says of them; empty, as all else, where no emulator is known. `missing` says why."""

    proxies: dict[str, dict[str, Any]] = field(default_factory=dict)
    dns: Address | None = None
    ca: Path | None = None
    key: str = ""
    secret: str = ""
    number: str = DEFAULT_NUMBER
    missing: str = ""

    @property
    def known(self) -> bool:
        return bool(self.proxies)


def look(url: str | None, endpoints: str | None) -> Surroundings:
    """What `vsim env` has put into the environment, or the endpoints file, or the control API says, which has no secret to tell."""
    found = Surroundings()
    try:
        said = find(url, endpoints).get("/v1/endpoints") if url or os.environ.get("VSIM_URL") else read_endpoints(endpoints)
    except NotReachable as error:
        if url or endpoints:
            raise
        found.missing = str(error)
    else:
        account, dns = said["account"], said["dns"]
        found.proxies, found.ca = said["proxies"], Path(said["ca"])
        found.dns = (dns["address"], dns["port"])
        found.key, found.secret = account["key"], account.get("secret") or ""
        found.number = next(iter(account.get("numbers", ())), DEFAULT_NUMBER)
    _from_environment(found)
    return found


def _from_environment(found: Surroundings) -> None:
    environment = os.environ
    found.key = environment.get("VSIM_KEY") or found.key
    found.secret = environment.get("VSIM_SECRET") or found.secret
    found.number = environment.get("VSIM_NUMBER") or found.number
    if environment.get("VSIM_CA"):
        found.ca = Path(environment["VSIM_CA"])
    if environment.get("VSIM_DNS"):
        found.dns = host_port("VSIM_DNS", environment["VSIM_DNS"])


def host_port(name: str, text: str, port: int = 8053) -> Address:
    """A numeric address with its port. Raises `Unusable`, which names the option, and a port that it often has."""
    parsed = parse_host_port(text)
    if parsed is None:
        raise Unusable(name, f"{text!r}; write ADDRESS:PORT, such as 127.0.0.1:{port}")
    return parsed


def destination(number: str, at: str, transport: Transport, around: Surroundings) -> Destination:
    """Whom `--at` means: a proxy, site or region by its short name or its host's, or any host, with or without a port. Raises `Unusable`,
    or `NotReachable` where a short name is given and no emulator is known."""
    name = at.strip().lower().removesuffix(".")
    place = regions.short_name(name)
    if regions.proxies_of(place) and place != "all" and (around.known or place == name):
        if not around.known:
            raise NotReachable(around.missing or "no emulator is known")
        host = regions.host(place) if place == name else name
        if place not in around.proxies:  # a region or a site: SRV records say which proxies, and in which order
            return Destination(number, host, transport)
        proxy = around.proxies[place]
        hop = Hop(transport, (proxy["address"], proxy[transport.lower()]), host, host)
        return Destination(number, host, transport, None, (hop,))
    if name == "all" or (place not in _PLACES and re.fullmatch("(us|eu|ap)(-[0-9a-z]+){1,2}", place)):  # no host: a wrong short name
        raise Unusable("--at", f"{at!r} is no place of the trunk{_places(place)}")
    bare = name.removeprefix("[").removesuffix("]")
    if is_address(bare):
        return Destination(number, bare, transport)
    head, colon, port = at.strip().rpartition(":")
    host = (head if colon else at.strip()).removeprefix("[").removesuffix("]")
    wrong_port = colon and not (re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) < 65536)
    if wrong_port or not (is_address(host) or _HOST.fullmatch(host)):
        raise Unusable("--at", f"{at!r}; write a proxy such as us-3-1, a region such as us, or HOST[:PORT]")
    ours = "." not in name or name.endswith((".vonage.com", ".nexmo.com"))
    return Destination(number, host, transport, int(port) if colon else None, hint=_places(name) if ours and not colon else "")


def _places(text: str) -> str:
    """What a name that is none of the trunk's may have meant, and which there are."""
    near = meant(text, (*_PLACES, *regions.service_hosts()))
    listed = (", ".join(regions.REGIONS), ", ".join(regions.SITES), f"{regions.PROXIES[0]} to {regions.PROXIES[-1]}")
    return f"{near + ' The' if near else '; the'} trunk has the regions {listed[0]}, the sites {listed[1]}, and the proxies {listed[2]}"


def source(to: Destination, around: Surroundings) -> str:
    """Our address on the way to a destination: that from which the system would send."""
    hops = to.hops or ()
    target = hops[0].address[0] if hops else to.host
    if not is_address(target):
        target = next((proxy["address"] for proxy in around.proxies.values()), "127.0.0.1")
    with socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((target, 9))  # of a datagram socket: no packet goes out
        except OSError as problem:
            raise Unusable("--at", f"{target}: {in_words(problem)}") from None
        address: str = probe.getsockname()[0]
    return address
