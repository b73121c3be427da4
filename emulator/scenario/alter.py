"""A SIP message's octets with one thing in them changed; everything else stays as it was, byte for byte."""

import re
from collections.abc import Callable, Mapping

from emulator.sip.message import header_name, proper_name

_TAG = re.compile(r"(;\s*tag\s*=\s*)([^;,\s>]*)", re.IGNORECASE)
_BRANCH = re.compile(r"(;\s*branch\s*=\s*)([^;,\s]*)", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+")
_DIGITS = 100
"""Of a number that is counted up; what a client wrote before them stays. Python converts no more than 4,300."""


def parts(data: bytes) -> tuple[list[str], bytes]:
    """The start line and the header lines, and what comes behind them, the empty line included."""
    head, separator, body = data.partition(b"\r\n\r\n")
    return head.decode("utf-8", "surrogateescape").split("\r\n"), separator + body


def joined(lines: list[str], rest: bytes) -> bytes:
    """The reverse of `parts`."""
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + rest


def with_header(data: bytes, name: str, change: Callable[[str], str]) -> bytes:
    """The first header of that name with another value; unchanged without one."""
    lines, rest = parts(data)
    for at, line in enumerate(lines[1:], 1):
        own, colon, value = line.partition(":")
        if colon and header_name(own) == name:
            lines[at] = f"{own}: {change(value.strip())}"
            break
    return joined(lines, rest)


def with_tag(data: bytes, header: str, tag: str) -> bytes:
    """Another tag in From or To; one where there was none."""

    def change(value: str) -> str:
        return _TAG.sub(lambda match: match[1] + tag, value, count=1) if _TAG.search(value) else f"{value};tag={tag}"

    return with_header(data, header, change)


def with_branch(data: bytes, branch: str) -> bytes:
    """Another branch in the topmost Via."""
    return with_header(data, "via", lambda value: _BRANCH.sub(lambda match: match[1] + branch, value, count=1))


def _next(number: str) -> str:
    return number[:-_DIGITS] + str(int(number[-_DIGITS:]) + 1)


def with_number(data: bytes, header: str, value: int | None) -> bytes:
    """Another number in CSeq or Content-Length; without a value, the next one."""

    def change(text: str) -> str:
        return _NUMBER.sub(lambda match: _next(match[0]) if value is None else str(value), text, count=1)

    return with_header(data, header, change)


def with_headers(data: bytes, put: Mapping[str, str], gone: frozenset[str]) -> bytes:
    """Headers in place of those of their names, or behind all others; and without those in `gone`, by lower-case long name."""
    lines, rest = parts(data)
    left = {header_name(name): (name, value) for name, value in put.items()}
    kept = [lines[0]]
    done: set[str] = set()
    for line in lines[1:]:
        name = header_name(line.partition(":")[0])
        if name in done or name in gone:
            continue
        if name in left:
            done.add(name)
            line = f"{proper_name(name)}: {left.pop(name)[1]}"
        kept.append(line)
    kept += [f"{name}: {value}" for name, value in left.values()]
    return joined(kept, rest)
