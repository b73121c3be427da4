"""The body of a message: which part of it is of the wanted type (RFC 3261 7.4 and 8.2.3, RFC 2046 5.1, RFC 5621)."""

import re

from emulator.sip.grammar import unquote
from emulator.sip.headers import HeaderError, Params, parse_params
from emulator.sip.message import Message

MAX_PARTS = 32
MAX_DEPTH = 3
"""Multiparts inside multiparts; more is refused."""

_FOLDED = re.compile(r"\r?\n(?=[ \t])")
_IDENTITY = frozenset({"", "identity"})


class WrongBody(ValueError):
    """No part of the body can be used; `type` is what it is instead, `encoded` says that its encoding is why."""

    def __init__(self, type_: str, encoded: bool = False) -> None:
        super().__init__(type_)
        self.type = type_
        self.encoded = encoded


class BrokenBody(ValueError):
    """A multipart body that does not follow its grammar; the text says how."""


def content_type(value: str) -> tuple[str, Params]:
    """`type/subtype` in lower case, and its parameters."""
    type_, semicolon, params = value.partition(";")
    try:
        return type_.strip().lower(), parse_params(params) if semicolon else {}
    except HeaderError as error:
        raise BrokenBody(f"Content-Type: {error}") from None


def part_of(message: Message, wanted: str) -> bytes | None:
    """The body when it is of type `wanted`, or the first such part of a multipart one.

    None when there is no body, or only one the sender calls optional (8.2.3). Raises `WrongBody` and `BrokenBody`.
    """
    if not message.body:
        return None
    value = message.get("content-type")
    if value is None:
        return message.body  # 20.15 wants the header; what else could it be
    return _search(message.body, value, message.get("content-encoding"), message.get("content-disposition"), wanted, MAX_DEPTH)


def _search(body: bytes, value: str, encoding: str | None, disposition: str | None, wanted: str, depth: int) -> bytes | None:
    type_, params = content_type(value)
    optional = disposition is not None and "handling=optional" in disposition.replace(" ", "").lower()
    if (encoding or "").strip().lower() not in _IDENTITY:
        if optional:
            return None
        raise WrongBody(f"{type_} in encoding {encoding}", encoded=True)
    if type_ == wanted:
        return body
    if not type_.startswith("multipart/"):
        if optional:
            return None
        raise WrongBody(type_)
    if not depth:
        raise BrokenBody(f"multiparts nested more than {MAX_DEPTH} deep")
    refused: WrongBody | None = None
    for headers, content in _parts(body, unquote(params.get("boundary") or "")):
        try:
            found = _search(
                content,
                headers.get("content-type", "text/plain"),
                headers.get("content-encoding"),
                headers.get("content-disposition"),
                wanted,
                depth - 1,
            )
        except WrongBody as error:
            refused = refused or error
            continue
        if found is not None:
            return found
    if refused is not None:
        raise refused
    return None


def _parts(body: bytes, boundary: str) -> list[tuple[dict[str, str], bytes]]:
    """Headers and content of each part (RFC 2046 5.1.1)."""
    if not 0 < len(boundary) <= 70:
        raise BrokenBody("a multipart body without a boundary parameter of 1 to 70 characters")
    delimiter = b"\r\n--" + boundary.encode("utf-8", "surrogateescape")
    sections = (b"\r\n" + body).split(delimiter, MAX_PARTS + 2)
    if len(sections) < 2:
        raise BrokenBody("a multipart body whose boundary never comes")
    if len(sections) > MAX_PARTS + 1:
        raise BrokenBody(f"a multipart body of more than {MAX_PARTS} parts")
    parts: list[tuple[dict[str, str], bytes]] = []
    for section in sections[1:]:
        if section.startswith(b"--"):
            return parts
        _, newline, rest = section.partition(b"\r\n")  # white space may follow a boundary
        if not newline:
            break
        if rest.startswith(b"\r\n"):
            head, content = b"", rest[2:]
        else:
            head, separator, content = rest.partition(b"\r\n\r\n")
            if not separator:
                raise BrokenBody("a part whose headers do not end")
        parts.append((_headers(head.decode("utf-8", "surrogateescape")), content))
    raise BrokenBody("a multipart body that does not end with its boundary and --")


def _headers(text: str) -> dict[str, str]:
    """Those of a part, by name in lower case; a line that is none is passed over."""
    headers: dict[str, str] = {}
    for line in _FOLDED.sub("", text).split("\n"):
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return headers
