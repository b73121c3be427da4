"""`vsim check`."""

import json
import sys

import click

from emulator.cli import UNUSABLE
from emulator.config import Unusable, load, schema, warnings


@click.command()
@click.argument("files", nargs=-1, metavar="FILE…")
@click.option("--schema", "print_schema", is_flag=True, help="Print the JSON Schema of vsim.yaml and end.")
def check(files: tuple[str, ...], print_schema: bool) -> None:
    """Validate config files without a network; mistakes as file:line:column: what, and what to write instead.

    What is odd but can be used is marked as a warning, and brings no exit code.
    """
    if print_schema:
        click.echo(json.dumps(schema(), indent=1))
        return
    from emulator.service import policy  # what no single setting can know is found when they are put to use

    if not files:
        raise click.UsageError("name at least one FILE, or --schema")
    wrong = False
    for name in files:
        try:
            config = load(name)
            try:
                policy(config)
            except Unusable as error:
                raise Unusable(name, str(error)) from None
        except Unusable as error:
            wrong = True
            click.echo(str(error), err=True)
        else:
            for warning in warnings(config):
                click.echo(f"{name}: warning: {warning}", err=True)
            click.echo(f"{name}: good")
    if wrong:
        sys.exit(UNUSABLE)
