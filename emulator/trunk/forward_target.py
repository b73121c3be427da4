"""One target of a number's "Forward to SIP" field, and one mistake in such a field, as values."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote

DEFAULT_TIMEOUT_MS = 5000

Severity = Literal["error", "warning"]
Transport = Literal["UDP", "TCP", "TLS"]

USER_SAFE = "!*'()&=+$,;?/"
"""What a user part may hold beside letters, digits and the marks that quote() leaves alone (RFC 3261 25.1)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: `length` characters from `position` (0-based). `code` is stable."""

    position: int
    length: int
    what: str
    fix: str
    severity: Severity
    code: str

    def __str__(self) -> str:
        return f"column {self.position + 1}: {self.what}; {self.fix}"


class ForwardError(ValueError):
    """A field that can't be used. `problems` holds every error and warning by position; the text is the errors, one a line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems if problem.severity == "error"))


@dataclass(frozen=True, slots=True)
class Target:
    """One entry of the list.

    `user` is decoded, None for a host-only target; `host` as written, brackets included; `port` as written, None without one;
    `transport` what is used; `timeout` in seconds; `text` as written; `position` the 0-based column where it begins.
    """

    user: str | None
    host: str
    port: int | None
    transport: Transport
    srtp: bool
    timeout: float
    secure_scheme: bool
    text: str
    position: int = field(default=0, compare=False)
    priority: int | None = None
    user_part: str | None = None
    """The user with the escapes it was written with: those of reserved characters are not equivalent to the character (19.1.4)."""
    parameters: str = ""
    """The parameters of the Request-URI, each with its semicolon."""

    @property
    def default_port(self) -> int:
        """Where a target without a port is reached when SRV has no answer (the page; default 25)."""
        return 5061 if self.transport == "TLS" else 5060

    def uri(self, number: str) -> str:
        """The Request-URI of a call to `number`, which is the user of a host-only target."""
        user = self.user_part
        if user is None:
            user = quote(number if self.user is None else self.user, safe=USER_SAFE, errors="replace")
        scheme = "sips:" if self.secure_scheme else "sip:"
        port = "" if self.port is None else f":{self.port}"
        return f"{scheme}{user}{'@' if user else ''}{self.host}{port}{self.parameters}"

    def __str__(self) -> str:
        return self.text
