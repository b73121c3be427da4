"""`vsim call`: a caller from the telephone network rings a number of the account's, and everything that happens is told as it does."""

import json
import signal
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emulator.cli import MEDIA_FAILED, OK, SIGNALLING_FAILED, say
from emulator.cli.options import client_options
from emulator.cli.reactor import ending_signals
from emulator.config import Unusable
from emulator.journal.attempt import describe
from emulator.journal.findings import printable
from emulator.problems import in_words
from emulator.quantities import duration

if TYPE_CHECKING:
    from emulator.control.client import Client

_OVER = ("call.ended", "call.refused", "call.cancelled")
_ENDS = {
    "caller": "by the caller", "called": "by the customer", "trunk": "by the trunk", "no-ack": "for its answer was never acknowledged",
    "no-refresh": "for its session was not refreshed in time", "gone": "for the customer does not know it any more",
}  # fmt: skip
_INTERRUPTED = 130


@click.command()
@click.argument("number")
@click.option("--from", "caller", metavar="CALLER", default="", help="The caller's number, shown as it is.")
@click.option("--anonymous", is_flag=True, help="The caller hides its number.")
@click.option("--forward", metavar="URIS", help="A forward list for this call alone, instead of the number's own.")
@click.option(
    "--play", default="tone", show_default=True, metavar="WHAT",
    help="tone, echo, silence, nothing, a WAV file, or a prompt of media.prompts.",
)  # fmt: skip
@click.option("--dtmf", "digits", metavar="DIGITS", default="", help="Digits to dial a second after the answer; a comma is half a second.")
@click.option("--record", metavar="FILE.wav", help="Write both directions there: heard on the left, sent on the right.")
@click.option(
    "--talk", default="5s", show_default=True, metavar="TIME", help="Hang up so long after the answer; 0 leaves that to the customer."
)
@click.option("--cancel-after", metavar="TIME", help="Give up so long after the call began, unless it is answered.")
@click.option("--region", metavar="NAME", help="The region that calls: us, eu or ap.  [default: that of the number]")
@click.option("--proxy", metavar="NAME", help="The proxy that calls, such as eu-3-1.")
@click.option("--srtp/--no-srtp", default=None, help="SRTP at every target, or at none.  [default: as each target says]")
@click.option("--header", "headers", metavar="NAME:VALUE", multiple=True, help="A further header of the INVITE; may be repeated.")
@click.option(
    "--again", default=0, type=click.IntRange(0, 1000), metavar="N", help="Ring so many times more, each when the last call is over."
)
@click.option("--media/--no-media", default=True, help="Whether an answered call in which nothing is heard has failed.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object per call when it is over, and nothing else.")
@client_options
def call(number: str, record: str | None, media: bool, as_json: bool, url: str | None, endpoints: str | None, **how: Any) -> None:
    """Ring NUMBER as a caller from the telephone network; the trunk forwards the call.

    Prints a line per attempt, what the caller got, and what media was like. Ctrl-C or SIGTERM hangs up.

    Exits with 0 when the call was answered, or was given up by --cancel-after; 1 when it was not answered; 3 when it was answered and
    not a packet was heard, or digits could not be sent; 4 when no emulator answers.
    """
    from emulator.control.client import find

    ring = ring_of(number, record is not None, how)
    if record is not None and not Path(record).parent.is_dir():  # told before the call, not after it
        raise Unusable("--record", f"{Path(record).parent}: no such directory; name a file that can be written")
    for line in odd(how["forward"] or ""):
        click.echo(line, err=True)
    client = find(url, endpoints)
    for ending in ending_signals():
        if ending is not signal.SIGINT:
            signal.signal(ending, signal.default_int_handler)  # whoever is told to end hangs up first
    placed = client.post("/v1/calls", ring)
    told = Told(as_json)
    codes = [told.over(one, media, bool(how["digits"])) for one in follow(client, placed, how["again"], told)]
    if record is not None and not told.answered:
        click.echo(f"nothing recorded: call {told.last} was not answered", err=True)
    elif record is not None:
        _keep(client, told.last, Path(record))
    sys.exit(_INTERRUPTED if told.interrupted > 1 else max(codes, default=OK))


def ring_of(number: str, record: bool, how: dict[str, Any]) -> dict[str, Any]:
    """The request of a ring. Raises `Unusable` for what the emulator can't know, such as a file that can't be read."""
    if not how["caller"] and not how["anonymous"]:
        raise click.UsageError("who calls? write --from NUMBER, or --anonymous")
    ring: dict[str, Any] = {"number": number, "caller": how["caller"], "record": record}
    for name in ("anonymous", "forward", "digits", "region", "proxy", "srtp", "again"):
        if how[name] or (name == "srtp" and how[name] is not None):
            ring[name] = how[name]
    for name, option in (("talk", "--talk"), ("cancel_after", "--cancel-after")):
        if how[name] is not None:
            seconds = duration(how[name])
            if seconds is None:
                raise Unusable(option, f"{how[name]!r} is no time; write 5s, 500ms or 2m")
            if seconds or name == "cancel_after":
                ring[name] = seconds
    if how["headers"]:
        ring["headers"] = dict(_header(text) for text in how["headers"])
    play = how["play"]
    if play.lower().endswith(".wav") or "/" in play:
        ring["samples"] = _samples(play)
    else:
        ring["play"] = play
    return ring


