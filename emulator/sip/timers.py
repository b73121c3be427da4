"""Timer values: those of RFC 3261 table 4, and of session timers; all in seconds."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Timers:
    """T1 (round trip estimate), T2 (longest retransmission interval), T4 (longest life of a message in the network)."""

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0

    give_up: float = field(init=False)
    """64*T1: timers B, F, H, J, L and M, and how long a 2xx waits for its ACK (13.3.1.4)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "give_up", 64 * self.t1)


LEAST_SESSION_INTERVAL = 90
"""No Min-SE may be lower, and it holds where none is given (RFC 4028 4 and 5)."""


@dataclass(frozen=True, slots=True)
class SessionTimerPolicy:
    """`minimum` is our Min-SE; `refresher` is who refreshes when a client leaves it open: `uac` or `uas`. `ask` has a timer of
    `interval` seconds for clients that support one and asked for none (RFC 4028 9). Without `refreshes` our turn to refresh passes, as
    if we had died: the peer has to end the session."""

    minimum: int = LEAST_SESSION_INTERVAL
    refresher: str = "uac"
    ask: bool = False
    interval: int = 1800
    refreshes: bool = True
