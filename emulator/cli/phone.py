"""`vsim phone`: calls a number through the trunk, or takes calls, and says what came of it."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emulator.cli import NOT_REACHABLE, Group
from emulator.cli.desk import Desk, say
from emulator.cli.options import client_options
from emulator.cli.reactor import INTERRUPTED
from emulator.config import Unusable
from emulator.journal.findings import printable
from emulator.quantities import duration

if TYPE_CHECKING:
    from emulator.phone.outcome import Outcome

_TRANSPORTS = click.Choice(["udp", "tcp", "tls"])


@click.group(cls=Group)
def phone() -> None:
    """A small phone, to try the trunk or a config with. It registers nowhere."""


_PLAYED = (
    ("signal", "Play a rising tone, and look for it in what comes back, octet for octet."),
    ("echo", "Send back what is heard."),
    ("tone", "Play a steady tone."),
    ("silence", "Play silence."),
    ("mute", "Send not one packet."),
)
_QUIRKS = click.Choice(["no-marker", "lost-end", "one-packet", "wrong-clock"])
_HEARS = click.Choice(["echo", "audio", "nothing", "any"])
_SHARED = (
    click.option(
        "--codec", "codecs", multiple=True, metavar="NAME", help="May be repeated, the first one preferred.  [default: PCMU, PCMA]"
    ),
    click.option("--dtmf", "digits", metavar="DIGITS", default="", help="Digits to send after the answer; a comma is half a second."),
    click.option("--dtmf-quirk", "quirk", type=_QUIRKS, help="Send them wrongly."),
    click.option("--hears", type=_HEARS, help="What must be heard.  [default: echo with --signal, else audio]"),
    click.option("--hears-digits", metavar="DIGITS", help="Digits that must be heard.  [default: with --hears echo those of --dtmf]"),
    click.option("--most-lost", type=click.FloatRange(0, 1), default=0.05, show_default=True, metavar="FRACTION", help="Of the echo."),
    click.option(
        "--hang-up-on-silence", "longest_silence", metavar="TIME", help="Hang up when nothing comes for so long.  [default: never]"
    ),
    click.option("--json", "as_json", is_flag=True, help="A JSON object per call, and nothing else."),
    click.option("--ladder", "draws", is_flag=True, help="Draw the messages of each call."),
)


def media_options(default: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """What both commands have in common; `default` is what is played."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(_SHARED):
            command = option(command)
        for name, text in reversed(_PLAYED):
            told = f"{text}  [default]" if name == default else text
            command = click.option(f"--{name}", "play", flag_value=name, default=None, help=told)(command)
        return command

    return add


