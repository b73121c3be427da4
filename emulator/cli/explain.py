"""`vsim explain`: what a finding, a status or a magic number means, and what to do about it."""

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable

import click

from emulator.journal.findings import CATALOGUE, Kind
from emulator.sip.grammar import number
from emulator.sip.message import REASONS
from emulator.trunk.codes import CODES

_CALLED = re.compile(r"\+?[0-9]{7,15}")


@click.command()
@click.argument("what", metavar="CODE|FINDING|NUMBER", required=False)
@click.option("--magic", is_flag=True, help="List the called numbers that pick how a call goes.")
def explain(what: str | None, magic: bool) -> None:
    """Say what a SIP code or a finding means on this trunk, and the usual fix.

    Without an argument it lists every finding. A first part such as `digest` lists those that begin with it. A called number such as
    447700900486 is explained when it is one of the magic ones.
    """
    if magic:
        _magic()
    elif what is not None and _CALLED.fullmatch(what):
        _number(what)
    elif what is None:
        _list(CATALOGUE.values())
    elif (status := number(what)) is not None:
        _code(status)
    elif what in CATALOGUE:
        _finding(CATALOGUE[what])
    elif section := [kind for kind in CATALOGUE.values() if kind.code.startswith(what.rstrip(".") + ".")]:
        _list(section)
    else:
        from emulator.did_you_mean import meant

        known = [*CATALOGUE, *dict.fromkeys(code.partition(".")[0] for code in CATALOGUE)]
        raise click.UsageError(f"no code or finding {what!r}{meant(what, known) or '; `vsim explain` lists all findings'}")


def _magic() -> None:
    """The table, as wide as the terminal; bold where that is seen."""
    from emulator.trunk.magic import rows

    bold = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for number_, does, exactly in rows():
        click.echo(click.style(number_, bold=True) if bold else number_)
        for text in (does, exactly):
            if text:
                click.echo(textwrap.fill(text, _width(), initial_indent="  ", subsequent_indent="  "))


def _number(called: str) -> None:
    from emulator.trunk.magic import of, reason_of

    found = of(called)
    if found is None:
        raise click.UsageError(f"{called} is no magic number; `vsim explain --magic` lists them")
    digits, row = found
    click.echo(called)
    _row("  does     ", f"refuses with {digits} {reason_of(int(digits))}" if row.refuses else row.does)
    if row.exactly:
        _row("  exactly  ", row.exactly)


def _width() -> int:
    return max(40, min(120, shutil.get_terminal_size((120, 24)).columns))


def _code(status: int) -> None:
    reason = REASONS.get(status)
    if reason is None:
        raise click.UsageError(f"no SIP status {status}; they go from 100 to 699")
    click.echo(f"{status} {reason}")
    code = CODES.get(status)
    if code is None:
        click.echo("  The trunk does not send it of its own accord.")
        return
    _row("  means   ", code.meaning)
    _row("  fix     ", code.fix)
    _row("  source  ", code.source)


def _finding(kind: Kind) -> None:
    click.echo(f"{kind.code} ({kind.severity})")
    _row("  wants   ", kind.wants)
    _row("  fix     ", kind.fix)
    _row("  source  ", kind.source)


def _list(kinds: Iterable[Kind]) -> None:
    chosen = list(kinds)
    width = max(len(kind.code) for kind in chosen)
    for kind in chosen:
        _row(f"{kind.code:<{width}}  {kind.severity:<7}  ", f"the trunk wants {kind.wants}")


def _row(head: str, text: str) -> None:
    """A text that stays in its column; for a program that reads it, in its line."""
    width = max(len(head) + 20, shutil.get_terminal_size((10_000, 24)).columns)
    click.echo(textwrap.fill(text, width, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False))
