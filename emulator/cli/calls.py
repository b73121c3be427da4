"""`vsim calls`, `vsim show` and `vsim tail`: the journal of the running emulator."""

import json
import shutil
import textwrap
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import click

from emulator.cli import UNUSABLE, fail
from emulator.cli.options import client_options
from emulator.counting import counted
from emulator.journal.attempt import describe
from emulator.journal.record import STATES

_ARROWS = {"outbound": "→", "inbound": "←"}
"""Toward the telephone network, and toward the customer."""


@click.command()
@click.option("--state", type=click.Choice(STATES), help="Only calls in this state.")
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(1, 1000),
    metavar="N",
    help="At most so many, newest first.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@client_options
def calls(state: str | None, limit: int, as_json: bool, url: str | None, endpoints: str | None) -> None:
    """List the calls, newest first: → dialled by a client, ← brought to one."""
    from emulator.control.client import find

    query = f"?limit={limit}" + (f"&state={quote(state)}" if state else "")
    listed = find(url, endpoints).get("/v1/calls" + query)["calls"]
    if as_json:
        click.echo(json.dumps(listed, indent=1))
        return
    if not listed:
        click.echo("no calls" + (f" in state {state}" if state else " yet"))
        return
    for line in table(listed, shutil.get_terminal_size((1000, 24)).columns):
        click.echo(line)


