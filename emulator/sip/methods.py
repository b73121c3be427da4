"""Which methods are served, and the status that each of the others gets."""

from collections.abc import Mapping

SERVED = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO", "PRACK")
"""No UPDATE and no REFER: the trunk has been seen refusing both (vonage-facts.md 7)."""

NOT_ALLOWED = 405
OPTION_TAGS = frozenset({"100rel", "timer"})
"""What a request inside a dialog may require (8.2.2.3)."""


class Methods:
    """What a dialog takes. `allow` is the Allow header field as a line, `allowed` its value."""

    __slots__ = ("_refused", "allow", "allowed")

    def __init__(self, refused: Mapping[str, int] | None = None) -> None:
        """`refused` gives the status of each method that is known and not served; one of `SERVED` may be among them."""
        self._refused = dict(refused or {})
        self.allowed = ", ".join(method for method in SERVED if method not in self._refused)
        self.allow = f"Allow: {self.allowed}\r\n"

    def refusal(self, method: str) -> int | None:
        """The status that `method` is refused with; None for one that is served."""
        status = self._refused.get(method)
        if status is None and method not in SERVED:
            return NOT_ALLOWED
        return status
