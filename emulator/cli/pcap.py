"""Captures of calls in files of a person's."""

import errno
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emulator.cli import say
from emulator.config import Unusable
from emulator.counting import counted
from emulator.problems import in_words

if TYPE_CHECKING:
    from emulator.control.client import Client

STDOUT = "-"
_MOST = 20
"""Captures of one run."""
_NAME_LENGTH = 60


def check(file: str) -> None:
    """Raises `click.UsageError` for standard output that is a terminal."""
    if file == STDOUT and sys.stdout.isatty():
        raise click.UsageError("--pcap -: a capture is nothing for a terminal; write | tshark -r - behind it, or name a FILE")


def path(id: str, decrypt: bool) -> str:
    """Where the control API has the capture of a call."""
    return f"/v1/calls/{id}/pcap" + ("?decrypt=true" if decrypt else "")


def keep(client: "Client", call: dict[str, Any], file: str, decrypt: bool = False) -> None:
    """Fetch the capture of a call, write it, and say so; with `decrypt` its media without SRTP. Raises `Unusable`."""
    from emulator.journal.pcapng import count

    data = client.get_bytes(path(call["id"], decrypt))
    found = f"call #{call['id']}: {counted(count(data), 'packet')}, {counted(len(data), 'octet')}"
    if call["messages_dropped"]:
        found += f"; {counted(call['messages_dropped'], 'further message')} of it had not been kept"
    media = call.get("media_kept") or {"packets": 0, "missed": 0}
    if media["missed"]:
        found += f"; {counted(media['missed'], 'further packet')} of its media had not been kept"
    if file == STDOUT:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        click.echo(found, err=True)
        return
    write(file, data)
    say(f"{found}; tshark -r {shlex.quote(file)} -Y {shlex.quote('sip || rtp || rtcp' if media['packets'] else 'sip')}")


def write(file: str, data: bytes) -> None:
    """Write a file whole or not at all, mode 0600: there are digests of passwords in it. What is there and no file, such as a FIFO, is
    written to. Raises `Unusable`.
    """
    try:
        if not os.path.basename(file):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if os.path.exists(file) and not os.path.isfile(file):
            with open(file, "wb") as other:
                other.write(data)
            return
        path = os.path.realpath(file)  # a symbolic link goes on to name the file
        descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=f".{os.path.basename(path)[:200]}.")
        try:
            with os.fdopen(descriptor, "wb") as new:
                new.write(data)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise Unusable(f"--pcap {shlex.quote(file)}", f"{in_words(error)}; name a file that can be written") from None


def prepare(folder: str) -> None:
    """Make a folder for captures, and see that files can be written there. Raises `Unusable`."""
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise Unusable(f"--pcap {shlex.quote(folder)}", f"{in_words(error)}; name a folder that can be written") from None


def keep_all(
    client: "Client", folder: str, name: str, concerned: Iterable[str], after: int, decrypt: bool = False
) -> dict[str, str]:  # fmt: skip
    """Write the captures of the newest calls whose number is above `after`, and before these of those that are `concerned`, into files
    whose names begin with `name`; with `decrypt` their media without SRTP. Where each is, by the call's number, or why it is nowhere."""
    from emulator.control.client import Refused

    newest = [call["id"] for call in client.get(f"/v1/calls?limit={_MOST}")["calls"] if int(call["id"]) > after]
    kept: dict[str, str] = {}
    for id in list(dict.fromkeys((*concerned, *newest)))[:_MOST]:
        file = str(Path(folder) / f"{name}-call-{id}.pcapng")
        try:
            write(file, client.get_bytes(path(id, decrypt)))
        except Refused:
            continue  # the journal has no room for all calls
        except Unusable as error:
            kept[id] = f"none: {error}"
        else:
            kept[id] = file
    return kept


def name_of(number: int, title: str) -> str:
    """How the captures of a run begin: its place among all runs, and its title as far as a file's name may have it."""
    words = re.sub("[^a-z0-9]+", "-", title.lower())[:_NAME_LENGTH].strip("-")
    return f"{number:03}-{words}" if words else f"{number:03}"
