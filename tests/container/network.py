"""Two hosts on one wire: network namespaces of our own, joined with each other and with nothing else."""

import contextlib
import ctypes
import itertools
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.support.serve import DEADLINE, environment, run

INSIDE, OUTSIDE = "198.18.0.2", "198.18.0.1"
"""Addresses for tests of networks (RFC 2544)."""

_CLONE_NEWNET = 0x40000000
_numbers = itertools.count()
T = TypeVar("T")


class Namespace:
    """One network namespace: a host with its own addresses and ports, and at first no more than a loopback interface."""

    def __init__(self) -> None:
        self.name = f"vsim-{os.getpid()}-{next(_numbers)}"
        self._started: list[subprocess.Popen[str]] = []
        _ip("netns", "add", self.name)
        _ip("-n", self.name, "link", "set", "lo", "up")

    def command(self, *command: str | Path) -> list[str]:
        """`command`, to be run in here."""
        return ["ip", "netns", "exec", self.name, *(str(part) for part in command)]

    def run(self, *command: str | Path, seconds: float = 2 * DEADLINE, **how: Any) -> subprocess.CompletedProcess[str]:
        """Run a program in here to its end."""
        return run(self.command(*command), seconds, **how)

    def start(self, *command: str | Path, **how: Any) -> subprocess.Popen[str]:
        """Start a program in here."""
        how.setdefault("env", environment())
        process = subprocess.Popen(
            self.command(*command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, errors="replace",
            **how,
        )  # fmt: skip
        self._started.append(process)
        return process

    def do(self, call: Callable[[], T]) -> T:
        """`call`, in a thread that is in here: sockets stay where they were made."""
        results: list[T] = []
        errors: list[BaseException] = []

        def inside() -> None:
            try:
                with open(f"/run/netns/{self.name}") as namespace:
                    if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET) != 0:
                        raise OSError(ctypes.get_errno(), "setns")
                results.append(call())
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return results[0]

    def let_everybody_have_low_ports(self) -> None:
        """As Docker does for every container."""
        self.run("sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start")

    def close(self) -> None:
        """End what was started in here, and take the name away: the name space goes with its last process."""
        for left in run(["ip", "netns", "pids", self.name]).stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(left), signal.SIGKILL)
        for process in self._started:
            process.communicate(timeout=DEADLINE)
        run(["ip", "netns", "del", self.name])


def join(one: Namespace, address: str, other: Namespace, other_address: str, interfaces: tuple[str, str] = ("eth0", "eth0")) -> None:
    """A wire between two namespaces."""
    _ip("-n", one.name, "link", "add", interfaces[0], "type", "veth", "peer", "name", interfaces[1], "netns", other.name)
    for namespace, own, interface in ((one, address, interfaces[0]), (other, other_address, interfaces[1])):
        _ip("-n", namespace.name, "address", "add", f"{own}/24", "dev", interface)
        _ip("-n", namespace.name, "link", "set", interface, "up")


def route_elsewhere(namespace: Namespace, gateway: str) -> None:
    """A default route, as every container's bridge gives it one."""
    _ip("-n", namespace.name, "route", "add", "default", "via", gateway)


def _ip(*arguments: str) -> None:
    done = run(["ip", *arguments])
    if done.returncode:
        pytest.fail(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
