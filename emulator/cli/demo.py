"""`vsim demo`: an emulator of its own, one call out and one call in through it, and what was seen of them."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emulator.cli import MEDIA_FAILED, NOT_REACHABLE, OK, SIGNALLING_FAILED
from emulator.cli.desk import CODES, WORST, painted, say
from emulator.cli.reactor import INTERRUPTED, report, run, the_reactor
from emulator.counting import counted
from emulator.journal.findings import printable

if TYPE_CHECKING:
    from emulator.journal.attempt import Attempt
    from emulator.journal.record import CallRecord
    from emulator.phone.line import Line
    from emulator.phone.outcome import Outcome
    from emulator.phone.phone import Phone
    from emulator.service import Service

_SECONDS = 14.0
"""The whole of it; what has not been seen by then is not there."""
_TALK = 1.6
_HERE = "127.0.0.1"
_DIALLED, _NUMBER, _CALLER = "442071234567", "447700900000", "14155550100"
_HOST = "sip-us.vonage.com"
_DIGITS, _CALLERS_DIGITS = "1234#", "42#"
_COLUMNS = 80


@click.command()
def demo() -> None:
    """Show the trunk at work, in a few seconds: needs no config, no other software, and no network but this machine's own.

    Starts an emulator of its own on ports that the system chooses. A small phone calls out through it over TLS, with digest and SRTP; the
    echo of what it plays is measured, and the digits that come back are compared. Then a caller from the telephone network rings a number
    whose first target refuses with 503 and whose second takes the call. Both calls are drawn as ladders. Nothing is left behind.

    Exits with 0 when all of it was seen; else with 1 (signalling), 3 (media) or 4 (not in time), and says what was not.
    """
    with tempfile.TemporaryDirectory(prefix="vsim-demo-", ignore_cleanup_errors=True) as folder:
        code = Demo(Path(folder)).run()
    sys.exit(code)


class Seen:
    """What was looked for: a line for each, and the exit code that follows."""

    def __init__(self) -> None:
        self.code = OK
        self.missing: list[str] = []

    def row(self, good: bool, what: str, text: str, code: int = SIGNALLING_FAILED) -> None:
        """One thing, and whether it was as it should be."""
        say(painted(f"{'✓' if good else '✗'} {what:<10}  {printable(text, 300)}", good))
        if not good:
            self.missing.append(f"{what}: {text}")
            self.code = max(self.code, code, key=WORST.index)

    def call(self, outcome: "Outcome") -> None:
        """The rows of a call as the phone saw it."""
        from emulator.phone.report import rows

        for one in rows(outcome):
            self.row(one.good, one.what, one.text, CODES[outcome.failed] or SIGNALLING_FAILED)


class Demo:
    """One run on the reactor."""

    def __init__(self, folder: Path) -> None:
        """`folder` is ours, and empty."""
        self._folder = folder
        self._reactor = the_reactor()
        self._seen = Seen()
        self._interrupted = False
        self._ending = False
        self._service: Service | None = None
        self._lines: list[Line] = []
        self._closers: list[Callable[[], Any]] = []
        self._step = "the emulator starts"
        self._began = self._reactor.seconds()
        self._width = min(100, shutil.get_terminal_size((_COLUMNS, 24)).columns)

    def run(self) -> int:
        """From beginning to end; the exit code."""
        run(self._reactor, self._start, self._interrupt, lambda: shutil.rmtree(self._folder, ignore_errors=True))
        if self._interrupted:
            return INTERRUPTED
        seen, took = self._seen, self._reactor.seconds() - self._began
        say("")
        if seen.code == OK:
            say(painted(f"✓ all of it was seen, in {took:.1f} s. Nothing is left behind.", True))
            say("  Next: `vsim serve`, and then `vsim phone call 442071234567 --dtmf 1234#`")
        else:
            for line in seen.missing:
                say(painted(f"✗ not seen: {line}", False))
        return seen.code

    # -- one step after the other ---------------------------------------------------------------------------------

    def _start(self) -> None:
        from emulator.authority import Authority
        from emulator.config import Config, TlsSettings
        from emulator.service import Service

        certificates = Authority(self._folder).ensure((), ())
        tls = TlsSettings(directory=str(self._folder), verify_customer=True, customer_ca=str(certificates.ca))
        config = Config(ephemeral=True, strict=True, endpoints=str(self._folder / "vsim.json"), tls=tls)
        self._service = service = Service(config, self._reactor, report)
        service.start()
        service.clock.call_later(_SECONDS, self._too_late)
        phone, line = self._phone(("UDP", "TCP", "TLS"))
        say(bold("vsim demo: Vonage's SIP trunk, a phone, and a caller, all on this machine"))
        self._call_out(phone, line)

    def _phone(self, transports: Iterable[str]) -> "tuple[Phone, Line]":
        """A phone with the account's credentials, on ports that the system chooses."""
        from emulator.ids import Ids
        from emulator.phone.line import Line, Ports
        from emulator.phone.phone import Phone
        from emulator.sip.credentials import Credentials

        service = self._service
        assert service is not None and service.endpoints is not None
        account, ids = service.endpoints.account, Ids()
        ports = Ports(self._reactor, service.clock, report)
        phone = Phone(service.clock, ids, ports.open, report, credentials=Credentials(account.key, account.secret or "", ids))
        files = (self._folder / "server.pem", self._folder / "server.key")
        line = Line(phone, self._reactor, lambda: files, Path(service.endpoints.ca))
        self._closers += [line.close, ports.close]
        line.open(_HERE, 0, transports)
        line.ask((service.endpoints.dns.address, service.endpoints.dns.port))
        return phone, line

    def _call_out(self, phone: "Phone", line: "Line") -> None:
        from emulator.phone.placed import Destination
        from emulator.phone.script import Calling

        self._step = "the call out"
        say("")
        say(bold(f"A call out: the phone dials {_DIALLED} at {_HOST} over TLS"))

        def over(outcome: "Outcome") -> None:
            if self._ending:
                return
            self._show_out(outcome, phone, line)
            self._call_in(phone, line)

        script = Calling(srtp=True, digits=_DIGITS, digits_after=0.3, talk=_TALK, ring_limit=5.0)
        phone.place(Destination(_DIALLED, _HOST, "TLS"), _NUMBER, script, over)

    def _show_out(self, outcome: "Outcome", phone: "Phone", line: "Line") -> None:
        seen, record = self._seen, self._record()
        host = outcome.attempts[0].uri.partition("@")[2] if outcome.attempts else "nobody"
        seen.row(bool(outcome.attempts), "SRV", f"{_HOST} is {host}, {outcome.peer}")
        verified = outcome.transport == "TLS" and outcome.peer in line.verified
        seen.row(verified, "TLS", f"certificate verified for {_HOST}" if verified else _findings(phone))
        proved = record is not None and record.account is not None and b"407 Proxy" in b"".join(note.data[:40] for note in phone.notes)
        seen.row(proved, "digest", "challenged with 407, answered" if proved else "no challenge was answered")
        seen.call(outcome)
        self._show_record(record, outcome.answered)

    def _call_in(self, phone: "Phone", line: "Line") -> None:
        from emulator.phone.script import Answering
        from emulator.trunk.callers import Ring

        self._step = "the call in"
        refuser, first = self._phone(("UDP",))
        refuser.answer(Answering(status=503), lambda outcome: None)
        taken = Answering(play="signal", hears="echo", hears_digits=_CALLERS_DIGITS, ring=0.3, talk=_TALK)

        def over(outcome: "Outcome") -> None:
            if self._ending:
                return
            self._show_in(outcome)
            self.finish()

        phone.answer(taken, over)
        forward = f"sip:100@{_HERE}:{first.bound['UDP'][1]}, sip:100@{_HERE}:{line.bound['TLS'][1]};transport=tls;media=srtp"
        say("")
        say(bold(f"A call in: {_CALLER} rings {_NUMBER}, which is forwarded to two targets"))
        service = self._service
        assert service is not None
        service.ring(
            Ring(number=_NUMBER, caller=_CALLER, forward=forward, play="echo", digits=_CALLERS_DIGITS, digits_after=0.4, talk=_SECONDS)
        )

    def _show_in(self, outcome: "Outcome") -> None:
        seen, record = self._seen, self._record()
        attempts = record.attempts if record is not None else []
        for number, status in enumerate((503, 200)):
            good = len(attempts) > number and attempts[number].status == status
            seen.row(good, ("first", "second")[number], _told(attempts[number]) if len(attempts) > number else "never tried")
        seen.row(len(attempts) == 2, "failover", f"{counted(len(attempts), 'target')} tried, in their order")
        seen.call(outcome)
        self._show_record(record, outcome.answered)

    def _record(self) -> "CallRecord | None":
        """The newest call as the trunk has it."""
        assert self._service is not None
        return next(iter(self._service.journal.calls()), None)

    def _show_record(self, record: "CallRecord | None", answered: bool) -> None:
        """What the trunk says of a call, and its ladder."""
        from emulator.journal.ladder import ladder

        seen = self._seen
        if record is None:
            seen.row(False, "trunk", "knows of no call")
            return
        told = record.detail()
        if answered:
            media = told["media"]
            secure = media is not None and media["srtp"] and not media["srtp_refused"]
            seen.row(secure, "SRTP", "AES_CM_128_HMAC_SHA1_80, both directions" if secure else "media was not SRTP alone", MEDIA_FAILED)
        errors = [finding for finding in told["findings"] if finding["severity"] == "error"]
        # what is only odd, such as a digit that a busy machine was late with, is said and no more
        odd = errors or [finding for finding in told["findings"] if finding["severity"] == "warning"]
        complaints = "; ".join(f"{finding['code']}: {finding['seen']}" for finding in odd)
        seen.row(record.state == "ended" and not errors, "trunk", f"call {record.state}, {complaints or 'nothing to complain of'}")
        say("")
        for line in ladder({**told, "findings": ()}, self._width):
            say(line)

    # -- the end --------------------------------------------------------------------------------------------------

    def _too_late(self) -> None:
        if not self._ending:
            self._seen.row(False, "in time", f"{self._step}: not over after {_SECONDS:g} s", NOT_REACHABLE)
            self.finish()

    def _interrupt(self) -> None:
        self._interrupted = True
        self.finish()

    def finish(self) -> None:
        """End every call, close everything, and stop."""
        if self._ending:
            return
        self._ending = True
        if self._service is not None:
            self._service.stop().addBoth(self._close)
        else:
            self._close(None)

    def _close(self, _: object) -> None:
        for close in self._closers:  # the phones last: they have had a BYE to answer
            close()
        self._reactor.stop()


def _told(attempt: "Attempt") -> str:
    """An attempt at a target."""
    answer = f"{attempt.status} {attempt.reason}" if attempt.status else attempt.why
    return f"{attempt.transport} {attempt.address}: {answer} after {attempt.after or 0.0:.2f} s"


def _findings(phone: "Phone") -> str:
    return "; ".join(f"{finding.code}: {finding.seen}" for finding in phone.findings) or "no connection"


def bold(text: str) -> str:
    return click.style(text, bold=True) if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else text
