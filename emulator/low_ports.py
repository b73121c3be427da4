"""Ports below 1024 for a process that is not root but may raise the capability for it, as the container's interpreter may."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

FIRST_UNPRIVILEGED = 1024
_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3: two times three sets of 32 bits
_NET_BIND_SERVICE = 1 << 10
_EFFECTIVE, _PERMITTED = 0, 1


@contextmanager
def allowed(port: int) -> Iterator[None]:
    """Raise CAP_NET_BIND_SERVICE for as long as `port` is opened, where this is needed and permitted; elsewhere change nothing.

    A file with `cap_net_bind_service=p` starts in every container, also in one from which the capability was taken away; one with `=ep`
    the kernel refuses there before it can say why (capabilities(7), "Safety checking for capability-dumb binaries").
    """
    if not 0 < port < FIRST_UNPRIVILEGED or sys.platform != "linux":
        yield
        return
    import ctypes  # only who wants such a port has need of it

    libc = ctypes.CDLL(None)
    header, sets = (ctypes.c_uint32 * 2)(_VERSION, 0), (ctypes.c_uint32 * 6)()
    raised = False
    if libc.capget(header, sets) == 0 and sets[_PERMITTED] & ~sets[_EFFECTIVE] & _NET_BIND_SERVICE:
        sets[_EFFECTIVE] |= _NET_BIND_SERVICE
        raised = libc.capset(header, sets) == 0
    try:
        yield
    finally:
        if raised:
            sets[_EFFECTIVE] &= ~_NET_BIND_SERVICE
            libc.capset(header, sets)