def table(calls: Sequence[dict[str, Any]], width: int) -> list[str]:
    """A line for each call. Where `width` has no room for findings they stand below their call, and the codec is left to `vsim show`."""
    rows = [("CALL", "", "AT", "PROXY", "VIA", "FROM", "TO", "STATE", "CODE", "FOR", "CODEC")]
    for call in calls:
        rows.append(
            (
                "#" + call["id"],
                _ARROWS.get(call["direction"], ""),
                time.strftime("%H:%M:%S", time.localtime(call["started"])),
                call["proxy"],
                call["transport"] or "-",
                call["caller"] or "-",
                call["called"] or "-",
                call["state"],
                str(call["status"] or "-"),
                _lasted(call),
                call["codec"] or "-",
            )
        )
    findings = ["FINDINGS", *(", ".join(dict.fromkeys(finding["code"] for finding in call["findings"])) for call in calls)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    cells = [[text.ljust(size) for text, size in zip(row, widths, strict=True)] for row in rows]
    whole = ["  ".join((*row, found or "-")).rstrip() for row, found in zip(cells, findings, strict=True)]
    if max(map(len, whole)) <= width:
        return whole
    narrow: list[str] = []
    for row, found in zip(cells, ["", *findings[1:]], strict=True):
        narrow.append(" ".join(row[:-1]).rstrip())
        narrow.extend(textwrap.wrap(found, max(40, width), initial_indent=" " * 7, subsequent_indent=" " * 7))
    return narrow


def _lasted(call: dict[str, Any]) -> str:
    if call["answered"] is None:
        return "-"
    return f"{(call['ended'] or time.time()) - call['answered']:.1f}s"


@click.command()
@click.argument("call")
@click.option("--ladder", is_flag=True, help="The messages as a ladder (the default).")
@click.option("--json", is_flag=True, help="Everything, as JSON.")
@click.option("--messages", is_flag=True, help="The messages as they were on the wire.")
@click.option("--pcap", metavar="FILE", help="Write the messages there, as a capture for Wireshark; - is standard output.")
@click.option("--decrypt", is_flag=True, help="With --pcap: media that is kept as RTP, where it was SRTP.")
@client_options
def show(call: str, decrypt: bool, url: str | None, endpoints: str | None, **forms: Any) -> None:
    """Show one call: its number from `vsim calls`, its Call-ID, or `last`."""
    from emulator.cli import pcap
    from emulator.control.client import Refused, find
    from emulator.journal.ladder import ladder

    wanted = [form for form, given in forms.items() if given or given == ""]
    if len(wanted) > 1:
        from emulator.scenario.wording import listed

        raise click.UsageError(f"{listed(f'--{form}' for form in sorted(wanted))} show a call in different ways; write one of them")
    form = wanted[0] if wanted else "ladder"
    if decrypt and form != "pcap":
        raise click.UsageError("--decrypt is of a capture; write --pcap FILE as well")
    if form == "pcap":
        pcap.check(forms["pcap"])
    try:
        found = find(url, endpoints).get(f"/v1/calls/{quote(call.removeprefix('#'), safe='')}")
    except Refused as refused:
        if refused.status != 404:
            raise
        fail("no calls yet" if call == "last" else f"no call {call!r}; `vsim calls` lists them", UNUSABLE)
    if form == "pcap":
        pcap.keep(find(url, endpoints), found, forms["pcap"], decrypt)
        return
    if form == "json":
        click.echo(json.dumps(found, indent=1))
        return
    if form == "messages":
        for message in found["messages"]:
            way = "from" if message["incoming"] else "to" if message["sent"] else "not sent to"
            click.echo(f"--- {message['at']:.3f}s {way} {message['peer']}")
            click.echo("\n".join(_safe(line) for line in message["text"].split("\r\n")))
        return
    for line in summary(found):
        click.echo(line)
    for line in ladder(found, shutil.get_terminal_size((100, 24)).columns):
        click.echo(line)


def summary(call: dict[str, Any]) -> list[str]:
    """A call in a few lines."""
    lines = [
        f"{call['direction']} call #{call['id']}: {call['caller'] or '?'} → {call['called'] or '?'} at {call['proxy']} "
        f"over {call['transport'] or '-'}, "
        f"{call['state']}" + (f" {call['status']}" if call["status"] else "") + (f" by {call['ended_by']}" if call["ended_by"] else "")
    ]
    if call["magic"]:
        from emulator.trunk.magic import of

        found = of(call["called"])
        lines.append(f"magic number {call['magic']}" + (f": {found[1].does}" if found is not None else ""))
    lines.extend(describe(attempt) for attempt in call["attempts"])
    if call["sounds"]:
        lines.append(f"the caller heard {sounds(call)}")
    lines.extend(media_lines(call))
    return lines


def sounds(call: dict[str, Any]) -> str:
    """What the caller of an inbound call heard, and when; empty where it heard nothing."""
    return ", ".join(f"{sound['what']} at {sound['at']:.3f} s" for sound in call["sounds"])


def media_lines(call: dict[str, Any]) -> list[str]:
    """What a call's media was like, in a few lines; none when there was none."""
    lines: list[str] = []
    media = call["media"]
    if media:
        heard, sent = media["heard"], media["sent"]
        rated = f", MOS {heard['mos']}" if heard["mos"] is not None else ""
        seen = f" ({sent['lost']} lost, jitter {sent['jitter_ms']} ms, MOS {sent['mos']} by the client's reports)" if sent["mos"] else ""
        lost = f", {sent['packets'] - sent['left']} lost on purpose" if sent["left"] < sent["packets"] else ""
        lines.append(f"media: {media['codec']}{' over SRTP' if media['srtp'] else ''}, peer {media['remote']}")
        lines.append(
            f"  heard {counted(heard['packets'], 'packet')}, {heard['lost']} lost, jitter {heard['jitter_ms']} ms{rated}; "
            f"sent {sent['left']}{lost}{seen}"
        )
        if media["digits"]:
            lines.append(f"  digits {media['digits']}")
    return lines


def _safe(line: str) -> str:
    from emulator.journal.findings import printable

    return printable(line, 4096)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="A JSON object per line.")
@client_options
def tail(as_json: bool, url: str | None, endpoints: str | None) -> None:
    """Print events as they come, until the emulator stops, nobody reads them, or Ctrl-C."""
    from emulator.cli.unread import when_unread
    from emulator.control.client import find
    from emulator.journal.events import describe

    client = find(url, endpoints)
    when_unread(client.leave)
    try:
        for event in client.events():
            if as_json:
                click.echo(json.dumps(event))
            else:
                fields = {name: value for name, value in event.items() if name not in ("id", "time", "kind", "call")}
                click.echo(describe(event["time"], event["kind"], event["call"], fields))
    except KeyboardInterrupt:
        pass
