"""`vsim serve` as a process, and the foreign programs beside it. Every wait has a deadline."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

VSIM = [sys.executable, "-m", "emulator"]
DEADLINE = 20.0


def need(program: str, package: str) -> str:
    """The path of a foreign program; without it the test is skipped, or fails where CI=true promises it."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if found is None:
        message = f"Debian package {package} is needed for {program}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


def until(condition: Callable[[], Any], what: str, seconds: float = DEADLINE) -> Any:
    """Wait for `condition` to be true and return its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: {what}")
        time.sleep(0.02)
    return value


def environment(**more: str) -> dict[str, str]:
    """The environment without any VSIM_ variable."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith("VSIM_")}, **more}


def run(command: Sequence[str | Path], seconds: float = 60, **how: Any) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    how.setdefault("env", environment())
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, errors="replace", timeout=seconds, stdin=subprocess.DEVNULL, **how
    )


class Serve:
    """One emulator on ports that the system chose, in a directory of its own."""

    def __init__(self, directory: Path, *flags: str, ephemeral: bool = True, env: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self.file = directory / "vsim.json"
        self.output = directory / "serve.out"
        self.errors = directory / "serve.err"
        command = [*VSIM, "serve", *(["--ephemeral"] if ephemeral else []), "--endpoints", str(self.file), *flags]
        variables = environment(VSIM_TLS_DIRECTORY=str(directory / "certs"), **(env or {}))
        with self.output.open("w") as output, self.errors.open("w") as errors:
            self.process = subprocess.Popen(command, cwd=directory, env=variables, stdout=output, stderr=errors, stdin=subprocess.DEVNULL)
        until(lambda: self.file.exists() or self.process.poll() is not None, "the endpoints file")
        if self.process.poll() is not None:
            self.process.wait()
            pytest.fail(f"vsim serve ended with {self.process.returncode}: {self.errors.read_text()}")
        self.endpoints: dict[str, Any] = json.loads(self.file.read_text())

    def proxy(self, name: str = "us-3-1") -> dict[str, Any]:
        found: dict[str, Any] = self.endpoints["proxies"][name]
        return found

    def at(self, name: str = "us-3-1", transport: str = "udp") -> str:
        """`address:port` of a proxy."""
        return f"{self.proxy(name)['address']}:{self.proxy(name)[transport]}"

    def cli(self, *arguments: str, seconds: float = 30) -> subprocess.CompletedProcess[str]:
        """A vsim command about this emulator."""
        return run([*VSIM, *arguments], seconds, cwd=self.directory, env=environment())

    def calls(self) -> list[dict[str, Any]]:
        return list(json.loads(self.cli("calls", "--json", "--limit", "1000").stdout))

    def events(self) -> str:
        """What was printed so far."""
        return self.output.read_text()

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            pytest.fail("vsim serve did not stop")

    def check(self) -> None:
        """Nothing went wrong inside."""
        errors = self.errors.read_text()
        assert errors == "", errors
