"""How one call shall go, as data. The defaults are what the trunk does with an ordinary number: 100, 180, 200, echo."""

from dataclasses import dataclass, field

from emulator.sip.timers import SessionTimerPolicy


@dataclass(slots=True)
class Behaviour:
    """Times in seconds."""

    answer_after: float = 0.0
    """From the 180 to the 200."""
    silence_timeout: float = 60.0
    """Without a packet of RTP for as long as this the call is hung up; 0 waits for ever. A call on hold is not silent."""
    longest: float = 0.0
    """The call is hung up after this long; 0 sets no limit (the page names none)."""
    session_timer: SessionTimerPolicy = field(default_factory=SessionTimerPolicy)
