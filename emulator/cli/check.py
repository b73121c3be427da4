"""`vsim check`: the mistakes of config and scenario files, without a network."""

import json
import sys
from typing import Any

import click

from emulator.cli import UNUSABLE
from emulator.config import Unusable
from emulator.config_sources import load


@click.command()
@click.argument("files", nargs=-1, metavar="FILE…")
@click.option(
    "--schema", "schema_of", type=click.Choice(["config", "scenario", "fault"]), is_flag=False, flag_value="config",
    help="Print the JSON Schema of vsim.yaml, of scenario files, or of a fault, and end.",
)  # fmt: skip
def check(files: tuple[str, ...], schema_of: str | None) -> None:
    """Validate config and scenario files without a network; mistakes as file:line:column: what, and what to write instead.

    Which of the two a file is follows from its keys. What is odd but can be used is marked as a warning, and brings no exit code.
    """
    if schema_of is not None:
        click.echo(json.dumps(_schema(schema_of), indent=1))
        return
    if not files:
        raise click.UsageError("nothing to check; name a FILE, or write --schema")
    wrong = False
    for name in files:
        try:
            said, warned = _checked(name)
        except Unusable as error:
            wrong = True
            click.echo(str(error), err=True)
        else:
            for warning in warned:
                click.echo(f"{name}: warning: {warning}", err=True)
            click.echo(f"{name}: {said}")
    if wrong:
        sys.exit(UNUSABLE)


def _schema(of: str) -> dict[str, Any]:
    if of == "config":
        from emulator.settings import schema as config_schema

        return config_schema()
    if of == "scenario":
        from emulator.scenario.script_schema import schema as scenario_schema

        return scenario_schema()
    from emulator.scenario.schema import schema as schema_of
    from emulator.scenario.spec import FaultSpec
    from emulator.schema import loosened

    top, components = schema_of(FaultSpec)
    defs = {name: loosened(component) for name, component in components.items()}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "vsim fault", **top, "$defs": defs}


def _checked(name: str) -> tuple[str, list[str]]:
    """What a good file is, and what is odd about it. Raises `Unusable`."""
    from emulator.scenario.script import kind_of
    from emulator.yaml import read

    if kind_of(read(name, "file")) == "scenario":
        from emulator.scenario.script import load as load_scenario

        runs = load_scenario(name).runs()
        return "good" if len(runs) == 1 else f"good, {len(runs)} runs", []
    from emulator.config_rules import warnings
    from emulator.trunk_settings import policy  # what no single setting can know is found when they are put to use

    config = load(name)
    try:
        policy(config)
    except Unusable as error:
        raise Unusable(name, str(error)) from None
    return "good", warnings(config)
