"""`vsim run` of files of `scenarios/`, each with a client beside it, several at once."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.serve import VSIM, environment, run
from tests.support.sipp_parts import scenario

ROOT = Path(__file__).parent.parent.parent
SCENARIOS = ROOT / "scenarios"
CLIENTS = ROOT / "tests" / "wire" / "clients"
_AT_ONCE = 6
"""Each has an emulator, and some a phone, that take a second of the processor to start."""
_SECONDS = 150

Case = tuple[str, str, int]
"""File, client, exit code."""
Client = Callable[[Path], str]
"""Given its directory, a command line for a shell."""


def shell(text: str) -> Client:
    """A client that needs no file: `{clients}` and `{phone}` stand for what they say."""
    phone = f"{sys.executable} -m emulator phone"
    return lambda directory: text.format(clients=CLIENTS, phone=phone)


def sipp(*parts: str, flags: str = "", also: str = "", then: str = "") -> Client:
    """SIPp as a caller: one call to the scenario's number, and `also` the same at another address. `then` is a command that follows."""

    def command(directory: Path) -> str:
        path = directory / "caller.xml"
        path.write_text(scenario("caller", *parts).replace("AUDIO", str(audio(directory))))
        fixed = "-t u1 -au $VSIM_KEY -ap $VSIM_SECRET -i 127.0.0.1 -mi 127.0.0.1 -nostdin -m 1 -timeout 100 -timeout_error"
        calls = [f"sipp {at} -sf {path} -s $VSIM_VAR_NUMBER {fixed} {flags}" for at in ("$VSIM_SIP_US_3_1", also) if at]
        return "\n".join((*calls, then))

    return command


def server(port: str, *parts: str, flags: str = "-t u1", then: str = "") -> Client:
    """SIPp as a server at the scenario's port of this name, in the background."""

    def command(directory: Path) -> str:
        path = directory / f"{port}.xml"
        path.write_text(scenario(port, *parts))
        fixed = f"-i 127.0.0.1 -mi 127.0.0.1 -p $VSIM_PORT_{port.upper()} -nostdin {flags}"
        return f"sipp -sf {path} {fixed} > {directory}/{port}.out 2>&1 &\n{then}"

    return command


def together(*clients: Client) -> Client:
    """Several that run until the story is over."""
    return lambda directory: "\n".join((*(client(directory) for client in clients), "wait"))


def audio(directory: Path) -> Path:
    """Some seconds of PCMU, for SIPp to play."""
    path = directory / "audio.ul"
    path.write_bytes(b"\xd5" * 80000)
    return path


def chosen(request: pytest.FixtureRequest) -> list[Case]:
    """The cases of a test file that are to be run, by its parametrised argument `case`."""
    items = [item for item in request.session.items if item.path == request.path and hasattr(item, "callspec")]
    return [item.callspec.params["case"] for item in items if "case" in item.callspec.params]


class Stage:
    """Runs cases, several at once, and keeps what came of each."""

    def __init__(self, directory: Path, cases: Sequence[Case], clients: Mapping[str, Client], flags: Mapping[str, str]) -> None:
        """`flags` are further ones of `vsim run`, by file. What takes long stands first in `cases`."""
        self._directory = directory
        self._clients = clients
        self._flags = flags
        self._pool = ThreadPoolExecutor(_AT_ONCE)
        self._runs: dict[Case, Future[subprocess.CompletedProcess[str]]] = {case: self._pool.submit(self._run, case) for case in cases}

    def result(self, case: Case) -> subprocess.CompletedProcess[str]:
        return self._runs[case].result()

    def _run(self, case: Case) -> subprocess.CompletedProcess[str]:
        file, name, _ = case
        directory = self._directory / f"{file.removesuffix('.yaml')}-{name.replace(' ', '-')}"
        directory.mkdir()
        program = ["sh", "-c", self._clients[name](directory)]
        command = [*VSIM, "run", str(SCENARIOS / file), "--seed", "7", *self._flags.get(file, "").split(), "--", *program]
        variables = environment(PYTHONPATH=os.environ.get("PYTHONPATH", str(ROOT)))
        return run(command, _SECONDS, cwd=directory, env=variables)

    def close(self) -> None:
        """Begin no other."""
        self._pool.shutdown(cancel_futures=True)
