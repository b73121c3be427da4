"""An emulator of a command's own: `vsim serve` as a process, in a folder that goes with it."""

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from emulator.cli.processes import Process
from emulator.config import Unusable
from emulator.control.client import Client, NotReachable
from emulator.settings import settings

_START_SECONDS = 30.0
_STOP_SECONDS = 6.0
"""`vsim serve` stops within five."""
_PAUSE_SECONDS = 0.02
_LAST_LINES = 5
_NEVER_PASSED_ON = ("VSIM_CONFIG", "VSIM_URL", "VSIM_ACCOUNT", "VSIM_ENDPOINTS", "VSIM_SEED", "VSIM_EPHEMERAL")


class Interrupted(Exception):
    """Somebody wants everything to end."""


class OwnEmulator:
    """A context: inside it the emulator runs. `endpoints` is its endpoints file, `client` asks it."""

    client: Client
    endpoints: dict[str, Any]

    def __init__(self, given: Mapping[str, Any], seed: int, stopped: Callable[[], bool]) -> None:
        """`given` are settings as vsim.yaml has them; every port is the system's choice unless they say otherwise."""
        self._given = given
        self._seed = seed
        self._stopped = stopped
        self._process: Process | None = None
        self._folder: Path | None = None

    def __enter__(self) -> "OwnEmulator":
        """Raises `Unusable`, `NotReachable` or `Interrupted`, with everything ended."""
        try:
            self._folder = Path(tempfile.mkdtemp(prefix="vsim-run-"))
            self._start(self._folder)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()

    def _start(self, folder: Path) -> None:
        file = folder / "vsim.json"
        config = {"ephemeral": True, **self._given, "endpoints": str(file), "seed": self._seed}
        config["tls"] = {"directory": str(folder / "certs"), **(config.get("tls") or {})}
        path = folder / "vsim.yaml"
        path.write_text(json.dumps(config))
        command = [sys.executable, "-m", "emulator", "serve", "--config", str(path)]
        self._process = Process(command, _environment(config))
        until = time.monotonic() + _START_SECONDS
        while not file.exists():
            if self._stopped():
                raise Interrupted
            code = self._process.code
            if code is not None:
                self._process.settle()
                said = self._process.output.text().strip().replace(str(path), "given").replace("vsim: ", "")
                raise Unusable("given", said) if code == 2 else NotReachable(f"vsim serve ended with exit code {code}: {said[-2000:]}")
            if time.monotonic() > until:
                raise NotReachable(f"vsim serve was not ready within {_START_SECONDS:g} s")
            time.sleep(_PAUSE_SECONDS)
        self.endpoints = json.loads(file.read_bytes())
        self.client = Client(str(self.endpoints["control"]))

    def said(self) -> str:
        """Its last lines, for when it answers no more."""
        if self._process is None:
            return ""
        code = self._process.code
        ended = f"it ended with exit code {code}; " if code is not None else ""
        return ended + "its last lines: " + " / ".join(self._process.output.text().strip().splitlines()[-_LAST_LINES:])

    def _end(self) -> None:
        if self._process is not None:
            self._process.end(_STOP_SECONDS)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _environment(config: Mapping[str, Any]) -> dict[str, str]:
    """That of this process, less what would go before the settings that are given."""
    given = set(_dotted(config, ""))
    mine = {setting.variable for setting in settings() if setting.name in given}
    return {name: value for name, value in os.environ.items() if name not in mine and name not in _NEVER_PASSED_ON}


def _dotted(config: Mapping[str, Any], prefix: str) -> list[str]:
    names: list[str] = []
    for name, value in config.items():
        names.append(prefix + name)
        if isinstance(value, Mapping):
            names += _dotted(value, f"{prefix}{name}.")
    return names
