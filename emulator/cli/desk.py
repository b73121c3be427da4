"""A phone on the reactor, for as long as one command lasts, and what is printed of its calls."""

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emulator.cli import MEDIA_FAILED, NOT_REACHABLE, OK, SIGNALLING_FAILED
from emulator.cli.reactor import report, run, the_reactor
from emulator.journal.findings import printable

if TYPE_CHECKING:
    from emulator.clock import Timer
    from emulator.phone.outcome import Outcome

CODES = {None: OK, "timeout": NOT_REACHABLE, "signalling": SIGNALLING_FAILED, "media": MEDIA_FAILED}
_HANG_UP_SECONDS = 4.0
_LINGER_SECONDS = 0.1
"""Between the last call and the end: the other side has an ACK to read, and may close its connection first."""
WORST = (OK, MEDIA_FAILED, SIGNALLING_FAILED, NOT_REACHABLE)
"""Exit codes, the gravest last."""


class Desk:
    """One phone on the reactor, and what is printed of its calls."""

    def __init__(
        self, as_json: bool, draws: bool, account: tuple[str, str] = ("", ""), certificate: tuple[Path, Path] | None = None
    ) -> None:
        """`account` is key and secret, `certificate` the files of a certificate and its key; None takes those of the emulator."""
        reactor = self.reactor = the_reactor()
        from emulator.ids import Ids
        from emulator.phone.line import Ports
        from emulator.phone.phone import Phone
        from emulator.reactor_clock import ReactorClock
        from emulator.sip.credentials import Credentials

        ids = Ids()
        self.clock = ReactorClock(reactor, report)
        self._ports = Ports(reactor, self.clock, report)
        credentials = Credentials(*account, ids) if all(account) else None
        self.phone: Phone = Phone(self.clock, ids, self._ports.open, report, credentials=credentials)
        self.phone.tell = self._tell
        self.line: Any = None
        self.code = OK
        self.interrupted = False
        self._as_json = as_json
        self._draws = draws
        self._certificate = certificate
        self.ending = False
        """Whether `finish` is under way."""

    def open(self, address: str, port: int, transports: tuple[str, ...], authorities: Path | None = None, verify: bool = True) -> None:
        """Open the sockets. Raises `Unusable`."""
        from emulator.phone.line import Line

        self.line = Line(self.phone, self.reactor, self._certificates, authorities, verify)
        if "TLS" in transports and len(transports) == 1:
            self._certificates()  # a file that can't be read is told of now
        self.line.open(address, port, transports)

    def _certificates(self) -> tuple[Path, Path]:
        if self._certificate is None:
            from emulator.authority import Authority

            directory = os.environ.get("VSIM_TLS_DIRECTORY")
            made = Authority(Path(directory) if directory else None).ensure((), ())
            self._certificate = (made.certificate, made.key)
        return self._certificate

    def run(self, start: Callable[[], None]) -> None:
        """Run until `finish`, or a signal, which hangs up first."""
        run(self.reactor, start, self._interrupt)

    def _interrupt(self) -> None:
        self.interrupted = True
        self.finish()

    def finish(self) -> None:
        """Hang up what is up, close everything, and stop; harmless when under way."""
        if not self.ending:
            self.ending = True
            limit = self.clock.call_later(_HANG_UP_SECONDS, self._close)
            self.phone.stop(partial(self._stopped, limit))

    def _stopped(self, limit: "Timer") -> None:
        limit.cancel()
        self.clock.call_later(_LINGER_SECONDS, self._close)

    def _close(self) -> None:
        if self.line is not None:
            line, self.line = self.line, None
            self._ports.close()
            line.close().addBoth(lambda _: self.reactor.stop())

    # -- what is told ---------------------------------------------------------------------------------------------

    def _tell(self, what: str, outcome: "Outcome") -> None:
        from emulator.journal.attempt import describe

        if self._as_json:
            return
        if what == "attempt-ended":
            say(describe(outcome.attempts[-1].as_dict()))
        elif what == "ringing" and outcome.direction == "taken":
            say(f"{_who(outcome)}: ringing")

    def told(self, outcome: "Outcome") -> None:
        """A call is over: print it, and have the exit code say it."""
        from emulator.phone.report import rows

        self.code = max(self.code, CODES[outcome.failed], key=WORST.index)
        if self._as_json:
            say(json.dumps(outcome.as_dict()))
        else:
            if outcome.direction == "taken":
                say(f"{_who(outcome)}: ended")
            for row in rows(outcome):
                say(painted(str(row), row.good))
            for finding in outcome.findings:
                if finding.kind.severity != "note":
                    say(f"! {finding.code}: {finding.seen}")
        if self._draws:
            self._draw(outcome)

    def _draw(self, outcome: "Outcome") -> None:
        import shutil

        from emulator.journal.ladder import ladder

        for line in ladder(self.phone.ladder(outcome), shutil.get_terminal_size((100, 24)).columns):
            say(line, err=self._as_json)


def _who(outcome: "Outcome") -> str:
    return printable(f"{outcome.caller or 'somebody'} calls {outcome.number or 'us'} from {outcome.peer} over {outcome.transport}")


def say(text: str, err: bool = False) -> None:
    """A line, at once. Whoever reads no more is no reason to stop half-way."""
    try:
        click.echo(text, err=err)
        (sys.stderr if err else sys.stdout).flush()
    except OSError:
        pass


def painted(text: str, good: bool) -> str:
    """A line with its tick in colour, where there is a terminal that may have some."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return click.style(text[0], fg="green" if good else "red", bold=True) + text[1:]