@phone.command("call")
@click.argument("number")
@click.option("--at", default="us-3-1", show_default=True, metavar="PLACE", help="A proxy, site or region by name, or HOST[:PORT].")
@click.option("--transport", type=_TRANSPORTS, default="udp", show_default=True)
@click.option("--srtp", is_flag=True, help="Offer SRTP.")
@click.option("--from", "caller", metavar="NUMBER", help="Caller ID.  [default: the account's first number]")
@click.option("--account", metavar="KEY:SECRET", help="Whose credentials.  [default: VSIM_KEY and VSIM_SECRET, then the endpoints file]")
@click.option(
    "--talk", default="3s", show_default=True, metavar="TIME", help="Hang up so long after the answer; 0 leaves it to the far end."
)
@click.option("--hold", "hold_after", metavar="TIME", help="Put the far end on hold so long after the answer, for a second.")
@click.option("--cancel-after", metavar="TIME", help="Give up so long after the INVITE, unless it is answered.")
@click.option("--ring-limit", default="60s", show_default=True, metavar="TIME", help="How long it may ring.")
@click.option(
    "--status", type=click.IntRange(200, 699), metavar="CODE", default=200, show_default=True, help="The final response that is wanted."
)
@click.option(
    "--failover/--no-failover", default=True, help="Try the next target after a 503, silence or a broken connection.  [default: try]"
)
@click.option("--patience", metavar="TIME", help="How long a target may be silent.  [default: 32s, as RFC 3261 has it]")
@click.option("--again", default=0, type=click.IntRange(0, 10000), metavar="N", help="Call so many times more, one after the other.")
@click.option("--again-after", default="1s", show_default=True, metavar="TIME", help="The pause before each of them.")
@click.option("--session-expires", type=click.IntRange(90, 7200), metavar="SECONDS", help="Ask for a session timer.")
@click.option("--dns", metavar="ADDRESS:PORT", help="The name server to ask.  [default: the emulator's]")
@click.option("--ca", metavar="FILE", help="CA certificates to verify the far end by.  [default: the emulator's]")
@click.option("--insecure", is_flag=True, help="Do not verify the certificate of the far end.")
@click.option("--bind", metavar="ADDRESS", help="Our address.  [default: the one that the system would send from]")
@media_options("signal")
@client_options
def call(number: str, at: str, transport: str, url: str | None, endpoints: str | None, **how: Any) -> None:
    """Call NUMBER through the running emulator, or at any other address.

    Plays a signal and measures its echo, sends digits and compares those that come back. A region or a site is found by the emulator's
    own SRV records, and its proxies are tried in their order. Over TLS the certificate must be the CA's, and for the host that is called.

    Exits with 0 when all was as wanted, 1 when signalling was not, 3 when media was not, 4 when nobody was reached or answered.
    """
    from emulator.cli.surroundings import destination, host_port, look, source
    from emulator.phone.script import Calling
    from emulator.sip.locate import Transport

    around = look(url, endpoints)
    kinds: dict[str, Transport] = {"udp": "UDP", "tcp": "TCP", "tls": "TLS"}
    to = destination(number, at, kinds[transport], around)
    script = Calling(
        **_media(how, "signal"), talk=seconds("--talk", how["talk"]) or None, hold_after=_optional("--hold", how["hold_after"]),
        session_expires=how["session_expires"], srtp=how["srtp"], status=how["status"], failover=how["failover"],
        patience=_optional("--patience", how["patience"]), ring_limit=seconds("--ring-limit", how["ring_limit"]),
        cancel_after=_optional("--cancel-after", how["cancel_after"]),
    )  # fmt: skip
    if how["account"]:
        around.key, _, around.secret = how["account"].partition(":")
        if not around.key or not around.secret:
            raise Unusable("--account", f"no {'secret' if around.key else 'key'}; write KEY:SECRET")
    if how["dns"]:
        around.dns = host_port("--dns", how["dns"])
    if how["ca"]:
        around.ca = Path(how["ca"])
        if not around.ca.is_file():
            raise Unusable("--ca", f"{how['ca']}: no such file; name one with CA certificates in PEM")
    desk = Desk(how["as_json"], how["draws"], (around.key, around.secret))
    address = how["bind"] or source(to, around)
    if not how["as_json"]:
        say(printable(f"{how['caller'] or around.number} calls {number} at {to.at} over {to.transport}"))

    left, pause = how["again"], seconds("--again-after", how["again_after"])

    def start() -> None:
        desk.open(address, 0, ("UDP", "TCP", "TLS"), around.ca, not how["insecure"])
        desk.line.ask(around.dns)
        place()

    def place() -> None:
        if not desk.ending:
            desk.phone.place(to, how["caller"] or around.number, script, over)

    def over(outcome: "Outcome") -> None:
        nonlocal left
        desk.told(outcome)
        if not left:
            desk.finish()
            return
        left -= 1
        desk.clock.call_later(pause, place)

    desk.run(start)
    sys.exit(INTERRUPTED if desk.interrupted else desk.code)


