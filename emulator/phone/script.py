"""How the phone goes about a call, and what it takes for a good one, as data. Times in seconds."""

from dataclasses import dataclass
from typing import Literal

from emulator.media.codecs import PCMA, PCMU, Codec
from emulator.media.dtmf_sender import Quirk

SIGNAL, ECHO, TONE, SILENCE, NOTHING = "signal", "echo", "tone", "silence", "nothing"
PLAYS = (SIGNAL, ECHO, TONE, SILENCE, NOTHING)
"""What the phone sends: a signal that it knows again, what it hears, a steady tone, silence, not one packet."""

Hears = Literal["echo", "audio", "nothing", "any"]
"""What is to be heard: the signal, whatever; no packet; or it does not matter."""


@dataclass(frozen=True, slots=True)
class Script:
    """What both sides of a call have in common."""

    play: str = SIGNAL
    hears: Hears = "echo"
    most_lost: float = 0.05
    """Of the echo, as a fraction: a machine that is busy may lose a packet."""
    codecs: tuple[Codec, ...] = (PCMU, PCMA)
    digits: str = ""
    """Sent after the answer; a comma is half a second."""
    digits_after: float = 0.5
    hears_digits: str | None = None
    """The digits that are to be heard; None expects those that were sent where an echo is expected."""
    quirk: Quirk | None = None
    """How they are sent wrongly."""
    talk: float | None = 3.0
    """The phone hangs up so long after the answer; None waits for the other side."""
    longest: float = 7200.0
    """Of a call that waits for the other side."""
    longest_silence: float | None = None
    """The phone hangs up when no packet has come for so long, holds apart; None goes on listening."""
    hold_after: float | None = None
    """The phone puts the other side on hold so long after the answer, and takes it off a second later."""
    session_expires: int | None = None
    """A session timer of so many seconds is asked for (RFC 4028)."""

    @property
    def expected_digits(self) -> str | None:
        """What is to be heard; None where it does not matter."""
        if self.hears_digits is not None:
            return self.hears_digits
        return self.digits.replace(",", "").upper() if self.digits and self.hears == "echo" else None


@dataclass(frozen=True, slots=True)
class Calling(Script):
    """How a number is called."""

    srtp: bool = False
    status: int = 200
    """The final response that is wanted."""
    failover: bool = True
    """Whether the next target is tried after a 503, silence, or a transport that fails (RFC 3263 4.3)."""
    patience: float | None = None
    """How long a target may be silent; None waits as long as RFC 3261 does, 32 s."""
    ring_limit: float = 60.0
    cancel_after: float | None = None
    """The phone gives up so long after the INVITE, unless it is answered before."""


@dataclass(frozen=True, slots=True)
class Answering(Script):
    """How a call is taken."""

    play: str = ECHO
    hears: Hears = "audio"
    talk: float | None = None
    status: int = 200
    """The final response."""
    ring: float | None = None
    """180 goes out at once, the final response so much later; None answers at once without a 180."""
    silent: bool = False
    """No INVITE is answered, not even with 100."""
