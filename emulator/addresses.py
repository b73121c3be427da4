"""Addresses as people write them."""

import ipaddress
import re


def is_address(text: str) -> bool:
    """Whether `text` is a numeric address, IPv4 or IPv6."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def parse_host_port(text: str) -> tuple[str, int] | None:
    """`address:port`, IPv6 in brackets; None for anything else."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536 or not is_address(host):
        return None
    return host, int(port)
