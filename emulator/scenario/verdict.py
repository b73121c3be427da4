"""What became of a scenario, step by step: what the control API answers, and reports are made of."""

from typing import Any, Literal

import msgspec

Kind = Literal["signalling", "usage", "media", "time", "command"]
"""What failed. Each has an exit code of its own."""
Outcome = Literal["running", "done", "met", "watching", "held", "failed", "timed out", "skipped"]
"""`done` of what was to be done, `met` of what was expected; `held` of what was never to be, `watching` until that is certain."""
State = Literal["running", "passed", "failed", "stopped"]

EXIT_CODES: dict[Kind, int] = {"signalling": 1, "usage": 2, "media": 3, "time": 4, "command": 5}


class Verdict(msgspec.Struct, kw_only=True):
    """One step, or one line of the scenario's `never`."""

    where: str
    """Its place in the scenario, such as `steps.3`."""
    step: str
    """What it is: down, expect, never …"""
    text: str
    """The same in words."""
    outcome: Outcome = "running"
    kind: Kind | None = None
    """What failed, when it did."""
    within: float | None = None
    """Seconds that it has."""
    came: str = ""
    """What met it, or what came instead."""
    calls: list[str] = msgspec.field(default_factory=list)
    """The journal's numbers of the calls concerned."""
    at: float = 0.0
    """Seconds from the scenario's beginning to the step's."""
    after: float | None = None
    """Seconds that it took."""

    @property
    def failed(self) -> bool:
        return self.outcome in ("failed", "timed out")


class CommandWanted(msgspec.Struct, kw_only=True):
    """A command that somebody is to run, and to tell the exit code of."""

    number: int
    command: list[str]
    within: float


class Report(msgspec.Struct, kw_only=True):
    """A scenario as it stands."""

    id: str
    name: str
    state: State
    kind: Kind | None = None
    """What failed first."""
    seconds: float = 0.0
    why: str = ""
    """Why it was stopped."""
    steps: list[Verdict] = msgspec.field(default_factory=list)
    command: CommandWanted | None = None
    trace: list[str] = msgspec.field(default_factory=list)
    """What happened, without times and addresses: the same for the same seed."""
    faults: list[str] = msgspec.field(default_factory=list)
    """What each fault has struck, or narrowly missed; without what was down."""
    failover: dict[str, Any] | None = None
    """What the device did when something was down."""

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.kind] if self.kind is not None else 0
