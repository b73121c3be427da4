"""Free ports of this machine, for programs under test."""

import os
import socket
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from emulator.config import Unusable
from emulator.ids import Ids

_TRIES = 100
_LOWEST = 20000
"""Phones' media is often below it."""
_HANDED_OUT = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST_HANDED_OUT = 32768
"""Linux's own, where it does not say."""


class FreePorts:
    """None is chosen twice while it is in use, and none of those that the system hands out by itself: whatever else runs here, one that is
    free now is so still when the program under test takes it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = Ids()
        self._used: set[str] = set()

    def choose(self, names: Sequence[str], settled: Mapping[str, str]) -> dict[str, str]:
        """A port for each name that is free over UDP and over TCP, unless it is settled, or the environment has VSIM_PORT_NAME.

        Raises `Unusable`.
        """
        chosen: dict[str, str] = {}
        with self._lock:
            for name in names:
                port = settled.get(name) or os.environ.get(f"VSIM_PORT_{name.upper()}") or self._free()
                if not port.isdigit() or not 0 < int(port) < 65536:
                    raise Unusable(f"port.{name}", f"{port!r} is no port; write a number from 1 to 65535")
                chosen[name] = port
                self._used.add(port)
        return chosen

    def give_back(self, ports: Mapping[str, str]) -> None:
        with self._lock:
            self._used -= set(ports.values())

    def _free(self) -> str:
        end = max(_LOWEST + 1000, _handed_out())
        for _ in range(_TRIES):
            number = _LOWEST + self._ids.number(end - _LOWEST)
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                try:
                    tcp.bind(("127.0.0.1", number))
                    udp.bind(("127.0.0.1", number))
                except OSError:
                    continue
                if str(number) not in self._used:
                    return str(number)
        raise Unusable("", "no port is free over UDP and TCP; close some programs")


def _handed_out() -> int:
    """The lowest port that the system gives to sockets that ask for none."""
    try:
        return int(_HANDED_OUT.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return _LOWEST_HANDED_OUT
