"""A refusal: the one exception that becomes a SIP answer."""

from emulator.journal.findings import Finding
from emulator.sip.message import REASONS


class Refusal(Exception):
    """Answer the request at hand with `status` (3xx to 6xx) and these header lines, and record `finding`."""

    def __init__(
        self,
        status: int,
        finding: Finding | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        reason: str | None = None,
    ) -> None:
        self.status = status
        self.reason = reason or REASONS.get(status, "Refused")
        self.headers = headers
        self.finding = finding
        super().__init__(f"{status} {self.reason}" + (f" ({finding})" if finding else ""))
