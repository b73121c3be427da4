"""The address by which others reach this machine, where `advertise` leaves it to be found out. No packet is sent for it."""

import socket
import struct
import sys

import msgspec

from emulator.config import AUTO, Config, Unusable

_ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""Addresses that no machine has (RFC 5737, RFC 3849): the way to them is the default route."""

_SIOCGIFADDR = 0x8915


def with_own_address(config: Config) -> Config:
    """`config` with an address for `advertise: auto`; with none in the `loopback` layout, where every proxy has its own.

    Raises `Unusable` when there is none to be found.
    """
    if config.advertise != AUTO:
        return config
    found = None
    if config.layout != "loopback":
        family = socket.AF_INET6 if ":" in config.bind else socket.AF_INET
        found = _of_default_route(family) or _of_first_interface(family)
        if found is None:
            raise Unusable("advertise", f"auto finds no address for bind {config.bind}; write the one that clients reach")
    return msgspec.structs.replace(config, advertise=found)


def _of_default_route(family: socket.AddressFamily) -> str | None:
    """The source address of what goes elsewhere. Connecting a datagram socket asks the routing table and sends nothing."""
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((_ELSEWHERE[family], 9))
        except OSError:
            return None
        return str(sock.getsockname()[0])


def _of_first_interface(family: socket.AddressFamily) -> str | None:
    """Where no route leads elsewhere, as in a container's internal network: the first address that is no loopback one, else that."""
    if family != socket.AF_INET or sys.platform != "linux":
        return None
    import fcntl

    found = []
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(sock, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:
                continue  # an interface without an address
            found.append(socket.inet_ntoa(answer[20:24]))
    return next((address for address in found if not address.startswith("127.")), next(iter(found), None))
