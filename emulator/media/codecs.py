"""The audio codecs of the trunk, and what a description says of each (page: Codecs)."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, eq=False)  # each is there once
class Codec:
    """`payload_type` is the static one, or the one our own offers use; `clock` in Hz as the rtpmap writes it.

    Dynamic numbers are invented: the real trunk's are not known, these are what most stacks use (vonage-facts, default 30).
    """

    name: str
    clock: int
    payload_type: int
    silence: bytes = b""
    """One octet of silence, for the codecs whose samples are octets."""

    key: tuple[str, int] = field(init=False, repr=False)
    """By which a description names it: encoding name in upper case, and clock."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", (self.name.upper(), self.clock))


PCMU = Codec("PCMU", 8000, 0, b"\xff")
PCMA = Codec("PCMA", 8000, 8, b"\xd5")
G722 = Codec("G722", 8000, 9)
"""Samples at 16,000 Hz; its RTP clock says 8000 for history's sake (RFC 3551 4.5.2)."""
G729 = Codec("G729", 8000, 18)
ILBC = Codec("iLBC", 8000, 97)
SPEEX = Codec("speex", 16000, 98)

CODECS = (PCMA, PCMU, G722, G729, ILBC, SPEEX)
"""What is accepted, and offered in this order (vonage-facts, default 30)."""

TELEPHONE_EVENT = "TELEPHONE-EVENT"
EVENT_PAYLOAD_TYPE = 101
"""Of our own offers; the real trunk's is not known, 101 is what most stacks use."""
EVENTS = "0-15"
"""The sixteen digits (RFC 4733 3.2)."""

ILBC_MODES = (20, 30)
"""Milliseconds a frame (RFC 3952)."""


def for_number(codecs: Sequence[Codec], number: str) -> tuple[Codec, ...]:
    """The codecs in the order that calls to or from `number` are offered them: for one of +1 PCMU goes before PCMA (default 30)."""
    ordered = list(codecs)
    if number.startswith("1") and PCMA in ordered and PCMU in ordered:
        a, u = ordered.index(PCMA), ordered.index(PCMU)
        if a < u:
            ordered[a], ordered[u] = PCMU, PCMA
    return tuple(ordered)
