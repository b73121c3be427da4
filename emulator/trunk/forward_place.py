"""Host and port of one target of a "Forward to SIP" field (RFC 3261 25.1, RFC 5118 4.1)."""

import ipaddress
import re

from emulator.journal.findings import printable
from emulator.trunk.forward_field import Field, Span

_NOT_HOST = re.compile(r"[^A-Za-z0-9\-_. \t]+")
_LABEL = re.compile("[^.]+")
_LIKE_IPV6 = re.compile("[0-9A-Fa-f:.]+")
_MORE_DOTS = re.compile(r"(?<=\.)\.+")


def read_place(field: Field, start: int, end: int, has_user: bool) -> tuple[int, Span] | None:
    """The port and where it stands; None without one."""
    gap = max(start - 1, 0), start
    start, end = field.trim(start, end)
    text = field.clean[start:end]
    if not text:
        field.error("host-missing", gap, "no host", "write sip:USER@HOST, or sip:HOST to have the dialled number as the user")
        return None
    if text[0] == "[":
        close = field.clean.find("]", start, end)
        if close < 0:
            field.error("bracket", (start, start + 1), "a [ without a ] after it", "write [ADDRESS]")
            return None
        if not _is_ipv6(field.clean[start + 1 : close]):
            shown = field.show(start + 1, close)
            field.error("ipv6", (start, close + 1), f"{shown or 'nothing'} in brackets is no IPv6 address", "write [2001:db8::1]")
        rest, end = field.trim(close + 1, end)
        if rest == end:
            return None
        if field.clean[rest] == ":":
            return _port(field, rest, end)
        field.error("host", (rest, end), f"{field.show(rest, end)} after the address", "write [ADDRESS]:PORT")
        return None
    bracket = re.search(r"[\[\]]", text)
    if bracket is not None:
        at = start + bracket.start()
        field.error("bracket", (at, at + 1), f"a {bracket[0]} that does not enclose an address", "write [ADDRESS]")
        return None
    address = text.partition("%")[0]
    if _is_ipv6(address) or ("::" in address and _LIKE_IPV6.fullmatch(address)):
        fix = f"write [{address}]" if _is_ipv6(address) else "write [2001:db8::1]"
        field.error("ipv6", (start, end), "an IPv6 address without brackets", fix)
        return None
    colon = field.clean.find(":", start, end)
    if colon < 0:
        _host(field, start, end, has_user)
        return None
    _host(field, *field.trim(start, colon), has_user)
    return _port(field, colon, end)


def _port(field: Field, colon: int, end: int) -> tuple[int, Span] | None:
    span = field.trim(colon + 1, end)
    text = field.clean[span[0] : span[1]]
    fix = "write a port from 1 to 65535, or none"
    if not text:
        field.error("port", (colon, colon + 1), "a colon without a port", fix)
    elif re.fullmatch("[0-9]+", text) is None:
        field.error("port", span, "the port is not a number", fix)  # it may be the password of a user without a host
    elif len(text) > 5 or int(text) > 65535:
        field.error("port", span, f"port {field.show(*span)} is above 65535", fix)
    elif int(text) == 0:
        field.error("port", span, "port 0 is no port", fix)
    else:
        return int(text), span
    return None


def _host(field: Field, start: int, end: int, has_user: bool) -> None:
    text = field.clean[start:end]
    if not text:
        field.error("host-missing", (max(start - 1, 0), start), "no host", "write sip:USER@HOST")
        return
    shown = field.show(start, end)
    if not has_user and re.fullmatch(r"\+?[0-9]+", text):
        field.error("host-missing", (start, end), f"{shown} is a number without a host", f"write sip:{shown}@HOST")
        return
    for match in _NOT_HOST.finditer(field.clean, start, end):
        what = f"{field.show(*match.span())} in a host"
        field.error("host", match.span(), what, "use letters, digits, hyphens and dots")
    if text[0] == ".":
        field.error("host-dot", (start, start + 1), "a host that begins with a dot", "remove it")
    if len(text) > 1 and text[-1] == ".":
        field.warn("host-dot", (end - 1, end), "a host that ends with a dot", "remove it; names here are absolute without it")
    for match in _MORE_DOTS.finditer(field.clean, start, end):
        field.error("host-dot", match.span(), "two dots with nothing between", "remove one")
    if text[0] == "_":
        what = f"{shown} is the name of a service, not of a host"
        field.error("host-underscore", (start, start + 1), what, "write the domain alone; its SRV records are looked up")
    elif "_" in text:
        at = start + text.index("_")
        what = "an underscore in a host, which RFC 3261 25.1 does not have"
        field.warn("host-underscore", (at, at + 1), what, "use a name with hyphens")
    labels = list(_LABEL.finditer(field.clean, start, end))
    for match in labels:
        if match[0][0] == "-" or match[0][-1] == "-":
            field.error("host", match.span(), f"{printable(match[0], 40)} begins or ends with a hyphen", "remove it")
        if len(match[0]) > 63:
            field.error("host", match.span(), f"a label of {len(match[0])} characters", "write one of at most 63")
    if len(text.rstrip(".")) > 253:
        field.error("host", (start, end), f"a host of {len(text)} characters", "write one of at most 253")
    if labels and all(re.fullmatch("[0-9]+", match[0]) for match in labels) and not _is_ipv4(text.rstrip(".")):
        field.error("host", (start, end), f"{shown} is no IPv4 address", "write four numbers from 0 to 255, as in 192.0.2.1")


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return "%" not in text  # no zone in an IPv6reference


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
