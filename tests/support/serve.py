"""`vsim serve` as a process, and the foreign programs beside it. Every wait has a deadline."""

import json
import os
import random
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
DEADLINE = 60.0
"""Seconds, of which a machine with nothing else to do needs one or two."""
_CHANCE = random.SystemRandom()


def need(program: str, package: str) -> str:
    """The path of a foreign program; without it the test is skipped, or fails where CI=true promises it."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if found is None:
        message = f"Debian package {package} is needed for {program}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


def until(condition: Callable[[], Any], what: str | Callable[[], str], seconds: float = DEADLINE) -> Any:
    """Wait for `condition` to be true and return its value. What has not come is asked for when the time is over, where it can be."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: {what if isinstance(what, str) else what()}")
        time.sleep(0.02)
    return value


def own_address() -> str:
    """A loopback address that nobody else uses, so that each of its ports is free."""
    return ".".join(str(part) for part in (127, _CHANCE.randrange(64, 255), _CHANCE.randrange(1, 255), _CHANCE.randrange(1, 255)))


def last_lines(path: Path, count: int = 12) -> str:
    """The end of a program's output, of which what overwrites itself on a terminal is left out."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 65536))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    lines = [line.rpartition("\r")[2].rstrip()[:300] for line in text.split("\n")]
    return "\n".join([line for line in lines if line][-count:])


def environment(**more: str) -> dict[str, str]:
    """The environment without any VSIM_ variable."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith("VSIM_")}, **more}


def run(command: Sequence[str | Path], seconds: float = 2 * DEADLINE, **how: Any) -> subprocess.CompletedProcess[str]:
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
        try:
            until(lambda: self.file.exists() or self.process.poll() is not None, "the endpoints file")
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
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

    def cli(self, *arguments: str, seconds: float = 2 * DEADLINE) -> subprocess.CompletedProcess[str]:
        """A vsim command about this emulator."""
        return run([*VSIM, *arguments], seconds, cwd=self.directory, env=environment())

    def calls(self) -> list[dict[str, Any]]:
        return list(json.loads(self.cli("calls", "--json", "--limit", "1000").stdout))

    def told(self) -> list[str]:
        """A line about each of the newest calls and what was printed last, for who wonders why a test fails."""
        try:
            found = self.calls()[:12]
        except (ValueError, OSError, subprocess.TimeoutExpired):
            found = []
        lines = []
        for one in found:
            media, codes = one.get("media") or {}, ",".join(finding["code"] for finding in one["findings"])
            counts = " ".join(f"{name}={media.get(name)}" for name in ("packets_received", "packets_sent", "digits", "srtp_refused"))
            lines.append(f"{one['called']} {one['state']} {one['status']} {one['transport']} {one['codec']} {counts} {codes}")
        return [*lines, last_lines(self.output, 6), last_lines(self.errors)]

    def events(self) -> str:
        """What was printed so far."""
        return self.output.read_text()

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            pytest.fail("vsim serve did not stop")

    def check(self) -> None:
        """Nothing went wrong inside."""
        errors = self.errors.read_text()
        assert errors == "", errors
