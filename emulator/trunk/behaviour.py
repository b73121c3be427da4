"""How one call shall go, as data. The defaults are what the trunk does with an ordinary number: 100, 180, 200, echo."""

from dataclasses import dataclass, field
from typing import Literal

from emulator.journal.findings import Finding
from emulator.media.codecs import PCMA, Codec
from emulator.media.plan import Plan
from emulator.sip.message import Request
from emulator.sip.methods import Methods
from emulator.sip.timers import SessionTimerPolicy


@dataclass(slots=True)
class Facts:
    """What is known when a call begins. `direction` is the customer's view: `outbound` calls come from the customer.

    Not to be changed; frozen it would cost three times as much, and each call makes one.
    """

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
class Refuse:
    """The answer to an INVITE that is refused: a status from 400 to 699, and why. `reason` None is the standard phrase."""

    status: int
    finding: Finding
    headers: tuple[tuple[str, str], ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Times in seconds. A call keeps the one that it began with."""

    magic: str = ""
    """The magic number that chose it, `000` to `722`."""
    does: str = ""
    """What that number does, for a person."""
    refuse: Refuse | None = None
    """The INVITE is refused, before anybody looks at its media. A 401 or 407 bears a challenge."""
    silent: bool = False
    """The INVITE gets no response at all, not even 100."""
    ringing: int = 180
    """180; 183 with the answer in it, so that media flows before the 200; 0 for no ringing at all."""
    answer_after: float | None = 0.0
    """From the first ringing to the 200; None answers never."""
    unanswered_after: float = 60.0
    """How long a call that is never answered rings."""
    unanswered_status: int = 480
    """What ends it then; 0 drops it without a word."""
    silence_timeout: float = 60.0
    """Without a packet of RTP for as long as this the call is hung up; 0 waits for ever. A call on hold is not silent."""
    longest: float = 0.0
    """The call is hung up after this long; 0 sets no limit (the page names none)."""
    hold_after: float | None = None
    """From the answer to a re-INVITE that puts the client on hold (RFC 3264 8.4); None sends none."""
    hold_for: float = 2.0
    """From that to the one that takes it off hold."""
    codec_after: float | None = None
    """From the answer to a re-INVITE that offers `codec` alone; None sends none."""
    codec: Codec = PCMA
    refresh_every: float = 0.0
    """A re-INVITE that changes nothing is sent so long after the answer or the last one of ours; 0 leaves that to the session timer."""
    session_timer: SessionTimerPolicy = field(default_factory=SessionTimerPolicy)
    methods: Methods = field(default_factory=Methods)
    """What is taken inside the call's dialog."""
    reinvites: bool = True
    """Whether an offer in a re-INVITE is looked at; without it each is refused with 488."""
    t38_status: int = 488
    """Answer to an offer of fax over UDPTL."""
    media: Plan = field(default_factory=Plan)
    """What the far end plays, and what is done to media."""
