"""How one call shall go, as data. The defaults are what the trunk does with an ordinary number: 100, 180, 200, echo."""

from dataclasses import dataclass, field
from typing import Literal

from emulator.media.plan import Plan
from emulator.sip.message import Request
from emulator.sip.methods import Methods
from emulator.sip.timers import SessionTimerPolicy


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known when a call begins. `direction` is the customer's view: `outbound` calls come from the customer."""

    direction: Literal["outbound", "inbound"]
    called: str
    """E.164 digits."""
    caller: str
    """E.164 digits, `unknown`, or empty for a caller who hides."""
    account: str
    """The API key."""
    proxy: str
    transport: str
    """UDP, TCP or TLS; empty where the customer's is not known yet."""
    request: Request | None = None
    """The customer's INVITE."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Times in seconds. A call keeps the one that it began with."""

    ringing: int = 180
    """180, or 183 with the answer in it: media flows before the 200."""
    answer_after: float = 0.0
    """From the first ringing to the 200."""
    silence_timeout: float = 60.0
    """Without a packet of RTP for as long as this the call is hung up; 0 waits for ever. A call on hold is not silent."""
    longest: float = 0.0
    """The call is hung up after this long; 0 sets no limit (the page names none)."""
    session_timer: SessionTimerPolicy = field(default_factory=SessionTimerPolicy)
    methods: Methods = field(default_factory=Methods)
    """What is taken inside the call's dialog."""
    reinvites: bool = True
    """Whether an offer in a re-INVITE is looked at; without it each is refused with 488."""
    t38_status: int = 488
    """Answer to an offer of fax over UDPTL."""
    media: Plan = field(default_factory=Plan)
    """What the far end plays, and what is done to media."""
