"""`vsim down`, `vsim up` and `vsim fault`: what goes wrong on purpose in the running emulator."""

import json
import shlex
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

import click

from emulator.cli import Group
from emulator.cli.options import client_options
from emulator.config import Unusable
from emulator.journal.findings import printable

_HOW = click.Choice(["drop", "refuse", "503", "reset"])


@click.command()
@click.argument("name")
@click.option("--how", type=_HOW, default="drop", show_default=True, help="No answer, closed ports, 503, or connections reset.")
@click.option("--for", "seconds", metavar="TIME", help="Up again by itself after so long.  [default: vsim up]")
@click.option("--cut", is_flag=True, help="Cut the calls that are up there; otherwise they go on.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@client_options
def down(name: str, how: str, seconds: str | None, cut: bool, as_json: bool, url: str | None, endpoints: str | None) -> None:
    """Take NAME down: a proxy such as us-3-1, a site such as us-3, a region such as us, or all; or the host name of one of them."""
    from emulator.control.client import find

    body: dict[str, Any] = {"name": name, "how": how, "calls": "cut" if cut else "keep"}
    if seconds is not None:
        body["for"] = seconds
    said = find(url, endpoints).post("/v1/down", body)
    if as_json:
        click.echo(json.dumps(said, indent=1))
        return
    until = f"up again in {seconds}{'s' if seconds[-1:].isdigit() else ''}" if seconds is not None else f"until vsim up {name}"
    click.echo(f"{name} is down by {how}, {until}: {' '.join(said['changed'])}")


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@client_options
def up(name: str, as_json: bool, url: str | None, endpoints: str | None) -> None:
    """Take NAME up again: a proxy, a site, a region or all; or the host name of one of them."""
    from emulator.control.client import find

    said = find(url, endpoints).post("/v1/up", {"name": name})
    if as_json:
        click.echo(json.dumps(said, indent=1))
        return
    changed = " ".join(said["changed"])
    click.echo(f"{name} is up: {changed}" if changed else f"{name} was not down")
    for line in _down(said["down"]):
        click.echo(line)


@click.group(cls=Group)
def fault() -> None:
    """What goes wrong on purpose: refused, lost or broken messages, connections, certificates, names, media.

    docs/faults.md lists every kind of fault.
    """


@fault.command(short_help="Add a fault, on one line or as YAML or JSON.")
@click.argument("words", nargs=-1, required=True, metavar="FAULT")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@client_options
def add(words: Sequence[str], as_json: bool, url: str | None, endpoints: str | None) -> None:
    """Add a fault, written on one line, or as YAML or JSON:

    \b
    vsim fault add 'refuse 503 where site=us-3 method=INVITE times=2 for=30s'
    vsim fault add '{refuse: 503, where: {site: us-3, method: INVITE}, times: 2, for: 30s}'
    """
    from emulator.control.client import find

    spec = given(words)
    said = find(url, endpoints).post("/v1/faults", spec)
    click.echo(json.dumps(said, indent=1) if as_json else f"fault {said['id']}: {printable(said['fault'], 1000)}")


def given(words: Sequence[str]) -> Any:
    """The fault of a command line: text, or plain data where it is YAML. Raises `Unusable`."""
    if not words[0].lstrip().startswith("{"):
        return words[0] if len(words) == 1 else shlex.join(words)
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(" ".join(words))
    except (YAMLError, ValueError, RecursionError) as error:
        text = str(getattr(error, "problem", None) or error).splitlines()[0]
        raise Unusable("FAULT", f"{text}; write YAML such as {{refuse: 503, where: {{site: us-3}}}}, or the same on one line") from None


@fault.command(name="list", short_help="List the faults, their hits and near misses.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@client_options
def list_(as_json: bool, url: str | None, endpoints: str | None) -> None:
    """List the faults: what each has struck, and what it narrowly missed."""
    from emulator.control.client import find

    said = find(url, endpoints).get("/v1/faults")
    if as_json:
        click.echo(json.dumps(said, indent=1))
        return
    for line in table(said["faults"]):
        click.echo(line)
    for line in _down(said["down"]):
        click.echo(line)
    if not said["faults"]:
        click.echo("no faults")
    elif any("%" in one["fault"] for one in said["faults"]):
        click.echo(f"chances follow from the seed {said['seed']}; vsim serve --seed {said['seed']} repeats them")


def table(faults: Sequence[dict[str, Any]]) -> Iterable[str]:
    """The faults as lines, each followed by its near misses."""
    if not faults:
        return
    rows = [("FAULT", "STATE", "HITS", "OF", ""), *((one["id"], one["state"], one["hits"], one["matched"], one["fault"]) for one in faults)]
    widths = [max(len(str(row[k])) for row in rows) for k in range(4)]
    for row, one in zip(rows, [None, *faults], strict=True):
        cells = [str(row[0]).ljust(widths[0]), row[1].ljust(widths[1]), str(row[2]).rjust(widths[2]), str(row[3]).rjust(widths[3])]
        yield "  ".join([*cells, printable(row[4], 1000)]).rstrip()
        for near in one["near_misses"] if one is not None else ():
            yield " " * (sum(widths) + 8) + printable(near, 300)


def _down(down: dict[str, list[str]]) -> Iterable[str]:
    for proxy, ways in down.items():
        yield f"{proxy} is down by {' and '.join(dict.fromkeys(ways))}"


@fault.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID…")
@client_options
def remove(ids: Sequence[str], url: str | None, endpoints: str | None) -> None:
    """Take faults away by their numbers."""
    from emulator.control.client import find

    client = find(url, endpoints)
    for id in ids:
        client.delete(f"/v1/faults/{quote(id, safe='')}")
        click.echo(f"fault {id} taken away")


@fault.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@client_options
def clear(as_json: bool, url: str | None, endpoints: str | None) -> None:
    """Take every fault away, and every proxy up."""
    from emulator.control.client import find

    said = find(url, endpoints).delete("/v1/faults")
    click.echo(json.dumps(said, indent=1) if as_json else said["done"])


@fault.command(short_help="Say what clients made of what was down.")
@click.option("--all", "every", is_flag=True, help="Of each time that the journal knows of, not only the last.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@client_options
def failover(every: bool, as_json: bool, url: str | None, endpoints: str | None) -> None:
    """Say what clients did the last time something was down: which targets they tried, whether they moved and came back, what to fix."""
    from emulator.control.client import find

    said = find(url, endpoints).get("/v1/failover" + ("?all=true" if every else ""))
    click.echo(json.dumps(said, indent=1) if as_json else "\n".join(printable(line, 400) for line in said["text"]))