def odd(forward: str) -> Iterator[str]:
    """What the trunk takes in a forward list, and makes nothing of. Its mistakes the emulator tells itself."""
    if forward:
        from emulator.trunk.forward_list import check

        yield from (f"--forward: warning: {problem}" for problem in check(forward)[1] if problem.severity == "warning")


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise Unusable("--header", f"{text!r} has no colon; write NAME:VALUE")
    return name.strip(), value.strip()


def _samples(path: str) -> str:
    """A file as the emulator takes it: it reads none itself."""
    from emulator.media.wav import WavError, read
    from emulator.trunk.callers import MAX_SAMPLES_OCTETS

    try:
        samples = read(path)
    except WavError as error:
        raise Unusable("--play", str(error)) from None
    if sys.byteorder == "big":
        samples.byteswap()
    data = samples.tobytes()
    if len(data) > MAX_SAMPLES_OCTETS:
        raise Unusable("--play", f"{path} lasts {len(data) / 16000:.0f} s; a minute is the most, sox IN.wav OUT.wav trim 0 60 cuts it")
    return b64encode(data).decode()


class Told:
    """What a person, or a program, is told of the calls that are followed."""

    def __init__(self, as_json: bool) -> None:
        self.last = ""
        self.answered = False
        """Whether the last one was."""
        self.interrupted = 0
        self._as_json = as_json

    def event(self, event: dict[str, Any]) -> None:
        """Something happened in a call."""
        if not self._as_json:
            for line in lines_of(event):
                say(line)

    def over(self, call: dict[str, Any], media: bool = True, digits: bool = False) -> int:
        """A call is over: its verdict as an exit code."""
        self.last, self.answered = call["id"], call["answered"] is not None
        if self._as_json:
            say(json.dumps(call))
        else:
            for line in outcome(call):
                say(line)
        return verdict(call, media, digits)


def follow(client: "Client", placed: dict[str, Any], again: int, told: Told) -> Iterator[dict[str, Any]]:
    """Each call when it is over: the one that was placed, and `again` that repeat it. The first Ctrl-C hangs up, the second gives up."""
    id, after, left = placed["id"], placed["events_after"], again
    while True:
        try:
            for event in client.events(after):
                after = event["id"]
                if event["kind"] == "call.started" and event.get("again") == id:
                    id, left = event["call"], left - 1
                if event["call"] != id:
                    continue
                told.event(event)
                if event["kind"] in _OVER:
                    yield client.get(f"/v1/calls/{id}")
                    if not left or told.interrupted:
                        return
        except KeyboardInterrupt:
            told.interrupted += 1
            if told.interrupted > 1:
                return
            _hang_up(client, id)


def _hang_up(client: "Client", id: str) -> None:
    from emulator.control.client import Refused

    try:
        client.delete(f"/v1/calls/{id}")
    except Refused:
        pass  # it has just ended


def _keep(client: "Client", id: str, path: Path) -> None:
    """Fetch the recording."""
    from emulator.control.client import Refused

    try:
        data = client.get_bytes(f"/v1/calls/{id}/recording")
    except Refused as refused:
        click.echo(f"nothing recorded: {refused}", err=True)
        return
    try:
        path.write_bytes(data)
    except OSError as error:
        raise Unusable("--record", f"{path}: {in_words(error)}") from None


# -- words --------------------------------------------------------------------------------------------------------


def lines_of(event: dict[str, Any]) -> Iterator[str]:
    """What a person is told of an event, nothing for most."""
    kind = event["kind"]
    if kind == "call.started":
        yield printable(f"call #{event['call']}: {event['caller']} rings {event['called']}, {event['proxy']} forwards it")
    elif kind == "call.ringing":
        yield f"     {event['status']}: the caller hears {event['heard']}"
    elif kind == "call.attempt-ended":
        yield describe(event)
    elif kind == "call.answered":
        yield f"answered, {event['codec'] or 'no codec'}"
    elif kind == "call.digit":
        yield f"  digit {event['digit']} heard"
    elif kind in ("call.held", "call.resumed"):
        yield f"  {kind.removeprefix('call.')}"
    elif kind == "media.silence":
        yield f"  nothing heard for {event['seconds']:g} s"
    elif kind == "call.ended":
        yield f"ended after {event['seconds']:.1f} s {_ENDS.get(event['by'], event['by'])}"


def outcome(call: dict[str, Any]) -> Iterator[str]:
    """What the caller got, what media was like, and what was odd."""
    from emulator.cli.calls import media_lines, sounds

    heard = sounds(call)
    yield printable(f"the caller got {call['status']} {call['reason']}".rstrip() + (f"; it heard {heard}" if heard else ""))
    yield from media_lines(call)
    for finding in call["findings"]:
        yield printable(f"{finding['severity']}: {finding['code']}: {finding['seen']}; {finding['fix']}", 400)


def verdict(call: dict[str, Any], media: bool = True, digits: bool = False) -> int:
    """The exit code of one call; `media` is whether the customer must be heard, `digits` whether it must have taken digits."""
    if call["answered"] is None:
        return OK if call["state"] == "cancelled" and call["ended_by"] == "caller" else SIGNALLING_FAILED
    found = call["media"]
    if digits and (found is None or found["event_payload_type"] is None):
        return MEDIA_FAILED
    if media and (found is None or (found["packets_received"] == 0 and found["receive"])):
        return MEDIA_FAILED
    return OK
