"""Who listens on this machine: the system's tables where there are some, else whether an address can still be bound."""

import socket
import struct
from pathlib import Path

_TABLES = ("udp", "tcp", "udp6", "tcp6")
_TCP_LISTEN = "0A"


def listening(address: str) -> bool:
    """Whether somebody has `host:port` of this machine open, for UDP or for TCP, by that address or by any. `host` is numeric."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    tables = [path for name in _TABLES if (path := Path("/proc/net") / name).exists()]
    if not tables:
        return not _free(host, int(port))
    wanted = {_packed(host), _packed("::" if ":" in host else "0.0.0.0"), _packed("::")}
    return any(_listed(path.read_text(), wanted, int(port), tcp=path.name.startswith("tcp")) for path in tables)


def _listed(table: str, hosts: set[bytes], port: int, tcp: bool) -> bool:
    """Whether a table of /proc/net has one of `hosts` at `port`."""
    for line in table.splitlines()[1:]:
        fields = line.split()
        if tcp and fields[3] != _TCP_LISTEN:
            continue
        host, _, number = fields[1].partition(":")
        if int(number, 16) == port and _unpacked(host) in hosts:
            return True
    return False


def _packed(host: str) -> bytes:
    """An address as 4 or 16 octets."""
    return socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)


def _unpacked(text: str) -> bytes:
    """An address as /proc/net writes it: words in the machine's own order."""
    words = [int(text[k : k + 8], 16) for k in range(0, len(text), 8)]
    octets = struct.pack(f"={len(words)}I", *words)
    return octets[12:] if octets.startswith(b"\0" * 10 + b"\xff\xff") else octets  # IPv4 on a socket for both


def _free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(family, kind) as probe:
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True
