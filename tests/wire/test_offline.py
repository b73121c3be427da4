"""No account, no call home, no internet: whatever the commands do, nothing is sent beyond this machine, and no name is asked for."""

import ast
import os
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.support.serve import VSIM, Serve, environment, run

pytestmark = pytest.mark.wire

_WATCHED = """\
import os, sys

_told = open(os.environ["TOLD_IN"], "a", buffering=1)

def _watch(event, args):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        print(repr((event, args[1])), file=_told)
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"):
        print(repr((event, args[0])), file=_told)

sys.addaudithook(_watch)
"""
"""What each interpreter runs before anything else: a line for each place that is sent to, and for each name that is looked up."""


class Watch:
    """An environment for commands, and what they and all that they start have reached for."""

    def __init__(self, directory: Path) -> None:
        (directory / "hooks").mkdir()
        (directory / "hooks" / "sitecustomize.py").write_text(_WATCHED)
        self._told = directory / "told"
        path = os.pathsep.join(part for part in (str(directory / "hooks"), os.environ.get("PYTHONPATH", "")) if part)
        self.variables = {"PYTHONPATH": path, "TOLD_IN": str(self._told), "TMPDIR": str(directory)}
        self.environment = environment(VSIM_TLS_DIRECTORY=str(directory / "certs"), **self.variables)

    def places(self) -> Iterator[tuple[str, str]]:
        """The event, and the host; sockets of the file system have none."""
        for line in self._told.read_text().splitlines():
            event, place = ast.literal_eval(line)
            if isinstance(place, tuple):
                yield event, str(place[0])
            elif event.startswith("socket.get"):
                yield event, str(place)

    def beyond(self) -> set[tuple[str, str]]:
        """What is not on this machine."""
        return {(event, host) for event, host in self.places() if host not in ("localhost", "None") and not _local(host)}


def _local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    return Watch(tmp_path)


def test_the_demo_reaches_for_nothing_beyond_this_machine(watch: Watch, tmp_path: Path) -> None:
    """Calls out and in, over UDP and TLS, with SRV records and media."""
    done = run([*VSIM, "demo"], 120, cwd=tmp_path, env=watch.environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert watch.beyond() == set() and len(list(watch.places())) > 10


def test_neither_does_the_emulator_nor_a_command_beside_it(watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "story.yaml").write_text("name: a story\nsteps: [{down: us-3}, {never: {call: {}}}]\n")
    serve = Serve(tmp_path, env=watch.variables)
    try:
        for command in (
            "wait", "env", "calls", "phone call 442071234567 --at sip-us.vonage.com --talk 500ms",
            "call 447700900000 --from 14155550100 --forward sip:1@127.0.0.1:9", "show last", "down us-3", "up us-3", "fault list",
            "dns-zone", "certs", "explain 486", "check story.yaml", "run story.yaml",
        ):  # fmt: skip
            done = run([*VSIM, *command.split()], cwd=tmp_path, env=watch.environment)
            assert done.returncode == (1 if command.startswith("call 4") else 0), command + done.stdout + done.stderr
        serve.check()
    finally:
        serve.stop()
    assert watch.beyond() == set() and len(list(watch.places())) > 10


def test_a_place_beyond_would_be_seen(watch: Watch, tmp_path: Path) -> None:
    """By its address, and by its name before that."""
    reaching = (
        "import socket\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "s.connect(('192.0.2.1', 9))\n"
        "try:\n    socket.getaddrinfo('home.invalid', 443)\nexcept OSError:\n    pass\n"
    )
    run([VSIM[0], "-c", reaching], cwd=tmp_path, env=watch.environment)
    assert ("socket.getaddrinfo", "home.invalid") in watch.beyond() and ("socket.connect", "192.0.2.1") in watch.beyond()
