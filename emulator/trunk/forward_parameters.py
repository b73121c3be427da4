"""The parameters of one target of a "Forward to SIP" field: the trunk's own (the page, Inbound configuration), and those of any URI."""

import dataclasses
import difflib
import re
from itertools import pairwise

from emulator.journal.findings import printable
from emulator.trunk.forward_field import Field, Span
from emulator.trunk.forward_target import DEFAULT_TIMEOUT_MS, Transport

TIMEOUT_MS = (2000, 20000)
"""Lowest and highest `timeout=` (the page)."""
FIRST, LAST = 0, 100
"""Priorities."""

_TRANSPORTS: dict[str, Transport] = {"udp": "UDP", "tcp": "TCP", "tls": "TLS"}
_KNOWN = ("transport", "media", "timeout", "priority")
_RFC_PARAMETERS = frozenset({"transport", "user", "method", "ttl", "maddr", "lr"})
_BARE = {"tls": "transport=tls", "tcp": "transport=tcp", "udp": "transport=udp", "srtp": "media=srtp"}
_RANGE = f"write timeout={TIMEOUT_MS[0]} to timeout={TIMEOUT_MS[1]}"
_NOT_PARAMETER = re.compile(r"[^A-Za-z0-9\-_.!~*'()\[\]/:&+$%]+")  # paramchar
_UNITS = {"ms": 1, "mse": 1, "mil": 1, "s": 1000, "sec": 1000, "m": 60000, "min": 60000}
_WITH_UNIT = re.compile(r"([0-9]+(?:\.[0-9]+)?)[ \t]*(ms|msecs?|milliseconds?|s|secs?|seconds?|m|mins?|minutes?)", re.I)
_WITH_PORT = re.compile(r"[^:]*:([0-9]{1,5})")
_SEMICOLON = re.compile(";")


@dataclasses.dataclass(slots=True)
class Parameters:
    """What the parameters of one target say, and where."""

    transport: Transport | None = None
    srtp: bool = False
    timeout_ms: int = DEFAULT_TIMEOUT_MS
    priority: int | None = None
    spans: dict[str, Span] = dataclasses.field(default_factory=dict)
    wire: list[str] = dataclasses.field(default_factory=list)


def read_parameters(field: Field, start: int, end: int, given: Parameters) -> None:
    """What stands between the first semicolon and the end, noted in `given`."""
    nameless: Span | None = None
    bounds = [start - 1, *(match.start() for match in _SEMICOLON.finditer(field.clean, start, end)), end]
    for before, after in pairwise(bounds):
        span = field.trim(before + 1, after)
        if span[0] == span[1]:
            nameless = (nameless[0] if nameless else before), before + 1
            continue
        if nameless:
            _nameless(field, nameless)
            nameless = None
        _parameter(field, span, given)
    if nameless:
        _nameless(field, nameless)


def _nameless(field: Field, span: Span) -> None:
    field.error("parameter", span, "a semicolon without a parameter", "remove it, or write NAME=VALUE after it")


def _parameter(field: Field, span: Span, given: Parameters) -> None:
    equals = field.clean.find("=", *span)
    name_span = field.trim(span[0], equals if equals >= 0 else span[1])
    value_span = field.trim(equals + 1, span[1]) if equals >= 0 else None
    written = field.clean[slice(*name_span)]
    name = written.lower()
    value = None if value_span is None else field.clean[slice(*value_span)]
    if not name:
        field.error("parameter", span, "a parameter without a name", "write NAME=VALUE")
        return
    if name in given.spans:
        where = given.spans[name][0] + 1
        field.error("parameter-twice", span, f"{field.show(*name_span)} stands at column {where} already", "remove one")
    else:
        given.spans[name] = span
    if name in _KNOWN:
        _known(field, name, value or "", span, given)
        return
    field.escapes(*name_span, _NOT_PARAMETER, "parameter")
    if value_span is not None:
        if value:
            field.escapes(*value_span, _NOT_PARAMETER, "parameter")
        else:
            shown = field.show(*name_span)
            field.error("parameter", span, f"{shown}= has no value", f"write {shown}=VALUE, or {shown} alone")
    if name == "method":
        not_sent(field, span, "a method parameter")
        return
    _suggest(field, name, value, span)
    given.wire.append(f";{written}" if value is None else f";{written}={value}")


