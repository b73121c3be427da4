"""`vsim wait` and `vsim env`: for scripts that start beside the emulator."""

import shlex
import time

import click

from emulator.cli import NOT_REACHABLE, fail
from emulator.cli.options import client_options
from emulator.config import Unusable
from emulator.quantities import duration

_PAUSE_SECONDS = 0.1


@click.command()
@click.option("--timeout", default="10s", show_default=True, metavar="TIME", help="How long to wait.")
@client_options
def wait(timeout: str, url: str | None, endpoints: str | None) -> None:
    """Return 0 when the emulator is ready, 4 when it is not in time."""
    from emulator.control.client import NotReachable, Refused, find

    seconds = duration(timeout)
    if seconds is None:
        raise Unusable("--timeout", f"{timeout!r} is no time; write 10s, 500ms or 2m")
    until = time.monotonic() + seconds
    why = ""
    while True:
        try:
            find(url, endpoints).get("/readyz")
            return
        except NotReachable as error:
            why = str(error)
        except Refused as error:
            why = f"it answers {error}"
        if time.monotonic() >= until:
            fail(f"not ready after {timeout}: {why}", NOT_REACHABLE)
        time.sleep(_PAUSE_SECONDS)


@click.command()
@click.option("--endpoints", metavar="FILE", help="The endpoints file.  [default: vsim.json]")
def env(endpoints: str | None) -> None:
    """Print export lines: VSIM_URL, VSIM_DNS, VSIM_CA, VSIM_KEY, VSIM_SECRET, VSIM_NUMBER, and VSIM_SIP_US_3_1 and so on.

    eval "$(vsim env)"
    """
    from emulator.control.client import read_endpoints

    for name, value in variables(read_endpoints(endpoints)).items():
        click.echo(f"export {name}={shlex.quote(value)}")


def variables(endpoints: dict[str, object]) -> dict[str, str]:
    """The environment of a program under test, from the endpoints file."""
    values = _Values(endpoints)
    variables = {
        "VSIM_URL": values.text("control"),
        "VSIM_DNS": f"{values.text('dns', 'address')}:{values.text('dns', 'port')}",
        "VSIM_CA": values.text("ca"),
        "VSIM_KEY": values.text("account", "key"),
        "VSIM_SECRET": values.text("account", "secret"),
        "VSIM_NUMBER": values.first("account", "numbers"),
    }
    for proxy in values.names("proxies"):
        address = values.text("proxies", proxy, "address")
        stem = "VSIM_SIP_" + proxy.upper().replace("-", "_")
        variables[stem] = f"{address}:{values.text('proxies', proxy, 'udp')}"
        variables[stem + "_TLS"] = f"{address}:{values.text('proxies', proxy, 'tls')}"
    return variables


class _Values:
    """Reads the endpoints file by path."""

    def __init__(self, endpoints: dict[str, object]) -> None:
        self._endpoints = endpoints

    def text(self, *path: str) -> str:
        return str(self._find(path))

    def names(self, *path: str) -> list[str]:
        found = self._find(path)
        return list(found) if isinstance(found, dict) else []

    def first(self, *path: str) -> str:
        """The first item of a list, empty where there is none."""
        found = self._find(path)
        return str(found[0]) if isinstance(found, list) and found else ""

    def _find(self, path: tuple[str, ...]) -> object:
        value: object = self._endpoints
        for name in path:
            value = value.get(name, "") if isinstance(value, dict) else ""
        return value
