"""Productions of RFC 3261 25.1 as compiled patterns, each beside its name."""

import re

# token = 1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~")
TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")

# quoted-string = SWS DQUOTE *(qdtext / quoted-pair) DQUOTE
QUOTED_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)

# DIGIT sequences that must fit 32 bits are at most ten long; int() alone would take "+5", "1_0" and Arabic digits.
_DIGITS = 10

# port = 1*DIGIT
PORT = re.compile(r"[0-9]{1,5}")

# IPv6reference = "[" IPv6address "]"
IPV6_REFERENCE = re.compile(r"\[[0-9A-Fa-f:.]{2,45}\]")

# hostname / IPv4address; underscores are not in the grammar, but service names in use have them
HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_\-.]{0,253})")

# scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+\-.]*")

_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


def number(text: str, highest: int = 0xFFFFFFFF) -> int | None:
    """A decimal number of ASCII digits from 0 to `highest`; None for anything else."""
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        return None
    value = int(text)
    return value if value <= highest else None


def is_host(text: str) -> bool:
    """host = hostname / IPv4address / IPv6reference"""
    return (IPV6_REFERENCE if text[:1] == "[" else HOST_NAME).fullmatch(text) is not None


def unquote(text: str) -> str:
    """The value of a quoted-string; other text as it is."""
    if len(text) >= 2 and text[0] == '"' and text[-1] == '"':
        text = text[1:-1]
        return _QUOTED_PAIR.sub(r"\1", text) if "\\" in text else text
    return text


def quote(text: str) -> str:
    """`text` as a quoted-string; control characters, which it may not hold, are dropped."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c for c in escaped if c >= " " and c != "\x7f") + '"'
