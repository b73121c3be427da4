"""An attempt: one INVITE to one address of a customer's, as the journal has it."""

from collections.abc import Mapping
from typing import Any, Literal

from emulator.journal.findings import Finding, printable

Outcome = Literal[
    "trying", "answered", "unusable", "refused", "timeout", "no-answer", "unreachable", "not-found", "cancelled"
]  # fmt: skip
"""How an attempt ended: `unusable` is an answer whose SDP fits nothing, `timeout` that nothing came in the target's time, `no-answer` that
it rang too long, `not-found` that its name has no address."""

_FINDINGS = 8


class Attempt:
    """`target` counts the targets of the list from 1; one target may bring several attempts, for its name may have several addresses.

    `began` is in seconds on the monotonic clock, `after` how long it lasted in seconds, None while it lasts. `status` is the final
    response, None when there was none, and `first` the first response of any kind. `why` says for a person why it ended.
    """

    __slots__ = (
        "address", "after", "began", "call_id", "findings", "first", "first_after", "late", "outcome", "reason", "status", "target",
        "transport", "uri", "why",
    )  # fmt: skip

    def __init__(self, target: int, uri: str, transport: str, address: str, began: float) -> None:
        self.target = target
        self.uri = uri
        self.transport = transport
        self.address = address
        """Empty when its host could not be found."""
        self.began = began
        self.call_id = ""
        self.first: int | None = None
        self.first_after: float | None = None
        self.status: int | None = None
        self.reason = ""
        self.outcome: Outcome = "trying"
        self.after: float | None = None
        self.why = ""
        self.late: int | None = None
        """The 2xx that came when the call had moved on: it was acknowledged and hung up."""
        self.findings: list[Finding] = []

    def finding(self, finding: Finding) -> None:
        """Something about it was odd; the first few are kept."""
        if len(self.findings) < _FINDINGS:
            self.findings.append(finding)

    def began_to_answer(self, status: int, now: float) -> None:
        """A response came."""
        if self.first is None:
            self.first, self.first_after = status, now - self.began

    def end(self, outcome: Outcome, why: str, now: float, status: int | None = None, reason: str = "") -> None:
        """It is over."""
        self.outcome, self.why, self.after, self.status, self.reason = outcome, why, now - self.began, status, reason

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "target": self.target,
            "uri": printable(self.uri),
            "transport": self.transport,
            "address": self.address,
            "call_id": self.call_id,
            "first": self.first,
            "first_after": _rounded(self.first_after),
            "status": self.status,
            "reason": printable(self.reason),
            "outcome": self.outcome,
            "after": _rounded(self.after),
            "why": printable(self.why),
            "late": self.late,
            "findings": [finding.code for finding in self.findings],
        }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)


def describe(attempt: Mapping[str, Any]) -> str:
    """An attempt in a line, from its JSON form or its event: target, URI, transport, address, code, after how long, why it ended."""
    code = f"{attempt['status']} {attempt['reason']}".strip() if attempt["status"] else str(attempt["outcome"])
    why = f": {attempt['why']}" if attempt["why"] else ""
    after = f" after {attempt['after']:.3f} s" if attempt["after"] is not None else ""
    late = f", then {attempt['late']} came too late" if attempt.get("late") else ""
    where = f"{attempt['transport']} {attempt['address'] or '-'}"
    return printable(f"{attempt['target']:>3}  {attempt['uri']}  {where}  {code}{after}{why}{late}", 400)
