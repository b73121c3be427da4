"""A hosts file: names and their addresses (hosts(5))."""

import ipaddress


def parse(text: str) -> dict[str, tuple[str, ...]]:
    """Each name in lower case, without its final dot, and its addresses in the order of the file. Lines that make no sense are none."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        try:
            numeric = str(ipaddress.ip_address(address))
        except ValueError:
            continue
        for name in names:
            addresses = found.setdefault(name.lower().removesuffix("."), [])
            if numeric not in addresses:
                addresses.append(numeric)
    return {name: tuple(addresses) for name, addresses in found.items()}
