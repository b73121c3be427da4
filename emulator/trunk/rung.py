"""The user of one INVITE of an inbound call: what becomes of it goes to the hunt, what is said in its dialog to the call."""

from typing import Protocol

from emulator.journal.attempt import Attempt
from emulator.journal.findings import Finding
from emulator.sip.calling import Failure, SharedCall
from emulator.sip.message import Response
from emulator.sip.session import Session, SessionUser
from emulator.trunk.forwarding import Try


class Rings(SessionUser, Protocol):
    """The call."""

    def on_reliable(self, response: Response) -> tuple[str, bytes]:
        """See `emulator.sip.calling_session.PrackUser`."""


class Rung(SharedCall):
    """See `emulator.sip.calling.CallingUser`."""

    __slots__ = ("_call", "_tried")

    def __init__(self, call: Rings, tried: Try) -> None:
        super().__init__(call)
        self._call = call
        self._tried = tried

    def on_reliable(self, response: Response) -> tuple[str, bytes]:
        return self._call.on_reliable(response)

    def on_provisional(self, response: Response) -> None:
        self._tried.provisional(response)

    def on_accepted(self, response: Response, session: Session) -> tuple[str, bytes] | None:
        return self._tried.accepted(response, session)

    def on_refused(self, response: Response) -> None:
        self._tried.refused(response)

    def on_failed(self, why: str, kind: Failure) -> None:
        self._tried.failed(why, kind)

    def on_late(self, response: Response) -> None:
        self._tried.late(response)

    def on_finding(self, finding: Finding) -> None:
        self._tried.attempt.finding(finding)
        super().on_finding(finding)


def finding_of(attempt: Attempt) -> Finding | None:
    """What is worth a finding in how an attempt ended."""
    status, where = attempt.status, attempt.address or attempt.uri
    if attempt.outcome == "refused" and status is not None:
        if status in (401, 407):
            return Finding("inbound.challenged", f"{status} from {where}")
        if status < 400:
            return Finding("inbound.redirected", f"{status} from {where}")
        return None
    code = {
        "timeout": "inbound.timeout", "no-answer": "inbound.no-answer", "unreachable": "inbound.unreachable",
    }.get(attempt.outcome)  # fmt: skip
    if code == "inbound.timeout" and attempt.why.startswith(("no connection", "no end of the TLS")):
        code = "inbound.unreachable"  # who has not got the INVITE can't answer it faster
    if code == "inbound.unreachable" and "TLS" in attempt.why:  # something listens there
        old = "protocol version" in attempt.why or "unsupported protocol" in attempt.why  # their alert, or our own verdict
        code = "inbound.tls-version" if old else "inbound.tls"
    return Finding(code, f"{where}: {attempt.why}") if code is not None else None
