"""Options that several commands share."""

from collections.abc import Callable
from typing import Any

import click


def config_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The settings that have a flag; all others are set by file or environment."""
    for option in reversed(
        (
            click.option(
                "--config",
                "config_file",
                metavar="FILE",
                envvar="VSIM_CONFIG",
                help="Config file; vsim.yaml is read when it is there.",
            ),
            click.option(
                "--layout",
                type=click.Choice(["loopback", "ports"]),
                help="Addresses: one per proxy, or one for all.",
            ),
            click.option("--bind", metavar="ADDRESS", help="Address of the ports layout."),
            click.option("--advertise", metavar="ADDRESS", help="What SDP, Contact and DNS say instead of --bind."),
            click.option(
                "--account",
                "accounts",
                metavar="KEY:SECRET[:NUMBER…]",
                multiple=True,
                help="Who may call; may be repeated.",
            ),
            click.option("--seed", metavar="N", help="Every random choice follows from it."),
            click.option("--strict/--no-strict", default=None, help="Refuse what would only be warned about."),
            click.option("--ephemeral", is_flag=True, default=None, help="Let the system choose every port."),
            click.option("--endpoints", metavar="FILE", help="Where to write what listens where.  [default: vsim.json]"),
            click.option("--media-port", "media__port", metavar="PORT", help="One media port for all calls, instead of a range."),
            click.option("--play", "media__play", metavar="WHAT", help="The far end: echo, tone, silence, nothing, or a WAV file."),
            click.option("--record", "media__record", metavar="DIR", help="Write a WAV file of each call there."),
            click.option(
                "--capture-media", "media__capture", is_flag=True, default=None, help="Keep RTP and RTCP for captures, vsim show --pcap."
            ),
            click.option("--log-format", type=click.Choice(["text", "json"]), help="How events are printed."),
        )
    ):
        command = option(command)
    return command


def client_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """How a command finds the running emulator."""
    for option in reversed(
        (
            click.option("--url", metavar="URL", help="The control API.  [default: VSIM_URL, then the endpoints file]"),
            click.option("--endpoints", metavar="FILE", help="The endpoints file.  [default: vsim.json]"),
        )
    ):
        command = option(command)
    return command
