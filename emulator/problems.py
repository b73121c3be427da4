"""What the operating system refuses, in words for a person."""

import errno
from ipaddress import ip_address


def in_words(problem: OSError) -> str:
    """Such as `address already in use`."""
    return (problem.strerror or str(problem)).lower()


def no_way(number: int | None, local: str, peer: str) -> str | None:
    """Why nothing can go from one numeric address to another, where the system's word for it, by its number, says little: Linux calls it
    an invalid argument when a loopback address is to send to another machine. None for anything else."""
    if number != errno.EINVAL or not local or not ip_address(local).is_loopback or ip_address(peer).is_loopback:
        return None
    return f"{local} is a loopback address and can't reach another machine; serve with --layout ports and a --bind address that can"
