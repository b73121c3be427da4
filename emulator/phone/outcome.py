"""What came of a call of the phone: what happened, and what should have and did not."""

from dataclasses import dataclass, field
from typing import Any, Literal

from emulator.counting import counted, were
from emulator.journal.attempt import Attempt
from emulator.journal.findings import Finding
from emulator.phone.handset import Handset
from emulator.phone.script import Script

Kind = Literal["signalling", "media", "timeout"]
What = Literal["signalling", "echo", "audio", "digits"]

_FINDINGS = 64
_ENDS = {
    "no-ack": "the other side never acknowledged the answer",
    "no-refresh": "the session was not refreshed in time",
    "gone": "the other side does not know the call any more",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that should have been, and was not. `text` is for a person; `timeout` is also what could not be reached."""

    kind: Kind
    text: str
    what: What = "signalling"


@dataclass(slots=True)
class Outcome:
    """One call. Times in seconds; `ended_by` is `phone`, `other`, one of `emulator.sip.session.SessionUser.on_ended`, or empty for a call
    that was not up."""

    direction: Literal["placed", "taken"]
    number: str
    caller: str
    call_id: str = ""
    transport: str = ""
    peer: str = ""
    attempts: list[Attempt] = field(default_factory=list)
    """Of a call that was placed: one for each target tried."""
    rang: bool = False
    status: int | None = None
    """The final response; None where there was none."""
    reason: str = ""
    answered_after: float | None = None
    talked: float | None = None
    ended_by: str = ""
    silent: float | None = None
    """The phone hung up because it had heard nothing for so long."""
    media: dict[str, Any] | None = None
    findings: list[Finding] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def answered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    def finding(self, finding: Finding) -> None:
        """Something odd was seen; the first few are kept, each once."""
        if len(self.findings) < _FINDINGS and all((known.code, known.seen) != (finding.code, finding.seen) for known in self.findings):
            self.findings.append(finding)

    def problem(self, kind: Kind, text: str, what: What = "signalling") -> None:
        """Something that should have been was not."""
        self.problems.append(Problem(kind, text, what))

    @property
    def failed(self) -> Kind | None:
        """The gravest of the problems: nobody was reached, signalling, media; None when all was as it should be."""
        kinds = {problem.kind for problem in self.problems}
        order: tuple[Kind, ...] = ("timeout", "signalling", "media")
        return next((kind for kind in order if kind in kinds), None)

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "direction": self.direction,
            "number": self.number,
            "caller": self.caller,
            "call_id": self.call_id,
            "transport": self.transport,
            "peer": self.peer,
            "attempts": [attempt.as_dict() for attempt in self.attempts],
            "rang": self.rang,
            "status": self.status,
            "reason": self.reason,
            "answered_after": _rounded(self.answered_after),
            "talked": _rounded(self.talked),
            "ended_by": self.ended_by,
            "silent": self.silent,
            "media": self.media,
            "findings": [{"code": finding.code, "seen": finding.seen} for finding in self.findings],
            "problems": [{"kind": problem.kind, "what": problem.what, "text": problem.text} for problem in self.problems],
        }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def judge_end(outcome: Outcome, script: Script) -> None:
    """Note what is wrong with the way in which a call that was up has ended."""
    if outcome.ended_by == "other" and script.talk is not None and (outcome.talked or 0.0) < script.talk:
        outcome.problem("signalling", f"the other side hung up after {outcome.talked or 0.0:.1f} s of {script.talk:g} s")
    elif outcome.ended_by in _ENDS:
        outcome.problem("signalling", _ENDS[outcome.ended_by])


def judge_media(outcome: Outcome, script: Script, handset: Handset) -> None:
    """Note what is wrong with the media of a call that was up."""
    heard, echo = handset.packets_heard, handset.echo
    if script.hears == "echo" and echo is not None:
        if not echo.returned:
            others = "1 other was" if heard == 1 else f"{heard or 'no'} others were"
            outcome.problem("media", f"none of {counted(echo.played, 'packet')} came back; {others} heard", "echo")
        elif echo.loss > script.most_lost:
            outcome.problem("media", f"{echo.returned} of {counted(echo.played, 'packet')} back, {100 * echo.loss:.1f} % lost", "echo")
        elif not echo.same:
            verb = were(echo.foreign)
            outcome.problem("media", f"{counted(echo.foreign, 'packet')} {verb} heard that {verb} not sent", "echo")
    elif script.hears in ("echo", "audio") and not heard:
        outcome.problem("media", "nothing was heard", "audio")
    elif script.hears == "nothing" and heard:
        outcome.problem("media", f"{counted(heard, 'packet')} {were(heard)} heard where there should be none", "audio")
    wanted = script.expected_digits
    if wanted is not None and handset.digits_heard != wanted:
        outcome.problem("media", f"{wanted} expected, {handset.digits_heard or 'none'} came", "digits")
