"""Free ports of this machine, for programs under test."""

import os
import socket
import threading
from collections.abc import Mapping, Sequence

from emulator.config import Unusable

_TRIES = 100


class FreePorts:
    """None is chosen twice while it is in use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
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
        for _ in range(_TRIES):
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                tcp.bind(("127.0.0.1", 0))
                port = tcp.getsockname()[1]
                try:
                    udp.bind(("127.0.0.1", port))
                except OSError:
                    continue
                if str(port) not in self._used:
                    return str(port)
        raise Unusable("", "no port is free over UDP and TCP; close some programs")
