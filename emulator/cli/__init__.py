"""The command line. A file per group of commands, imported when its command is called: `vsim --help` must not wait for Twisted."""

import errno
import importlib
import io
import os
import sys
from typing import NoReturn, TextIO

import click

from emulator import __version__
from emulator.problems import in_words

OK, SIGNALLING_FAILED, UNUSABLE, MEDIA_FAILED, NOT_REACHABLE, COMMAND_FAILED = range(6)
"""The exit codes, everywhere."""

_OUTPUT_FAILED = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EIO)
_COMMANDS = {
    "demo": ("emulator.cli.demo", "Show the trunk at work: one call out, one call in."),
    "serve": ("emulator.cli.serve", "Run the emulator in the foreground."),
    "wait": ("emulator.cli.running", "Return when the emulator is ready."),
    "env": ("emulator.cli.running", "Print export lines for a shell to eval."),
    "call": ("emulator.cli.call", "Ring a number as a caller from the telephone network."),
    "down": ("emulator.cli.fault", "Take a proxy, site, region or all down."),
    "up": ("emulator.cli.fault", "Take it up again."),
    "fault": ("emulator.cli.fault", "Add, list and take away any other fault."),
    "calls": ("emulator.cli.calls", "List the calls."),
    "show": ("emulator.cli.calls", "Show one call."),
    "tail": ("emulator.cli.calls", "Print events as they come."),
    "phone": ("emulator.cli.phone", "Place a call, or take calls, with a small phone."),
    "run": ("emulator.cli.run", "Run scenarios, and say what came of them."),
    "check": ("emulator.cli.check", "Validate config and scenario files without a network."),
    "certs": ("emulator.cli.certs", "Say where the CA is; export certificates."),
    "explain": ("emulator.cli.explain", "Say what a SIP code or a finding means."),
    "dns-zone": ("emulator.cli.dns_zone", "Print the zone."),
}


class Group(click.Group):
    """Commands; one that there is not is told with what was meant."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            from emulator.did_you_mean import meant

            known = self.list_commands(ctx)
            hint = meant(args[0], known) or f"; there are {', '.join(known)}"
            raise click.UsageError(f"no such command {args[0]!r}{hint}", ctx) from None


class _Commands(Group):
    """Imports the file of a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(_COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def invoke(self, ctx: click.Context) -> object:
        """click would end with 1 when nobody reads what is printed: that is a verdict here."""
        try:
            return super().invoke(ctx)
        except OSError as error:
            if error.errno not in _OUTPUT_FAILED or error.filename is not None:
                raise
            drop(sys.stdout)
            if isinstance(error, BrokenPipeError):
                sys.exit(OK)
            fail(f"standard output: {in_words(error)}; make room, or write elsewhere", UNUSABLE)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="vsim")
def vsim() -> None:
    """A local, offline emulator of Vonage's SIP trunk.

    `vsim serve` starts it. Exit codes: 0 as expected, 1 signalling expectation failed, 2 usage, config or scenario file wrong,
    3 media expectation failed, 4 timed out or emulator not reachable, 5 the command under test failed.
    """


def main() -> None:
    """Run a command; every foreseen error is one line and an exit code."""
    from emulator.config import Unusable

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character is no reason to fail
    try:
        vsim.main(prog_name="vsim", standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(UNUSABLE)
    except click.ClickException as error:
        fail(_in_a_line(error), UNUSABLE)
    except click.Abort:
        sys.exit(130)
    except Unusable as error:
        fail(str(error), UNUSABLE)
    except Exception as error:
        from emulator.control.client import NotReachable, Refused

        if isinstance(error, NotReachable):
            fail(str(error), NOT_REACHABLE)
        if isinstance(error, Refused):
            fail(str(error), UNUSABLE)
        raise


def _in_a_line(error: click.ClickException) -> str:
    """What is wrong with a command line, and where to look where it does not say what to write."""
    text = error.format_message().rstrip(".")
    text = text[:1].lower() + text[1:]
    context = getattr(error, "ctx", None)
    return text if ";" in text or "write" in text or context is None else f"{text}; see `{context.command_path} --help`"


def say(text: str, stream: TextIO | None = None) -> None:
    """A line, at once; to standard output unless told otherwise. That nobody reads on is no reason to stop half-way, and no verdict."""
    out = stream or sys.stdout
    try:
        click.echo(text, out)
        out.flush()
    except BrokenPipeError:
        drop(out)


def drop(stream: TextIO) -> None:
    """What a stream holds, and whatever is printed there from now on, goes nowhere: else the interpreter would fail when it ends."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def fail(text: str, code: int) -> NoReturn:
    """Say why, a line each, and end."""
    for line in text.splitlines():
        print(f"vsim: {line}", file=sys.stderr)
    sys.exit(code)
