"""`vsim explain`."""

import difflib
from collections.abc import Iterable

import click

from emulator.journal.findings import CATALOGUE, Kind
from emulator.sip.grammar import number
from emulator.sip.message import REASONS
from emulator.trunk.codes import CODES


@click.command()
@click.argument("what", metavar="CODE|FINDING", required=False)
def explain(what: str | None) -> None:
    """Say what a SIP code or a finding means on this trunk, and the usual fix.

    Without an argument it lists every finding. A first part such as `digest` lists those that begin with it.
    """
    if what is None:
        _list(CATALOGUE.values())
    elif (status := number(what)) is not None:
        _code(status)
    elif what in CATALOGUE:
        _finding(CATALOGUE[what])
    elif section := [kind for kind in CATALOGUE.values() if kind.code.startswith(what.rstrip(".") + ".")]:
        _list(section)
    else:
        close = difflib.get_close_matches(what, CATALOGUE, 1)
        hint = f"; did you mean {close[0]!r}?" if close else "; `vsim explain` lists all findings"
        raise click.UsageError(f"no code or finding {what!r}{hint}")


def _code(status: int) -> None:
    reason = REASONS.get(status)
    if reason is None:
        raise click.UsageError(f"no SIP status {status}; they go from 100 to 699")
    click.echo(f"{status} {reason}")
    code = CODES.get(status)
    if code is None:
        click.echo("  The trunk does not send it of its own accord.")
        return
    click.echo(f"  means   {code.meaning}\n  fix     {code.fix}\n  source  {code.source}")


def _finding(kind: Kind) -> None:
    click.echo(f"{kind.code} ({kind.severity})\n  wants   {kind.wants}\n  fix     {kind.fix}\n  source  {kind.source}")


def _list(kinds: Iterable[Kind]) -> None:
    chosen = list(kinds)
    width = max(len(kind.code) for kind in chosen)
    for kind in chosen:
        click.echo(f"{kind.code:<{width}}  {kind.severity:<7}  the trunk wants {kind.wants}")
