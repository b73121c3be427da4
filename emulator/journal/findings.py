"""The catalogue of findings: what vsim says about a message or a stream that is not as the trunk wants it.

A finding's code is stable: people grep for it and scripts match on it. `Kind` is what is known beforehand, `Finding`
one case of it.
"""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the catalogue.

    `severity`: `error` when the trunk refuses for it, `warning` when the real one may, `note` when it is only odd.
    `wants` says what the trunk wants, `fix` what to change at the client, `source` where the rule is written.
    """

    code: str
    severity: Severity
    wants: str
    fix: str
    source: str
    public: str = ""
    """What the peer is told instead of code and `seen`, where those would give something away."""


class Finding:
    """One case of a kind: `seen` is what was seen, short and printable."""

    __slots__ = ("code", "seen")

    def __init__(self, code: str, seen: str) -> None:
        if code not in CATALOGUE:
            raise KeyError(f"finding {code!r} is not in the catalogue")
        self.code = code
        self.seen = printable(seen)

    @property
    def kind(self) -> Kind:
        return CATALOGUE[self.code]

    @property
    def public(self) -> str:
        """What the peer is told in a Warning; the cases that would tell an attacker which guess was right read alike."""
        return self.kind.public or f"{self.code}: {self.seen}"

    def __str__(self) -> str:
        return f"{self.code}: {self.seen}; the trunk wants {self.kind.wants}"

    def __repr__(self) -> str:
        return f"Finding({self.code!r}, {self.seen!r})"


def printable(text: str, limit: int = 200) -> str:
    """`text` as it may be shown: control characters and terminal escapes as `\\xNN`, at most `limit` characters."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" if ord(c) < 256 else "?" for c in text[: limit + 1])
    return text if len(text) <= limit else text[: limit - 1] + "…"


_SIGNALLING = (
    Kind("limit.connections", "warning", "fewer connections at once", "reuse connections, or raise limits.connections", "vsim's own bound"),
    Kind("stream.framing", "error", "messages framed by Content-Length", "send a Content-Length header in every message over TCP and TLS", "RFC 3261 18.3"),
    Kind("stream.idle", "note", "whole messages, and keep-alives on quiet connections", "send CRLF keep-alives (RFC 5626 4.4.1) or OPTIONS", "vsim's own bound"),
    Kind("stream.unread", "warning", "a peer that reads what it is sent", "read from the connection", "vsim's own bound"),
    Kind("limit.transactions", "warning", "fewer requests at once", "slow down, or raise limits.transactions", "vsim's own bound"),
    Kind("message.malformed", "error", "a message that follows the grammar", "send the named header as the RFC writes it", "RFC 3261 25.1"),
)  # fmt: skip

_DIGEST = ()

_NUMBERS = ()

_TLS = ()

_MEDIA = ()

CATALOGUE: dict[str, Kind] = {
    kind.code: kind for section in (_SIGNALLING, _DIGEST, _NUMBERS, _TLS, _MEDIA) for kind in section
}
