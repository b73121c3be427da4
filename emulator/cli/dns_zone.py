"""`vsim dns-zone`: the service names as a master file, or as a hosts file."""

import os

import click

from emulator.cli.options import client_options
from emulator.config_sources import load
from emulator.own_address import with_own_address
from emulator.trunk import regions


@click.command("dns-zone")
@click.option("--hosts", is_flag=True, help="As a hosts file: addresses only, no ports.")
@click.option("--config", "config_file", metavar="FILE", envvar="VSIM_CONFIG", help="Config file.")
@client_options
def dns_zone(hosts: bool, config_file: str | None, url: str | None, endpoints: str | None) -> None:
    """Print the zone as a master file: of the emulator named by --url or --endpoints, else of the configured layout."""
    from emulator.trunk.names import Preference, trunk_zone

    config = with_own_address(load(config_file, os.environ))
    places = _running(url, endpoints) if url or endpoints else _configured(config.layout, config.advertise or config.bind)
    dns = config.dns
    zone = trunk_zone(places, dns.hosts, dns.ttl, Preference(dns.priorities, dns.weight, dns.naptr), dns.services)
    click.echo(zone.hosts_file() if hosts else zone.master_file(), nl=False)


def _configured(layout: str, address: str) -> list[regions.Place]:
    return list(regions.loopback_layout() if layout == "loopback" else regions.ports_layout(address))


def _running(url: str | None, endpoints: str | None) -> list[regions.Place]:
    from emulator.control.client import find

    proxies = find(url, endpoints).get("/v1/endpoints")["proxies"]
    return [regions.Place(name, proxy["address"], proxy["udp"], proxy["tcp"], proxy["tls"]) for name, proxy in proxies.items()]
