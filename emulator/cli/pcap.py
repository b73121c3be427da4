"""Captures of calls in files of a person's."""

import errno
import os
import shlex
import sys
import tempfile
from typing import TYPE_CHECKING, Any

import click

from emulator.cli import say
from emulator.config import Unusable
from emulator.problems import in_words

if TYPE_CHECKING:
    from emulator.control.client import Client

STDOUT = "-"


def check(file: str) -> None:
    """Raises `click.UsageError` for standard output that is a terminal."""
    if file == STDOUT and sys.stdout.isatty():
        raise click.UsageError("--pcap -: a capture is nothing for a terminal; write | tshark -r - behind it, or name a FILE")


def keep(client: "Client", call: dict[str, Any], file: str) -> None:
    """Fetch the capture of a call, write it, and say so. Raises `Unusable`."""
    from emulator.journal.capture import count

    data = client.get_bytes(f"/v1/calls/{call['id']}/pcap")
    found = f"call #{call['id']}: {_many(count(data), 'packet')}, {_many(len(data), 'octet')}"
    if call["messages_dropped"]:
        found += f"; {_many(call['messages_dropped'], 'further message')} of it had not been kept"
    if file == STDOUT:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        click.echo(found, err=True)
        return
    write(file, data)
    say(f"{found}; tshark -r {shlex.quote(file)} -Y sip")


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


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
