"""Commands, options and defaults that people write into scripts: they stay."""

import click
import pytest

from emulator.cli import vsim

KEPT = {
    "serve": "--config --layout --bind --advertise --account --seed --strict --ephemeral --endpoints --log-format",
    "wait": "--timeout", "env": "", "demo": "", "call": "--from --forward --play --dtmf --record --talk --json",
    "down": "--how --for", "up": "", "fault add": "", "fault list": "", "fault clear": "",
    "run": "--seed --junit --json --url", "check": "", "calls": "", "show": "--ladder --json --pcap", "tail": "",
    "dns-zone": "--hosts", "certs": "--export", "explain": "",
}  # fmt: skip


def command(path: str) -> click.Command:
    found: click.Command = vsim
    for name in path.split():
        assert isinstance(found, click.Group)
        inner = found.get_command(click.Context(found), name)
        assert inner is not None, path
        found = inner
    return found


@pytest.mark.parametrize("path", KEPT)
def test_a_command_has_its_options(path: str) -> None:
    assert set(KEPT[path].split()) <= {name for one in command(path).params for name in one.opts}


@pytest.mark.parametrize(
    ("path", "option", "default"),
    [("wait", "timeout", "10s"), ("call", "talk", "5s"), ("call", "play", "tone"), ("down", "how", "drop")],
)
def test_a_default(path: str, option: str, default: str) -> None:
    (found,) = (one for one in command(path).params if one.name == option)
    assert found.get_default(click.Context(command(path))) == default


@pytest.mark.parametrize(("path", "option", "choices"), [("down", "how", "drop refuse 503 reset"), ("serve", "log_format", "text json")])
def test_a_choice(path: str, option: str, choices: str) -> None:
    (found,) = (one for one in command(path).params if one.name == option)
    assert isinstance(found.type, click.Choice) and set(found.type.choices) == set(choices.split())