@phone.command("answer")
@click.option("--listen", default="127.0.0.1:5080", show_default=True, metavar="ADDRESS:PORT", help="Where; port 0 takes any.")
@click.option("--transport", type=_TRANSPORTS, help="Over which alone.  [default: udp and tcp]")
@click.option("--status", type=click.IntRange(200, 699), metavar="CODE", default=200, show_default=True, help="The final response.")
@click.option("--ring", metavar="TIME", help="Ring so long before it.")
@click.option("--silent", is_flag=True, help="Answer no INVITE, not even with 100.")
@click.option("--hang-up-after", "talk", metavar="TIME", help="Hang up so long after the answer.  [default: the caller does]")
@click.option("--hold", "hold_after", metavar="TIME", help="Put the caller on hold so long after the answer, for a second.")
@click.option("--once", is_flag=True, help="End after the first call.")
@click.option("--for", "limit", metavar="TIME", help="End after so long.")
@click.option("--certificate", metavar="FILE", help="For TLS, in PEM.  [default: the emulator's own]")
@click.option("--key", metavar="FILE", help="Its key, in PEM.")
@media_options("echo")
def answer(listen: str, transport: str | None, **how: Any) -> None:
    """Take calls: be the customer that numbers are forwarded to.

    Ends after --once or --for, or with Ctrl-C. Exits with 0 when every call was as wanted, 1 when signalling was not, 3 when media was
    not, 4 when none came in the time of --for.
    """
    from emulator.phone.script import Answering

    address, port = _listening(listen)
    transports = (transport.upper(),) if transport else ("UDP", "TCP")
    limit = _optional("--for", how["limit"])
    script = Answering(
        **_media(how, "echo"), talk=_optional("--hang-up-after", how["talk"]), hold_after=_optional("--hold", how["hold_after"]),
        status=how["status"], ring=_optional("--ring", how["ring"]), silent=how["silent"],
    )  # fmt: skip
    if bool(how["certificate"]) != bool(how["key"]):
        raise click.UsageError("--certificate and --key belong together")
    certificate = (Path(how["certificate"]), Path(how["key"])) if how["key"] else None
    desk = Desk(how["as_json"], how["draws"], certificate=certificate)
    calls = 0

    def start() -> None:
        desk.open(address, port, transports)
        bound = {name: f"[{at[0]}]:{at[1]}" if ":" in at[0] else f"{at[0]}:{at[1]}" for name, at in desk.line.bound.items()}
        if how["as_json"]:
            say(json.dumps({"listening": bound}))
        else:
            say("listening at " + ", ".join(f"{at} ({name})" for name, at in bound.items()))
        desk.phone.answer(script, over)
        if limit is not None:
            desk.clock.call_later(limit, too_late)

    def over(outcome: "Outcome") -> None:
        nonlocal calls
        calls += 1
        desk.told(outcome)
        if how["once"]:
            desk.finish()

    def too_late() -> None:
        if not calls and not desk.phone.calls:
            say(f"vsim: no call came in {how['limit']}", err=True)
            desk.code = NOT_REACHABLE
        desk.finish()

    desk.run(start)
    sys.exit(desk.code)


def seconds(option: str, text: str) -> float:
    """A time. Raises `Unusable`."""
    value = duration(text)
    if value is None:
        raise Unusable(option, f"{text!r} is no time; write 5s, 500ms or 2m")
    return value


def _optional(option: str, text: str | None) -> float | None:
    return None if text is None else seconds(option, text)


def _media(how: dict[str, Any], default: str) -> dict[str, Any]:
    """The options of `media_options` as fields of a script. Raises `Unusable`."""
    from emulator.media.codecs import CODECS
    from emulator.media.dtmf_sender import Quirk, parse_digits
    from emulator.phone.script import NOTHING, SIGNAL, Script

    play = NOTHING if how["play"] == "mute" else how["play"] or default
    by_name = {codec.name.lower(): codec for codec in CODECS}
    codecs = []
    for name in how["codecs"]:
        if name.lower() not in by_name:
            raise Unusable("--codec", f"{name!r}; write one of {', '.join(codec.name for codec in CODECS)}")
        codecs.append(by_name[name.lower()])
    for option, digits in (("--dtmf", how["digits"]), ("--hears-digits", how["hears_digits"] or "")):
        try:
            parse_digits(digits)
        except ValueError as error:
            raise Unusable(option, str(error)) from None
    longest_silence = _optional("--hang-up-on-silence", how["longest_silence"]) or None
    quirk = Quirk[how["quirk"].upper().replace("-", "_")] if how["quirk"] else None
    return {
        "play": play, "hears": how["hears"] or ("echo" if play == SIGNAL else "audio"), "most_lost": how["most_lost"],
        "codecs": tuple(codecs) or Script().codecs, "digits": how["digits"], "hears_digits": how["hears_digits"], "quirk": quirk,
        "longest_silence": longest_silence,
    }  # fmt: skip


def _listening(text: str) -> tuple[str, int]:
    """`--listen`: unlike elsewhere port 0 is one. Raises `Unusable`."""
    import re

    from emulator.cli.surroundings import host_port

    if re.fullmatch(r"\S+:0", text):
        return host_port("--listen", text[:-1] + "1", 5080)[0], 0
    return host_port("--listen", text, 5080)
