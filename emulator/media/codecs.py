"""The audio codecs of the trunk, in its own order, and what an answer says of each."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Codec:
    """`payload_type` is the static one, or the one our own offers use; `clock` in Hz as the rtpmap writes it."""

    name: str
    clock: int
    payload_type: int
    silence: bytes
    """One octet of silence, for the codecs whose samples are octets."""


PCMU = Codec("PCMU", 8000, 0, b"\xff")
PCMA = Codec("PCMA", 8000, 8, b"\xd5")

CODECS = (PCMA, PCMU)
"""What is offered and accepted, in the order of the page."""

BY_NAME = {(codec.name, codec.clock): codec for codec in CODECS}

TELEPHONE_EVENT = "TELEPHONE-EVENT"
EVENT_PAYLOAD_TYPE = 101
"""Of our own offers; the real trunk's is not known, 101 is what most stacks use."""
EVENTS = "0-15"
"""The sixteen digits (RFC 4733 3.2)."""
