"""`vsim certs`: where the CA is, and a copy of what a client may need of it."""

import os
from pathlib import Path

import click

from emulator.config_sources import load
from emulator.own_address import with_own_address


@click.command()
@click.option("--export", "directory", metavar="DIR", help="Write CA, server certificate and server key there.")
@click.option("--config", "config_file", metavar="FILE", envvar="VSIM_CONFIG", help="Config file.")
def certs(directory: str | None, config_file: str | None) -> None:
    """Say where the CA and the server certificate are, making them if need be."""
    from emulator.authority import Authority
    from emulator.trunk import regions

    config = with_own_address(load(config_file, os.environ))
    places = regions.loopback_layout() if config.layout == "loopback" else regions.ports_layout(config.advertise or config.bind)
    authority = Authority(Path(config.tls.directory) if config.tls.directory else None)
    made = authority.ensure(regions.service_hosts(), tuple(dict.fromkeys(place.address for place in places)))
    if directory is not None:
        for path in authority.export(Path(directory)):
            click.echo(str(path))
        return
    click.echo(f"CA           {made.ca}")
    click.echo(f"certificate  {made.certificate}")
    click.echo(f"key          {made.key}")