def _suggest(field: Field, name: str, value: str | None, span: Span) -> None:
    """A parameter that is kept as it is, but looks like one of the trunk's own."""
    if value is None and name in _BARE:
        field.warn("parameter-unknown", span, f"{name} alone changes nothing", f"write {_BARE[name]}")
    elif name not in _RFC_PARAMETERS:
        close = difflib.get_close_matches(name, _KNOWN, 1, 0.8)
        if close:
            shown = printable(name, 40)
            field.warn("parameter-unknown", span, f"{shown} means nothing to the trunk", f"did you mean {close[0]}?")


def _known(field: Field, name: str, value: str, span: Span, given: Parameters) -> None:
    port = _WITH_PORT.fullmatch(value)
    if port is not None:
        fix = f"write it before the first semicolon, HOST:{port[1]}"
        field.error("port-misplaced", span, f"a port after {name}", fix)
    elif name == "transport":
        if value.lower() in _TRANSPORTS:
            given.transport = _TRANSPORTS[value.lower()]
            if given.transport != "UDP":
                given.wire.append(f";transport={value.lower()}")
        else:
            fix = "write transport=udp, transport=tcp or transport=tls"
            field.error("transport", span, f"{field.show(*span)} is no transport of Vonage's", fix)
    elif name == "media":
        given.srtp = value.lower() == "srtp"
        if not given.srtp:
            field.error("media", span, f"{field.show(*span)} is not media=srtp", "write media=srtp, or leave it out for plain RTP")
    elif name == "priority":
        if re.fullmatch("[0-9]{1,3}", value) and int(value) <= LAST:
            given.priority = int(value)
        else:
            fix = f"write priority={FIRST}, the first to be tried, to priority={LAST}"
            field.error("priority", span, f"{field.show(*span)} is no priority", fix)
    else:
        _timeout(field, value, span, given)


def _timeout(field: Field, value: str, span: Span, given: Parameters) -> None:
    shown = field.show(*span)
    unit = _WITH_UNIT.fullmatch(value)
    lowest, highest = TIMEOUT_MS
    if unit is not None:
        meant = float(unit[1]) * _UNITS[unit[2][:3].lower()]
        fix = f"write timeout={meant:.0f}" if lowest <= meant <= highest else _RANGE
        field.error("timeout", span, f"{shown} has a unit, and milliseconds without one are wanted", fix)
    elif re.fullmatch("[0-9]+", value) is None:
        what = f"{shown} is not a whole number of milliseconds" if value else "timeout has no value"
        field.error("timeout", span, what, _RANGE)
    else:
        number = int(value)
        given.timeout_ms = min(max(number, lowest), highest)
        if number == given.timeout_ms:
            return
        what = f"{shown} is below {lowest} ms" if number < lowest else f"{shown} is above {highest} ms"
        meant = number * 1000
        fix = f"write timeout={meant}, for it is in milliseconds" if lowest <= meant <= highest else _RANGE
        if field.clamp:
            field.warn("timeout-range", span, f"{what}, so that {given.timeout_ms} ms are used", fix)
        else:
            field.error("timeout-range", span, what, fix)


def transport_of(field: Field, secure: bool, port: tuple[int, Span] | None, given: Parameters) -> Transport:
    """The transport that is used, and what does not go with it."""
    if secure and given.transport == "UDP":
        fix = "write sip: for UDP, or leave transport out for TLS"
        field.error("sips-udp", given.spans["transport"], "sips: is TLS, and transport=udp is not", fix)
    # RFC 3261 26.2.2: sips with transport=tcp is TLS over TCP
    transport = "TLS" if secure else given.transport or "UDP"
    if port is not None and port[0] == 5060 and transport == "TLS":
        field.warn("port-unusual", port[1], "TLS on port 5060", "write 5061 or no port, unless your server has TLS there")
    elif port is not None and port[0] == 5061 and transport != "TLS":
        field.warn("port-unusual", port[1], f"{transport} on port 5061", "add ;transport=tls, unless your server has no TLS there")
    if given.srtp and transport != "TLS":
        what = f"media=srtp over {transport} sends the keys in clear (vonage-facts, default 34)"
        field.warn("srtp-in-clear", given.spans["media"], what, "add transport=tls")
    return transport


def not_sent(field: Field, span: Span, what: str) -> None:
    """Warn of a part that a URI may have and a Request-URI may not."""
    field.warn("not-sent", span, f"{what}, which a Request-URI never holds (RFC 3261 19.1.1)", "remove it; it is not sent")
